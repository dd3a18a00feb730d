"""What TorchState saves comes back, safely, and only where it belongs."""

from __future__ import annotations

import random

import numpy
import pytest
import torch
from torch.optim import lr_scheduler as schedules

from population_worker.torch import TorchState
from tests.population_worker.torch.test_learning_rate import SCHEDULES


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(6, 4)
        self.head = torch.nn.Linear(4, 6, bias=False)
        self.head.weight = self.embed.weight
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.embed(tokens)))


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randint(0, 6, (8,))).square().mean().backward()
    optimizer.step()


def adam(model: torch.nn.Module, **settings: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), **{"lr": 0.1, **settings})


def test_a_run_is_continued_bit_by_bit(tmp_path):
    def build():
        model = Tied()
        optimizer = adam(model)
        return model, optimizer, TorchState(model=model, optimizer=optimizer)

    model, optimizer, state = build()
    train(model, optimizer)
    state.save(tmp_path)
    expected = [random.random(), numpy.random.rand()]
    train(model, optimizer)
    other, other_optimizer, other_state = build()
    other_state.load(tmp_path, "resume")
    assert [random.random(), numpy.random.rand()] == expected
    train(other, other_optimizer)
    assert other.head.weight is other.embed.weight
    for ours, theirs in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_exploit_does_not_take_the_donors_random_numbers(tmp_path):
    state = TorchState(model=Tied())
    state.save(tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    state.load(tmp_path, "exploit")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_scheduler_is_read_back_with_weights_only(tmp_path, name):
    def build():
        model = Tied()
        optimizer = adam(model)
        scheduler = SCHEDULES[name](optimizer)
        return model, optimizer, scheduler

    model, optimizer, scheduler = build()
    for _ in range(5):
        train(model, optimizer)
        scheduler.step()
    TorchState(model=model, optimizer=optimizer, scheduler=scheduler).save(tmp_path)
    other, other_optimizer, other_scheduler = build()
    state = TorchState(model=other, optimizer=other_optimizer, scheduler=other_scheduler)
    state.load(tmp_path, "resume")
    for _ in range(5):
        for optimizer_, scheduler_ in ((optimizer, scheduler), (other_optimizer, other_scheduler)):
            optimizer_.step()
            scheduler_.step()
        assert optimizer.param_groups[0]["lr"] == other_optimizer.param_groups[0]["lr"]


def test_another_class_of_optimizer_starts_afresh_and_says_so(tmp_path, capfd):
    donor = Tied()
    donors = torch.optim.SGD(donor.parameters(), lr=0.5, momentum=0.9)
    cosine = schedules.CosineAnnealingLR(donors, 20)
    for _ in range(10):
        train(donor, donors)
        cosine.step()
    TorchState(model=donor, optimizer=donors, scheduler=cosine).save(tmp_path)
    model = Tied()
    optimizer = adam(model)
    scheduler = schedules.CosineAnnealingLR(optimizer, 20)
    train(model, optimizer)
    state = TorchState(model=model, optimizer=optimizer, scheduler=scheduler)
    state.load(tmp_path, "exploit")
    state.apply({"lr": 0.2})
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * 0.5)
    assert state.applied() == {"lr": pytest.approx(0.2)}
    (line,) = capfd.readouterr().err.splitlines()
    assert "SGD" in line
    assert "AdamW" in line


def test_values_are_applied_by_the_name_of_their_key():
    model = Tied()
    optimizer = adam(model)
    state = TorchState(model=model, optimizer=optimizer)
    state.apply({"lr": 0.2, "weight_decay": 0.5, "beta1": 0.7, "amsgrad": True, "batch_size": 8})
    group = optimizer.param_groups[0]
    assert group["betas"] == (0.7, 0.999)
    assert (group["lr"], group["weight_decay"], group["amsgrad"]) == (0.2, 0.5, True)
    assert state.applied() == {"lr": 0.2, "weight_decay": 0.5, "beta1": 0.7, "amsgrad": True}
    group["weight_decay"] = 0.0
    assert state.applied()["weight_decay"] == 0.0  # the echo is what is really in use


def test_keys_can_be_mapped():
    model = Tied()
    optimizer = adam(model)
    keys = {"learning_rate": "lr", "absent": "eps"}
    state = TorchState(model=model, optimizer=optimizer, optimizer_keys=keys)
    state.apply({"learning_rate": 0.2, "weight_decay": 0.5})
    assert optimizer.param_groups[0]["lr"] == 0.2
    assert optimizer.param_groups[0]["weight_decay"] == 0.01
    assert state.applied() == {"learning_rate": 0.2}


def test_whatever_has_a_state_is_kept(tmp_path):
    average = torch.nn.Linear(2, 2)
    TorchState(model=Tied(), average=average).save(tmp_path)
    other = torch.nn.Linear(2, 2)
    TorchState(model=Tied(), average=other).load(tmp_path, "resume")
    assert torch.equal(average.weight, other.weight)
    with pytest.raises(TypeError, match="average: str has no state_dict"):
        TorchState(model=Tied(), average="nothing")


def test_weights_of_another_shape_are_an_error(tmp_path):
    TorchState(model=torch.nn.Linear(2, 2)).save(tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        TorchState(model=torch.nn.Linear(3, 2)).load(tmp_path, "resume")


def test_a_checkpoint_cannot_run_code(tmp_path):
    state = TorchState(model=Tied(), optimizer=adam(Tied()))
    state.save(tmp_path)

    class Malicious:
        def __reduce__(self):
            return print, ("run",)

    torch.save(Malicious(), tmp_path / "optimizer.pt")
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        state.load(tmp_path, "resume")
