"""PyTorch as it comes."""

from __future__ import annotations

from typing import Any

import torch

from ._eager import Eager
from .base import Array


class Torch(Eager):
    """PyTorch's own words where they differ."""

    def __init__(self) -> None:
        super().__init__(torch)

    def asarray(self, x: Array) -> Any:
        return torch.from_numpy(x)

    def functional_call(self, module: Any, parameters: dict[str, Any], x: Any) -> Any:
        return torch.func.functional_call(module, parameters, (x,))


def make() -> Torch:
    """The adapter."""
    return Torch()
