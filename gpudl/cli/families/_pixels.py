"""MNIST's images for networks that make images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError
from .._data import images_of

Array = np.ndarray[Any, Any]


def pictures_of(name: str) -> tuple[str, tuple[Array, Array], tuple[Array, Array]]:
    """The data that is used, and images (N, 1, 28, 28) with labels, to train and to test.

    The digits of 8x8 pixels, where they take MNIST's place, are enlarged threefold and framed.
    """
    name, train, test = images_of(name)
    parts = [(images.numpy(), labels.numpy()) for images, labels in (train, test)]
    if parts[0][0].shape[-1] == 8:
        parts = [(enlarged(images), labels) for images, labels in parts]
    return name, parts[0], parts[1]


def enlarged(images: Array) -> Array:
    """(N, 1, 8, 8) as (N, 1, 28, 28)."""
    if images.shape[1:] != (1, 8, 8):
        raise ArgumentError("gpudl train", f"images of the shape {images.shape[1:]}")
    return np.pad(images.repeat(3, 2).repeat(3, 3), ((0, 0), (0, 0), (2, 2), (2, 2)))


def grid(images: Array, columns: int) -> Array:
    """Images (N, H, W) as one picture, a pixel apart."""
    N, H, W = images.shape
    rows = -(-N // columns)
    out = np.zeros((rows * (H + 1) - 1, columns * (W + 1) - 1), images.dtype)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        out[y * (H + 1) : y * (H + 1) + H, x * (W + 1) : x * (W + 1) + W] = image
    return out
