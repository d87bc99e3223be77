"""What cases are made of: samplers of operands, `Operand`, `Case`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = [
    np.dtype(t)
    for t in (
        "bool",
        "uint8",
        "int32",
        "int64",
        BFLOAT16,
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
]


def kind(dtype: np.dtype) -> str:
    """One letter of `bifc`."""
    return (
        "f" if dtype == BFLOAT16 else {"b": "b", "u": "i", "i": "i", "f": "f", "c": "c"}[dtype.kind]
    )


# ----- samplers: (rng, shape, dtype) -> array -----
def sampler(real: Callable, integer: Callable | None = None) -> Callable:
    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        letter = kind(dtype)
        if letter == "b":
            return rng.random(shape) < 0.5
        if letter == "i":
            values = (integer or (lambda rng, shape: rng.integers(-5, 6, shape)))(rng, shape)
            return np.asarray(np.abs(values) if dtype.kind == "u" else values).astype(dtype)
        values = np.asarray(real(rng, shape))
        if letter == "c":  # off the real axis, where the branch cuts are
            values = values + 1j * rng.uniform(0.2, 0.7, shape)
        return values.astype(dtype)

    return sample


def nonzero_int(rng, shape):
    return rng.integers(1, 6, shape) * rng.choice([-1, 1], shape)


def _distinct(rng, shape):
    n = math.prod(shape)
    return (rng.permutation(n) - n / 2 + 0.25).reshape(shape) * (4.0 / max(n, 8))


normal = sampler(lambda rng, shape: rng.standard_normal(shape))
nonzero = sampler(
    lambda rng, shape: rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape), nonzero_int
)
positive = sampler(
    lambda rng, shape: rng.uniform(0.3, 3, shape), lambda rng, shape: rng.integers(1, 6, shape)
)
unit = sampler(lambda rng, shape: rng.uniform(-0.9, 0.9, shape))
above_one = sampler(lambda rng, shape: rng.uniform(1.3, 4, shape))
near_one = sampler(
    lambda rng, shape: rng.uniform(0.8, 1.2, shape), lambda rng, shape: rng.integers(1, 3, shape)
)
off_grid = sampler(lambda rng, shape: rng.integers(-4, 4, shape) + rng.uniform(0.2, 0.8, shape))
distinct = sampler(_distinct)
small_int = sampler(
    lambda rng, shape: rng.uniform(-2, 2, shape), lambda rng, shape: rng.integers(0, 4, shape)
)
with_zeros = sampler(lambda rng, shape: rng.uniform(0.5, 1.5, shape) * (rng.random(shape) < 0.7))
halfway_pairs = sampler(
    lambda rng, shape: rng.uniform(0.1, 0.4, shape), lambda rng, shape: rng.integers(-5, 6, shape)
)


def special(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """Zeros of both signs, infinities, NaN, tiny and large values."""
    if kind(dtype) in "bi":
        return normal(rng, shape, dtype)
    return np.resize(
        np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, 1e4, -1e4]), shape
    ).astype(dtype)


def indices(size: int, *, repeats: bool = True) -> Callable:
    """Integers in [-size, size), or a permutation's beginning."""

    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        n = math.prod(shape)
        values = (
            rng.integers(-size, size, shape)
            if repeats
            else rng.permutation(size)[:n].reshape(shape)
        )
        return values.astype(np.int64)

    return sample


def mask(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """Booleans."""
    return rng.random(shape) < 0.5


@dataclass(frozen=True)
class Operand:
    """Shape, sampler, and the dtype (None: the dtype under test)."""

    shape: tuple
    sample: Callable = normal
    dtype: np.dtype | None = None


@dataclass(frozen=True)
class Case:
    """One call of a row."""

    operands: tuple[Operand, ...]
    formula: Callable[..., Any]
    kinds: str = "fc"
    params: dict[str, Any] = field(default_factory=dict)
    ties: bool = True  # whether equal elements leave it differentiable
    repeats: bool = True  # whether equal elements along an axis are allowed
    smooth: bool = True  # whether the derivatives exist at the operands
    seen: Callable[..., tuple] | None = (
        None  # of the results, what does not depend on free signs, phases and orders
    )


INT = np.dtype("int64")
CASES: dict[str, list[Case]] = {}
SHAPES: tuple[tuple, ...] = ((), (0,), (1,), (37,), (3, 5), (1128,))
PAIRS: tuple[tuple[tuple, tuple], ...] = (
    ((), ()),
    ((0,), (0,)),
    ((0,), (1,)),
    ((1,), (37,)),
    ((37,), (37,)),
    ((37,), ()),
    ((3, 1), (1, 5)),
    ((2, 3, 4), (3, 1)),
    ((5,), (3, 5)),
    ((3, 5), (3, 5)),
)


def unary(
    names: str, sample: Callable, kinds: str, formula: Callable | None = None, **options: Any
) -> None:
    for name in names.split():
        f = formula or getattr(
            np, name if hasattr(np, name) else {"bitwise_invert": "invert"}[name]
        )
        CASES[name] = [Case((Operand(shape, sample),), f, kinds, **options) for shape in SHAPES]


def binary(
    names: str,
    samples: tuple[Callable, Callable],
    kinds: str,
    formula: Callable | None = None,
    **options: Any,
) -> None:
    for name in names.split():
        f = formula or getattr(
            np, name.replace("bitwise_left", "left").replace("bitwise_right", "right")
        )
        CASES[name] = [
            Case((Operand(a, samples[0]), Operand(b, samples[1])), f, kinds, **options)
            for a, b in PAIRS
        ]


def one(
    shape: tuple,
    formula: Callable,
    params: dict,
    kinds: str = "bifc",
    sample: Callable = normal,
    **o: Any,
):
    return Case((Operand(shape, sample),), formula, kinds, params, **o)
