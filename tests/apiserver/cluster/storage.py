"""Shared folders: a ReadWriteMany volume on a folder of this machine, and a class that makes some.

`shared` is what NFS or Lustre is in a real cluster: several Pods on several nodes, one folder. The
class `standard` (the default) provisions a folder under /tmp/hostpath_pv for each claim of any
access mode, by the controller manager's own provisioner, and removes it with the claim.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.apiserver.cluster.client import Client

CLASS = "standard"
PROVISIONED = Path("/tmp/hostpath_pv")


def shared(
    client: Client,
    namespace: str,
    folder: Path,
    claim: str = "shared",
    mode: int | None = 0o777,
) -> Path:
    """A claim in the namespace, bound to a volume on `folder`, which everybody may write.

    Where `mode` is None, the folder stays as it is.
    """
    if mode is not None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    volume = f"{namespace}-{claim}"
    size = {"storage": "10Gi"}
    client.create(
        "/api/v1/persistentvolumes",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "capacity": size,
                "hostPath": {"path": str(folder)},
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": namespace, "name": claim},
            },
        },
    )
    client.create(
        f"/api/v1/namespaces/{namespace}/persistentvolumeclaims",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "storageClassName": "",
                "volumeName": volume,
                "resources": {"requests": size},
            },
        },
    )
    client.wait(
        f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}",
        lambda found: found.get("status", {}).get("phase") == "Bound",
        120,  # The controllers may be on their way back from a test that took them away.
    )
    return folder


def forget(client: Client, namespace: str) -> None:
    """Deletes the volumes (not the folders) that `shared` made for the namespace."""
    for volume in client.items("/api/v1/persistentvolumes"):
        if volume["spec"].get("claimRef", {}).get("namespace") == namespace:
            client.delete(f"/api/v1/persistentvolumes/{volume['metadata']['name']}")


def make_class(client: Client) -> None:
    client.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "kubernetes.io/host-path",
            "reclaimPolicy": "Delete",
        },
    )


def remove_provisioned(client: Client) -> None:
    """The folders that the provisioner left."""
    for volume in client.items("/api/v1/persistentvolumes"):
        path = Path(volume["spec"].get("hostPath", {}).get("path", "/"))
        if path.is_relative_to(PROVISIONED):
            shutil.rmtree(path, ignore_errors=True)
