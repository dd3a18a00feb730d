"""A disk that is full or read-only: waited for, told, and in the end one clear line.

/dev/full gives the kernel's own ENOSPC to everybody; the whole path is tried on a small tmpfs,
mounted in a user namespace where the tests do not run as root.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from population_worker.disk import DiskRetry, disk_errno
from population_worker.mailbox import Mailbox
from tests.population_worker.support import PROGRAMS, SDK, directive
from tests.population_worker.walk import Walk


def write_to_full_device(path: Path) -> None:
    with open("/dev/full", "wb") as file:
        file.write(b"x")


def test_a_full_disk_is_waited_for(start):
    attempts = []

    def program(session):
        for member in session.members():
            walk = Walk(0.1)

            def save(path, walk=walk):
                attempts.append(path)
                (path / "half").write_bytes(b"x")
                if len(attempts) == 1:
                    write_to_full_device(path)
                walk.save(path)

            for interval in member.intervals(walk, save=save):
                interval.report(interval.until, 0.0)

    worker = start(program, save_retry_seconds=20)
    report = worker.operator.train(directive(1))
    assert report["checkpoint"] is True
    (trouble,) = worker.operator.events("trouble")
    assert (trouble["member"], trouble["reason"]) == ("m0", "save: No space left on device")
    assert len(attempts) == 2
    assert not attempts[0].exists()


def test_a_disk_that_stays_full_ends_it_with_one_line(start, root, capfd):
    def program(session):
        for member in session.members():
            for interval in member.intervals(save=write_to_full_device):
                interval.report(interval.until, 0.0)

    worker = start(program, save_retry_seconds=0.2)
    worker.operator.send(directive(1))
    with pytest.raises(SystemExit) as exited:
        worker.join()
    assert exited.value.code == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"population_worker: member m0: save failed: {root}/m0/.tmp-1-10-")
    assert line.endswith(
        "No space left on device; free space there or enlarge the volume, then start the worker "
        "again"
    )


def test_the_end_of_the_process_is_not_delayed_by_a_full_disk():
    mailbox = Mailbox(1)
    mailbox.stop()
    with pytest.raises(SystemExit) as exited:
        DiskRetry(mailbox, 60)("save", "m0", lambda: write_to_full_device(Path()))
    assert exited.value.code == 143


def test_an_error_that_is_not_the_disks_passes_through(tmp_path):
    def save():
        raise FileNotFoundError(errno.ENOENT, "mine")

    with pytest.raises(FileNotFoundError, match="mine"):
        DiskRetry(Mailbox(1), 60)("save", "m0", save)
    assert disk_errno(KeyError("mine"), tmp_path) is None


def test_the_errno_is_found_behind_other_errors(tmp_path):
    assert disk_errno(Exception("I/O error: No space left (os error 28)"), tmp_path) == errno.ENOSPC
    try:
        try:
            write_to_full_device(tmp_path)
        except OSError as error:
            raise RuntimeError("write failed") from error
    except RuntimeError as error:
        assert disk_errno(error, tmp_path) == errno.ENOSPC


_ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} none {root}
{remount}
exec {python} -u {program}
"""


@pytest.mark.parametrize(
    ("program", "size", "remount", "reason"),
    [
        ("walk.py", "4k", "true", "No space left on device; free space there"),
        ("walk.py", "1m", "mount -o remount,ro {root}", "Read-only file system; mount the volume"),
        ("torch_weights.py", "1m", "true", "No space left on device; free space there"),
    ],
)
def test_a_real_disk(tmp_path, program, size, remount, reason):
    """The mount lives in a namespace of its own: it ends with the process."""
    root = tmp_path / "root"
    root.mkdir()
    script = _ON_A_SMALL_DISK.format(
        size=size,
        root=root,
        remount=remount.format(root=root),
        python=sys.executable,
        program=PROGRAMS / program,
    )
    run = subprocess.run(
        [*_new_mount_namespace(), "sh", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{SDK}:{Path(__file__).parents[2]}",
            "POPULATION_CHECKPOINTS": str(root),
            "POPULATION_SAVE_RETRY_SECONDS": "0.1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"population_worker: member m0: save failed: {root}/m0")
    assert reason in line
    assert run.returncode == 1


def _new_mount_namespace() -> list[str]:
    """Return the command that unshares mounts; skips, loudly in CI, where none works."""
    ways = [["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]]
    probe = ["sh", "-c", "mount -t tmpfs none /mnt"]
    for way in ways if shutil.which("unshare") else []:
        if subprocess.run([*way, *probe], capture_output=True, check=False).returncode == 0:
            return way
    if os.environ.get("CI"):
        pytest.fail("no mount namespace can be made here: full disks are not tested")
    pytest.skip("no mount namespace can be made here; /dev/full is tested above")
