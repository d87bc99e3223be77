"""gpudl on images that are channels-last in memory, as its convolutions and pooling leave them."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpudl

from ._eager import Eager
from .base import Array


class ChannelsLast(Eager):
    """Measured where operations take images; in networks the first layer makes the layout."""

    groups = frozenset({"conv", "norm", "pool"})

    def asarray(self, x: Array) -> Any:
        if x.ndim == 4:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return super().asarray(x)


def make() -> ChannelsLast:
    """The adapter."""
    return ChannelsLast(gpudl)
