"""The kernels of max and average pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

Array = np.ndarray[Any, Any]
Sampler = Callable[[np.random.Generator, tuple[int, ...], np.dtype[Any]], Array]

THREADS = 256
LANES, BANDS = 32, 8  # columns of a block of max_pool_bwd, and its warps

_TYPES = ({"T": "float"}, {"T": "double"})
_VECTORS = (
    {"T": "float", "VEC": "1"},
    {"T": "float", "VEC": "4"},
    {"T": "double", "VEC": "1"},
)


def each(*, size: int) -> Geometry:
    """A thread for each vector of the result."""
    return Geometry(grid=(-(-size // THREADS), 1, 1), block=(THREADS, 1, 1))


def banded(*, columns: int, bands: int) -> Geometry:
    """A block for 32 columns and 8 bands of pixels."""
    return Geometry(grid=(-(-columns // LANES), -(-bands // BANDS), 1), block=(LANES, BANDS, 1))


# ----- samples -----
def with_ties(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Few different values, some of them NaN and infinite; the last plane is -inf throughout."""
    x = rng.integers(-2, 3, shape).astype(dtype)
    x.reshape(-1)[3::11] = np.nan
    x.reshape(-1)[5::7] = -np.inf
    x[-1:, -1:] = -np.inf
    return x


def places(pixels: int, *, empty: bool = True) -> Sampler:
    """Pixels, the last one among them, and -1 for empty windows."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        at = rng.integers(0, pixels, shape)
        at.reshape(-1)[::5] = pixels - 1
        if empty:
            at.reshape(-1)[2::7] = -1
        return at.astype(dtype)

    return sample


# ----- references -----
def _added_up(g: Array, index: Array, *, x_shape: tuple[int, ...]) -> Array:
    gx = np.zeros((*x_shape[:2], int(np.prod(x_shape[2:])) + 1), g.dtype)
    n, c = np.ogrid[: x_shape[0], : x_shape[1]]
    flat = (*g.shape[:2], -1 if g.size else 0)
    np.add.at(gx, (n[..., None], c[..., None], index.reshape(flat)), g.reshape(flat))
    return gx[..., :-1].reshape(x_shape)


def _picked(v: Array, index: Array) -> Array:
    flat = np.zeros((*v.shape[:2], int(np.prod(v.shape[2:])) + 1), v.dtype)
    flat[..., :-1] = v.reshape(*v.shape[:2], -1)
    at = index.reshape(*index.shape[:2], -1)
    picked: Array = np.take_along_axis(flat, at, 2).reshape(index.shape)
    return picked


def _far_padded(x: Array, **_: Any) -> Array:
    """The means of windows of 2 that begin at -2, 1 and 4, of 5 elements."""
    return np.stack([0 * x[..., 0], (x[..., 1] + x[..., 2]) / 2, x[..., 4]], -1)


# ----- cases -----
def _window(kernel: tuple[int, ...], stride: int = 1, padding: int = 0) -> dict[str, Any]:
    rank = len(kernel)
    return {"kernel": kernel, "stride": (stride,) * rank, "padding": (padding,) * rank}


# (shape, dtype, layout, window, dilation, ceil_mode)
_POOLINGS: tuple[tuple[tuple[int, ...], str, Any, dict[str, Any], int, bool], ...] = (
    ((2, 8, 6, 6), "float32", "channels_last", _window((2, 2), 2), 1, False),
    ((2, 3, 7, 5), "float32", "dense", _window((3, 3), 2, 1), 1, False),
    ((1, 4, 9, 8), "float32", "dense", _window((3, 2), 1, 1), 2, False),
    ((1, 5, 37), "float32", "reversed", _window((4,), 3, 2), 1, True),
    ((2, 2, 3, 4, 7), "float32", "channels_last", _window((2, 3, 2), 2, 1), 1, True),
    ((1, 12, 5, 5), "float64", "channels_last", _window((3, 3), 1, 1), 1, False),
    ((1, 1, 1128), "float64", "dense", _window((5,), 2), 3, False),
    ((0, 4, 4, 4), "float32", "channels_last", _window((2, 2), 2), 1, False),
)
_MAX_CASES = tuple(
    Case(
        "max_pool",
        (Operand(shape, dtype, layout, sample),),
        {**window, "dilation": (dilation,) * (len(shape) - 2), "ceil_mode": ceil},
    )
    for shape, dtype, layout, window, dilation, ceil in _POOLINGS
    for sample in (None, with_ties)
)
_AVG_CASES = tuple(
    Case(
        "avg_pool",
        (Operand(shape, dtype, layout),),
        {**window, "ceil_mode": ceil, "count_include_pad": count},
    )
    for shape, dtype, layout, window, _, ceil in _POOLINGS
    for count in (True, False)
) + (
    # The operation refuses so much padding; the kernel gives 0 for the window that lies in it.
    Case(
        "avg_pool",
        (Operand((2, 3, 5)),),
        {**_window((2,), 3, 2), "ceil_mode": False, "count_include_pad": False},
        _far_padded,
    ),
)


def _pooled(shape: tuple[int, ...], window: dict[str, Any], ceil: bool) -> tuple[int, ...]:
    spatial = []
    for n, k, s, p in zip(
        shape[2:], window["kernel"], window["stride"], window["padding"], strict=True
    ):
        out = (n + 2 * p - k + (s - 1 if ceil else 0)) // s + 1
        spatial.append(out - ((out - 1) * s >= n + p))  # no window begins in the high padding
    return (*shape[:2], *spatial)


_AVG_BWD_CASES = tuple(
    Case(
        "avg_pool_bwd",
        (Operand(_pooled(shape, window, ceil), dtype, layout),),
        {"x_shape": shape, **window, "ceil_mode": ceil, "count_include_pad": count},
    )
    for shape, dtype, layout, window, _, ceil in _POOLINGS
    for count in (True, False)
)
# (shape of x, shape of the outputs, dtype, layout): many outputs at one pixel, several tiles of
# outputs, several bands, columns of two images in one block.
_PLACES: tuple[tuple[tuple[int, ...], tuple[int, ...], str, Any], ...] = (
    ((2, 3, 4, 4), (2, 3, 2, 2), "float32", "channels_last"),
    ((3, 20, 5, 7), (3, 20, 9, 9), "float32", "dense"),
    ((1, 33, 300), (1, 33, 70), "float32", "channels_last"),
    ((2, 5, 2, 3, 4), (2, 5, 1, 2, 2), "float64", "dense"),
    ((2, 5, 4), (2, 5, 0), "float64", "dense"),
    ((1, 1, 1), (1, 1, 37), "float32", "dense"),
)


def _place_operands(
    op: str, x: tuple[int, ...], outs: tuple[int, ...], dtype: str, layout: Any
) -> tuple[Operand, Operand]:
    sample = places(int(np.prod(x[2:])))
    index = Operand(outs, "int64", layout, sample)
    return Operand(outs if op == "max_pool_bwd" else x, dtype, layout), index


MAX_POOL = KernelSpec(
    name="max_pool",
    source="pooling/pooling.cu",
    template="max_pool<{T}, {VEC}>",
    signature="PPPSI",
    geometry=each,
    variants=_VECTORS,
    cases=_MAX_CASES,
    registers=80,
)

MAX_POOL_BWD = KernelSpec(
    name="max_pool_bwd",
    source="pooling/pooling.cu",
    template="max_pool_bwd<{T}>",
    signature="PPPqqiiiE",
    geometry=banded,
    variants=_TYPES,
    cases=tuple(
        Case(
            "max_pool_bwd",
            _place_operands("max_pool_bwd", *given),
            {"x_shape": given[0]},
            _added_up,
        )
        for given in _PLACES
    ),
    registers=64,
    shared=32 * 32 * (4 + 8),
)

MAX_POOL_GATHER = KernelSpec(
    name="max_pool_gather",
    source="pooling/pooling.cu",
    template="max_pool_gather<{T}>",
    signature="PPPIIqIE",
    geometry=each,
    variants=_TYPES,
    cases=tuple(
        Case("max_pool_gather", _place_operands("max_pool_gather", *given), {}, _picked)
        for given in _PLACES
    ),
    registers=40,
)

AVG_POOL = KernelSpec(
    name="avg_pool",
    source="pooling/pooling.cu",
    template="avg_pool<{T}, {VEC}>",
    signature="PPSIi",
    geometry=each,
    variants=_VECTORS,
    cases=_AVG_CASES,
    registers=64,
)

AVG_POOL_BWD = KernelSpec(
    name="avg_pool_bwd",
    source="pooling/pooling.cu",
    template="avg_pool_bwd<{T}, {VEC}>",
    signature="PPSIi",
    geometry=each,
    variants=_VECTORS,
    cases=_AVG_BWD_CASES,
    registers=64,
)

SPECS = (MAX_POOL, MAX_POOL_BWD, MAX_POOL_GATHER, AVG_POOL, AVG_POOL_BWD)
