"""What layers share: new parameters, and arguments given per spatial axis."""

from __future__ import annotations

from typing import Any

from .. import shapes
from .._namespace.creation import empty
from ._parameter import Parameter


def parameter(shape: tuple[int, ...], dtype: Any, device: Any) -> Parameter:
    """A parameter whose values are set by `reset_parameters`."""
    return Parameter(empty(shape, dtype=dtype, device=device))


def positive(op: str, name: str, value: Any) -> int:
    """A layer's size: an integer of at least 1."""
    return shapes.pair(op, name, value, 1, low=1)[0]


def size(op: str, name: str, value: Any) -> int:
    """A layer's size that may be 0."""
    return shapes.pair(op, name, value, 1, low=0)[0]


def shown(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """As `repr` shows a setting per axis: one number if all are equal."""
    return values[0] if len(set(values)) == 1 else values
