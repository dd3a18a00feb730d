"""helm, and the kinds of the Prometheus operator: found, or made once in the user's cache.

    python -m tests.chart.programs 3    # the tests then run with Helm 3, too

HELM and HELM3 may name programs of your own. Helm 4 is built where it is missing (three minutes on
two cores); Helm 3 only by the command above: whoever tests a change here needs one of them, and CI
both.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.apiserver.cluster import binaries, toolchain
from tests.apiserver.cluster.binaries import BinariesMissing, Tell

VERSIONS = {3: "3.22.0", 4: "4.3.1"}
VARIABLES = {3: "HELM3", 4: "HELM"}
MONITORING = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
MONITORING_KINDS = ("servicemonitors", "podmonitors", "prometheusrules")


def cache() -> Path:
    return binaries.cache().parent


def helm(major: int) -> Path | None:
    """The program, where it is there."""
    named = os.environ.get(VARIABLES[major])
    if named:
        return Path(named)
    built = _helm_path(major)
    return built if os.access(built, os.X_OK) else None


def build_helm(major: int, tell: Tell = print) -> Path:
    """Finds it or builds it. Raises `BinariesMissing` where neither is possible."""
    if found := helm(major):
        return found
    target = _helm_path(major)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if helm(major) is None:
            version = VERSIONS[major]
            tell(f"Building Helm {version} once, into {target}: about three minutes on two cores")
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                module = f"helm.sh/helm/v{major}"
                flag = f"-s -w -X {module}/internal/version.version=v{version}"
                package = f"{module}/cmd/helm@v{version}"
                _go(["install", "-trimpath", "-ldflags", flag, package], Path(scratch), tell)
                shutil.move(Path(scratch) / "helm", target)
    return target


def monitoring_kinds(tell: Tell = print) -> list[Path]:
    """CRDs of the Prometheus operator, as its Go module has them."""
    folder = cache() / "monitoring-kinds"
    files = [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in MONITORING_KINDS]
    if not all(file.exists() for file in files):
        with tempfile.TemporaryDirectory() as scratch:
            answer = _go(["mod", "download", "-json", MONITORING], Path(scratch), tell)
        source = Path(json.loads(answer)["Dir"]) / "example" / "prometheus-operator-crd"
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            file.write_bytes((source / file.name).read_bytes())
    return files


def _helm_path(major: int) -> Path:
    return cache() / f"helm-{VERSIONS[major]}" / "helm"


def _go(arguments: list[str], folder: Path, tell: Tell) -> str:
    go = toolchain.go(binaries.cache(), tell)
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOBIN": str(folder),
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    done = subprocess.run(
        [str(go), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BinariesMissing(f"go {' '.join(arguments)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    for number in sys.argv[1:]:
        print(build_helm(int(number)))
