"""The operations that the backward pass itself needs."""

from __future__ import annotations

from typing import Any

from ..shapes import Shape
from .create import device_of, full
from .elementwise import add, isnan
from .reduce import any_, sum_
from .shape import copy, reshape


class TapeAlgebra:
    """Implements `gpudl.autograd.Algebra` with rows of the table."""

    def add(self, a: Any, b: Any) -> Any:
        return add(a, b)

    def copy(self, x: Any) -> Any:
        return copy(x)

    def ones(self, like: Any, shape: Shape, dtype: Any) -> Any:
        return full(shape=shape, value=1, dtype=dtype, device=device_of(like))

    def unbroadcast(self, g: Any, shape: Shape) -> Any:
        """Sum `g` over the axes along which `shape` was broadcast to it."""
        lead = g.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(
            lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1
        )
        out = sum_(g, axis=axes, keepdims=False)
        return out if out.shape == shape else reshape(out, shape=shape)

    def has_nan(self, x: Any) -> bool:
        return bool(any_(isnan(x), axis=tuple(range(x.ndim)), keepdims=False).data)
