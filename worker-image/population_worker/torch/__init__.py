"""The PyTorch adapter: a ready `save`, `load`, `apply` and `applied` for `Member.intervals`.

The only part of the SDK that imports torch and safetensors.
"""

from population_worker.torch.state import TorchState

__all__ = ["TorchState"]
