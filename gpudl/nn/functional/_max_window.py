"""Maxima over windows that are no regular grid: adaptive and fractional max pooling.

Each finds where its maxima stand; reading there is a row with gradients of any order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import devices, shapes
from ..._namespace.convert import cast
from ...autograd import no_grad
from ...dtypes import float32, int64
from ...errors import ArgumentError, ShapeError
from ...ops import pooling as ops
from ...ops.index import HOLE, take_items
from ...ops.reduce import argmax
from ...ops.shape import broadcast_to, expand, gather_axis, reshape
from ...random import uniform
from ._check import batched, ints, number, on_host, placed, real_float, tensor, unbatched
from ._pool import output_sizes

Array = np.ndarray[Any, Any]


def _read(x: Any, index: Any, added: bool, return_indices: bool) -> Any:
    y = unbatched(ops.max_pool_gather(x, index), added)
    return (y, unbatched(index, added)) if return_indices else y


def _crossed(places: list[Array], spatial: tuple[int, ...]) -> Array:
    """Positions in the flattened space, (*L, *out, *k), of windows (*L, out, k) for each axis."""
    rank = len(places)
    lead = places[0].ndim - 2
    flat: Any = 0
    for axis, (place, n) in enumerate(zip(places, spatial, strict=True)):
        shape = [*place.shape[:lead], *(1,) * (2 * rank)]
        shape[lead + axis], shape[lead + rank + axis] = place.shape[-2:]
        flat = flat * n + place.reshape(shape)
    return np.asarray(flat, np.int64)


# ----- adaptive -----
def _intervals(n: int, out: int) -> Array:
    """(out, k): the positions from floor(i n / out) to ceil((i + 1) n / out), the last repeated."""
    i = np.arange(out)
    start, stop = i * n // out, -(-(i + 1) * n // out)
    width = int((stop - start).max())
    return np.asarray(np.minimum(start[:, None] + np.arange(width), stop[:, None] - 1))


def _adaptive_max_pool(rank: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    op = f"adaptive_max_pool{rank}d"
    x, added = batched(op, real_float(op, input), rank)
    spatial = x.shape[2:]
    sizes = output_sizes(op, output_size, spatial)
    if 0 in spatial:
        raise ShapeError(op, "an axis without elements", input=x)
    shapes.count(op, (*x.shape[:2], *sizes), 8)
    if all(n % size == 0 for n, size in zip(spatial, sizes, strict=True)):
        kernel = tuple(n // size for n, size in zip(spatial, sizes, strict=True))
        y, index = ops.max_pool(
            x, kernel=kernel, stride=kernel, padding=(0,) * rank, dilation=(1,) * rank,
            ceil_mode=False,
        )  # fmt: skip
        y = unbatched(y, added)
        return (y, unbatched(index, added)) if return_indices else y
    with devices.allocating(op, sizes, int64):
        places = [_intervals(n, size) for n, size in zip(spatial, sizes, strict=True)]
        shapes.count(op, (*x.shape[:2], *(p.size for p in places)), 8)
        flat = _crossed(places, spatial).reshape(math.prod(sizes), -1)
    with no_grad():
        table = placed(flat, x)
        rows = reshape(x, shape=(*x.shape[:2], math.prod(spatial)))
        windows = take_items(rows, table, key=(slice(None), slice(None), HOLE))
        best = expand(argmax(windows, axis=3), axis=(3,))
        wide = broadcast_to(table, shape=windows.shape)
        index = reshape(gather_axis(wide, best, axis=3), shape=(*x.shape[:2], *sizes))
    return _read(x, index, added, return_indices)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of (N, C, L) over `output_size` windows; with `return_indices` also where in L
    they stand.

    >>> import gpudl as gd
    >>> x = gd.tensor([[[3.0, 1.0, 2.0]]])
    >>> gd.nn.functional.adaptive_max_pool1d(x, 2).tolist()
    [[[3.0, 2.0]]]
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of (N, C, H, W) over (N, C, *output_size) windows; None keeps an extent."""
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of (N, C, D, H, W) over (N, C, *output_size) windows; None keeps an extent."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


# ----- fractional -----
def _starts(n: int, out: int, k: int, samples: Array) -> Array:
    """(N, C, out): where windows of `k` start, by pseudo-random steps of two sizes."""
    start = np.full((*samples.shape, out), n - k, np.int64)
    if out > 1:
        one = samples.dtype.type
        step = one(n - k) / one(out - 1)
        i = np.arange(out - 1).astype(samples.dtype)
        shifted = np.trunc((i + samples[..., None]) * step)
        start[..., :-1] = shifted - np.trunc(samples * step)[..., None]
    return start


def _fractional_max_pool(
    rank: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Any,
) -> Any:
    op = f"fractional_max_pool{rank}d"
    x, added = batched(op, real_float(op, input), rank)
    kernel = ints(op, "kernel_size", kernel_size, rank, 1)
    spatial = x.shape[2:]
    if (output_size is None) == (output_ratio is None):
        raise ArgumentError(op, "one of output_size and output_ratio is needed, not both")
    if output_size is None:
        given = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * rank
        if len(given) != rank:
            raise ShapeError(op, f"output_ratio has {len(given)} entries for {rank} axes")
        ratios = [number(op, "output_ratio", r) for r in given]
        if not all(0 < r < 1 for r in ratios):
            raise ArgumentError(op, f"output_ratio={output_ratio!r}", remedy="between 0 and 1")
        output_size = [int(n * r) for n, r in zip(spatial, ratios, strict=True)]
    sizes = ints(op, "output_size", output_size, rank, 1)
    if any(o + k - 1 > n for o, k, n in zip(sizes, kernel, spatial, strict=True)):
        raise ShapeError(
            op, f"{sizes} windows of {kernel} do not fit", remedy="output + kernel - 1 <= input",
            input=x,
        )  # fmt: skip
    shapes.count(op, (*x.shape[:2], *sizes, *kernel), 8)
    drawn = _samples(op, x, rank, samples)
    with devices.allocating(op, (*x.shape[:2], *sizes, *kernel), int64):
        places = []
        # PyTorch's samples of planes start with the last axis, those of volumes with the first.
        for axis, (n, o, k) in enumerate(zip(spatial, sizes, kernel, strict=True)):
            chosen = drawn[..., rank - 1 - axis if rank == 2 else axis]
            places.append(_starts(n, o, k, chosen)[..., None] + np.arange(k))
        flat = _crossed(places, spatial).reshape(*x.shape[:2], math.prod(sizes), math.prod(kernel))
    with no_grad():
        table = placed(flat, x)
        rows = reshape(x, shape=(*x.shape[:2], math.prod(spatial)))
        spread = reshape(table, shape=(*x.shape[:2], math.prod(sizes) * math.prod(kernel)))
        windows = reshape(gather_axis(rows, spread, axis=2), shape=table.shape)
        best = expand(argmax(windows, axis=3), axis=(3,))
        index = reshape(gather_axis(table, best, axis=3), shape=(*x.shape[:2], *sizes))
    return _read(x, index, added, return_indices)


def _samples(op: str, x: Any, rank: int, samples: Any) -> Array:
    """Numbers in [0, 1) for each plane and axis, (N, C, rank), on the host."""
    N, C = x.shape[:2]
    if samples is None:
        drawn = uniform((N, C, rank), dtype="float32")
    else:
        drawn = tensor(op, samples, "_random_samples")
        if drawn.shape != (N, C, rank):
            raise ShapeError(op, f"_random_samples is {(N, C, rank)}", _random_samples=drawn)
        if drawn.data.size and not bool(((drawn >= 0) & (drawn < 1)).all()):
            raise ArgumentError(op, "_random_samples outside [0, 1)", _random_samples=drawn)
    wide = x.dtype if x.dtype.itemsize >= 4 else float32
    return on_host(cast(drawn, wide))


def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The maxima of (N, C, H, W) over windows of `kernel_size` whose starts are drawn such that
    `output_size`, or `output_ratio` of the extents, of them fill the plane. Source: Graham 2014.

    >>> import gpudl as gd
    >>> gd.nn.functional.fractional_max_pool2d(gd.ones(2, 3, 9, 9), 2, output_ratio=0.7).shape
    (2, 3, 6, 6)
    """
    return _fractional_max_pool(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool2d` of volumes (N, C, D, H, W)."""
    return _fractional_max_pool(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
