"""The environment that tells a worker who it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from population_operator.api import PopulationExperiment
from population_operator.model.decision import Directive

WORKER = "POPULATION_WORKER"
INCARNATION = "POPULATION_INCARNATION"
CHECKPOINTS = "POPULATION_CHECKPOINTS"


@dataclass(frozen=True)
class WorkerPlace:
    """Where one incarnation listens and finds its files, as it sees them itself."""

    checkpoints: PurePath
    token: PurePath
    certificate: PurePath
    key: PurePath
    host: str
    control_port: int
    metrics_port: int


def environment(
    experiment: PopulationExperiment,
    worker: str,
    incarnation: int,
    directive: Directive | None,
    place: WorkerPlace,
) -> dict[str, str]:
    """The `POPULATION_*` variables of the worker's contract."""
    variables = {
        "POPULATION_EXPERIMENT": experiment.metadata.name,
        "POPULATION_EXPERIMENT_UID": experiment.metadata.uid,
        WORKER: worker,
        INCARNATION: str(incarnation),
        CHECKPOINTS: str(place.checkpoints),
        "POPULATION_HOST": place.host,
        "POPULATION_CONTROL_PORT": str(place.control_port),
        "POPULATION_METRICS_PORT": str(place.metrics_port),
        "POPULATION_TOKEN_FILE": str(place.token),
        "POPULATION_TLS_CERT_FILE": str(place.certificate),
        "POPULATION_TLS_KEY_FILE": str(place.key),
    }
    if directive is not None:
        variables["POPULATION_DIRECTIVE"] = directive.model_dump_json()
    return variables
