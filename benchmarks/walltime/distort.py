"""Distorted images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.walltime.network import COPIES, Array, data


def examples(sizes: Mapping[str, Any], rng: np.random.Generator) -> tuple[Array, Array]:
    """The examples to train with, `COPIES` of each, distorted anew: inputs and labels.

    `noise` is a standard deviation, too, beside those of `distorted`.
    """
    images, labels, _, _ = data()
    images = np.tile(images, (COPIES, 1)).reshape(-1, 8, 8)
    found = distorted(images, sizes, rng).reshape(-1, 64)
    found += float(sizes["noise"]) * rng.normal(size=found.shape).astype(np.float32)
    return found, np.tile(labels, COPIES)


def distorted(images: Array, sizes: Mapping[str, Any], rng: np.random.Generator) -> Array:
    """Images (n x 8 x 8), each rotated, stretched and moved by chance, read bilinearly.

    `sizes` are standard deviations: `rotate` in degrees, `stretch` as a logarithm, `shift` in
    pixels. Outside of an image it is black.
    """
    count = len(images)
    angle = np.deg2rad(float(sizes["rotate"]) * rng.normal(size=(count, 1)))
    stretch = np.exp(float(sizes["stretch"]) * rng.normal(size=(2, count)))
    move = float(sizes["shift"]) * rng.normal(size=(2, count))
    down, right = (grid.reshape(1, 64) - 3.5 for grid in np.mgrid[0:8, 0:8].astype(np.float64))
    a, b = np.cos(angle), np.sin(angle)
    y = (a * down - b * right) * stretch[0][:, None] + move[0][:, None] + 3.5
    x = (b * down + a * right) * stretch[1][:, None] + move[1][:, None] + 3.5
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    y, x = np.clip(y + 1.0, 0.0, 8.999), np.clip(x + 1.0, 0.0, 8.999)
    top, left = y.astype(int), x.astype(int)
    low, far = y - top, x - left
    each = np.arange(count)[:, None]
    return (
        padded[each, top, left] * (1 - low) * (1 - far)
        + padded[each, top, left + 1] * (1 - low) * far
        + padded[each, top + 1, left] * low * (1 - far)
        + padded[each, top + 1, left + 1] * low * far
    ).astype(np.float32)
