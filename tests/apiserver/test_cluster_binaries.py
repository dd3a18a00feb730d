"""Where the cluster's programs are looked for; nothing is built or fetched here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apiserver.cluster import binaries, building, toolchain

EVERYTHING = (*binaries.SERVERS, "etcd", "kubectl")


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty KUBEBUILDER_ASSETS, an empty cache, nothing on PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "assets"


def test_nothing_is_there(assets: Path) -> None:
    assert binaries.find() is None


def test_assets_come_first(assets: Path) -> None:
    put(assets, *EVERYTHING)
    put(binaries.cache(), *EVERYTHING)
    found = binaries.find()
    assert found is not None
    assert {path.parent for path in vars(found).values()} == {assets}


def test_servers_of_two_versions_are_not_mixed(assets: Path) -> None:
    """What setup-envtest installs: no controller manager and no scheduler."""
    put(assets, "kube-apiserver", "etcd", "kubectl")
    put(binaries.cache(), *EVERYTHING)
    found = binaries.find()
    assert found is not None
    assert found.apiserver.parent == found.scheduler.parent == binaries.cache()
    assert found.etcd.parent == found.kubectl.parent == assets


def test_only_what_is_missing_is_built(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(binaries.cache(), *binaries.SERVERS, "etcd")

    def fetch(target: Path, tell: binaries.Tell) -> None:
        put(target, "kubectl")

    monkeypatch.setattr(building, "_kubectl", fetch)
    said: list[str] = []
    assert binaries.find_or_build(said.append).kubectl == binaries.cache() / "kubectl"
    assert len(said) == 1


def test_without_go_it_says_what_to_install(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(requirement: str, target: Path) -> None:
        raise binaries.BinariesMissing("no network")

    monkeypatch.setattr(toolchain, "_version", lambda program: "1.25")
    monkeypatch.setattr(toolchain, "install", refuse)
    with pytest.raises(binaries.BinariesMissing, match=r"install Go 1\.26") as raised:
        toolchain.go(tmp_path, lambda line: None)
    assert "no network" in str(raised.value)
    assert "KUBEBUILDER_ASSETS" in str(raised.value)
