"""The handwritten digits that come with scikit-learn, as rows of 64 numbers in [0, 1]."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Split:
    """Pictures (n x 64), and their labels (n)."""

    pictures: np.ndarray
    labels: np.ndarray


def load() -> tuple[Split, Split, Split]:
    """Training (50 %), validation (25 %) and test (25 %): the same for every trial."""
    pictures, labels = load_digits(return_X_y=True)
    some, rest, their, other = train_test_split(
        pictures / 16.0, labels, test_size=0.5, stratify=labels, random_state=0
    )
    valid, test, second, third = train_test_split(
        rest, other, test_size=0.5, stratify=other, random_state=0
    )
    return Split(some, their), Split(valid, second), Split(test, third)
