"""What an exploit of a large checkpoint costs: the copy into the loser's folder, and the load.

Two bounds are checked; the exit status is 1 when one is missed:

* where bytes have to be copied, at most 1.1 times the time of `cp` in the same run;
* where the filesystem shares them (reflink or hard link), at most 50 ms.

Both sides of the first are made durable (fsync of every file), rounds are interleaved, the first
is not counted, and medians are compared. The donor has just been written, so that both sides read
it from the page cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from population_worker.checkpoints import Checkpoint, CheckpointStore
from population_worker.copying import CHEAPEST_FIRST, Copier, copy_bytes
from population_worker.digests import verifying
from population_worker.directive import CheckpointRef
from population_worker.report import Measurement, Report

GIB = 2**30
MAX_RATIO_TO_CP = 1.1
MAX_SHARED_SECONDS = 0.050
FILES = {"model.safetensors": 1 / 3, "optimizer.pt": 2 / 3}  # Adam keeps two values a weight
LABELS = {
    "cp": "cp -r --reflink=never, and fsync",
    "copy": "copy of bytes (fsync, manifest, rename)",
    "share": "copy by reflink or hard link",
    "load": "load: read all bytes",
    "verify": "load with SHA-256 beside it",
}
DONOR, LOSER = CheckpointRef("m1", 9, 400), CheckpointRef("m3", 17, 400)


def main() -> int:
    """Run the benchmark; returns the exit status."""
    options = parse_arguments()
    need = int(3 * options.gib * GIB)
    free = shutil.disk_usage(options.folder).free
    if free < need:
        print(f"{options.folder}: {free / GIB:.1f} GiB free, {need / GIB:.1f} needed")
        return 2
    with tempfile.TemporaryDirectory(prefix="checkpoint-", dir=options.folder) as folder:
        times = measure(Path(folder), int(options.gib * GIB), options.rounds)
    return show(times, options.gib)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gib", type=float, default=4.0, help="size of the checkpoint (4)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="a folder on the filesystem to measure, with three times the size free (here)",
    )
    return parser.parse_args()


def measure(root: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every round by what was measured; a first round is not counted."""
    donor = write_donor(CheckpointStore(root), size)
    times: dict[str, list[float]] = {name: [] for name in LABELS}
    actions: dict[str, Callable[[], object]] = {
        "cp": partial(cp, donor.folder, root / "cp"),
        "copy": partial(copy, root, donor, (copy_bytes,)),
        "share": partial(copy, root, donor, CHEAPEST_FIRST),
        "load": partial(load, donor),
        "verify": partial(load_and_verify, donor),
    }
    for number in range(rounds + 1):
        # Every other round runs backwards: nothing is always first after a deletion.
        for name in sorted(actions, reverse=bool(number % 2)):
            begin = time.perf_counter()
            actions[name]()
            times[name].append(time.perf_counter() - begin)
            CheckpointStore(root).discard(LOSER)
            shutil.rmtree(root / "cp", ignore_errors=True)
            os.sync()
    return {name: values[1:] for name, values in times.items()}


def write_donor(store: CheckpointStore, size: int) -> Checkpoint:
    """Commit a checkpoint of random bytes."""
    block = os.urandom(2**24)

    def save(path: Path) -> None:
        for name, share in FILES.items():
            left = int(share * size)
            with (path / name).open("wb") as file:
                while left > 0:
                    left -= file.write(block[:left])

    report = Report(DONOR.directive, DONOR.member, Measurement(DONOR.step, 0.5), {}, True, {})
    store.commit(DONOR, save, lambda: report)
    return store.open(DONOR)


def cp(source: Path, target: Path) -> None:
    """Copy with cp, moving bytes as `copy_bytes` has to, and make the files durable."""
    subprocess.run(["cp", "-r", "--reflink=never", source, target], check=True)
    for path in target.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def copy(root: Path, donor: Checkpoint, copiers: Sequence[Copier]) -> None:
    """Do what a worker does before it loads a donor."""
    CheckpointStore(root, copiers).copy(donor, LOSER)


def load(donor: Checkpoint) -> None:
    """Read all files into memory, as a program's load does."""
    for file in donor.manifest.files:
        buffer = bytearray(2**24)
        with (donor.folder / file.path).open("rb", buffering=0) as opened:
            while opened.readinto(buffer):
                pass


def load_and_verify(donor: Checkpoint) -> None:
    """Load while the digests are computed, and join them."""
    with (
        ThreadPoolExecutor(1) as pool,
        verifying(donor.folder, donor.manifest.files) as verification,
    ):
        pool.submit(load, donor).result()
        verification.join()


def show(times: dict[str, list[float]], gib: float) -> int:
    """Print the table; returns 1 when a bound is missed."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    limits = {"copy": MAX_RATIO_TO_CP * medians["cp"], "share": MAX_SHARED_SECONDS}
    table = Table(title=f"An exploit of {gib:g} GiB: medians of {len(times['copy'])} rounds")
    for heading in ("what", "seconds", "min", "max", "x cp", "at most"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, seconds in medians.items():
        limit = limits.get(name)
        colour = "" if limit is None else "[green]" if seconds <= limit else "[red]"
        table.add_row(
            LABELS[name],
            f"{colour}{seconds:.3f}",
            f"{min(times[name]):.3f}",
            f"{max(times[name]):.3f}",
            f"{seconds / medians['cp']:.3f}",
            "" if limit is None else f"{limit:.3f}",
        )
    Console(width=100).print(table)
    return int(any(medians[name] > limit for name, limit in limits.items()))


if __name__ == "__main__":
    sys.exit(main())
