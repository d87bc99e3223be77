"""The way back from max pooling, and pooling by p-norms."""

from __future__ import annotations

import math
from typing import Any

from ... import shapes
from ...dtypes import kind
from ...errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from ...ops import elementwise as ew
from ...ops.create import arange, device_of, zeros_like
from ...ops.index import HOLE, index_put
from ...ops.shape import reshape
from ._check import as_ints, batched, constant, ints, number, real_float, tensor, unbatched
from ._pool import avg_pool1d, avg_pool2d, avg_pool3d


# ----- unpooling -----
def _max_unpool(
    rank: int,
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Any:
    op = f"max_unpool{rank}d"
    x, added = batched(op, real_float(op, input), rank)
    index = tensor(op, indices, "indices")
    if kind(index.data.dtype) != 1:
        raise ArgumentTypeError(
            op, f"indices of dtype {index.dtype.name}", remedy="integers", indices=index
        )
    if index.shape != input.shape:
        raise ShapeError(op, "an index for each value", input=input, indices=index)
    kernel = ints(op, "kernel_size", kernel_size, rank, 1)
    steps = kernel if stride is None else ints(op, "stride", stride, rank, 1)
    pads = ints(op, "padding", padding, rank, 0)
    sizes = _unpooled(op, x.shape[2:], kernel, steps, pads, output_size)
    plane = shapes.count(op, sizes)
    planes = x.shape[0] * x.shape[1]
    total = shapes.count(op, (planes, plane), 8)
    if x.data.size and not bool(((index >= 0) & (index < plane)).all()):
        raise IndexRangeError(op, f"an index outside the {sizes} of the output", indices=index)
    rows = reshape(index.astype("int64", copy=False), shape=(planes, math.prod(x.shape[2:])))
    first = arange(start=0, step=1, length=planes, dtype=rows.dtype, device=device_of(x)) * plane
    places = reshape(rows + reshape(first, shape=(planes, 1)), shape=(x.data.size,))
    values = reshape(x, shape=(x.data.size,))
    y = index_put(zeros_like(x, (total,)), values, places, key=(HOLE,))
    return unbatched(reshape(y, shape=(*x.shape[:2], *sizes)), added)


def _unpooled(
    op: str, spatial: Any, kernel: Any, steps: Any, pads: Any, output_size: Any
) -> tuple[int, ...]:
    usual = tuple(
        (n - 1) * s - 2 * p + k for n, k, s, p in zip(spatial, kernel, steps, pads, strict=True)
    )
    if output_size is None:
        if min(usual) < 1:
            raise ShapeError(op, f"an output of {usual}", remedy="less padding")
        return usual
    sizes = as_ints(op, output_size)
    if len(sizes) == len(spatial) + 2:
        sizes = sizes[2:]
    if len(sizes) != len(spatial):
        raise ShapeError(op, f"output_size has {len(sizes)} entries for {len(spatial)} axes")
    if not all(max(u - s, 0) < n < u + s for n, u, s in zip(sizes, usual, steps, strict=True)):
        raise ArgumentError(
            op, f"output_size={sizes}", remedy=f"within the stride {steps} of {usual}"
        )
    return sizes


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values (N, C, L) at the places `indices` that `max_pool1d` gave, zeros elsewhere.

    >>> import gpudl as gd
    >>> F = gd.nn.functional
    >>> y, at = F.max_pool1d(gd.tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2, return_indices=True)
    >>> F.max_unpool1d(y, at, 2).tolist()
    [[[0.0, 3.0, 2.0, 0.0]]]
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values (N, C, H, W) at the places `indices` that `max_pool2d` gave, zeros elsewhere;
    `output_size` says which of the possible inputs it was."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values (N, C, D, H, W) at the places `indices` that `max_pool3d` gave, zeros
    elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


# ----- norms of windows -----
_AVERAGE = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


def _lp_pool(
    rank: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Any:
    op = f"lp_pool{rank}d"
    x, p = real_float(op, input), number(op, "norm_type", norm_type)
    if p == 0 or not math.isfinite(p):
        raise ArgumentError(op, f"norm_type is {norm_type}", remedy="a number other than 0")
    kernel = ints(op, "kernel_size", kernel_size, rank, 1)
    raised = ew.square(x) if p == 2 else x if p == 1 else x**p
    total = _AVERAGE[rank](raised, kernel, stride, 0, ceil_mode) * float(math.prod(kernel))
    if p == 1:
        return total
    # The root has no derivative at 0; as for norms, it is 0 there.
    none = total == 0
    root = ew.where(none, constant(op, total, 1), total) ** (1 / p)
    return ew.where(none, constant(op, total, 0), root)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window of (N, C, L), with p = `norm_type`; NaN where a sum
    is negative and p not 1.

    >>> import gpudl as gd
    >>> gd.nn.functional.lp_pool1d(gd.tensor([[[3.0, 4.0, 0.0, 2.0]]]), 2, 2).tolist()
    [[[5.0, 2.0]]]
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window of (N, C, H, W), with p = `norm_type`."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Any:
    """(sum x^p)^(1/p) over each window of (N, C, D, H, W), with p = `norm_type`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
