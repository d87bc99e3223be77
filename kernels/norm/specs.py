"""The kernels of batch and layer normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, KernelSpec, Operand

from ..columns import chunked, each_column, finishing
from ..rows import LONG_VARIANTS, one_row, tile_variants, tiled

Array = np.ndarray[Any, Any]
EPS = {"eps": 1e-5}
_ONE_TYPE = ({"T": "float"}, {"T": "double"})


# ----- samples -----
def far(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Values whose mean is far larger than their deviation."""
    return (rng.standard_normal(shape) + 1000).astype(dtype)


def positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """From 0.5 to 1.5."""
    return (rng.random(shape) + 0.5).astype(dtype)


# ----- batch norm -----
# (shape, dtype, layout): channels with and without vectors, one chunk and several, C order.
_BATCHES: tuple[tuple[tuple[int, ...], str, Any], ...] = (
    ((2, 8, 3, 3), "float32", "channels_last"),
    ((2, 3, 5, 7), "float32", "dense"),
    ((37, 5), "float32", "dense"),
    ((1, 1, 1128), "float32", "dense"),
    ((1128, 4), "float32", "dense"),
    ((70, 132), "float32", "dense"),
    ((2, 1), "float32", "dense"),
    ((40, 3), "float64", "dense"),
)


def _batch(shape: tuple[int, ...], dtype: str, layout: Any, sample: Any = None) -> Operand:
    return Operand(shape, dtype, layout, sample)


def _batch_norm_case(shape: tuple[int, ...], dtype: str, layout: Any, sample: Any) -> Case:
    channels = Operand(shape[1:2], dtype)
    return Case("batch_norm", (_batch(shape, dtype, layout, sample), channels, channels), EPS)


def _batch_norm_bwd_case(shape: tuple[int, ...], dtype: str, layout: Any) -> Case:
    x, channels = _batch(shape, dtype, layout), Operand(shape[1:2], dtype)
    return Case(
        "batch_norm_bwd", (x, x, channels, channels, Operand(shape[1:2], dtype, sample=positive))
    )


def _no_rows(x: Array, weight: Array, bias: Array, *, eps: float) -> tuple[Array, Array, Array]:
    nothing = np.full_like(weight, np.nan)
    return x, nothing, nothing


_FORWARD = tuple(
    _batch_norm_case(*batch, sample)
    for batch, sample in zip(_BATCHES, (None, None, far, far, None, far, None, far), strict=True)
) + (
    Case("batch_norm", (Operand((3, 0, 2)), Operand((0,)), Operand((0,))), EPS),
    Case("batch_norm", (Operand((0, 4)), Operand((4,)), Operand((4,))), EPS, _no_rows),
)
_BACKWARD = tuple(_batch_norm_bwd_case(*batch) for batch in _BATCHES)

BATCH_NORM_MOMENTS = KernelSpec(
    name="batch_norm_moments",
    source="norm/batch_norm.cu",
    template="batch_norm_moments<{T}, {VEC}>",
    signature="PPqqq",
    geometry=chunked,
    variants=LONG_VARIANTS,
    cases=_FORWARD,
    registers=64,
    shared=12288,
)
BATCH_NORM_FINISH = KernelSpec(
    name="batch_norm_finish",
    source="norm/batch_norm.cu",
    template="batch_norm_finish<{T}>",
    signature="PPPdqqqiPPP",
    geometry=finishing,
    variants=_ONE_TYPE,
    cases=_FORWARD,
    registers=64,
    shared=6144,
)
BATCH_NORM_APPLY = KernelSpec(
    name="batch_norm_apply",
    source="norm/batch_norm.cu",
    template="batch_norm_apply<{T}, {VEC}>",
    signature="PPPPPqqq",
    geometry=chunked,
    variants=LONG_VARIANTS,
    cases=_FORWARD,
    registers=64,
)
BATCH_NORM_PRODUCTS = KernelSpec(
    name="batch_norm_products",
    source="norm/batch_norm.cu",
    template="batch_norm_products<{T}, {VEC}>",
    signature="PPPPqqq",
    geometry=chunked,
    variants=LONG_VARIANTS,
    cases=_BACKWARD,
    registers=64,
    shared=8192,
)
BATCH_NORM_BWD_FINISH = KernelSpec(
    name="batch_norm_bwd_finish",
    source="norm/batch_norm.cu",
    template="batch_norm_bwd_finish<{T}>",
    signature="PPPqqiPPP",
    geometry=finishing,
    variants=_ONE_TYPE,
    cases=_BACKWARD,
    registers=64,
    shared=4096,
)
BATCH_NORM_GX = KernelSpec(
    name="batch_norm_gx",
    source="norm/batch_norm.cu",
    template="batch_norm_gx<{T}, {VEC}>",
    signature="PPPPPqqq",
    geometry=chunked,
    variants=LONG_VARIANTS,
    cases=_BACKWARD,
    registers=64,
)


# ----- running statistics -----
def _running(channels: int, dtype: str) -> Case:
    vector, above = Operand((channels,), dtype), Operand((channels,), dtype, sample=positive)
    options = {"momentum": 0.1, "count": 37, "eps": 1e-5}
    return Case("running_stats", (vector, above, vector, above), options)


RUNNING_STATS = KernelSpec(
    name="running_stats",
    source="norm/batch_norm.cu",
    template="running_stats<{T}>",
    signature="PPPPdddPPq",
    geometry=each_column,
    variants=_ONE_TYPE,
    cases=(
        *(_running(n, "float32") for n in (0, 1, 37, 1128)),
        _running(300, "float64"),
        Case(
            "running_stats",
            (Operand((9,)), Operand((9,), sample=positive), *(Operand((9,), sample=positive),) * 2),
            {"momentum": 1.0, "count": 2, "eps": 10.0},  # a variance that rounding makes negative
        ),
    ),
    registers=32,
)


# ----- layer norm -----
_ROWS: tuple[tuple[tuple[int, ...], str], ...] = (
    ((5, 10), "float32"),
    ((17, 32), "float32"),
    ((3, 37), "float32"),
    ((2, 3, 128), "float32"),
    ((2, 333), "float32"),
    ((3, 1024), "float32"),
    ((1, 1128), "float32"),
    ((1, 2051), "float32"),
    ((3, 1), "float32"),
    ((0, 5), "float32"),
    ((5, 7), "float64"),
    ((2, 333), "float64"),
)
_LONG_ROWS = (((1, 8196), "float32"), ((2, 8201), "float32"), ((1, 1129), "float64"))


def _layer_norm_case(shape: tuple[int, ...], dtype: str, sample: Any, given: str) -> Case:
    weight = Operand(shape[-1:], dtype) if "w" in given else None
    bias = Operand(shape[-1:], dtype) if "b" in given else None
    return Case("layer_norm", (Operand(shape, dtype, sample=sample), weight, bias), EPS)


def _layer_norm_bwd_case(shape: tuple[int, ...], dtype: str) -> Case:
    row, stats = Operand(shape, dtype), Operand(shape[:-1], dtype)
    scale = Operand(shape[:-1], dtype, sample=positive)
    return Case("layer_norm_bwd", (row, row, Operand(shape[-1:], dtype), stats, scale))


def _layer_norm(x: Array, weight: Any, bias: Any, *, eps: float) -> tuple[Array, Array, Array]:
    """The reference where weight or bias is missing, which the row does not know."""
    mean = x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
    y = (x - mean) * rstd
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean[..., 0], rstd[..., 0]


def _partly(given: str) -> Case:
    case = _layer_norm_case((4, 36), "float32", None, given)
    return Case(case.op, case.operands, case.params, _layer_norm)


def _layer_norm_bwd(
    g: Array, x: Array, weight: Any, mean: Array, rstd: Array, *, bias: bool
) -> tuple[Any, ...]:
    normal = (x - mean[..., None]) * rstd[..., None]
    gx = g - g.mean(-1, keepdims=True) - normal * (g * normal).mean(-1, keepdims=True)
    return gx * rstd[..., None], None, g.sum(tuple(range(g.ndim - 1))) if bias else None


def _without_weight(bias: bool, cols: int = 40) -> Case:
    row, stats = Operand((3, cols)), Operand((3,), sample=positive)
    return Case("layer_norm_bwd", (row, row, None, stats, stats), {"bias": bias}, _layer_norm_bwd)


LAYER_NORM_FWD = KernelSpec(
    name="layer_norm_fwd",
    source="norm/layer_norm.cu",
    template="layer_norm_fwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPPdPPPqi",
    geometry=tiled,
    variants=tile_variants(),
    cases=(
        *(_layer_norm_case(*row, far, "wb") for row in _ROWS),
        *map(_partly, ("", "w", "b")),
    ),
    registers=160,
    shared=64,
)
LAYER_NORM_FWD_LONG = KernelSpec(
    name="layer_norm_fwd_long",
    source="norm/layer_norm.cu",
    template="layer_norm_fwd_long<{T}, {VEC}>",
    signature="PPPdPPPq",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=tuple(_layer_norm_case(*row, far, "wb") for row in _LONG_ROWS),
    registers=64,
    shared=384,
)
LAYER_NORM_BWD = KernelSpec(
    name="layer_norm_bwd",
    source="norm/layer_norm.cu",
    template="layer_norm_bwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPPPPPqi",
    geometry=tiled,
    variants=tile_variants(),
    cases=(*(_layer_norm_bwd_case(*row) for row in _ROWS), *map(_without_weight, (True, False))),
    registers=232,
    shared=64,
)
LAYER_NORM_BWD_LONG = KernelSpec(
    name="layer_norm_bwd_long",
    source="norm/layer_norm.cu",
    template="layer_norm_bwd_long<{T}, {VEC}>",
    signature="PPPPPPq",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=(*(_layer_norm_bwd_case(*row) for row in _LONG_ROWS), _without_weight(False, 8193)),
    registers=64,
    shared=256,
)
# Several chunks of rows, and columns with and without vectors.
_PARAMETERS = (
    *(_layer_norm_bwd_case(*row) for row in (((300, 8), "float32"), ((1128, 3), "float32"))),
    *(_layer_norm_bwd_case(*row) for row in (((37, 132), "float32"), ((40, 5), "float64"))),
    *map(_without_weight, (True, False)),
)
LAYER_NORM_PRODUCTS = KernelSpec(
    name="layer_norm_products",
    source="norm/layer_norm.cu",
    template="layer_norm_products<{T}, {VEC}>",
    signature="PPPPPqqq",
    geometry=chunked,
    variants=LONG_VARIANTS,
    cases=_PARAMETERS,
    registers=64,
    shared=8192,
)
LAYER_NORM_FINISH = KernelSpec(
    name="layer_norm_finish",
    source="norm/layer_norm.cu",
    template="layer_norm_finish<{T}>",
    signature="PqiPP",
    geometry=finishing,
    variants=_ONE_TYPE,
    cases=_PARAMETERS,
    registers=64,
    shared=4096,
)

SPECS = (
    BATCH_NORM_MOMENTS,
    BATCH_NORM_FINISH,
    BATCH_NORM_APPLY,
    BATCH_NORM_PRODUCTS,
    BATCH_NORM_BWD_FINISH,
    BATCH_NORM_GX,
    RUNNING_STATS,
    LAYER_NORM_FWD,
    LAYER_NORM_FWD_LONG,
    LAYER_NORM_BWD,
    LAYER_NORM_BWD_LONG,
    LAYER_NORM_PRODUCTS,
    LAYER_NORM_FINISH,
)
