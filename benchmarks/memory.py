"""What the controller weighs: 16 members on 4 real workers, from the start to the report's end.

Runs `population run` as a process of its own and asks the kernel for the peak of its resident
memory (VmHWM), writing `report.html` and `result.json` included. Bounds: below 120 MB, and no torch
in the process. The workers are not counted: they are what the user trains.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rich.console import Console

from benchmarks import harness

MEMBERS, WORKERS = 16, 4
STEPS, QUICK_STEPS = 1000, 200
LIMIT_MB = 120.0
ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "sklearn", "scipy", "pandas", "kubernetes", "kopf", "plotly", "population_worker")

# The program `population`, which says at its end what it came to.
PROGRAM = """
import json, os, sys
from population_operator.app.cli import run_command
code = run_command(sys.argv[2:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
loaded = sorted({name.partition(".")[0] for name in sys.modules})
with open(sys.argv[1], "w") as file:
    json.dump({"peak_kb": int(status["VmHWM"].split()[0]), "modules": loaded}, file)
sys.exit(code)
"""


def manifest(steps: int) -> dict[str, object]:
    """The triangle example, larger."""
    with (ROOT / "examples/triangle/experiment.yaml").open() as file:
        found = yaml.safe_load(file)
    spec = found["spec"]
    spec["population"] = {"size": MEMBERS, "parallelism": WORKERS, "seed": 1}
    spec["schedule"] = {"interval": 20, "maxSteps": steps, "synchronous": False}
    spec["worker"] = {
        "local": {"command": [sys.executable, str(ROOT / "examples/triangle/train.py")]}
    }
    return dict(found)


def resident_mb(pid: int) -> float:
    """Resident memory now; 0 once the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / 1e6 if "VmRSS" in lines else 0.0


def main(argv: list[str] | None = None) -> int:
    parser = harness.arguments(__doc__, quick=f"{QUICK_STEPS} steps instead of {STEPS}")
    parser.add_argument("--steps", type=harness.positive, help=f"of each member ({STEPS})")
    given = parser.parse_args(argv)
    steps = given.steps or (QUICK_STEPS if given.quick else STEPS)
    console, outcome = Console(), harness.Outcome("memory")
    with tempfile.TemporaryDirectory(prefix="memory-") as temporary:
        folder = Path(temporary)
        (folder / "experiment.yaml").write_text(yaml.safe_dump(manifest(steps)))
        told = folder / "told.json"
        with (folder / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    PROGRAM,
                    str(told),
                    "run",
                    str(folder / "experiment.yaml"),
                    "--output",
                    str(folder / "run"),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": ""},
            )
            with console.status(f"{MEMBERS} members, {WORKERS} workers, {steps} steps"):
                samples = watch(process, folder / "run" / "report.html")
        if process.returncode != 0:
            console.print((folder / "output.txt").read_text(), style="red")
            return 1
        found = json.loads(told.read_text())
        result = json.loads((folder / "run" / "result.json").read_text())
        report_bytes = (folder / "run" / "report.html").stat().st_size
    peak = found["peak_kb"] * 1024 / 1e6
    heavy = [name for name in HEAVY if name in found["modules"]]
    outcome.measure("controller's peak, the report included", peak, "MB", at_most=LIMIT_MB)
    outcome.measure("its most while training (sampled)", max(samples, default=0.0), "MB")
    outcome.measure("torch in the process (0 or 1)", "torch" in heavy, at_most=0)
    outcome.measure("decisions taken", len(result["decisions"]))
    outcome.measure("size of report.html", report_bytes / 1e6, "MB")
    outcome.details = {"heavy_modules": heavy, "modules": len(found["modules"])}
    console.print(f"heavy modules in the process: {', '.join(heavy) or 'none'}")
    return outcome.conclude(console, given.output)


def watch(process: subprocess.Popen[bytes], report: Path) -> list[float]:
    """Resident memory, sampled until the report is being written, or the process is gone."""
    samples: list[float] = []
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 600:
        if not (report.parent / "result.json").exists():
            samples.append(resident_mb(process.pid))
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
    process.wait()
    return samples


if __name__ == "__main__":
    sys.exit(main())
