"""What `kubectl get` and `kubectl describe` print: the story of a run, without a manual."""

from __future__ import annotations

import re

from tests.apiserver.conftest import Kubectl, Namespace
from tests.apiserver.experiments.experiment import Experiment, triangle
from tests.apiserver.experiments.operator_process import OperatorProcess, until


def table(text: str) -> list[dict[str, str]]:
    """The rows of `kubectl get`, by column; a column's width is that of its title's place."""
    head, *rows = text.rstrip("\n").split("\n")
    starts = [found.start() for found in re.finditer(r"\S+", head)]
    names = head.split()
    bounds = list(zip(starts, [*starts[1:], None], strict=True))
    return [
        {name: row[a:b].strip() for name, (a, b) in zip(names, bounds, strict=True)} for row in rows
    ]


def told(namespace: Namespace, name: str) -> list[tuple[str, str]]:
    return [(event["reason"], event["message"]) for event in namespace.events(name)]


def test_a_population(namespace: Namespace, operator: OperatorProcess, kubectl: Kubectl) -> None:
    experiment = Experiment.create(namespace, triangle().steps(20, 100))
    experiment.wait("Complete")
    until(lambda: "MaxStepsReached" in dict(told(namespace, "triangle")), "the last Event")
    (row,) = table(kubectl("get", "pexp"))
    best = experiment.status()["best"]
    assert row["PHASE"] == "Complete"
    assert (row["ALGORITHM"], row["READY"], row["MEMBERS"]) == ("pbt", "Ended", "4")
    assert (row["STEP"], row["BEST"]) == ("100/100", f"{best['score']:.4g}")
    (row,) = table(kubectl("get", "pexp", "-o", "wide"))
    assert (row["MEMBER"], row["METRIC"]) == (best["member"], "score")
    assert row["DECISIONS"] == "20"
    rows = table(kubectl("get", "pmem", "-o", "wide"))
    assert [row["NAME"] for row in rows] == [f"triangle-m{i}" for i in range(4)]
    assert all(row["STEP"] == "100" for row in rows)
    assert all(re.fullmatch(r"lr [\d.e-]{1,10}", row["HYPERPARAMETERS"]) for row in rows)
    assert all(len(row["SCORE"]) <= 6 for row in rows)
    copies = [d for d in experiment.decisions() if d["kind"] == "exploit"]
    last = {d["member"]: f"{d['from']['member']}@{d['from']['step']}" for d in copies}
    assert any(row["PARENT"] == last.get(row["NAME"].partition("-")[2]) for row in rows)

    events = told(namespace, "triangle")
    assert events[0] == ("Started", "pbt: 4 members on at most 2 workers")
    end = dict(events)["MaxStepsReached"]
    score = f"best score {best['score']:.4g} by {best['member']} at step {best['step']}"
    assert end == f"all 4 members reached step 100; {score}"
    exploits = [text for reason, text in events if reason == "Exploit"]
    assert len(exploits) == len(copies)
    assert all(re.fullmatch(r"m\d copies m\d from step \d+: lr \S+ -> \S+", x) for x in exploits)
    assert experiment.condition("Failed")["reason"] == "NotFailed"


def test_trials(namespace: Namespace, operator: OperatorProcess, kubectl: Kubectl) -> None:
    """Brackets and rungs in columns, promotions as Events; nobody is called a member of nothing."""
    builder = (
        triangle()
        .set("spec.algorithm", {"hyperband": {}})
        .set("spec.population", {"parallelism": 2, "seed": 1})
        .set("spec.schedule", {"interval": 25, "maxSteps": 200})
    )
    experiment = Experiment.create(namespace, builder)
    experiment.wait("Complete")
    until(lambda: "TrialsEnded" in dict(told(namespace, "triangle")), "the last Event")
    (row,) = table(kubectl("get", "pexp"))
    count = len(experiment.state().members)
    assert (row["ALGORITHM"], row["MEMBERS"]) == ("hyperband", str(count))

    def phases() -> list[str]:
        return [row["PHASE"] for row in table(kubectl("get", "pmem"))]

    until(lambda: set(phases()) == {"Finished", "Stopped"}, "every member is shown as it ended")
    rows = table(kubectl("get", "pmem"))
    assert len(rows) == count
    assert {row["BRACKET"] for row in rows} == {"0", "1"}
    assert {row["RUNG"] for row in rows} == {"0", "1"}
    events = told(namespace, "triangle")
    assert events[0] == ("Started", "hyperband: trials on at most 2 workers")
    promoted = [text for reason, text in events if reason == "Promote"]
    decided = [d for d in experiment.decisions() if d["kind"] == "promote"]
    assert len(promoted) == len(decided) > 0
    assert all(re.match(r"m\d is promoted at step \d+: ", text) for text in promoted)


def test_a_worker_that_cannot_start(
    namespace: Namespace, operator: OperatorProcess, kubectl: Kubectl
) -> None:
    """Its Pod is gone when somebody looks: its last words are in the condition and the Event."""
    builder = triangle(2, 1)
    template = builder.manifest["spec"]["worker"]["template"]
    template["spec"]["containers"][0]["command"][-1] += ".missing"
    builder = builder.set("spec.worker", {"template": template, "maxRestarts": 0})
    experiment = Experiment.create(namespace, builder)
    experiment.wait("Failed")
    message = experiment.condition("Failed")["message"]
    assert "No such file or directory" in message
    until(lambda: "WorkersFail" in dict(told(namespace, "triangle")), "the last Event")
    failed = [text for reason, text in told(namespace, "triangle") if reason == "MemberFailed"]
    assert failed
    assert all("No such file or directory" in text for text in failed)
    (row,) = table(kubectl("get", "pexp"))
    assert row["PHASE"] == "Failed"
