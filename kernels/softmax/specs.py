"""The kernels of softmax and cross-entropy: rows in registers, and rows too long for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.runtime import Case, KernelSpec, Operand

from ..rows import LONG_VARIANTS, one_row, tile_variants, tiled

Array = np.ndarray[Any, Any]
Sampler = Callable[[np.random.Generator, tuple[int, ...], np.dtype[Any]], Array]

# (rows, columns): a case for each tile, with vectors and without.
_TILED = ((5, 10), (17, 32), (3, 37), (2, 256), (2, 333), (3, 1024), (1, 1128), (1, 2051))
_TILED_DOUBLE = ((5, 7), (2, 333))
_LONG = ((1, 8196), (1, 8201))
_LONG_DOUBLE = ((1, 1129),)
IGNORE = -100


def _shapes(*, long: bool) -> list[tuple[tuple[int, int], str]]:
    single, double = (_LONG, _LONG_DOUBLE) if long else (_TILED, _TILED_DOUBLE)
    return [(shape, "float32") for shape in single] + [(shape, "float64") for shape in double]


def wide_range(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Rows that overflow exp unless the maximum is taken off; some elements are -inf."""
    x = np.asarray(rng.standard_normal(shape)) * 3 + 100
    x.reshape(-1)[3::17] = -np.inf
    return x.astype(dtype)


def with_lost_rows(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A row of -inf, a row with NaN and a row with inf, whose results are NaN."""
    x = rng.standard_normal(shape)
    x[0] = -np.inf
    x[1, 2], x[2, -1] = np.nan, np.inf
    return x.astype(dtype)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Rows of a softmax."""
    x = np.exp(np.asarray(rng.standard_normal(shape)))
    return np.asarray(x / x.sum(-1, keepdims=True)).astype(dtype)


def log_probabilities(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Rows of a log-softmax."""
    return np.log(probabilities(rng, shape, np.dtype(np.float64))).astype(dtype)


def labels_of(classes: int) -> Sampler:
    """Classes, every third one ignored, the first and the last class among them."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        labels = rng.integers(0, classes, shape)
        labels[::3] = IGNORE
        labels[1:2], labels[-1:] = 0, classes - 1
        return labels.astype(dtype)

    return sample


def _forward_cases(*, long: bool) -> tuple[Case, ...]:
    cases = [
        Case(op, (Operand(shape, dtype, sample=wide_range),))
        for shape, dtype in _shapes(long=long)
        for op in ("softmax", "log_softmax")
    ]
    if not long:
        cases += [
            Case("softmax", (Operand((4, 6), sample=with_lost_rows),)),
            Case("log_softmax", (Operand((4, 6), sample=with_lost_rows),)),
            Case("softmax", (Operand((3, 1)),)),
            Case("log_softmax", (Operand((2, 0)),)),
            Case("softmax", (Operand((0, 5)),)),
            Case("softmax", (Operand((2, 3, 40), layout="transposed"),)),
            Case("log_softmax", (Operand((3, 36), layout="reversed"),)),
        ]
    else:
        cases += [
            Case("softmax", (Operand((3, 8193), sample=with_lost_rows),)),
            Case("log_softmax", (Operand((3, 8193), sample=with_lost_rows),)),
        ]
    return tuple(cases)


def _backward_cases(*, long: bool) -> tuple[Case, ...]:
    cases = []
    for shape, dtype in _shapes(long=long):
        g = Operand(shape, dtype)
        cases += [
            Case("softmax_bwd", (g, Operand(shape, dtype, sample=probabilities))),
            Case("log_softmax_bwd", (g, Operand(shape, dtype, sample=log_probabilities))),
        ]
    if not long:
        y = Operand((3, 40), sample=probabilities)
        cases.append(Case("softmax_bwd", (Operand((3, 40), layout="broadcast"), y)))
    return tuple(cases)


def _losses(*, long: bool) -> list[tuple[tuple[int, int], str, float]]:
    cases = [
        (shape, dtype, smoothing) for shape, dtype in _shapes(long=long) for smoothing in (0.0, 0.1)
    ]
    return cases if long else [*cases, ((4, 1), "float32", 0.1)]


def _options(smoothing: float) -> dict[str, Any]:
    return {"ignore_index": IGNORE, "label_smoothing": smoothing}


def _loss_cases(*, long: bool) -> tuple[Case, ...]:
    return tuple(
        Case(
            "cross_entropy",
            (
                Operand(shape, dtype),
                Operand(shape[:1], "int64", sample=labels_of(shape[1])),
            ),
            _options(smoothing),
        )
        for shape, dtype, smoothing in _losses(long=long)
    )


def _near(lse: float) -> Sampler:
    """Logits whose lse is about `lse`."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        x = rng.standard_normal(shape)
        return (x - np.logaddexp.reduce(x, -1, keepdims=True) + lse).astype(dtype)

    return sample


def _constant(value: float) -> Sampler:
    return lambda rng, shape, dtype: np.full(shape, value, dtype)


def _slope_cases(*, long: bool) -> tuple[Case, ...]:
    # Both ways to the probabilities: by an lse that is small, and anew.
    return tuple(
        Case(
            "cross_entropy_bwd",
            (
                Operand(shape[:1], dtype),
                Operand(shape, dtype, sample=_near(lse)),
                Operand(shape[:1], "int64", sample=labels_of(shape[1])),
                Operand(shape[:1], dtype, sample=_constant(lse)),
            ),
            _options(smoothing),
        )
        for shape, dtype, smoothing in _losses(long=long)
        for lse in ((2.0, 64.0) if long else (2.0, -64.0))
    )


SOFTMAX_FWD = KernelSpec(
    name="softmax_fwd",
    source="softmax/softmax.cu",
    template="softmax_fwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPqii",
    geometry=tiled,
    variants=tile_variants(),
    cases=_forward_cases(long=False),
    registers=128,
    shared=64,
)
SOFTMAX_FWD_LONG = KernelSpec(
    name="softmax_fwd_long",
    source="softmax/softmax.cu",
    template="softmax_fwd_long<{T}, {VEC}>",
    signature="PPqi",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=_forward_cases(long=True),
    registers=64,
    shared=256,
)
SOFTMAX_BWD = KernelSpec(
    name="softmax_bwd",
    source="softmax/softmax.cu",
    template="softmax_bwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPPqii",
    geometry=tiled,
    variants=tile_variants(),
    cases=_backward_cases(long=False),
    registers=168,
    shared=64,
)
SOFTMAX_BWD_LONG = KernelSpec(
    name="softmax_bwd_long",
    source="softmax/softmax.cu",
    template="softmax_bwd_long<{T}, {VEC}>",
    signature="PPPqi",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=_backward_cases(long=True),
    registers=64,
    shared=128,
)
CROSS_ENTROPY_FWD = KernelSpec(
    name="cross_entropy_fwd",
    source="softmax/cross_entropy.cu",
    template="cross_entropy_fwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPqdPPqiE",
    geometry=tiled,
    variants=tile_variants(),
    cases=_loss_cases(long=False),
    registers=128,
    shared=96,
)
CROSS_ENTROPY_FWD_LONG = KernelSpec(
    name="cross_entropy_fwd_long",
    source="softmax/cross_entropy.cu",
    template="cross_entropy_fwd_long<{T}, {VEC}>",
    signature="PPqdPPqE",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=_loss_cases(long=True),
    registers=48,
    shared=384,
)
CROSS_ENTROPY_BWD = KernelSpec(
    name="cross_entropy_bwd",
    source="softmax/cross_entropy.cu",
    template="cross_entropy_bwd<{T}, {LANES}, {PER}, {VEC}>",
    signature="PPPPqdPqiE",
    geometry=tiled,
    variants=tile_variants(),
    cases=_slope_cases(long=False),
    registers=128,
    shared=64,
)
CROSS_ENTROPY_BWD_LONG = KernelSpec(
    name="cross_entropy_bwd_long",
    source="softmax/cross_entropy.cu",
    template="cross_entropy_bwd_long<{T}, {VEC}>",
    signature="PPPPqdPqE",
    geometry=one_row,
    variants=LONG_VARIANTS,
    cases=_slope_cases(long=True),
    registers=64,
    shared=256,
)

SPECS = (
    SOFTMAX_FWD,
    SOFTMAX_FWD_LONG,
    SOFTMAX_BWD,
    SOFTMAX_BWD_LONG,
    CROSS_ENTROPY_FWD,
    CROSS_ENTROPY_FWD_LONG,
    CROSS_ENTROPY_BWD,
    CROSS_ENTROPY_BWD_LONG,
)
