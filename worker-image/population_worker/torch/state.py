"""Save, load and change a PyTorch training run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors.torch import load_model, save_model

from population_worker.torch import learning_rate
from population_worker.torch.random_state import load_random_state, save_random_state
from population_worker.wire import Value

_WEIGHTS = "model.safetensors"
_CLASSES = "classes.json"


@runtime_checkable
class Stateful(Protocol):
    """Anything with a state: a module, a GradScaler, an average of weights."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take a state."""
        ...


class TorchState:
    """A model, its optimizer, schedule and whatever else has a `state_dict`, as checkpoints.

    Weights go to `model.safetensors` (tied tensors once), the rest to `<name>.pt`, which is read
    with `weights_only=True`: no checkpoint runs code. On `resume` and `promote` the random
    generators continue where they were; after an exploit they do not.

    `optimizer_keys` maps hyperparameters to keys of the optimizer's param groups, for example
    `{"learning_rate": "lr"}`; without it every hyperparameter that is named like a key is applied
    (and `beta1` and `beta2`). What is under `lr` is the *base* rate: the schedule's current factor
    is kept, see `population_worker.torch.learning_rate`.
    """

    def __init__(
        self,
        *,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        scheduler: Stateful | None = None,
        optimizer_keys: Mapping[str, str] | None = None,
        **others: Stateful,
    ) -> None:
        for name, other in others.items():
            if not isinstance(other, Stateful):
                raise TypeError(f"{name}: {type(other).__name__} has no state_dict")
        self._model = model
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._others = others
        self._optimizer_keys = optimizer_keys
        self._applied: dict[str, str] = {}
        if optimizer is not None:
            learning_rate.remember_base_rates(optimizer)

    def save(self, path: Path) -> None:
        """Write everything below the folder `path`."""
        save_model(self._model, str(path / _WEIGHTS))
        for name, part in self._parts().items():
            torch.save(part.state_dict(), path / f"{name}.pt")
        classes = {name: _class_name(part) for name, part in self._parts().items()}
        (path / _CLASSES).write_text(json.dumps(classes))
        save_random_state(path)

    def load(self, path: Path, kind: str) -> None:
        """Read everything back; `kind` is resume, exploit or promote.

        An optimizer of another class starts afresh. Raises RuntimeError for weights of another
        shape or name, FileNotFoundError for a part that the checkpoint lacks.
        """
        load_model(self._model, str(path / _WEIGHTS))
        parts = self._parts()
        saved = json.loads((path / _CLASSES).read_text()).get("optimizer")
        ours = _class_name(self._optimizer)
        if self._optimizer is not None and saved != ours:
            self._optimizer.state.clear()
            _say(f"the checkpoint's optimizer is {saved}, ours {ours}: its state starts afresh")
            del parts["optimizer"]
        for name, part in parts.items():
            part.load_state_dict(_read(path / f"{name}.pt"))
        if self._optimizer is not None and saved != ours:
            learning_rate.follow_schedule(self._optimizer, self._scheduler)
        if kind != "exploit":
            load_random_state(path)

    def apply(self, hyperparameters: Mapping[str, Value]) -> None:
        """Put in force what the optimizer has a key for; the rest is the program's."""
        if self._optimizer is None:
            return
        self._applied = self._keys(hyperparameters, self._optimizer.param_groups[0])
        for name, key in self._applied.items():
            value = hyperparameters[name]
            if key == "lr":
                learning_rate.set_base_rate(self._optimizer, self._scheduler, float(value))
                continue
            for group in self._optimizer.param_groups:
                _set(group, key, value)

    def applied(self) -> dict[str, Value]:
        """Read back from the optimizer what was applied.

        The value of a learning rate is its base, before the schedule's factor, where a scheduler
        is in charge; where none is, or somebody changed the rate after it, the current rate. So a
        value that was ignored or undone shows.
        """
        return {name: self._read_back(key) for name, key in self._applied.items()}

    def _parts(self) -> dict[str, Stateful]:
        parts: dict[str, Stateful | None] = {
            "optimizer": self._optimizer,
            "scheduler": self._scheduler,
            **self._others,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _keys(
        self, hyperparameters: Mapping[str, Value], group: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return the param group's key of each hyperparameter that has one."""
        if self._optimizer_keys is not None:
            return {
                name: key for name, key in self._optimizer_keys.items() if name in hyperparameters
            }
        known = {key for key in group if key != "params"}
        if "betas" in group:
            known |= {"beta1", "beta2"}
        return {name: name for name in hyperparameters if name in known}

    def _read_back(self, key: str) -> Value:
        if self._optimizer is None:
            raise RuntimeError("nothing was applied: there is no optimizer")
        if key == "lr":
            return learning_rate.base_rate(self._optimizer, self._scheduler)
        return _get(self._optimizer.param_groups[0], key)


def _say(line: str) -> None:
    print(f"population_worker: {line}", file=sys.stderr)


def _class_name(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _read(path: Path) -> dict[str, Any]:
    # Not memory-mapped: an optimizer keeps the tensors, and the file may be deleted.
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _set(group: dict[str, Any], key: str, value: Value) -> None:
    if key in ("beta1", "beta2"):
        betas = list(group["betas"])
        betas[int(key[-1]) - 1] = float(value)
        group["betas"] = tuple(betas)
    elif isinstance(group[key], torch.Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value


def _get(group: Mapping[str, Any], key: str) -> Value:
    value = group["betas"][int(key[-1]) - 1] if key in ("beta1", "beta2") else group[key]
    if isinstance(value, torch.Tensor):
        value = value.item()
    result: Value = value
    return result
