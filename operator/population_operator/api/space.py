"""Rules that span the whole search space: names, conditions, and the `initial` entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from population_operator.api.base import Cel, readable
from population_operator.api.parameters import Parameter, Value
from population_operator.api.problems import Problem, listed, shown, suggestion
from population_operator.api.values import typed

Initial = Mapping[str, Value]

CONDITIONS_CEL = (
    Cel(
        "self.parameters.all(p, !has(p.when) || p.when.parameter == p.name || "
        "self.parameters.exists(q, q.name == p.when.parameter))",
        "a `when` names a parameter that does not exist",
        "parameters",
    ),
    Cel(
        "self.parameters.all(p, !has(p.when) || p.when.parameter == p.name || "
        "!self.parameters.exists(q, q.name == p.when.parameter && !has(q.categorical)))",
        "a `when` must name a categorical parameter",
        "parameters",
    ),
    Cel(
        "self.parameters.all(p, !has(p.when) || p.when.parameter == p.name || "
        "!self.parameters.exists(q, q.name == p.when.parameter && has(q.when)))",
        "a `when` must name a parameter that itself has no `when`",
        "parameters",
    ),
    Cel(
        "self.parameters.all(p, !has(p.when) || self.parameters.all(q, "
        "q.name != p.when.parameter || !has(q.categorical) || "
        "p.when.__in__.all(value, value in q.categorical.values)))",
        "a `when` lists a value that its parameter does not have",
        "parameters",
    ),
)


def name_problems(parameters: Sequence[Parameter]) -> Iterator[Problem]:
    """Parameters whose name an earlier one already has."""
    first: dict[str, int] = {}
    for index, parameter in enumerate(parameters):
        if not (name := getattr(parameter, "name", "")):
            continue
        if name in first:
            message = f"repeats `{name}`, the name of parameters[{first[name]}]: rename one of them"
            yield Problem(f"parameters[{index}].name", message)
        first.setdefault(name, index)


def condition_problems(parameters: Sequence[Parameter]) -> Iterator[Problem]:
    """Conditions on a parameter that is not there, not categorical, or itself conditional."""
    by_name = _by_name(parameters)
    for index, parameter in enumerate(parameters):
        found = readable(_condition(parameter, by_name))
        yield from (problem.under(f"parameters[{index}].when") for problem in found)


def _condition(parameter: Parameter, by_name: Mapping[str, Parameter]) -> Iterator[Problem]:
    when = parameter.when
    if when is None or when.parameter == parameter.name:
        return
    parent = by_name.get(when.parameter)
    if parent is None:
        hint = suggestion(when.parameter, [name for name in by_name if name != parameter.name])
        yield Problem("parameter", f"no parameter is named `{when.parameter}`: {hint}")
        return
    if parent.when is not None:
        message = f"`{parent.name}` has a `when` itself: only an unconditional one can be named"
        yield Problem("parameter", message)
    if parent.categorical is None:
        message = f"`{parent.name}` is not categorical: only a categorical one can be named"
        yield Problem("parameter", message)
        return
    for place, value in enumerate(when.in_):
        if value not in parent.categorical.values:
            hint = suggestion(value, parent.categorical.values)
            yield Problem(f"in[{place}]", f"`{parent.name}` has no {value!r}: {hint}")


def initial_problems(
    parameters: Sequence[Parameter], initial: Sequence[Initial]
) -> Iterator[Problem]:
    """Known good starts that lie outside the search space. What is not given is drawn."""
    by_name = _by_name(parameters)
    for index, entry in enumerate(initial):
        for name, value in entry.items():
            found = readable(_start(name, value, by_name, entry))
            yield from (problem.under(f"initial[{index}].{name}") for problem in found)


def _start(
    name: str, value: Value, by_name: Mapping[str, Parameter], entry: Initial
) -> Iterator[Problem]:
    parameter = by_name.get(name)
    if parameter is None:
        yield Problem("", f"no parameter is named `{name}`: {suggestion(name, by_name)}")
        return
    try:
        typed(parameter, value)
    except ValueError as error:
        yield Problem("", str(error))
    if reason := _inactive(parameter, by_name, entry):
        yield Problem("", reason)


def _by_name(parameters: Sequence[Parameter]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for parameter in parameters:
        if hasattr(parameter, "name"):
            found.setdefault(parameter.name, parameter)
    return found


def _inactive(parameter: Parameter, by_name: Mapping[str, Parameter], entry: Initial) -> str:
    """Why the parameter does not exist in this entry, or nothing."""
    when = parameter.when
    parent = by_name.get(when.parameter) if when else None
    if when is None or parent is None or parent.categorical is None:
        return ""
    if parent.name not in entry:
        wanted = f"{parent.name}: {when.in_[0]}"
        return f"exists only for some `{parent.name}`, which would be drawn: give `{wanted}` too"
    try:
        chosen = typed(parent, entry[parent.name])
        known = [typed(parent, value) for value in when.in_]
    except ValueError:
        return ""
    if chosen in known:
        return ""
    value = shown(entry[parent.name])
    return f"exists only where `{parent.name}` is {listed(when.in_)}, here it is {value}: drop it"


def typed_initial(
    parameters: Sequence[Parameter], initial: Sequence[Initial]
) -> tuple[dict[str, Value], ...]:
    """Each value in its parameter's declared type; one that has no place there stays as it is."""
    by_name = {parameter.name: parameter for parameter in parameters}

    def value_of(name: str, value: Value) -> Value:
        try:
            return typed(by_name[name], value)
        except (KeyError, ValueError):
            return value

    return tuple({name: value_of(name, value) for name, value in one.items()} for one in initial)
