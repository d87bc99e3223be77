"""Where arrays become tensors, and where seeds come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._namespace.creation import asarray
from ..errors import ArgumentError, ArgumentTypeError
from ..random import Generator, default_generator
from ..tensor import Tensor
from ._seed import as_seed, mix


def to_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """`array`, which nobody else holds, as a tensor without a copy."""
    return asarray(array)  # a tensor


def choose_seed(op: str, seed: int | None, generator: Any) -> int:
    """`seed`, or one that is drawn from `generator`, or from the default one if both are None."""
    if seed is not None:
        if generator is not None:
            raise ArgumentError(op, "seed and generator are both given", remedy="give one")
        return as_seed(op, seed)
    source = default_generator() if generator is None else generator
    if not isinstance(source, Generator):
        raise ArgumentTypeError(
            op, f"generator is {type(source).__name__}", remedy="a gd.Generator, or seed=<integer>"
        )
    at = source.reserve(1)
    return mix(at["seed"], at["stream"], at["offset"])
