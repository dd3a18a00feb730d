"""`report.html`: complete, harmless whatever names are in it, and there for every kind of run."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from population_operator.app.manifest import loads
from population_operator.app.report import render, write_report
from population_operator.app.report.cast import MAX_DRAWN
from population_operator.app.report.reproduce import manifest
from population_operator.core.history import history
from tests.app.html import Document
from tests.builders import a_choice, a_float, an_experiment, an_integer, when
from tests.journals import Remembers, Run, a_run, crashing, small, with_metrics

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}<!--@@plotly.js@@"


def page(run: Run) -> Document:
    return Document(render(history(run.entries), made=0.0))


@pytest.fixture(scope="module")
def run() -> Run:
    experiment = (
        small()
        .initial({"lr": 0.02}, {"lr": 0.9})
        .baselines(1)
        .set("spec.objective.report", ["test"])
    )
    return with_metrics(a_run(experiment, Remembers(0.6), crashing()), test=0.4321)


@pytest.fixture(scope="module")
def document(run: Run) -> Document:
    return page(run)


def test_it_is_well_formed(document: Document) -> None:
    assert document.unclosed == []
    ids = [a["id"] for _, a in document.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in document.elements:
        for name in ("aria-labelledby",):
            if name in attributes:
                assert attributes[name] in ids
    boxes = {a["id"] for tag, a in document.elements if a.get("class") == "plot"}
    assert boxes == set(document.figures)


def test_it_asks_nobody_for_anything(document: Document) -> None:
    """No address outside the page itself; and a policy that would stop any."""
    for tag, attributes in document.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "background"):
            assert attributes.get(name, "#").startswith("#"), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
        assert "url(" not in attributes.get("style", "")
    policy = next(a["content"] for a in document.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_the_policy_allows_exactly_its_scripts(document: Document) -> None:
    programs = [text for attributes, text in document.scripts if "type" not in attributes]
    assert len(programs) == 2
    policy = next(a["content"] for a in document.all("meta") if "http-equiv" in a)
    allowed = re.findall(r"'(sha256-[^']+)'", policy)
    digests = [base64.b64encode(hashlib.sha256(p.encode()).digest()).decode() for p in programs]
    assert allowed == [f"sha256-{digest}" for digest in digests]
    assert "plotly.js v" in programs[0]
    assert 'modeBarButtons: [["toImage", "resetScale2d"]]' in programs[1]  # None that sends.


def test_it_says_the_numbers(run: Run, document: Document) -> None:
    best = run.state.best
    assert best is not None
    words = document.words
    for said in ("Complete", "all 6 members reached step 80", f"{best.score:.4g}", "0.4321"):
        assert said in words
    assert f"{best.member} reached score {best.score:.4g} at step {best.step}." in words
    assert "population run test.yaml" in words
    assert "seed 7" in words
    assert "kind: PopulationExperiment" in words
    assert "boom" in words
    assert "Does it pay?" in words


def test_every_member_and_decision_has_its_row(run: Run, document: Document) -> None:
    rows = [a for a in document.all("tr") if "data-kind" in a]
    assert len(rows) == run.state.decisions
    assert sum(a["data-kind"] == "exploit" for a in rows) == run.state.exploits
    for member in run.state.members:
        assert member in document.words


def test_the_figures_show_what_happened(run: Run, document: Document) -> None:
    found = document.figures
    assert set(found) == {"scores", "schedule-0", "families", "pays"}
    names = [trace["name"] for trace in found["scores"]["data"]]
    assert names[:6] == [f"m{i}" for i in range(6)]
    assert names[6:] == ["copies", "exploits", "not finite", "the winner's lineage", "the best"]
    way = next(t for t in found["scores"]["data"] if t["name"] == "the winner's lineage")
    assert run.state.best is not None
    assert way["x"] == list(range(10, run.state.best.step + 1, 10))
    assert found["schedule-0"]["layout"]["yaxis"]["type"] == "log"
    arcs = next(t for t in found["families"]["data"] if t["name"] == "copies")
    assert arcs["x"].count(None) == run.state.exploits


def test_hostile_names_stay_text() -> None:
    """Names come from manifests and workers; those that the API refuses may come by other ways."""
    experiment = small().baselines(1).build()
    spec = experiment.spec
    parameter = spec.parameters[0].model_copy(update={"name": HOSTILE})
    objective = spec.objective.model_copy(update={"metric": HOSTILE, "report": (HOSTILE,)})
    spec = spec.model_copy(update={"parameters": (parameter,), "objective": objective})
    metadata = experiment.metadata.model_copy(update={"name": HOSTILE})
    hostile = experiment.model_copy(update={"spec": spec, "metadata": metadata})

    def fault(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        if count == 7:
            simulation.fleet.kill("w0", detail=HOSTILE)

    run = with_metrics(a_run_unchecked(hostile, fault), **{HOSTILE: 1.0})
    document = page(run)
    assert document.unclosed == []
    assert document.all("img") == []
    assert len(document.scripts) == 3
    assert not any(name.startswith("on") for _, a in document.elements for name in a)
    assert document.words.count(" ".join(HOSTILE.split())) >= 5
    figure = document.figures["schedule-0"]
    assert not any("<img" in str(trace) for trace in figure["data"])


def a_run_unchecked(experiment, fault) -> Run:  # type: ignore[no-untyped-def]
    """A run whose entries do not pass through JSON, which would refuse the names."""
    import asyncio

    from population_operator.app.simulate import Simulation

    async def run() -> Run:
        simulation, count = Simulation.of(experiment, Remembers()), 0
        while await simulation.step():
            count += 1
            fault(simulation, count)
        return Run(simulation.state, await simulation.entries(), simulation)

    return asyncio.run(run())


def test_secrets_stay_behind() -> None:
    local = {"command": ["true"], "env": {"API_TOKEN": "hunter2", "EPOCHS": "seventeen"}}
    document = page(a_run(small().set("spec.worker.local", local)))
    assert "hunter2" not in document.words
    assert "seventeen" in document.words


def test_what_only_sounds_like_a_secret_stays() -> None:
    env = {"TOKENIZERS_PARALLELISM": "off", "GITHUBTOKEN": "hunter2", "HF_TOKEN": "hunter3"}
    experiment = (
        small()
        .parameters(a_choice("token_mixer", "pool", "conv"), a_float("lr", 1e-4, 1.0, log=True))
        .initial({"token_mixer": "pool", "lr": 0.5})
        .set("spec.worker.local", {"command": ["true"], "env": env})
    )
    text = manifest(experiment.build())
    again = loads(text)
    assert "hunter" not in text
    assert again.spec.initial == experiment.build().spec.initial
    assert again.spec.worker.local is not None
    assert again.spec.worker.local.env["TOKENIZERS_PARALLELISM"] == "off"


def test_no_report_at_all() -> None:
    def kill(simulation, count: int) -> None:  # type: ignore[no-untyped-def]
        for worker in ("w0", "w1"):
            simulation.fleet.kill(worker, detail="No module named torch")

    document = page(a_run(small(), fault=kill))
    assert document.figures == {}
    assert [a for a, _ in document.scripts if "type" not in a] == [{}]
    assert "Failed" in document.words
    assert "No member has reported anything." in document.words
    assert "No module named torch" in document.words


def test_scores_that_are_never_numbers() -> None:
    document = page(a_run(small().random_search(), Remembers(nan_above=0.0)))
    assert "No member has ever reported a finite score." in document.words
    assert "not finite" in [t["name"] for t in document.figures["scores"]["data"]]


def test_one_member_alone() -> None:
    document = page(a_run(small().random_search().size(1, parallelism=1)))
    assert "Its weights were never copied from another member." in document.words
    assert "Does it pay?" not in document.words


def test_a_run_that_still_goes_on() -> None:
    document = page(a_run(small(), steps=12))
    assert "Running" in document.words
    assert "scores" in document.figures


def test_many_members_are_a_choice_and_it_says_so() -> None:
    run = a_run(an_experiment().size(150).steps(10, 30).synchronous())
    document = page(run)
    lines = [t for t in document.figures["scores"]["data"] if "meta" in t]
    assert len(lines) == MAX_DRAWN
    assert "60 of 150 members are drawn" in document.words
    assert "90 members are not drawn" in document.words
    rows = [a for tag, a in document.elements if tag == "tr" and "data-kind" in a]
    assert len(rows) <= 600


def test_conditional_and_categorical_parameters() -> None:
    experiment = small().parameters(
        a_float("lr", 1e-4, 1.0, log=True),
        a_choice("optimizer", "adam", "sgd"),
        a_float("momentum", 0, 0.99, when=when("optimizer", "sgd")),
        an_integer("batch", 16, 512, log=True),
        a_choice("width", "64", "128", type="integer", mutable=False),
    )
    document = page(a_run(experiment))
    found = document.figures
    assert found["schedule-1"]["layout"]["yaxis"]["ticktext"] == ["adam", "sgd"]
    assert found["schedule-4"]["layout"]["yaxis"]["ticktext"] == ["64", "128"]
    drawn = [y for t in found["schedule-2"]["data"] for y in t["y"]]
    assert None in drawn
    assert any(y is not None for y in drawn)


def test_a_narrow_log_axis_has_ticks_of_plotlys_own() -> None:
    experiment = small().parameters(
        a_float("decay", 0.9, 0.999, log=True), a_float("lr", 1e-4, 1.0, log=True)
    )
    found = page(a_run(experiment)).figures
    narrow, wide = (found[f"schedule-{index}"]["layout"]["yaxis"] for index in (0, 1))
    assert narrow["type"] == wide["type"] == "log"
    assert not {"tickvals", "ticktext"} & set(narrow)
    assert len(wide["tickvals"]) == len(wide["ticktext"]) > 2


class Loss(Remembers):
    """Over decades."""

    def train(self, *args):  # type: ignore[no-untyped-def]
        weights, score = super().train(*args)
        return weights, 10 ** (-100 * score)


def test_minimizing_over_decades_has_a_log_axis() -> None:
    run = a_run(small().minimize(), Loss())
    assert page(run).figures["scores"]["layout"]["yaxis"]["type"] == "log"


def test_a_target_stands_where_it_is_on_either_axis() -> None:
    """plotly.js takes a shape's value as it is on a log axis, and a text's as its logarithm."""
    log = page(a_run(small().minimize().target(1e-300), Loss())).figures["scores"]["layout"]
    assert log["yaxis"]["type"] == "log"
    assert [(one["y0"], one["y1"]) for one in log["shapes"]] == [(1e-300, 1e-300)]
    assert [one["y"] for one in log["annotations"]] == [-300]
    linear = page(a_run(small().target(20))).figures["scores"]["layout"]
    assert [one["y"] for one in linear["annotations"]] == [20] == [linear["shapes"][0]["y0"]]


def test_a_target_that_no_log_axis_has_is_not_drawn() -> None:
    layout = page(a_run(small().minimize().target(0), Loss())).figures["scores"]["layout"]
    assert layout["yaxis"]["type"] == "log"
    assert not {"shapes", "annotations"} & set(layout)


def test_writing_it_does_not_import_plotly(run: Run, tmp_path: Path) -> None:
    """The controller has a bound on its memory: plotly.js is read as a file."""
    folder = run.save(tmp_path / "run")
    program = (
        "import sys\n"
        "from population_operator.app.cli import run_command\n"
        f"assert run_command(['report', {str(folder)!r}]) == 0\n"
        "assert not {'plotly', 'torch', 'kubernetes', 'kopf'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (folder / "report.html").stat().st_size > 1_000_000


def test_it_is_replaced_at_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, history(run.entries))
    assert list(tmp_path.iterdir()) == [path]
    assert Document(path.read_text()).unclosed == []


def test_what_the_model_of_pb2_expected_stands_beside_what_came() -> None:
    run = a_run(small().set("spec.algorithm", {"pb2": {}}))
    document = page(run)
    told = [d.decision for d in history(run.entries).decisions if d.decision.expected]
    assert told
    expected, real = document.figures["promises"]["data"][1:]
    assert expected["x"] == [d.source.step for d in told if d.source]
    means = [10 * d.expected.mean for d in told if d.expected]
    assert expected["y"] == pytest.approx(means, rel=1e-5)
    sds = [10 * d.expected.sd for d in told if d.expected]
    assert expected["error_y"]["array"] == pytest.approx(sds, rel=1e-5)
    scores = {r.report.ref: r.report.score for r in history(run.entries).reports}
    came = [
        next(r.report.score for r in history(run.entries).reports if r.decision.id == d.id)
        - scores[d.source]
        for d in told
        if d.source
    ]
    assert real["y"] == pytest.approx(came, rel=1e-4, abs=1e-9)
    assert f"The model chose {len(told)} times: in the median it expected" in document.words
    rings = document.figures["schedule-0"]["data"][-1]
    assert rings["name"] == "chosen by the model"
    assert rings["y"] == pytest.approx([d.hyperparameters["lr"] for d in told], rel=1e-5)
    assert max(rings["marker"]["size"]) == 14
    assert f"exploits {run.state.exploits} in {run.state.decisions} decisions" in document.words


def test_without_a_model_nothing_is_said_of_expectations(document: Document) -> None:
    assert "promises" not in document.figures
    assert "Expectations" not in document.words
