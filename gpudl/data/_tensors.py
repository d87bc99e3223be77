"""Where arrays become tensors, and where seeds come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._namespace.creation import asarray
from ..errors import ArgumentTypeError
from ..tensor import Tensor


def to_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """`array`, which nobody else holds, as a tensor without a copy."""
    return asarray(array)  # type: ignore[no-any-return]  # a tensor


def draw_seed(generator: Any) -> int:
    """A seed from a generator; None stands for the default one."""
    if generator is None:
        return 0
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(0, 2**63))
    raise ArgumentTypeError(
        "DataLoader",
        f"generator is {type(generator).__name__}",
        remedy="a gd.Generator or a numpy.random.Generator, or seed=<integer>",
    )
