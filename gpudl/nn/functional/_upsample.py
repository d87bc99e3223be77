"""Resizing of images: nearest, linear, cubic and area interpolation, an axis at a time.

A weight matrix (out, in) resizes an axis by one small matrix product. Where an output starts and
how it weighs its neighbours follows PyTorch, which follows OpenCV; with `antialias`, Pillow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import devices, shapes
from ...errors import ArgumentError, ShapeError
from ...ops.index import HOLE, take_items
from ...ops.matmul import linear
from ...ops.shape import broadcast_to, expand, reshape
from ._check import axis_last, ints, number, placed, real_float, undone
from ._pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
_RANKS = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
_ANTIALIASED = ("bilinear", "bicubic")
Array = np.ndarray[Any, Any]


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """(N, C, *S) resized to `size`, or by `scale_factor`, numbers or one for each spatial axis.

    `mode` is "nearest", "nearest-exact", "area" (1 to 3 axes), "linear" (1), "bilinear", "bicubic"
    (2) or "trilinear" (3). `align_corners` takes the centres of the outer pixels as the ends, not
    their edges. A scale factor that is given is used as it is, unless `recompute_scale_factor`
    takes the ratio of the sizes. `antialias` widens the filter where "bilinear" or "bicubic"
    shrink. Raises `ArgumentError` for a mode that the rank or the other arguments do not allow.

    >>> import gpudl as gd
    >>> x = gd.tensor([[[0.0, 4.0]]])
    >>> gd.nn.functional.interpolate(x, scale_factor=2, mode="linear").tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    op = "interpolate"
    x = real_float(op, input)
    rank = x.ndim - 2
    _check_mode(op, x, mode, align_corners, antialias)
    if 0 in x.shape[1:]:
        raise ShapeError(op, "channels or a spatial axis without elements", input=x)
    sizes, ratios = _sizes(op, x.shape[2:], size, scale_factor, recompute_scale_factor)
    shapes.count(op, (*x.shape[:2], *sizes), 8)
    if mode == "area":
        return _AREA[rank](x, sizes)
    for at, (out, ratio) in enumerate(zip(sizes, ratios, strict=True), start=2):
        if mode.startswith("nearest"):
            x = _picked(x, at, _nearest(x.shape[at], out, ratio, mode == "nearest-exact"))
        elif out != x.shape[at] or ratio is not None:
            matrix = _matrix(op, mode, x.shape[at], out, ratio, bool(align_corners), antialias)
            moved, undo = axis_last(x, at)
            x = undone(linear(moved, placed(matrix.astype(x.dtype), x)), undo)
    return x


def _check_mode(op: str, x: Any, mode: Any, align_corners: Any, antialias: bool) -> None:
    allowed = _RANKS.get(mode) if isinstance(mode, str) else None
    if allowed is None:
        raise ArgumentError(op, f"mode={mode!r}", remedy=" or ".join(map(repr, _RANKS)))
    if x.ndim - 2 not in allowed:
        raise ShapeError(
            op,
            f"mode={mode!r} resizes {' or '.join(map(str, allowed))} axes of (N, C, *spatial)",
            input=x,
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ArgumentError(op, f"mode={mode!r} takes no align_corners", remedy="leave it out")
    if antialias and mode not in _ANTIALIASED:
        raise ArgumentError(
            op, f"antialias with mode={mode!r}", remedy=" or ".join(map(repr, _ANTIALIASED))
        )


def _sizes(
    op: str, spatial: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], list[float | None]]:
    """The extents to make, and for each axis the given scale, None where sizes decide."""
    rank = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ArgumentError(op, "one of size and scale_factor is needed, not both")
    if size is not None:
        if recompute:
            raise ArgumentError(op, "recompute_scale_factor needs a scale_factor")
        return ints(op, "size", size, rank, 1), [None] * rank
    given = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * rank
    if len(given) != rank:
        raise ShapeError(op, f"scale_factor has {len(given)} entries for {rank} spatial axes")
    factors = [number(op, "scale_factor", factor) for factor in given]
    if not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise ArgumentError(op, f"scale_factor={scale_factor!r}", remedy="positive numbers")
    made = [math.floor(n * factor) for n, factor in zip(spatial, factors, strict=True)]
    return ints(op, "size", made, rank, 1), [None] * rank if recompute else list(factors)


# ----- nearest -----
def _nearest(n: int, out: int, factor: float | None, exact: bool) -> Array:
    """The position that each output takes, in float32 as PyTorch finds it."""
    i = np.arange(out)
    if not exact and out in (n, 2 * n):
        return np.asarray(i * n // out)
    step = np.float32(1 / factor) if factor is not None else np.float32(n) / np.float32(out)
    at = (i.astype(np.float32) + np.float32(0.5 if exact else 0)) * step
    return np.asarray(np.minimum(np.floor(at).astype(np.int64), n - 1))


def _picked(x: Any, at: int, index: Array) -> Any:
    n, out = x.shape[at], len(index)
    if out % n == 0 and np.array_equal(index, np.arange(out) // (out // n)):
        # Every element repeated: the gradient is a plain sum.
        wide = expand(x, axis=(at + 1,))
        wide = broadcast_to(wide, shape=(*x.shape[: at + 1], out // n, *x.shape[at + 1 :]))
        return reshape(wide, shape=(*x.shape[:at], out, *x.shape[at + 1 :]))
    return take_items(x, placed(index, x), key=(slice(None),) * at + (HOLE,))


# ----- weights -----
def _matrix(
    op: str, mode: str, n: int, out: int, factor: float | None, align: bool, antialias: bool
) -> Array:
    """(out, n): how each output weighs the inputs."""
    shapes.count(op, (out, n), 8)
    with devices.allocating(op, (out, n), np.dtype(np.float64)):
        matrix = np.zeros((out, n))
    if align:
        step = (n - 1) / (out - 1) if out > 1 else 0.0
    else:
        step = 1 / factor if factor is not None else n / out
    i = np.arange(out)
    if antialias:
        return _antialiased(matrix, step, mode)
    source = i * step if align else (i + 0.5) * step - 0.5
    if mode != "bicubic":
        source = np.clip(source, 0, n - 1)
    first = np.floor(source).astype(np.int64)
    t = source - first
    taps = _cubic_taps(t) if mode == "bicubic" else {0: 1 - t, 1: t}
    for offset, weight in taps.items():
        np.add.at(matrix, (i, np.clip(first + offset, 0, n - 1)), weight)
    return matrix


def _cubic_taps(t: Array) -> dict[int, Array]:
    return {offset: _cubic(np.abs(t - offset), -0.75) for offset in (-1, 0, 1, 2)}


def _cubic(d: Array, a: float) -> Array:
    """Keys' kernel (1981) at the distance `d`."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _antialiased(matrix: Array, step: float, mode: str) -> Array:
    """The filter stretched by `step` where it shrinks, cut off at the border and normalized."""
    out, n = matrix.shape
    stretch = max(step, 1.0)
    support = (2.0 if mode == "bicubic" else 1.0) * stretch
    centre = ((np.arange(out) + 0.5) * step)[:, None]
    at = np.arange(n)
    low = np.maximum(np.trunc(centre - support + 0.5), 0)
    high = np.minimum(np.trunc(centre + support + 0.5), n)
    d = np.abs((at - centre + 0.5) / stretch)
    weight = _cubic(d, -0.5) if mode == "bicubic" else np.maximum(1 - d, 0)
    weight = np.where((at >= low) & (at < high), weight, 0.0)
    total = weight.sum(1, keepdims=True)
    return weight / np.where(total == 0, 1.0, total)


# ----- old names -----
def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """`interpolate`, under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="nearest", under its older name."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` with mode="bilinear" and aligned corners, under its older name."""
    return interpolate(input, size, scale_factor, "bilinear", True)
