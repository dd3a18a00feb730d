"""The base rate changes under every schedule of PyTorch, and the schedule goes on from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from population_worker.torch.learning_rate import (
    base_rate,
    remember_base_rates,
    set_base_rate,
)

SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "constant": lambda o: schedules.ConstantLR(o, 0.5, total_iters=9),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, 20),
    "cosine, floor": lambda o: schedules.CosineAnnealingLR(o, 20, eta_min=1e-3),
    "cosine, restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 5, eta_min=1e-3),
    "exponential": lambda o: schedules.ExponentialLR(o, 0.9),
    "lambda": lambda o: schedules.LambdaLR(o, lambda s: 1 / (1 + s)),
    "linear": lambda o: schedules.LinearLR(o, 0.2, total_iters=9),
    "multiplicative": lambda o: schedules.MultiplicativeLR(o, lambda s: 0.95),
    "multi-step": lambda o: schedules.MultiStepLR(o, [3, 9]),
    "polynomial": lambda o: schedules.PolynomialLR(o, 30, 2.0),
    "step": lambda o: schedules.StepLR(o, 4),
    "sequential": lambda o: schedules.SequentialLR(
        o,
        [
            schedules.LinearLR(o, 0.1, total_iters=4),
            schedules.CosineAnnealingLR(o, 20, eta_min=1e-3),
            schedules.ExponentialLR(o, 0.8),
        ],
        [4, 10],
    ),
    "chained": lambda o: schedules.ChainedScheduler(
        [schedules.LinearLR(o, 0.1, total_iters=4), schedules.ExponentialLR(o, 0.9)]
    ),
}


def an_optimizer(*rates: float) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    for group in optimizer.param_groups:
        group["params"][0].grad = torch.zeros(1)
    return optimizer


def rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def advance(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> None:
    for _ in range(steps):
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("at", [0, 1, 3, 7])
def test_the_schedule_goes_on_as_if_it_had_begun_with_the_new_base(name, at):
    changed, fresh = an_optimizer(0.1), an_optimizer(0.03)
    remember_base_rates(changed)
    ours, reference = SCHEDULES[name](changed), SCHEDULES[name](fresh)
    advance(changed, ours, at)
    advance(fresh, reference, at)
    set_base_rate(changed, ours, 0.03)
    for _ in range(12):
        assert rates_of(changed) == pytest.approx(rates_of(fresh), rel=1e-9)
        assert ours.get_last_lr() == pytest.approx(rates_of(fresh), rel=1e-9)
        assert base_rate(changed, ours) == pytest.approx(0.03)
        advance(changed, ours, 1)
        advance(fresh, reference, 1)


def test_one_cycle_takes_its_peak_as_the_base():
    changed, fresh = an_optimizer(0.1), an_optimizer(0.1)
    ours = schedules.OneCycleLR(changed, 0.1, total_steps=30, cycle_momentum=False)
    reference = schedules.OneCycleLR(fresh, 0.03, total_steps=30, cycle_momentum=False)
    advance(changed, ours, 5)
    advance(fresh, reference, 5)
    set_base_rate(changed, ours, 0.03)
    for _ in range(20):
        assert rates_of(changed) == pytest.approx(rates_of(fresh))
        assert base_rate(changed, ours) == pytest.approx(0.03)
        advance(changed, ours, 1)
        advance(fresh, reference, 1)


def test_cyclic_keeps_its_shape():
    changed, fresh = an_optimizer(0.1), an_optimizer(0.03)
    ours = schedules.CyclicLR(changed, 0.1, 0.5, step_size_up=5, cycle_momentum=False)
    reference = schedules.CyclicLR(fresh, 0.03, 0.15, step_size_up=5, cycle_momentum=False)
    advance(changed, ours, 3)
    advance(fresh, reference, 3)
    set_base_rate(changed, ours, 0.03)
    for _ in range(12):
        assert rates_of(changed) == pytest.approx(rates_of(fresh))
        advance(changed, ours, 1)
        advance(fresh, reference, 1)


def test_reductions_on_a_plateau_are_kept():
    optimizer = an_optimizer(0.1)
    remember_base_rates(optimizer)
    scheduler = schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for _ in range(3):
        scheduler.step(1.0)
    assert rates_of(optimizer) == [0.025]
    set_base_rate(optimizer, scheduler, 0.1)
    assert rates_of(optimizer) == [0.025]
    set_base_rate(optimizer, scheduler, 0.2)
    assert rates_of(optimizer) == [0.05]
    assert base_rate(optimizer, scheduler) == 0.2


def test_groups_keep_their_ratio():
    optimizer = an_optimizer(0.1, 0.01)
    remember_base_rates(optimizer)
    set_base_rate(optimizer, None, 0.3)
    assert rates_of(optimizer) == pytest.approx([0.3, 0.03])


def test_the_same_base_changes_no_bit():
    optimizer = an_optimizer(0.1)
    scheduler = schedules.CosineAnnealingLR(optimizer, 20)
    advance(optimizer, scheduler, 7)
    before = rates_of(optimizer)
    set_base_rate(optimizer, scheduler, 0.1)
    assert rates_of(optimizer) == before


def test_a_tensor_is_changed_in_place():
    optimizer = an_optimizer(0.1)
    rate = torch.tensor(0.1)
    optimizer.param_groups[0]["lr"] = rate
    remember_base_rates(optimizer)
    set_base_rate(optimizer, None, 0.3)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.3)


def test_the_echo_shows_what_an_unknown_scheduler_undid():
    optimizer = an_optimizer(0.1)
    hidden = schedules.LambdaLR(optimizer, lambda s: 1.0)
    set_base_rate(optimizer, None, 0.3)
    assert base_rate(optimizer, None) == 0.3
    advance(optimizer, hidden, 1)
    assert base_rate(optimizer, None) == 0.1


def test_the_echo_shows_what_was_changed_by_hand():
    optimizer = an_optimizer(0.1)
    scheduler = schedules.CosineAnnealingLR(optimizer, 20)
    advance(optimizer, scheduler, 3)
    optimizer.param_groups[0]["lr"] = 0.7
    assert base_rate(optimizer, scheduler) == 0.7
