"""Elementwise functions and their fused backwards."""

from __future__ import annotations

import math

import numpy as np

from .base import (
    CASES,
    PAIRS,
    SHAPES,
    Case,
    Operand,
    above_one,
    binary,
    halfway_pairs,
    mask,
    nonzero,
    nonzero_int,
    normal,
    off_grid,
    positive,
    sampler,
    small_int,
    special,
    unary,
    unit,
    with_zeros,
)

# ----- elementwise -----
unary("exp expm1 sin cos sinh cosh tanh asinh", normal, "fc")
unary("log log2 log10 sqrt", positive, "fc")
unary("log1p", positive, "fc")
unary("tan asin acos atan atanh", unit, "fc")
unary("acosh", above_one, "fc")
unary("negative square", normal, "ifc")
unary("reciprocal", nonzero, "fc", lambda x: 1 / x)
unary("abs", nonzero, "bifc")
unary("sign", nonzero, "ifc", lambda x: np.where(x == 0, 0, x / np.where(x == 0, 1, np.abs(x))))
for _name, _step in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc)):
    unary(_name, off_grid, "bif", lambda x, f=_step: x if x.dtype == bool else f(x))
unary("round", halfway_pairs, "bifc", lambda x: x if x.dtype == bool else np.rint(x))
unary("conj", normal, "c")
unary("real imag", normal, "c")
unary("copy contiguous identity", normal, "bifc", lambda x: x)
unary("isnan isinf isfinite", special, "bifc", smooth=False)
for _name in ("isnan", "isinf", "isfinite"):
    CASES[_name] += [Case((Operand((5,)),), getattr(np, _name), "bifc", smooth=False)]
unary("signbit", normal, "f")
unary("logical_not", normal, "bifc", lambda x: x == 0)
unary("bitwise_invert", normal, "bi")


def _sigmoid(x):
    return np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


_erf_table = np.frompyfunc(math.erf, 1, 1)


def _erf(x):
    return np.asarray(_erf_table(x), np.float64)


def _erfinv(y):
    low, high = np.full(y.shape, -6.0), np.full(y.shape, 6.0)
    for _ in range(80):
        middle = (low + high) / 2
        less = _erf(middle) < y
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    return (low + high) / 2


def _gelu(x, approximate):
    if approximate == "none":
        return x * 0.5 * (1 + _erf(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _slope(f):
    """The derivative of a real function by complex-free central differences of order 6."""

    def slope(x, **params):
        h = 1e-2
        steps = ((1, 45.0), (2, -9.0), (3, 1.0))
        return sum(c * (f(x + k * h, **params) - f(x - k * h, **params)) for k, c in steps) / (
            60 * h
        )

    return slope


def _silu(x):
    return x * _sigmoid(x)


unary("relu", nonzero, "f", lambda x: np.maximum(x, 0))
unary("sigmoid", normal, "f", _sigmoid)
unary("silu", normal, "f", _silu)
unary("erf", normal, "f", _erf)
unary("erfinv", unit, "f", _erfinv)
CASES["gelu"] = [
    Case((Operand(shape),), _gelu, "f", {"approximate": how})
    for shape in SHAPES
    for how in ("none", "tanh")
]
for _name, _f in (("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0)), ("sigmoid", _sigmoid)):
    CASES[_name].append(Case((Operand((11,), special),), _f, "f", smooth=False))
CASES["tanh"][:-1] = [Case(c.operands, np.tanh, "fc") for c in CASES["tanh"][:-1]]

binary("add", (normal, normal), "bifc")
binary("subtract", (normal, normal), "ifc")
binary("multiply", (normal, normal), "bifc")
binary("divide", (normal, nonzero), "fc")
binary("pow", (positive, small_int), "ifc")
binary("int_pow", (positive, small_int), "i", np.power)
binary("maximum minimum", (normal, normal), "bif")
binary("floor_divide remainder", (off_grid, positive), "if")
for _name in ("floor_divide", "remainder"):  # whole divisors keep the quotients off the integers
    for _i, (_a, _b) in enumerate(PAIRS):
        _two = sampler(lambda rng, shape: rng.choice([-1.0, 1.0], shape), nonzero_int)
        CASES[_name][_i] = Case(
            (Operand(_a, off_grid), Operand(_b, _two)), getattr(np, _name), "if"
        )
binary("atan2 hypot", (nonzero, nonzero), "f")
binary("logaddexp", (normal, normal), "f")
binary("copysign", (nonzero, nonzero), "f")
binary("nextafter", (normal, normal), "f")
for _i, (_a, _b) in enumerate(PAIRS):  # the neighbour of a float is a matter of its own dtype
    CASES["nextafter"][_i] = Case((Operand(_a), Operand(_b)), lambda a, b: a + 0 * b, "f")
binary("complex", (normal, normal), "f", lambda a, b: a + 1j * b)
binary("equal not_equal", (small_int, small_int), "bifc")
binary("less less_equal greater greater_equal", (small_int, small_int), "bif")
binary("logical_and logical_or logical_xor", (with_zeros, with_zeros), "bifc")
binary("bitwise_and bitwise_or bitwise_xor", (normal, normal), "bi")
binary("bitwise_left_shift bitwise_right_shift", (normal, small_int), "i")
CASES["where"] = [
    Case((Operand(c, mask, np.dtype(bool)), Operand(a), Operand(b)), np.where, "bifc")
    for c, (a, b) in [((), ((3,), (3,))), *[(b, (a, b)) for a, b in PAIRS], ((4, 1), ((1, 5), ()))]
]
unary("cast", normal, "bifc", lambda x, dtype: x.astype(dtype))
CASES["cast"] = [
    Case(
        (Operand(shape),),
        lambda x, dtype: x.astype(dtype),
        kinds,
        {"dtype": np.dtype(dtype)},
        smooth=dtype != "float32",
    )
    for shape in SHAPES
    for dtype, kinds in (
        ("float32", "bif"),
        ("float64", "bif"),
        ("complex128", "bifc"),
        ("int64", "bi"),
    )
] + [
    Case(
        (Operand((3, 5)),),
        lambda x, dtype: x.real.astype(dtype),
        "c",
        {"dtype": np.dtype("float64")},
    )
]


# ----- fused backwards of elementwise functions -----
for _name, _f, _sample in (
    ("relu_bwd", lambda g, y: np.where(y > 0, g, 0), nonzero),
    ("silu_bwd", lambda g, x: g * _slope(_silu)(x), normal),
):
    CASES[_name] = [Case((Operand(s), Operand(s, _sample)), _f, "f") for s in SHAPES]
CASES["tanh_bwd"] = [
    Case((Operand(s), Operand(s, unit)), lambda g, y: g * np.conj(1 - y * y)) for s in SHAPES
]
CASES["gelu_bwd"] = [
    Case(
        (Operand(s), Operand(s)),
        lambda g, x, approximate: g * _slope(_gelu)(x, approximate=approximate),
        "f",
        {"approximate": how},
    )
    for s in SHAPES
    for how in ("none", "tanh")
]
