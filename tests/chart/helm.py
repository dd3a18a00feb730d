"""One helm, run on the chart."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.apiserver.cluster.binaries import VERSION

CHART = Path(__file__).parents[2] / "helm" / "population-operator"
FILES = CHART / "files"

Object = dict[str, Any]


class HelmFailed(Exception):
    """What helm wrote to its standard error."""


@dataclass(frozen=True)
class Helm:
    """`helm("lint", ...)`: its output."""

    program: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str, seconds: float = 60) -> str:
        with tempfile.TemporaryDirectory() as home:
            environment = os.environ | {
                f"HELM_{one}_HOME": home for one in ("CACHE", "CONFIG", "DATA")
            }
            environment["KUBECONFIG"] = str(self.kubeconfig or "/nonexistent")
            done = subprocess.run(
                [str(self.program), *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        if done.returncode:
            raise HelmFailed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def text(self, values: Object, release: str = "pop", namespace: str = "population") -> str:
        """What the chart renders to."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            where = ("--namespace", namespace, "--values", file.name)
            # Which one a helm takes by itself depends on how it was built.
            return self("template", release, str(CHART), f"--kube-version={VERSION}", *where)

    def objects(
        self, values: Object, release: str = "pop", namespace: str = "population"
    ) -> list[Object]:
        rendered = yaml.safe_load_all(self.text(values, release, namespace))
        return [one for one in rendered if one]


def pick(objects: list[Object], kind: str, name: str = "") -> Object:
    """The only one of this kind (and name)."""
    found = [o for o in objects if o["kind"] == kind and name in ("", o["metadata"]["name"])]
    assert len(found) == 1, [(o["kind"], o["metadata"]["name"]) for o in objects]
    return found[0]
