"""The kernels of random numbers and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

THREADS = 256
_REAL = ({"T": "float"}, {"T": "double"})


def a_thread_each(*, blocks: int) -> Geometry:
    """A thread for each block of the counter."""
    return Geometry(grid=(-(-blocks // THREADS), 1, 1), block=(THREADS, 1, 1))


_PLACES = (
    {"seed": 0, "stream": 0, "offset": 0},
    {"seed": 2**63 + 5, "stream": 2**40, "offset": 2**64 - 3},  # the counter wraps round
)
_SIZES = (0, 1, 37, 1128)


def _draws(op: str, **options: Any) -> tuple[Case, ...]:
    return tuple(Case(op, (), {**at, "n": n, **options}) for n in _SIZES for at in _PLACES)


def _of_both(op: str) -> tuple[Case, ...]:
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    return (*_draws(op, dtype=single), *_draws(op, dtype=double))


PHILOX_BITS = KernelSpec(
    name="philox_bits",
    source="random/philox.cu",
    template="philox_bits",
    signature="PQQQq",
    geometry=a_thread_each,
    cases=_draws("philox_bits"),
    registers=32,
)
PHILOX_BITS64 = KernelSpec(
    name="philox_bits64",
    source="random/philox.cu",
    template="philox_bits64",
    signature="PQQQq",
    geometry=a_thread_each,
    cases=_draws("philox_bits64"),
    registers=32,
)
PHILOX_UNIFORM = KernelSpec(
    name="philox_uniform",
    source="random/philox.cu",
    template="philox_uniform<{T}>",
    signature="PQQQq",
    geometry=a_thread_each,
    variants=_REAL,
    cases=_of_both("philox_uniform"),
    registers=32,
)
PHILOX_NORMAL = KernelSpec(
    name="philox_normal",
    source="random/philox.cu",
    template="philox_normal<{T}>",
    signature="PQQQq",
    geometry=a_thread_each,
    variants=_REAL,
    cases=_of_both("philox_normal"),
    registers=48,
)
PHILOX_RANDINT = KernelSpec(
    name="philox_randint",
    source="random/philox.cu",
    template="philox_randint",
    signature="PQQQqQQ",
    geometry=a_thread_each,
    cases=(
        *_draws("philox_randint", low=-5, high=2**31),
        *_draws("philox_randint", low=7, high=7 + 2**32),
        *_draws("philox_randint", low=-(2**40), high=2**62),
        # Half of the low products are zero: the sum equals what is added, and nothing is carried.
        Case("philox_randint", (), {**_PLACES[1], "n": 37, "low": -(2**62), "high": 2**62}),
    ),
    registers=40,
)


def _dropout(shape: tuple[int, ...], dtype: str, layout: Any, p: float, place: int) -> Case:
    return Case("dropout", (Operand(shape, dtype, layout),), {"p": p, **_PLACES[place]})


_FIRST = float.fromhex("0x1.989fap-2")  # the uniform number of the first element: it is kept

DROPOUT = KernelSpec(
    name="dropout",
    source="random/dropout.cu",
    template="dropout<{T}>",
    signature="PPQQQqfd",
    geometry=a_thread_each,
    variants=_REAL,
    cases=(
        *(_dropout(shape, "float32", "dense", 0.5, 1) for shape in ((0,), (1,), (37,), (1128,))),
        _dropout((3, 5, 7), "float32", "transposed", 0.25, 0),
        _dropout((33, 4), "float32", "reversed", 0.9, 0),
        _dropout((9, 13), "float64", "dense", 0.1, 1),
        _dropout((5,), "float32", "dense", _FIRST, 0),
    ),
    registers=40,
)
DROPOUT_PIXELS = KernelSpec(
    name="dropout_pixels",
    source="random/dropout.cu",
    template="dropout_pixels<{T}>",
    signature="PPQQQqqqfd",
    geometry=a_thread_each,
    variants=_REAL,
    cases=(
        _dropout((2, 5, 3, 4), "float32", "channels_last", 0.5, 1),
        _dropout((2, 3, 37), "float32", "channels_last", 0.25, 0),
        _dropout((3, 4, 2, 5), "float64", "channels_last", 0.75, 0),
        _dropout((1, 2, 3), "float32", "channels_last", _FIRST, 0),
    ),
    registers=40,
)

SPECS = (
    PHILOX_BITS,
    PHILOX_BITS64,
    PHILOX_UNIFORM,
    PHILOX_NORMAL,
    PHILOX_RANDINT,
    DROPOUT,
    DROPOUT_PIXELS,
)
