"""Pooling over windows, and to a given size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import devices
from ...dtypes import check_kind
from ...errors import ArgumentError, ShapeError
from ...ops import pooling as ops
from ...ops.matmul import linear
from ...ops.reduce import sum_
from ...shapes import as_int, count
from ._check import (
    axis_last,
    batched,
    constant,
    ints,
    placed,
    real_float,
    tensor,
    unbatched,
    undone,
)


def _windows(
    op: str, rank: int, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Any, Any, Any]:
    kernel = ints(op, "kernel_size", kernel_size, rank, 1)
    steps = kernel if stride is None else ints(op, "stride", stride, rank, 1)
    pads = ints(op, "padding", padding, rank, 0)
    if any(2 * p > k for k, p in zip(kernel, pads, strict=True)):
        raise ShapeError(
            op, f"padding {pads} for windows of {kernel}", remedy="at most half the window"
        )
    return kernel, steps, pads


# ----- max -----
def _max_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    op = f"max_pool{rank}d"
    x = tensor(op, input)
    check_kind(op, x.data.dtype, "if", input=x)
    x, added = batched(op, x, rank)
    kernel, steps, pads = _windows(op, rank, kernel_size, stride, padding)
    y, index = ops.max_pool(
        x,
        kernel=kernel,
        stride=steps,
        padding=pads,
        dilation=ints(op, "dilation", dilation, rank, 1),
        ceil_mode=bool(ceil_mode),
    )
    y = unbatched(y, added)
    return (y, unbatched(index, added)) if return_indices else y


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, L), floats or integers; with `return_indices` also where
    in L it stands."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, H, W), floats or integers; with `return_indices` also
    where in the flattened plane it stands."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, D, H, W), floats or integers; with `return_indices`
    also where in the flattened volume it stands."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ----- average -----
def _avg_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    op = f"avg_pool{rank}d"
    x, added = batched(op, real_float(op, input), rank)
    kernel, steps, pads = _windows(op, rank, kernel_size, stride, padding)
    include = bool(count_include_pad) or divisor_override is not None
    y = ops.avg_pool(
        x,
        kernel=kernel,
        stride=steps,
        padding=pads,
        ceil_mode=bool(ceil_mode),
        count_include_pad=include,
    )
    if divisor_override is not None:
        divisor = as_int(op, "divisor_override", divisor_override)
        if divisor == 0:
            raise ArgumentError(op, "divisor_override is 0")
        sizes = np.ones(())
        for n, out, k, s, p in zip(x.shape[2:], y.shape[2:], kernel, steps, pads, strict=True):
            start = np.arange(out) * s - p
            sizes = sizes[..., None] * (np.minimum(start + k, n + p) - start)
        y = y * placed((sizes / divisor).astype(x.dtype), x)
    return unbatched(y, added)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of (N, C, L)."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of (N, C, H, W), or its sum over `divisor_override`."""
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of (N, C, D, H, W), or its sum over `divisor_override`."""
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# ----- to a given size -----
def output_sizes(op: str, output_size: Any, spatial: tuple[int, ...]) -> tuple[int, ...]:
    """The extents to make: one for all axes or one each, None for the input's."""
    entries = (
        output_size if isinstance(output_size, (tuple, list)) else (output_size,) * len(spatial)
    )
    if len(entries) != len(spatial):
        raise ShapeError(op, f"output_size has {len(entries)} entries for {len(spatial)} axes")
    sizes = tuple(
        n if e is None else as_int(op, "output_size", e)
        for e, n in zip(entries, spatial, strict=True)
    )
    if any(size < 1 for size in sizes):
        raise ArgumentError(op, f"output_size={output_size!r}", remedy="at least 1")
    return sizes


def _averaging_matrix(n: int, out: int) -> Any:
    """(out, n): row i averages the positions floor(i n / out) to ceil((i + 1) n / out)."""
    count("adaptive_avg_pool", (out, n), 8)
    with devices.allocating("adaptive_avg_pool", (out, n), np.dtype(np.float64)):
        i, at = np.arange(out)[:, None], np.arange(n)
        member = (at >= i * n // out) & (at < -(-(i + 1) * n // out))
        return member / member.sum(1, keepdims=True)


def _adaptive_avg_pool(rank: int, input: Any, output_size: Any) -> Any:
    op = f"adaptive_avg_pool{rank}d"
    x, added = batched(op, real_float(op, input), rank)
    spatial = x.shape[2:]
    sizes = output_sizes(op, output_size, spatial)
    if 0 in spatial:
        raise ShapeError(op, "an axis without elements", input=x)
    if all(size == 1 for size in sizes):
        total = sum_(x, axis=tuple(range(2, x.ndim)), keepdims=True)
        return unbatched(total * constant(op, x, 1 / math.prod(spatial)), added)
    if all(n % size == 0 for n, size in zip(spatial, sizes, strict=True)):
        kernel = tuple(n // size for n, size in zip(spatial, sizes, strict=True))
        y = ops.avg_pool(
            x,
            kernel=kernel,
            stride=kernel,
            padding=(0,) * rank,
            ceil_mode=False,
            count_include_pad=True,
        )
        return unbatched(y, added)
    for at, (n, size) in enumerate(zip(spatial, sizes, strict=True), start=2):
        moved, undo = axis_last(x, at)
        x = undone(linear(moved, placed(_averaging_matrix(n, size).astype(x.dtype), x)), undo)
    return unbatched(x, added)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """(N, C, L) averaged to (N, C, output_size); windows may differ by one in size and overlap."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """(N, C, H, W) averaged to (N, C, *output_size); None keeps an extent."""
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """(N, C, D, H, W) averaged to (N, C, *output_size); None keeps an extent."""
    return _adaptive_avg_pool(3, input, output_size)
