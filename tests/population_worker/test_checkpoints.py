"""Checkpoints are there or not there, whole, and inside of the root."""

from __future__ import annotations

import errno
import json
import os

import pytest

from population_worker import checkpoints
from population_worker.checkpoints import CheckpointStore
from population_worker.copying import copy_bytes, hard_link
from population_worker.digests import CorruptCheckpoint, verifying
from population_worker.directive import CheckpointRef, Forget
from population_worker.manifest import parse_manifest
from population_worker.report import Measurement, Report
from population_worker.wire import InvalidMessage

OURS = CheckpointRef("m0", 3, 10)


@pytest.fixture
def store(root):
    return CheckpointStore(root)


def commit(store: CheckpointStore, reference: CheckpointRef, save=None) -> None:
    report = Report(
        reference.directive, reference.member, Measurement(reference.step, 0.5), {}, True, {}
    )
    store.commit(reference, save or save_some, lambda: report)


def save_some(path) -> None:
    (path / "model.pt").write_bytes(b"weights" * 1000)
    (path / "nested" / "deep").mkdir(parents=True)
    (path / "nested/deep/state.json").write_text("{}")


def test_a_commit_is_whole_and_described(store, root):
    commit(store, OURS)
    checkpoint = store.open(OURS)
    assert checkpoint.folder == root / "m0/3-10"
    assert [file.path for file in checkpoint.manifest.files] == [
        "model.pt",
        "nested/deep/state.json",
    ]
    assert checkpoint.manifest.size == 7002
    assert checkpoint.manifest.report is not None
    with verifying(checkpoint.folder, checkpoint.manifest.files) as verification:
        verification.join()
    assert os.listdir(root / "m0") == ["3-10"]
    assert json.loads((checkpoint.folder / "manifest.json").read_text())["format"] == 1


def test_a_folder_that_cannot_be_synced_leaves_the_name_free(store, monkeypatch):
    """Who tries again must not fail over what the first try left."""
    real, broken = checkpoints.sync_folder, []

    def sync(folder):
        if folder.name == OURS.member and not broken:
            broken.append(folder)
            raise OSError(errno.EIO, "I/O error")
        real(folder)

    monkeypatch.setattr(checkpoints, "sync_folder", sync)
    with pytest.raises(OSError, match="I/O error"):
        commit(store, OURS)
    commit(store, OURS)
    assert store.open(OURS).manifest.size == 7002
    assert broken


def test_a_manifest_that_cannot_be_read_is_damage(store, root):
    commit(store, OURS)
    manifest = root / "m0/3-10/manifest.json"
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(CorruptCheckpoint, match=r"manifest.json: Is a directory"):
        store.open(OURS)


def test_other_users_may_read(store, root):
    commit(store, OURS)
    assert (root / "m0/3-10").stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda path: (path / "link").symlink_to("/etc/passwd"), "link: neither file nor folder"),
        (lambda path: os.mkfifo(path / "pipe"), "pipe: neither file nor folder"),
        (lambda path: (path / "manifest.json").touch(), "manifest.json is written by the SDK"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused(store, root, save, message):
    with pytest.raises(ValueError, match=message):
        commit(store, OURS, save)
    assert os.listdir(root / "m0") == []


def test_a_save_that_fails_leaves_nothing(store, root):
    def save(path):
        (path / "half").touch()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        commit(store, OURS, save)
    assert os.listdir(root / "m0") == []


def test_a_committed_checkpoint_is_never_changed(store):
    commit(store, OURS)
    before = store.open(OURS)
    with pytest.raises(OSError, match="not empty"):
        commit(store, OURS, lambda path: (path / "else").touch())
    assert store.open(OURS) == before


@pytest.mark.parametrize("copier", [hard_link, copy_bytes])
def test_a_copy_has_its_own_name_and_names_its_donor(root, copier):
    store = CheckpointStore(root, (copier,))
    commit(store, CheckpointRef("m1", 2, 10))
    copy, moved = store.copy(store.open(CheckpointRef("m1", 2, 10)), OURS)
    assert moved == (7002 if copier is copy_bytes else 0)
    assert copy.manifest.is_copy
    assert copy.manifest.copied_from == CheckpointRef("m1", 2, 10)
    assert copy.manifest.files == store.open(CheckpointRef("m1", 2, 10)).manifest.files
    store.discard(CheckpointRef("m1", 2, 10))
    with verifying(copy.folder, copy.manifest.files) as verification:
        verification.join()
    again, moved = store.copy(copy, OURS)  # after a crash: it is there already
    assert (again, moved) == (store.open(OURS), 0)


def test_a_donor_that_goes_while_it_is_copied_is_corrupt(store, root):
    commit(store, CheckpointRef("m1", 2, 10))
    donor = store.open(CheckpointRef("m1", 2, 10))
    (donor.folder / "model.pt").unlink()
    with pytest.raises(CorruptCheckpoint, match=r"model\.pt: No such file"):
        store.copy(donor, OURS)
    assert os.listdir(root / "m0") == []


def test_damage_is_told(store):
    commit(store, OURS)
    path = store.folder(OURS) / "model.pt"
    content = bytearray(path.read_bytes())
    content[3500] ^= 1
    path.write_bytes(content)
    checkpoint = store.open(OURS)  # the sizes are right
    with (
        verifying(checkpoint.folder, checkpoint.manifest.files) as verification,
        pytest.raises(CorruptCheckpoint, match=r"model\.pt: digest"),
    ):
        verification.join()
    path.write_bytes(content[:-1])
    with pytest.raises(CorruptCheckpoint, match=r"model\.pt: 6999 bytes, expected 7000"):
        store.open(OURS)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(CorruptCheckpoint, match=r"model\.pt: is not a regular file"):
        store.open(OURS)
    with pytest.raises(CorruptCheckpoint, match=r"m9/1-1: there is no such checkpoint"):
        store.open(CheckpointRef("m9", 1, 1))


@pytest.mark.parametrize("member", ["..", "../m1", "/etc", "a/b", ".tmp", ""])
def test_names_that_leave_the_root_are_refused(store, member):
    with pytest.raises(InvalidMessage):
        store.folder(CheckpointRef(member, 1, 1))
    with pytest.raises(InvalidMessage):
        store.forget(Forget(member, 1), ())
    with pytest.raises(InvalidMessage):
        store.sweep(member, {1})


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", ".", "manifest.json"])
def test_a_manifest_cannot_name_files_elsewhere(path):
    file = {"path": path, "size": 1, "sha256": "0" * 64}
    with pytest.raises(InvalidMessage, match=r"files\[0\]\.path"):
        parse_manifest({"format": 1, "files": [file]})


def test_own_checkpoints_are_found_in_order(store, root):
    for directive, step in [(5, 10), (3, 10), (3, 200), (5, 30), (4, 999)]:
        commit(store, CheckpointRef("m0", directive, step))
    (root / "m0/.tmp-3-500-abc").mkdir()
    (root / "m0/3-5-7").mkdir()
    found = [(r.directive, r.step) for r in store.references("m0", {3, 5})]
    assert found == [(3, 10), (5, 10), (5, 30), (3, 200)]
    assert store.references("m9", {3}) == []


def test_forget_deletes_all_but_what_is_kept_and_protected(store, root):
    for step in (10, 20, 30, 40):
        commit(store, CheckpointRef("m0", 3, step))
    commit(store, CheckpointRef("m0", 4, 10))
    (root / "m0/.tmp-3-50-abc").mkdir()
    (root / "m0/.tmp-4-50-abc").mkdir()
    protected = CheckpointRef("m0", 3, 30)
    assert store.forget(Forget("m0", 3, keep=(40,)), {protected}) == [protected]
    assert sorted(os.listdir(root / "m0")) == [".tmp-4-50-abc", "3-30", "3-40", "4-10"]
    assert store.forget(Forget("m0", 3), ()) == []
    assert store.forget(Forget("m0", 3), ()) == []  # what is missing is done
    assert store.forget(Forget("m9", 3), ()) == []


def test_forget_spares_what_is_being_written(store, root):
    def save(path):
        store.forget(Forget("m0", 3), ())
        (path / "x").touch()

    commit(store, OURS, save)
    assert store.open(OURS)
