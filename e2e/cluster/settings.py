"""What the environment says.

E2E_CLUSTER=existing    the cluster that KUBECONFIG points to; else one of our own is made
E2E_REGISTRY=HOST/PATH  for it: images are pushed there; else they are there already, by the
                        names and the archives that `python -m e2e images` prints
E2E_BASES=published     images stand on their Dockerfiles' own bases; else on Debians made here,
                        with PyTorch only where a node mounts it from this machine
E2E_STORAGE_CLASS=NAME  for ReadWriteMany claims there; else the default class
"""

from __future__ import annotations

import os


def is_existing() -> bool:
    return os.environ.get("E2E_CLUSTER") == "existing"


def registry() -> str | None:
    return os.environ.get("E2E_REGISTRY") if is_existing() else None


def are_published() -> bool:
    return os.environ.get("E2E_BASES") == "published"


def storage_class() -> str | None:
    return os.environ.get("E2E_STORAGE_CLASS")
