"""Change the learning rate under a running schedule so that the schedule does not undo it.

A schedule multiplies a *base* rate by a factor that changes with the steps. Schedulers keep the
base in several places (`initial_lr`, `base_lrs`), and some compute the next rate from the current
one (CosineAnnealingLR, StepLR, LinearLR), so all of them have to move together: the base becomes
the explored value, and the current rate that value times the schedule's current factor.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

Group = dict[str, Any]


def remember_base_rates(optimizer: Optimizer) -> None:
    """Note each group's rate as its base, as schedulers do: the factor is told from it later."""
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", as_float(group["lr"]))


def base_rate(optimizer: Optimizer, scheduler: Any | None) -> float:
    """Return the base rate of the first group that is really in force.

    That is the one which the scheduler works from. Where nobody schedules, or somebody else has
    changed the rate after the scheduler did, it is the current rate itself, so that a value which
    was ignored or undone shows.
    """
    current = as_float(optimizer.param_groups[0]["lr"])
    if scheduler is None or not math.isclose(_last_rate(scheduler, current), current):
        return current
    working = _active(scheduler)
    if "max_lr" in optimizer.param_groups[0] or not getattr(working, "base_lrs", None):
        return _base(optimizer.param_groups[0])
    return as_float(working.base_lrs[0])


def set_base_rate(optimizer: Optimizer, scheduler: Any | None, rate: float) -> None:
    """Make `rate` the first group's base; other groups keep their ratio to the first.

    Nothing is touched where it is the base already: a repeated interval stays equal bit by bit.
    """
    bases = [_base(group) for group in optimizer.param_groups]
    floor = _floor(scheduler)
    targets = [rate * (base / bases[0]) if bases[0] else rate for base in bases]
    for group, base, target in zip(optimizer.param_groups, bases, targets, strict=True):
        if target != base:
            _rescale_group(group, base, target, floor)
    for nested in _all_schedulers(scheduler):
        _rescale_scheduler(nested, optimizer, bases, targets)


def follow_schedule(optimizer: Optimizer, scheduler: Any | None) -> None:
    """Put a fresh optimizer where a scheduler that was loaded already is."""
    if scheduler is None:
        return
    rates = getattr(scheduler, "_last_lr", None) or []
    bases = getattr(_active(scheduler), "base_lrs", None) or rates
    for group, rate, base in zip(optimizer.param_groups, rates, bases, strict=False):
        assign(group, "lr", as_float(rate))
        group["initial_lr"] = as_float(base)


def as_float(value: object) -> float:
    """Return a number that may be a tensor (`capturable` optimizers)."""
    return float(value.item()) if isinstance(value, Tensor) else float(value)  # type: ignore[arg-type]


def assign(group: Group, key: str, value: float) -> None:
    """Set a value in place where it is a tensor: compiled and captured steps read that very one."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value)
    else:
        group[key] = value


def _base(group: Group) -> float:
    """Return a group's base rate: OneCycleLR's is the peak that it was made with."""
    return as_float(group.get("max_lr", group.get("initial_lr", group["lr"])))


def _rescale_group(group: Group, base: float, target: float, floor: float) -> None:
    current = as_float(group["lr"])
    if current == base or base == floor:
        assign(group, "lr", target)
    else:
        assign(group, "lr", floor + (current - floor) * ((target - floor) / (base - floor)))
    if "max_lr" in group:
        ratio = target / base if base else 1.0
        for key in ("initial_lr", "min_lr"):
            assign(group, key, as_float(group[key]) * ratio)
        assign(group, "max_lr", target)
    elif "initial_lr" in group:
        assign(group, "initial_lr", target)


def _rescale_scheduler(
    scheduler: Any, optimizer: Optimizer, bases: list[float], targets: list[float]
) -> None:
    """Move what one scheduler remembers along with the groups."""
    if hasattr(scheduler, "base_lrs"):
        scheduler.base_lrs = [
            as_float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups
        ]
    if hasattr(scheduler, "max_lrs"):  # CyclicLR
        scheduler.max_lrs = [
            peak if base == target or not base else peak * (target / base)
            for peak, base, target in zip(scheduler.max_lrs, bases, targets, strict=True)
        ]
    if hasattr(scheduler, "_last_lr"):
        scheduler._last_lr = [as_float(group["lr"]) for group in optimizer.param_groups]


def _all_schedulers(scheduler: Any | None) -> Iterator[Any]:
    """Yield a scheduler and those inside of it (SequentialLR, ChainedScheduler)."""
    if scheduler is None:
        return
    yield scheduler
    for nested in getattr(scheduler, "_schedulers", ()):
        yield from _all_schedulers(nested)


def _active(scheduler: Any) -> Any:
    """Return the scheduler that is at work now; of a chain, the first."""
    while nested := getattr(scheduler, "_schedulers", None):
        milestones = getattr(scheduler, "_milestones", None)
        at = 0 if milestones is None else bisect_right(milestones, scheduler.last_epoch)
        scheduler = nested[at]
    return scheduler


def _floor(scheduler: Any | None) -> float:
    """Return what the schedule anneals to: the part of the rate that no base scales."""
    return float(getattr(_active(scheduler), "eta_min", 0.0)) if scheduler is not None else 0.0


def _last_rate(scheduler: Any, default: float) -> float:
    rates = getattr(scheduler, "_last_lr", None)
    return as_float(rates[0]) if rates else default
