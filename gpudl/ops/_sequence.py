"""What the rows of recurrent layers share: their shape rules, and states in tensor operations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .. import shapes
from ..autograd import Spec
from ..dtypes import DType, check_kind
from ..errors import ShapeError
from ..kernels.recurrent.steps import Sizes, runs
from ._rules import same_dtype
from .create import zeros_like
from .matmul import matmul, swap
from .reduce import sum_
from .shape import join


# ----- rules -----
def check_states(
    op: str, gates: int, x: Spec, h0: Spec, w: Spec, batch_sizes: Sizes
) -> tuple[DType, int]:
    """The common dtype and the hidden size of a sequence's operands; raises for a wrong call."""
    dtype = same_dtype(op, x, h0, w)
    check_kind(op, dtype, "f")
    good = x.ndim == h0.ndim == w.ndim == 2 and x.shape[1] == w.shape[0] != 0
    if not good or x.shape[1] % gates or h0.shape[1] != w.shape[1]:
        raise ShapeError(
            op,
            f"x is (rows, {gates} * hidden), h0 (batch, out), weight ({gates} * hidden, out)",
            x=x,
            h0=h0,
            weight=w,
        )
    falls = all(a >= b >= 0 for a, b in pairwise(batch_sizes))
    if not batch_sizes or not falls or sum(batch_sizes) != x.shape[0]:
        raise ShapeError(
            op,
            f"batch_sizes never rise and sum up to the rows of x, not {list(batch_sizes)}",
            x=x,
        )
    if h0.shape[0] != batch_sizes[0]:
        raise ShapeError(op, f"h0 has {h0.shape[0]} rows for a batch of {batch_sizes[0]}", h0=h0)
    shapes.count(op, x.shape, dtype.itemsize)
    return dtype, x.shape[1] // gates


def check_shape(op: str, wanted: tuple[int, ...], **operands: Any) -> None:
    """Raise `ShapeError` unless each of the operands has the shape `wanted`."""
    for name, spec in operands.items():
        if spec.shape != wanted:
            raise ShapeError(op, f"{name} is {wanted}", **operands)


# ----- gradients, in tensor operations -----
def part(x: Any, at: int, n: int) -> Any:
    """Rows `at` to `at + n`, all of them without an operation."""
    return x if at == 0 and n == x.shape[0] else x[at : at + n]


def columns(x: Any, count: int) -> list[Any]:
    """`x` cut along its last axis into `count` equal parts."""
    n = x.shape[1] // count
    return [x[:, i * n : (i + 1) * n] for i in range(count)]


def moved(state: Any, rows: Any) -> Any:
    """`state` with its first rows replaced."""
    n = rows.shape[0]
    return rows if n == state.shape[0] else join((rows, state[n:]), 0)


def given(g: Any, like: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of a result, zeros where none arrived."""
    return zeros_like(like, shape) if g is None else g


def plus(a: Any, b: Any) -> Any:
    """The sum of gradients of which the second may be missing."""
    return a if b is None else a + b


def earlier(y: Any, h0: Any, batch_sizes: Sizes, reverse: bool) -> Any:
    """`previous` in tensor operations."""
    parts = [
        part(h0 if run.initial else y, run.first, run.stop - run.start)
        for run in runs(batch_sizes, reverse)
    ]
    return join(tuple(parts), 0) if len(parts) > 1 else parts[0] if parts else y


def in_order(found: list[Any], reverse: bool) -> Any:
    """What the steps of a backward pass gave, the last one first, as the rows of one tensor."""
    return join(tuple(found if reverse else found[::-1]), 0)


def weight_gradient(g: Any, before: Any) -> Any:
    """Of a matrix that `before`, the earlier states, were multiplied with."""
    return matmul(swap(g), before)


def bias_gradient(g: Any) -> Any:
    """Of what was added to each row."""
    return sum_(g, axis=(0,), keepdims=False)
