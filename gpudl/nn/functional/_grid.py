"""Sampling of images at points of a grid, and grids of affine maps: spatial transformers.

Source: Jaderberg et al., NeurIPS 2015. Coordinates run from -1 to 1 over the image, x first.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from ... import shapes
from ..._namespace.convert import cast
from ...dtypes import int64
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops.matmul import matmul
from ...ops.shape import gather_axis, permute, reshape
from ._check import as_ints, constant, placed, real_float, same_dtype, tensor

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
_CUBIC = -0.75


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The points theta @ (x, y, 1) for each pixel of images of `size`: (N, H, W, 2) for theta (N,
    2, 3) and size (N, C, H, W); (N, D, H, W, 3) for theta (N, 3, 4).

    >>> import gpudl as gd
    >>> theta = gd.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> gd.nn.functional.affine_grid(theta, (1, 1, 1, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    op = "affine_grid"
    t, extents = real_float(op, theta, "theta"), as_ints(op, size)
    rank = len(extents) - 2
    if rank not in (2, 3) or t.shape != (extents[0], rank, rank + 1):
        raise ShapeError(
            op, "theta is (N, 2, 3) for size (N, C, H, W), (N, 3, 4) for (N, C, D, H, W)",
            theta=t, size=extents,
        )  # fmt: skip
    if min(extents) < 1:
        raise ShapeError(op, f"size={extents}", remedy="extents of at least 1")
    space = extents[2:]
    shapes.count(op, (extents[0], *space, rank + 1), 8)
    points = np.ones((*space, rank + 1))
    for i, n in enumerate(space):
        line = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        line = line if align_corners else line * ((n - 1) / n)
        points[..., rank - 1 - i] = line.reshape((-1, *(1,) * (rank - 1 - i)))
    flat = placed(points.reshape(1, -1, rank + 1).astype(t.dtype), t)
    grid = matmul(flat, permute(t, axes=(0, 2, 1)))
    return reshape(grid, shape=(extents[0], *space, rank))


def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """The values of (N, C, H, W) at the points of `grid` (N, *S, 2): (N, C, *S), with S two axes;
    of (N, C, D, H, W) at (N, *S, 3), with S three.

    `mode` is "bilinear" (trilinear in three dimensions), "nearest" or "bicubic" (two dimensions
    only), `padding_mode` what lies outside: "zeros", "border" or "reflection". With `align_corners`
    -1 and 1 are the centres of the outer pixels, else their edges. Differentiable in both.

    >>> import gpudl as gd
    >>> x = gd.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> gd.nn.functional.grid_sample(x, gd.zeros(1, 1, 1, 2)).tolist()
    [[[[2.5]]]]
    """
    op = "grid_sample"
    x, g = real_float(op, input), tensor(op, grid, "grid")
    same_dtype(op, x, grid=g)
    rank = x.ndim - 2
    if rank not in (2, 3) or g.ndim != x.ndim or g.shape[0] != x.shape[0] or g.shape[-1] != rank:
        raise ShapeError(
            op, "input is (N, C, H, W), grid (N, h, w, 2); or (N, C, D, H, W), (N, d, h, w, 3)",
            input=x, grid=g,
        )  # fmt: skip
    if mode not in _MODES or (mode == "bicubic" and rank == 3):
        raise ArgumentError(
            op, f"mode={mode!r}", remedy='"bilinear", "nearest", or "bicubic" in two dimensions'
        )
    if padding_mode not in _PADDINGS:
        raise ArgumentError(
            op, f"padding_mode={padding_mode!r}", remedy=" or ".join(map(repr, _PADDINGS))
        )
    if 0 in x.shape[2:]:
        raise ShapeError(op, "an axis without elements", input=x)
    shapes.count(op, (*x.shape[:2], *g.shape[1:-1]), 8)
    sampler = _Sampler(op, x, padding_mode, bool(align_corners))
    coordinates = [sampler.pixels(g[..., rank - 1 - i], i) for i in range(rank)]
    if mode == "bicubic":
        return sampler.cubic(coordinates)
    coordinates = [sampler.bounded(c, i) for i, c in enumerate(coordinates)]
    if mode == "nearest":
        return sampler.at([ew.round_(c.detach()) for c in coordinates])
    corners = [ew.floor(c.detach()) for c in coordinates]
    total = None
    for corner in product((0, 1), repeat=rank):
        weight = None
        for c, low, high in zip(coordinates, corners, corner, strict=True):
            part = c - low if high else low + 1 - c
            weight = part if weight is None else weight * part
        places = [low + high for low, high in zip(corners, corner, strict=True)]
        term = sampler.at(places, weight)
        total = term if total is None else total + term
    return total


class _Sampler:
    """An image, its padding, and what values at pixel coordinates (N, *S) are."""

    def __init__(self, op: str, x: Any, padding: str, align: bool) -> None:
        self.op, self.padding, self.align = op, padding, align
        self.space = x.shape[2:]
        self.flat = reshape(x, shape=(*x.shape[:2], shapes.count(op, self.space)))

    def pixels(self, c: Any, axis: int) -> Any:
        """Coordinates from -1 .. 1 as positions in pixels."""
        n = self.space[axis]
        return (c + 1) * ((n - 1) / 2) if self.align else ((c + 1) * n - 1) * 0.5

    def bounded(self, c: Any, axis: int) -> Any:
        """Positions brought into the image, unless zeros lie around it."""
        n = self.space[axis]
        if self.padding == "zeros":
            return c
        if self.padding == "reflection":
            c = self._reflected(c, n)
        low, high = constant(self.op, c, 0), constant(self.op, c, n - 1)
        return ew.where(c <= low, low, ew.where(c >= high, high, c))

    def _reflected(self, c: Any, n: int) -> Any:
        low, span = (0.0, n - 1.0) if self.align else (-0.5, float(n))
        if span == 0:
            return c * 0
        d = c - low
        d = ew.where(d < 0, -d, d)
        turns = ew.floor(d.detach() * (1 / span))
        rest = d - turns * span
        return ew.where(turns - ew.floor(turns * 0.5) * 2 == 0, rest + low, span - rest + low)

    def at(self, places: list[Any], weight: Any = None) -> Any:
        """The pixels at whole positions (N, *S), times a weight; 0 outside: (N, C, *S)."""
        inside, index = None, None
        for place, n in zip(places, self.space, strict=True):
            ok = ew.logical_and(place >= 0, place <= n - 1)
            inside = ok if inside is None else ew.logical_and(inside, ok)
        for place, n in zip(places, self.space, strict=True):
            whole = cast(ew.where(inside, place, constant(self.op, place, 0)), int64)
            index = whole if index is None else index * n + whole
        N, S = index.shape[0], index.shape[1:]  # type: ignore[union-attr]
        count = shapes.count(self.op, S)
        picked = gather_axis(self.flat, reshape(index, shape=(N, 1, count)), axis=2)
        zero = constant(self.op, picked, 0)
        flag = reshape(inside, shape=(N, 1, count))
        if weight is None:
            picked = ew.where(flag, picked, zero)
        else:
            # A weight beside the image may be NaN; it does not count, nor does its gradient.
            w = ew.where(flag, reshape(weight, shape=(N, 1, count)), zero)
            picked = picked * w
        return reshape(picked, shape=(N, self.flat.shape[1], *S))

    def cubic(self, coordinates: list[Any]) -> Any:
        """The sum over 4 x 4 pixels, each brought into the image for itself."""
        corners = [ew.floor(c.detach()) for c in coordinates]
        weights = [_cubic(c - low) for c, low in zip(coordinates, corners, strict=True)]
        total = None
        for i, j in product(range(4), repeat=2):
            steps = enumerate(zip(corners, (i, j), strict=True))
            places = [self.bounded(c + (k - 1), axis) for axis, (c, k) in steps]
            places = [ew.round_(p) for p in places]
            term = self.at(places, weights[0][i] * weights[1][j])
            total = term if total is None else total + term
        return total


def _cubic(t: Any) -> list[Any]:
    """Keys' weights (1981) of the pixels at -1, 0, 1 and 2, for a position `t` in 0 .. 1."""
    a = _CUBIC

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]
