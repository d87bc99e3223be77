"""PyTorch as an expert sets it on a CPU: channels-last images, fused optimizers, and a malloc that
keeps its pages (in the environment of its process)."""

from __future__ import annotations

from typing import Any

import torch

from .base import Array
from .torch_eager import Torch


class Tuned(Torch):
    """Measured where one of the three can matter."""

    groups = frozenset({"conv", "activation", "norm", "pool", "loss", "optimizer", "train"})

    def asarray(self, x: Array) -> Any:
        t = super().asarray(x)
        return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t

    def prepare(self, network: Any) -> Any:
        return network.to(memory_format=torch.channels_last)

    def optimizer(self, name: str, parameters: list[Any], lr: float) -> Any:
        if name == "adam":
            return torch.optim.Adam(parameters, lr=lr, fused=True)
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9, fused=True)


def make() -> Tuned:
    """The adapter."""
    return Tuned()
