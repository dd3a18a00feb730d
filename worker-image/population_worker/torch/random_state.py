"""The state of the random generators, as files that loading cannot run code from."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch

_JSON = "random-state.json"  # no identifier: no part of TorchState can have this name
_TENSORS = "random-state.pt"


def save_random_state(folder: Path) -> None:
    """Write the states of Python's, NumPy's (where imported) and PyTorch's generators."""
    version, words, gauss = random.getstate()
    states: dict[str, object] = {"python": [version, list(words), gauss]}
    if numpy := sys.modules.get("numpy"):
        state = numpy.random.get_state(legacy=False)
        state["state"]["key"] = state["state"]["key"].tolist()
        states["numpy"] = state
    (folder / _JSON).write_text(json.dumps(states))
    torch.save({"cpu": torch.get_rng_state(), "cuda": _cuda_states()}, folder / _TENSORS)


def load_random_state(folder: Path) -> None:
    """Put the generators where they were when the states were saved."""
    states: dict[str, Any] = json.loads((folder / _JSON).read_text())
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    if "numpy" in states and (numpy := sys.modules.get("numpy")):
        numpy.random.set_state(states["numpy"])
    tensors = torch.load(folder / _TENSORS, map_location="cpu", weights_only=True)
    torch.set_rng_state(tensors["cpu"])
    if torch.cuda.is_available():
        # A successor may have been given another number of devices.
        for device, state in zip(range(torch.cuda.device_count()), tensors["cuda"], strict=False):
            torch.cuda.set_rng_state(state, device)


def _cuda_states() -> list[torch.Tensor]:
    """Return one state a device; none where CUDA is not in use: asking would start it."""
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
