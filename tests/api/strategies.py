"""Manifests of every shape that is valid, and small damage to them, for hypothesis."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

words = st.from_regex(r"[a-z][a-z0-9_.-]{0,7}", fullmatch=True)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
metrics = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,9}", fullmatch=True)
reals = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """A mapping in which each field may be missing."""
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def floats(draw: st.DrawFn) -> Document:
    low = draw(reals)
    high = low + draw(st.floats(0.001, 1e3))
    if low > 0 and draw(st.booleans()):
        return {"float": {"min": low, "max": high, "scale": "log"}}
    step = {"step": (high - low) / draw(st.integers(1, 9))} if draw(st.booleans()) else {}
    if step and not 0 < step["step"] <= high - low:
        step = {}
    return {"float": {"min": low, "max": high, **step}}


@st.composite
def integers(draw: st.DrawFn) -> Document:
    low, width = draw(st.integers(-1000, 1000)), draw(st.integers(1, 1000))
    if low > 0 and draw(st.booleans()):
        return {"integer": {"min": low, "max": low + width, "scale": "log"}}
    step = {"step": draw(st.integers(1, width))} if draw(st.booleans()) else {}
    return {"integer": {"min": low, "max": low + width, **step}}


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9
)
typed_values = st.one_of(
    st.tuples(st.just("string"), st.lists(texts, min_size=1, max_size=5, unique=True)),
    st.tuples(
        st.just("integer"),
        st.lists(st.integers(-99, 99).map(str), min_size=1, max_size=5, unique=True),
    ),
    st.tuples(
        st.just("float"),
        st.lists(st.integers(-99, 99), min_size=1, max_size=5, unique=True).map(
            lambda values: [f"{value / 4}" for value in values]
        ),
    ),
    st.just(("boolean", ["false", "true"])),
)


@st.composite
def categories(draw: st.DrawFn) -> Document:
    kind, values = draw(typed_values)
    more = draw(some(ordered=st.booleans()))
    given = {} if kind == "string" and draw(st.booleans()) else {"type": kind}
    return {"categorical": {"values": values, **given, **more}}


@st.composite
def parameters(draw: st.DrawFn) -> list[Document]:
    names = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    found: list[Document] = []
    for name in names:
        domain = draw(st.one_of(floats(), integers(), categories()))
        found.append({"name": name, **domain, **draw(some(mutable=st.booleans()))})
    parents = [each for each in found if "categorical" in each]
    for each in found:
        others = [parent for parent in parents if parent is not each and "when" not in parent]
        named = {one["when"]["parameter"] for one in found if "when" in one}
        if others and each["name"] not in named and draw(st.booleans()):
            parent = draw(st.sampled_from(others))
            values = st.sampled_from(parent["categorical"]["values"])
            chosen = draw(st.lists(values, min_size=1, unique=True))
            each["when"] = {"parameter": parent["name"], "in": chosen}
    return found


exploits = st.one_of(
    st.builds(dict, truncation=some(fraction=st.floats(0.01, 0.5))),
    st.just({"binaryTournament": {}}),
    st.builds(dict, tTest=some(samples=st.integers(2, 100), pValue=st.floats(0.001, 0.99))),
)
explores = some(
    perturb=some(factors=st.just([0.5, 2, 1])), resample=some(probability=st.floats(0, 1))
)
algorithms = st.one_of(
    st.just({"random": {}}),
    st.builds(dict, pbt=some(exploit=exploits, explore=explores)),
    st.builds(dict, pb2=some(exploit=exploits, window=st.integers(10, 1000))),
)
durations = st.from_regex(r"[1-9][0-9]{0,2}(\.[0-9]{1,3})?[hms]|[1-9][0-9]{0,4}ms", fullmatch=True)
templates = st.fixed_dictionaries(
    {
        "spec": st.just(
            {"containers": [{"name": "worker", "image": "a", "x": {"y": [1, 2.5, None]}}]}
        )
    },
    optional={"metadata": st.just({"labels": {"a": "b"}})},
)
workers = some(
    maxRestarts=st.integers(0, 99),
    template=templates,
    local=some(command=st.just(["python", "-u"]), env=st.just({"A": "1"})),
)
claims = st.sampled_from(
    [
        {"claimName": "checkpoints"},
        {"claimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}},
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid manifest."""
    size = draw(st.integers(2, 1000))
    interval = draw(st.integers(1, 10_000))
    schedule = {"interval": interval, "maxSteps": interval * draw(st.integers(1, 50))}
    times = some(stragglerTimeout=durations, maxDuration=durations, synchronous=st.booleans())
    people = some(
        parallelism=st.integers(1, size), baselines=st.integers(0, size - 1), seed=st.integers(0, 9)
    )
    objective = some(
        goal=st.sampled_from(["maximize", "minimize"]),
        target=reals,
        report=st.lists(metrics, max_size=3, unique=True),
    )
    rest = some(
        worker=workers,
        storage=claims,
        suspend=st.booleans(),
        ttlSecondsAfterFinished=st.integers(0, 10**6),
    )
    return {
        "apiVersion": "population-operator.io/v1alpha1",
        "kind": "PopulationExperiment",
        "metadata": {
            "name": draw(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True))
        },
        "spec": {
            "objective": {"metric": draw(metrics), **draw(objective)},
            "parameters": draw(parameters()),
            "algorithm": draw(algorithms),
            "population": {"size": size, **draw(people)},
            "schedule": {**schedule, **draw(times)},
            **draw(rest),
        },
    }


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53, -(2**63), 1e300, 0.5, "", "a", "1", "10m", "Retain", "log", "sgd"]),
    st.sampled_from([[], {}, [1], ["a", "a"], {"a": 1}, {"name": "a"}, [{}], [{"name": "a"}]]),
)

fields = st.sampled_from(["size", "min", "when", "name", "x", "pbt", "env", "step", "template"])


@st.composite
def damaged(draw: st.DrawFn) -> Document:
    """A manifest with up to three places removed, replaced or added."""
    document = copy.deepcopy(draw(documents()))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document["spec"])) if isinstance(document.get("spec"), dict) else []
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["remove", "replace", "add"])):
            case "remove":
                del holder[key]
            case "replace":
                holder[key] = draw(junk)
            case "add" if isinstance(holder, dict):
                holder[
                    draw(st.sampled_from(["size", "min", "when", "name", "x", "pbt", "env"]))
                ] = draw(junk)
            case "add":
                holder.append(copy.deepcopy(holder[key]))
    return document


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in list(keys):
            yield value, key
            yield from _places(value[key])
