"""The handwritten digits that come with scikit-learn: 1797 pictures of 8 x 8 pixels."""

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Pictures, n x 1 x 8 x 8 in [0, 1], and their labels."""

    images: Tensor
    labels: Tensor


def load() -> tuple[Split, Split, Split]:
    """Training (50 %), validation (25 %) and test (25 %): the same for every member and seed."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 1, 8, 8) / 16.0
    train, rest, train_labels, rest_labels = train_test_split(
        images, labels, test_size=0.5, stratify=labels, random_state=0
    )
    valid, test, valid_labels, test_labels = train_test_split(
        rest, rest_labels, test_size=0.5, stratify=rest_labels, random_state=0
    )
    pairs = ((train, train_labels), (valid, valid_labels), (test, test_labels))
    first, second, third = (
        Split(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.long))
        for x, y in pairs
    )
    return first, second, third


def augment(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Shift by up to two pixels and add noise, both growing with `strength` in [0, 1]."""
    noisy = images + 0.3 * strength * torch.randn(images.shape, generator=generator)
    reach = round(2 * strength)
    if reach == 0:
        return noisy
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return torch.roll(noisy, (down, right), dims=(2, 3))
