"""One scrape is one snapshot, names the member, and includes what the program registers."""

from __future__ import annotations

import prometheus_client
from prometheus_client.parser import text_string_to_metric_families

from population_worker.metrics import Telemetry
from tests.population_worker.support import directive


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Samples by name and by labels other than experiment and member."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("experiment") == "digits"
            assert labels.pop("member") == "m0"
            found[sample.name, *labels.values()] = sample.value
    return found


def test_the_contracts_families(start):
    program_gauge = prometheus_client.Gauge("program_temperature", "Own.", ["gpu"])
    program_gauge.labels("0").set(61)

    def program(session):
        for member in session.members():
            for interval in member.intervals(save=lambda path: (path / "x").write_text("abc")):
                interval.report(interval.until, float("nan"), accuracy=0.75)

    worker = start(program)
    hyperparameters = {"lr": 0.1, "nesterov": True, "optimizer": "sgd", "depth": 3}
    worker.operator.send(directive(17, hyperparameters=hyperparameters))
    worker.operator.reports(1)
    text = worker.metrics()
    prometheus_client.REGISTRY.unregister(program_gauge)
    found = samples(text)
    assert found["population_report_step",] == 10
    assert str(found["population_report_score",]) == "nan"
    assert found["population_directive_id",] == 17
    assert found["population_hyperparameter", "lr"] == 0.1
    assert found["population_hyperparameter", "nesterov"] == 1
    assert found["population_hyperparameter", "depth"] == 3
    assert found["population_hyperparameter_info", "optimizer", "sgd"] == 1
    assert found["population_checkpoint_step",] == 10
    assert found["population_waiting",] == 1
    assert found["population_metric", "accuracy"] == 0.75
    assert found["population_checkpoint_bytes_total", "save"] == 3
    for activity in ("train", "wait", "save", "restore"):
        assert found["population_seconds_total", activity] >= 0
    assert found["program_temperature", "0"] == 61
    assert found["process_resident_memory_bytes",] > 0


def test_before_the_first_member_there_are_no_reports(start):
    worker = start(lambda session: list(session.members()))
    text = worker.metrics()
    assert 'population_waiting{experiment="digits",member=""} 1.0' in text
    assert "population_report_step{" not in text


def test_sums_are_the_members():
    telemetry = Telemetry("digits")
    telemetry.turn_to("m0")
    telemetry.transferred("save", 5)
    telemetry.turn_to("m0")
    telemetry.transferred("save", 5)
    assert telemetry.snapshot.bytes == {"save": 10}
    telemetry.turn_to("m1")
    assert telemetry.snapshot.bytes == {}


def test_a_report_whose_weights_are_thrown_away_is_shown_no_more():
    telemetry = Telemetry("digits")
    telemetry.turn_to("m0")
    telemetry.update(report_step=300, report_score=0.5)
    telemetry.turn_back(300)
    assert telemetry.snapshot.report_step == 300
    telemetry.turn_back(200)
    assert (telemetry.snapshot.report_step, telemetry.snapshot.report_score) == (None, None)
