"""Dropout of elements and of whole channels."""

from __future__ import annotations

from typing import Any

from ... import shapes
from ...dtypes import float32
from ...errors import ArgumentError, ShapeError
from ...ops import random as ops
from ...ops._philox import blocks_used, words_per_element
from ...ops.create import device_of, full, zeros_like
from ...random import default_generator
from ._check import number, real_float


def probability(op: str, p: Any) -> float:
    """A probability, from 0 to 1."""
    value = number(op, "p", p)
    if not 0 <= value <= 1:
        raise ArgumentError(op, f"p is {p}", remedy="from 0 to 1")
    return value


def _dropped(op: str, x: Any, p: float, training: bool, shape: tuple[int, ...]) -> Any:
    if not training or p == 0:
        return x
    if p == 1:
        return x * zeros_like(x, (1,) * x.ndim)
    n = shapes.count(op, shape)
    place = default_generator().reserve(blocks_used(n, words_per_element("uniform", float32)))
    if shape == x.shape:
        return ops.dropout(x, p=p, **place)
    ones = full(shape=shape, value=1, dtype=x.dtype, device=device_of(x))
    return x * ops.dropout(ones, p=p, **place)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """`input` with each element zero with probability `p`, the others scaled by 1 / (1 - p)."""
    x = real_float("dropout", input)
    return _dropped("dropout", x, probability("dropout", p), training, x.shape)


def _feature_dropout(rank: int, input: Any, p: float, training: bool) -> Any:
    op = f"dropout{rank}d"
    x = real_float(op, input)
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            op, f"needs (N, C, *spatial) or (C, *spatial) with {rank} spatial axes", input=x
        )
    shape = (*x.shape[: x.ndim - rank], *(1,) * rank)
    return _dropped(op, x, probability(op, p), training, shape)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """(N, C, L) or (C, L) with whole channels zero with probability `p`."""
    return _feature_dropout(1, input, p, training)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """(N, C, H, W) or (C, H, W) with whole channels zero with probability `p`."""
    return _feature_dropout(2, input, p, training)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """(N, C, D, H, W) or (C, D, H, W) with whole channels zero with probability `p`."""
    return _feature_dropout(3, input, p, training)
