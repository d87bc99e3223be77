"""The kernels of reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, KernelSpec, Operand

from .plan import teams

Array = np.ndarray[Any, Any]

_DTYPES = {
    "float": "float32",
    "double": "float64",
    "int32_t": "int32",
    "int64_t": "int64",
    "bool": "bool",
}
_NUMBERS = [t for t in _DTYPES if t != "bool"]


def with_nan(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Ties, infinities, and a few NaN."""
    x = rng.integers(-3, 4, shape).astype(dtype)
    if dtype.kind == "f":
        x.reshape(-1)[4::41] = np.nan
        x.reshape(-1)[2::13] = -np.inf
    return x


def near_one(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Factors whose product stays small."""
    x = rng.choice([-1, 1, 1], shape) if dtype.kind == "i" else 1 + rng.random(shape) / 1000
    return np.asarray(x).astype(dtype)


def rarely(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros, with a one here and there."""
    return np.asarray(rng.random(shape) < 0.05).astype(dtype)


# (shape, axes, layout): rows of a few lanes, of a warp and of a block, columns, splits of both,
# everything, nothing, several axes, odd strides.
_SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...], Any], ...] = (
    ((5, 7), (1,), "dense"),
    ((3, 300), (1,), "dense"),
    ((1, 1128), (0, 1), "dense"),
    ((37, 70), (0,), "dense"),
    ((1128, 3), (0,), "dense"),
    ((4, 5, 6, 3), (0, 2), "dense"),
    ((4, 5, 6, 3), (0, 2, 3), "channels_last"),
    ((9, 40), (1,), "transposed"),
    ((20, 9), (0,), "strided"),
    ((20, 9), (0, 1), "reversed"),
    ((6, 5), (0,), "broadcast"),
    ((3, 1), (), "dense"),
    ((), (), "dense"),
)


def _case(op: str, given: Any, dtype: str, sample: Any, *, keepdims: bool = False) -> Case:
    shape, axis, layout = given
    operand = Operand(shape, dtype, layout, sample if layout != "broadcast" else None)
    return Case(op, (operand,), {"axis": axis, "keepdims": keepdims})


def _cases() -> tuple[Case, ...]:
    cases = []
    for op, sample in (
        ("sum", None),
        ("prod", near_one),
        ("max", with_nan),
        ("min", with_nan),
        ("any", rarely),
        ("all", None),
    ):
        cases += [_case(op, given, "float32", sample) for given in _SHAPES]
        for dtype in _DTYPES.values():
            cases += [_case(op, given, dtype, sample, keepdims=True) for given in _SHAPES[2:5]]
    for op in ("sum", "prod", "any", "all"):
        cases += [_case(op, ((0, 3), axis, "dense"), "float32", None) for axis in ((0,), (1,))]
    return tuple(cases)


_AXES: tuple[tuple[tuple[int, ...], int, Any], ...] = (
    ((5, 7), 1, "dense"),
    ((2, 5000), 1, "dense"),
    ((1128, 3), 0, "dense"),
    ((4, 5, 6), 1, "dense"),
    ((9, 40), 1, "transposed"),
    ((20, 9), 0, "reversed"),
    ((1,), 0, "dense"),
)
_SEARCHES = tuple(
    Case(op, (Operand(shape, dtype, layout, sample),), {"axis": axis})
    for op in ("argmax", "argmin")
    for shape, axis, layout in _AXES
    for dtype in _DTYPES.values()
    for sample in ((None, with_nan) if dtype[0] == "f" else (None,))
)

REDUCE = KernelSpec(
    name="reduce",
    source="reduce/reduce.cu",
    template="reduce<{Op}<{T}>, {T}>",
    signature="PPSSSqi",
    geometry=teams,
    variants=(
        *[{"Op": op, "T": t} for op in ("Add", "Multiply", "Truth") for t in _DTYPES],
        *[{"Op": "Extremum", "T": t} for t in _NUMBERS],
    ),
    cases=_cases(),
    registers=64,
    shared=256 * 8,
)

SEARCH = KernelSpec(
    name="search",
    source="reduce/reduce.cu",
    template="search<{T}>",
    signature="PPPSqISqi",
    geometry=teams,
    variants=tuple({"T": "uint8_t" if t == "bool" else t} for t in _DTYPES),
    cases=_SEARCHES,
    registers=64,
    shared=256 * 16,
)

SPECS = (REDUCE, SEARCH)
