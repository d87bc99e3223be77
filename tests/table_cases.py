"""A case for every row of the table of operations: operands, parameters, and what comes out by an independent formula.

`CASES[name]` is a list of `Case`. Formulas take float64, complex128, int64 or bool arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np

import gpudl as gd
from gpudl import devices
from gpudl.ops.index import HOLE

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
def _sampler(real: Callable, integer: Callable | None = None) -> Callable:
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


def _nonzero_int(rng, shape):
    return rng.integers(1, 6, shape) * rng.choice([-1, 1], shape)


def _distinct(rng, shape):
    n = math.prod(shape)
    return (rng.permutation(n) - n / 2 + 0.25).reshape(shape) * (4.0 / max(n, 8))


normal = _sampler(lambda rng, shape: rng.standard_normal(shape))
nonzero = _sampler(
    lambda rng, shape: rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape), _nonzero_int
)
positive = _sampler(
    lambda rng, shape: rng.uniform(0.3, 3, shape), lambda rng, shape: rng.integers(1, 6, shape)
)
unit = _sampler(lambda rng, shape: rng.uniform(-0.9, 0.9, shape))
above_one = _sampler(lambda rng, shape: rng.uniform(1.3, 4, shape))
near_one = _sampler(
    lambda rng, shape: rng.uniform(0.8, 1.2, shape), lambda rng, shape: rng.integers(1, 3, shape)
)
off_grid = _sampler(lambda rng, shape: rng.integers(-4, 4, shape) + rng.uniform(0.2, 0.8, shape))
distinct = _sampler(_distinct)
small_int = _sampler(
    lambda rng, shape: rng.uniform(-2, 2, shape), lambda rng, shape: rng.integers(0, 4, shape)
)
with_zeros = _sampler(lambda rng, shape: rng.uniform(0.5, 1.5, shape) * (rng.random(shape) < 0.7))
halfway_pairs = _sampler(
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


CASES: dict[str, list[Case]] = {}
SHAPES: tuple[tuple, ...] = ((), (0,), (1,), (37,), (3, 5), (1128,))
PAIRS: tuple[tuple[tuple, tuple], ...] = (
    ((), ()), ((0,), (0,)), ((0,), (1,)), ((1,), (37,)), ((37,), (37,)), ((37,), ()), ((3, 1), (1, 5)),
    ((2, 3, 4), (3, 1)), ((5,), (3, 5)), ((3, 5), (3, 5)),
)  # fmt: skip


def _unary(
    names: str, sample: Callable, kinds: str, formula: Callable | None = None, **options: Any
) -> None:
    for name in names.split():
        f = formula or getattr(
            np, name if hasattr(np, name) else {"bitwise_invert": "invert"}[name]
        )
        CASES[name] = [Case((Operand(shape, sample),), f, kinds, **options) for shape in SHAPES]


def _binary(
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


# ----- elementwise -----
_unary("exp expm1 sin cos sinh cosh tanh asinh", normal, "fc")
_unary("log log2 log10 sqrt", positive, "fc")
_unary("log1p", positive, "fc")
_unary("tan asin acos atan atanh", unit, "fc")
_unary("acosh", above_one, "fc")
_unary("negative square", normal, "ifc")
_unary("reciprocal", nonzero, "fc", lambda x: 1 / x)
_unary("abs", nonzero, "bifc")
_unary("sign", nonzero, "ifc", lambda x: np.where(x == 0, 0, x / np.where(x == 0, 1, np.abs(x))))
_unary("floor ceil trunc", off_grid, "bif", lambda x: x if x.dtype == bool else None)
for _name in ("floor", "ceil", "trunc"):
    _unary(_name, off_grid, "bif", lambda x, f=getattr(np, _name): x if x.dtype == bool else f(x))
_unary("round", halfway_pairs, "bifc", lambda x: x if x.dtype == bool else np.rint(x))
_unary("conj", normal, "c")
_unary("real imag", normal, "c")
_unary("copy identity", normal, "bifc", lambda x: x)
_unary("isnan isinf isfinite", special, "bifc", smooth=False)
for _name in ("isnan", "isinf", "isfinite"):
    CASES[_name] += [Case((Operand((5,)),), getattr(np, _name), "bifc", smooth=False)]
_unary("signbit", normal, "f")
_unary("logical_not", normal, "bifc", lambda x: x == 0)
_unary("bitwise_invert", normal, "bi")


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


_unary("relu", nonzero, "f", lambda x: np.maximum(x, 0))
_unary("sigmoid", normal, "f", _sigmoid)
_unary("silu", normal, "f", _silu)
_unary("erf", normal, "f", _erf)
_unary("erfinv", unit, "f", _erfinv)
CASES["gelu"] = [
    Case((Operand(shape),), _gelu, "f", {"approximate": how})
    for shape in SHAPES
    for how in ("none", "tanh")
]
for _name, _f in (("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0)), ("sigmoid", _sigmoid)):
    CASES[_name].append(Case((Operand((11,), special),), _f, "f", smooth=False))
CASES["tanh"][:-1] = [Case(c.operands, np.tanh, "fc") for c in CASES["tanh"][:-1]]

_binary("add", (normal, normal), "bifc")
_binary("subtract", (normal, normal), "ifc")
_binary("multiply", (normal, normal), "bifc")
_binary("divide", (normal, nonzero), "fc")
_binary("pow", (positive, small_int), "ifc")
_binary("int_pow", (positive, small_int), "i", np.power)
_binary("maximum minimum", (normal, normal), "bif")
_binary("floor_divide remainder", (off_grid, positive), "if")
for _name in ("floor_divide", "remainder"):  # whole divisors keep the quotients off the integers
    for _i, (_a, _b) in enumerate(PAIRS):
        _two = _sampler(lambda rng, shape: rng.choice([-1.0, 1.0], shape), _nonzero_int)
        CASES[_name][_i] = Case(
            (Operand(_a, off_grid), Operand(_b, _two)), getattr(np, _name), "if"
        )
_binary("atan2 hypot", (nonzero, nonzero), "f")
_binary("logaddexp", (normal, normal), "f")
_binary("copysign", (nonzero, nonzero), "f")
_binary("nextafter", (normal, normal), "f")
for _i, (_a, _b) in enumerate(PAIRS):  # the neighbour of a float is a matter of its own dtype
    CASES["nextafter"][_i] = Case((Operand(_a), Operand(_b)), lambda a, b: a + 0 * b, "f")
_binary("complex", (normal, normal), "f", lambda a, b: a + 1j * b)
_binary("equal not_equal", (small_int, small_int), "bifc")
_binary("less less_equal greater greater_equal", (small_int, small_int), "bif")
_binary("logical_and logical_or logical_xor", (with_zeros, with_zeros), "bifc")
_binary("bitwise_and bitwise_or bitwise_xor", (normal, normal), "bi")
_binary("bitwise_left_shift bitwise_right_shift", (normal, small_int), "i")
CASES["where"] = [
    Case((Operand(c, mask, np.dtype(bool)), Operand(a), Operand(b)), np.where, "bifc")
    for c, (a, b) in [((), ((3,), (3,))), *[(b, (a, b)) for a, b in PAIRS], ((4, 1), ((1, 5), ()))]
]
_unary("cast", normal, "bifc", lambda x, dtype: x.astype(dtype))
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

# ----- shape -----


def _one(
    shape: tuple,
    formula: Callable,
    params: dict,
    kinds: str = "bifc",
    sample: Callable = normal,
    **o: Any,
):
    return Case((Operand(shape, sample),), formula, kinds, params, **o)


CASES["reshape"] = [
    _one(s, lambda x, shape: np.array(x, order="C").reshape(shape), {"shape": t})
    for s, t in [
        ((), (1, 1)),
        ((0,), (3, 0)),
        ((37,), (37, 1)),
        ((3, 4), (2, 6)),
        ((3, 4), (-1,)),
        ((2, 3, 4), (4, -1)),
    ]
]
CASES["permute_dims"] = [
    _one(s, lambda x, axes: np.moveaxis(x, axes, range(x.ndim)), {"axes": a})
    for s, a in [
        ((), ()),
        ((0,), (0,)),
        ((37,), (0,)),
        ((3, 4), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((1, 3), (1, 0)),
    ]
]
CASES["broadcast_to"] = [
    _one(
        s,
        lambda x, shape: (
            x + np.zeros(shape, x.dtype) if x.dtype != bool else x | np.zeros(shape, bool)
        ),
        {"shape": t},
    )
    for s, t in [
        ((), (3,)),
        ((1,), (0,)),
        ((1,), (37,)),
        ((3, 1), (2, 3, 5)),
        ((3, 5), (3, 5)),
        ((1, 1), (4, 1)),
    ]
]
CASES["flip"] = [
    _one(
        s,
        lambda x, axis: x[tuple(slice(None, None, -1 if i in axis else 1) for i in range(x.ndim))],
        {"axis": a},
    )
    for s, a in [
        ((0,), (0,)),
        ((1,), (0,)),
        ((37,), (0,)),
        ((3, 4), (1,)),
        ((3, 4), (0, 1)),
        ((2, 3, 4), (0, 2)),
    ]
]
for _name, _sign in (("tril", 1), ("triu", -1)):
    CASES[_name] = [
        _one(
            s,
            lambda x, k, sign=_sign: (
                x
                * (
                    sign * np.subtract.outer(np.arange(x.shape[-2]), np.arange(x.shape[-1]))
                    >= -sign * k
                ).astype(x.dtype)
            ),
            {"k": k},
        )
        for s in [(1, 1), (3, 4), (4, 3), (2, 3, 3), (0, 3)]
        for k in (-2, 0, 1)
    ]


def _pad(x, width, value):
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, width, strict=True)], value).astype(
        x.dtype
    )
    out[tuple(slice(a, a + n) for n, (a, b) in zip(x.shape, width, strict=True))] = x
    return out


CASES["pad"] = [
    _one(s, _pad, {"width": w, "value": v})
    for s, w in [
        ((0,), ((2, 1),)),
        ((1,), ((0, 0),)),
        ((37,), ((3, 0),)),
        ((3, 4), ((0, 1), (2, 0))),
    ]
    for v in (0, 1)
]
CASES["concat"] = [
    Case(
        tuple(Operand(s) for s in shapes),
        lambda *xs, axis, sizes: np.concatenate(xs, axis),
        "bifc",
        {"axis": axis, "sizes": tuple(s[axis] for s in shapes)},
    )
    for shapes, axis in [
        (((0,), (3,)), 0), (((1,),), 0), (((37,), (1,), (5,)), 0), (((3, 4), (3, 1)), 1), (((2, 3, 1), (1, 3, 1)), 0),
    ]
]  # fmt: skip


def _gather(x, index, axis):
    out = np.empty(index.shape if x.ndim == 1 else np.broadcast_shapes(
        index.shape, tuple(1 if i == axis else n for i, n in enumerate(x.shape))), x.dtype)  # fmt: skip
    index = np.broadcast_to(index, out.shape)
    for at in np.ndindex(*out.shape):
        source = tuple(int(index[at]) if i == axis else k for i, k in enumerate(at))
        out[at] = x[source]
    return out


def _scatter(x, index, axis, size):
    out = np.zeros(x.shape[:axis] + (size,) + x.shape[axis + 1 :], x.dtype)
    for at in np.ndindex(*x.shape):
        target = tuple(int(index[at]) if i == axis else k for i, k in enumerate(at))
        out[target] += x[at]
    return out


INT = np.dtype("int64")
CASES["take_along_axis"] = [
    Case((Operand(s), Operand(t, indices(max(s[a], 1)), INT)), _gather, "bifc", {"axis": a})
    for s, t, a in [((5,), (0,), 0), ((1,), (1,), 0), ((37,), (50,), 0), ((3, 4), (3, 2), 1), ((3, 4), (6, 4), 0),
                    ((3, 4), (1, 4), 0), ((3, 4), (1, 6), 1), ((2, 3, 4), (2, 3, 1), 2)]
]  # fmt: skip
CASES["scatter_along_axis"] = [
    Case((Operand(s), Operand(s, indices(n), INT)), _scatter, "ifc", {"axis": a, "size": n})
    for s, a, n in [
        ((0,), 0, 3),
        ((1,), 0, 1),
        ((37,), 0, 9),
        ((3, 4), 1, 2),
        ((3, 4), 0, 7),
        ((2, 3, 4), 1, 5),
    ]
]


def _sorted_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.sort(normal(rng, shape, dtype), axis=-1)


CASES["searchsorted"] = [
    Case(
        (Operand((n,), _sorted_operand), Operand(s)),
        lambda x, v, side: np.sum(
            x.reshape(-1, *[1] * v.ndim) < v
            if side == "left"
            else x.reshape(-1, *[1] * v.ndim) <= v,
            axis=0,
        ),
        "bif",
        {"side": side},
        smooth=False,
    )
    for n, s in [(0, (3,)), (1, (1,)), (37, (5, 3)), (7, (0,)), (5, ())]
    for side in ("left", "right")
]

# ----- reductions -----
AXES: tuple[tuple[tuple, tuple], ...] = (
    ((), ()), ((1,), (0,)), ((37,), (0,)), ((3, 4), (0,)), ((3, 4), (1,)), ((3, 4), (0, 1)), ((2, 3, 4), (1,)),
    ((2, 3, 4), (0, 2)), ((3, 4), ()),
)  # fmt: skip
EMPTY = (((0,), (0,)), ((0, 3), (0,)), ((0, 3), (1,)), ((3, 0), (0,)))


def _reduce(
    name: str,
    formula: Callable,
    kinds: str,
    sample: Callable = normal,
    empty: bool = True,
    **o: Any,
) -> None:
    CASES[name] = [
        _one(s, formula, {"axis": a, "keepdims": keep}, kinds, sample, **o)
        for s, a in AXES + (EMPTY if empty else ())
        for keep in (False, True)
    ]


_reduce(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(
        x, axis, dtype=INT if x.dtype == bool else None, keepdims=keepdims
    ),
    "bifc",
)
_reduce(
    "prod",
    lambda x, axis, keepdims: np.multiply.reduce(
        x, axis, dtype=INT if x.dtype == bool else None, keepdims=keepdims
    ),
    "bifc",
    near_one,
)
CASES["prod"] += [
    _one(
        s,
        lambda x, axis, keepdims: np.multiply.reduce(x, axis, keepdims=keepdims),
        {"axis": a, "keepdims": False},
        "fc",
        with_zeros,
    )
    for s, a in [((6,), (0,)), ((3, 4), (1,)), ((2, 3, 4), (0, 2))]
]
_reduce(
    "max",
    lambda x, axis, keepdims: np.maximum.reduce(x, axis, keepdims=keepdims),
    "bif",
    distinct,
    False,
    ties=False,
)
_reduce(
    "min",
    lambda x, axis, keepdims: np.minimum.reduce(x, axis, keepdims=keepdims),
    "bif",
    distinct,
    False,
    ties=False,
)
_reduce(
    "any",
    lambda x, axis, keepdims: np.logical_or.reduce(x, axis, keepdims=keepdims),
    "bifc",
    with_zeros,
)
_reduce(
    "all",
    lambda x, axis, keepdims: np.logical_and.reduce(x, axis, keepdims=keepdims),
    "bifc",
    with_zeros,
)
ONE_AXIS = (((1,), 0), ((37,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1))
for _name in ("argmax", "argmin"):
    CASES[_name] = [_one(s, getattr(np, _name), {"axis": a}, "bif", distinct) for s, a in ONE_AXIS]


def _scan(operation: Callable) -> Callable:
    def formula(x, axis):
        return operation.accumulate(x, axis, dtype=INT if x.dtype == bool else None)

    return formula


CASES["cumsum"] = [
    _one(s, _scan(np.add), {"axis": a}) for s, a in (*ONE_AXIS, ((0,), 0), ((3, 0), 0))
]
CASES["cumprod"] = [
    _one(s, _scan(np.multiply), {"axis": a}, sample=sample)
    for s, a in (
        ((1,), 0),
        ((9,), 0),
        ((3, 4), 0),
        ((3, 4), 1),
        ((2, 3, 4), 1),
        ((0,), 0),
        ((3, 0), 0),
    )
    for sample in (nonzero, with_zeros)
]


def _sort(x, axis, descending):
    rows = np.moveaxis(x, axis, -1)
    out = np.empty(rows.shape, x.dtype)
    order = np.empty(rows.shape, INT)
    for at in np.ndindex(*rows.shape[:-1]):
        keys = sorted(
            range(rows.shape[-1]),
            key=lambda i: -float(rows[at][i]) if descending else float(rows[at][i]),
        )
        order[at], out[at] = keys, rows[at][keys]
    return np.moveaxis(out, -1, axis), np.moveaxis(order, -1, axis)


CASES["sort"] = [
    _one(s, _sort, {"axis": a, "descending": d}, "bif", distinct, ties=False)
    for s, a in (*ONE_AXIS, ((0,), 0), ((3, 0), 0))
    for d in (False, True)
]

# ----- softmax, losses -----
ROWS = ((1,), (37,), (3, 5), (2, 3, 4), (0,), (0, 3), (3, 0))


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def _log_softmax(x):
    return x - np.logaddexp.reduce(x, -1, keepdims=True)


CASES["softmax"] = [_one(s, _softmax, {}, "f") for s in ROWS]
CASES["log_softmax"] = [_one(s, _log_softmax, {}, "f") for s in ROWS]


def _softmax_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return _softmax(rng.standard_normal(shape)).astype(dtype)


def _log_softmax_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return _log_softmax(rng.standard_normal(shape)).astype(dtype)


CASES["softmax_bwd"] = [
    Case(
        (Operand(s), Operand(s, _softmax_operand)),
        lambda g, y: y * g - y * (g * y).sum(-1, keepdims=True),
        "f",
    )
    for s in ROWS
]
CASES["log_softmax_bwd"] = [
    Case(
        (Operand(s), Operand(s, _log_softmax_operand)),
        lambda g, y: g - np.exp(y) * g.sum(-1, keepdims=True),
        "f",
    )
    for s in ROWS
]


def _labels(classes: int, ignore: int | None = None) -> Callable:
    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        labels = rng.integers(0, max(classes, 1), shape)
        if ignore is not None:
            labels[::3] = ignore
        return labels.astype(INT)

    return sample


def _cross_entropy(x, labels, ignore_index, label_smoothing):
    loss = np.zeros(len(labels))
    lse = np.logaddexp.reduce(x, 1)
    for n, label in enumerate(labels):
        if label != ignore_index:
            log_p = x[n] - lse[n]
            loss[n] = -(1 - label_smoothing) * log_p[label] - label_smoothing * log_p.mean()
    return loss, lse


def _cross_entropy_bwd(g, x, labels, lse, ignore_index, label_smoothing):
    out = np.zeros(x.shape)
    for n, label in enumerate(labels):
        if label != ignore_index:
            target = np.full(x.shape[1], label_smoothing / x.shape[1])
            target[label] += 1 - label_smoothing
            out[n] = g[n] * (np.exp(x[n] - lse[n]) - target)
    return out


for _n, _c in ((0, 3), (1, 1), (1, 10), (37, 10), (7, 37)):
    for _options in (
        {"ignore_index": -100, "label_smoothing": 0.0},
        {"ignore_index": 2, "label_smoothing": 0.2},
    ):
        _ignore = 2 if _options["ignore_index"] == 2 and _c > 2 else None
        CASES.setdefault("cross_entropy", []).append(
            Case(
                (Operand((_n, _c)), Operand((_n,), _labels(_c, _ignore), INT)),
                _cross_entropy,
                "f",
                _options,
            )
        )
        CASES.setdefault("cross_entropy_bwd", []).append(
            Case(
                (
                    Operand((_n,)), Operand((_n, _c), distinct), Operand((_n,), _labels(_c, _ignore), INT),
                    Operand((_n,), lambda rng, s, d: (rng.uniform(2, 4, s)).astype(np.float32 if d.itemsize < 4 else d)),
                ),
                _cross_entropy_bwd, "f", _options,
            )
        )  # fmt: skip

# ----- indexing -----
BASIC = [
    ((37,), (slice(1, None, 3),)), ((37,), (slice(None, None, -1),)), ((5,), (slice(3, 3),)), ((5,), (2,)),
    ((1,), (None, 0)), ((3, 4), (Ellipsis, 1)), ((3, 4), (slice(None), None, slice(-1, None, -2))), ((3, 4), (-1, -2)),
    ((0,), (slice(None),)), ((2, 3, 4), (1, Ellipsis, slice(0, 2))), ((3, 4), ()),
]  # fmt: skip


def _mask_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.resize([True, False, True], shape)


ADVANCED = [
    ((37,), (HOLE,), [((50,), indices(37))]), ((5,), (HOLE,), [((0,), indices(5))]), ((1,), (HOLE,), [((2, 2), indices(1))]),
    ((3, 4), (HOLE, HOLE), [((5,), indices(3)), ((5,), indices(4))]),
    ((3, 4), (HOLE, HOLE), [((2, 1), indices(3)), ((3,), indices(4))]),
    ((3, 4), (slice(None), HOLE), [((6,), indices(4))]), ((2, 3, 4), (HOLE, slice(None), HOLE), [((5,), indices(2)), ((5,), indices(4))]),
    ((3, 4), (HOLE,), [((3, 4), _mask_operand)]), ((3, 4), (HOLE, slice(1, 3)), [((3,), _mask_operand)]),
    ((3, 4), (HOLE, 1), [((2,), indices(3))]),
]  # fmt: skip
DISTINCT = [
    ((37,), (HOLE,), [((12,), indices(37, repeats=False))]), ((3, 4), (HOLE,), [((3, 4), _mask_operand)]),
    ((3, 4), (slice(None), HOLE), [((2,), indices(4, repeats=False))]), ((3, 4), (HOLE, 1), [((2,), indices(3, repeats=False))]),
    ((3, 4), (slice(None), HOLE), [((4,), _mask_operand)]),
]  # fmt: skip


def _key(key, arrays):
    rest = iter(arrays)
    return tuple(next(rest) if part is HOLE else part for part in key)


def _read(x, *arrays, key):
    """By the flat numbers of the elements."""
    numbers = np.arange(x.size).reshape(x.shape)[_key(key, arrays)]
    return x.ravel()[numbers.ravel()].reshape(np.shape(numbers))


def _add_into(g, *arrays, key, shape):
    numbers = np.arange(math.prod(shape)).reshape(shape)[_key(key, arrays)]
    out = np.zeros(math.prod(shape), g.dtype)
    for i, value in zip(np.ravel(numbers), g.ravel(), strict=True):
        out[i] += value
    return out.reshape(shape)


def _put(x, v, *arrays, key):
    numbers = np.arange(x.size).reshape(x.shape)[_key(key, arrays)]
    out = x.ravel().copy()
    for i, value in zip(
        np.ravel(numbers), np.broadcast_to(v, np.shape(numbers)).ravel(), strict=True
    ):
        out[i] = value
    return out.reshape(x.shape)


def _index_operands(arrays: list) -> tuple[Operand, ...]:
    return tuple(Operand(s, f, np.dtype(bool) if f is _mask_operand else INT) for s, f in arrays)


def _selected(shape: tuple, key: tuple, arrays: list) -> tuple:
    rng = np.random.default_rng(0)
    return np.zeros(shape)[_key(key, [f(rng, s, INT) for s, f in arrays])].shape


CASES["getitem"] = [_one(s, _read, {"key": k}) for s, k in BASIC]
CASES["getitem_advanced"] = [
    Case((Operand(s), *_index_operands(a)), _read, "bifc", {"key": k}) for s, k, a in ADVANCED
]
CASES["index_add"] = [
    Case(
        (Operand(_selected(s, k, a)), *_index_operands(a)), _add_into, "ifc", {"key": k, "shape": s}
    )
    for s, k, a in [*[(s, k, []) for s, k in BASIC], *ADVANCED]
]
CASES["index_put"] = [
    Case((Operand(s), Operand(shape), *_index_operands(a)), _put, "bifc", {"key": k})
    for s, k, a in [*[(s, k, []) for s, k in BASIC], *DISTINCT]
    for shape in {_selected(s, k, a), ()}
]

# ----- matrix products -----
CASES["matmul"] = [
    Case((Operand(a), Operand(b)), lambda a, b: np.einsum("...ij,...jk->...ik", a.astype(complex if a.dtype.kind == "c" else a.dtype), b), "bifc")
    for a, b in [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 1), (1, 1)), ((3, 4), (4, 5)), ((37, 5), (5, 3)),
                 ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((1, 37), (37, 1))]
]  # fmt: skip
CASES["linear"] = [
    Case(
        tuple(Operand(shape) for shape in shapes),
        lambda x, w, *b: np.einsum("...k,nk->...n", x, w) + (b[0] if b else 0),
        "fc",
    )
    for shapes in [
        ((0, 3), (2, 3), (2,)), ((3, 0), (2, 0), (2,)), ((1,), (1, 1), (1,)), ((4,), (5, 4)),
        ((3, 4), (0, 4), (0,)), ((37, 5), (3, 5), (3,)), ((2, 3, 4), (5, 4), (5,)), ((2, 0, 4), (5, 4)),
        ((1, 37), (1, 37), (1,)),
    ]
]  # fmt: skip


# ----- convolution and pooling -----
def conv(x, w, stride, padding, dilation, groups):
    """Windows of the padded input, contracted with the weights."""
    rank = len(stride)
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
    windows = windows[
        (slice(None), slice(None), *[slice(None, None, s) for s in (*stride, *dilation)])
    ]
    windows = windows.reshape(x.shape[0], groups, w.shape[1], *windows.shape[2:])
    kernel = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    space, taps = list(range(4, 4 + rank)), list(range(4 + rank, 4 + 2 * rank))
    out = np.einsum(windows, [0, 1, 2, *space, *taps], kernel, [1, 3, 2, *taps], [0, 1, 3, *space])
    return out.reshape(x.shape[0], w.shape[0], *out.shape[3:])


def adjoint(f, shape, g):
    """The adjoint of a linear function of arrays of `shape`, applied to g: one basis vector after the other."""
    out = np.zeros(math.prod(shape))
    for i in range(out.size):
        basis = np.zeros(out.size)
        basis[i] = 1
        out[i] = np.sum(f(basis.reshape(shape)) * g)
    return out.reshape(shape)


def _options(
    rank: int, stride: Any = 1, padding: Any = (0, 0), dilation: Any = 1, groups: int = 1
) -> dict[str, Any]:
    def each(value: Any, scalar: type) -> tuple:
        return (value,) * rank if isinstance(value, scalar) else tuple(value)

    pads = (padding,) * rank if not isinstance(padding[0], tuple) else padding
    return {
        "stride": each(stride, int),
        "padding": pads,
        "dilation": each(dilation, int),
        "groups": groups,
    }


CONVS = [
    ((1, 1, 1, 1), (1, 1, 1, 1), _options(2)),
    ((2, 3, 5, 7), (4, 3, 3, 3), _options(2, padding=(1, 1))),
    ((2, 3, 5, 6), (2, 3, 2, 3), _options(2, stride=(2, 3), padding=((1, 0), (2, 1)))),
    ((1, 4, 6, 5), (6, 2, 3, 2), _options(2, dilation=(1, 2), groups=2, padding=(1, 1))),
    ((1, 3, 4, 4), (3, 1, 3, 3), _options(2, groups=3, padding=(1, 1))),
    ((0, 2, 4, 4), (3, 2, 3, 3), _options(2)),
    ((2, 2, 9), (3, 2, 4), _options(1, stride=2, padding=(2, 1))),
    ((1, 2, 3, 4, 3), (2, 2, 2, 3, 2), _options(3, padding=(1, 1), stride=2)),
]
CASES["conv"] = [Case((Operand(x), Operand(w)), conv, "f", o) for x, w, o in CONVS]
CASES["bias_add"] = [
    Case(
        (Operand(shape), Operand(shape[1:2])),
        lambda x, b: x + b.reshape(b.size, *(1,) * (x.ndim - 2)),
        "f",
    )
    for shape in [(2, 3), (2, 3, 5, 4), (1, 1, 1), (0, 2, 4), (2, 0, 4), (1, 37, 2, 1, 3)]
]
for _x, _w, _o in CONVS:
    _y = conv(np.zeros(_x), np.zeros(_w), **_o).shape
    CASES.setdefault("conv_dgrad", []).append(
        Case(
            (Operand(_y), Operand(_w)),
            lambda g, w, x_shape, **o: adjoint(lambda x: conv(x, w, **o), x_shape, g),
            "f",
            {**_o, "x_shape": _x},
        )
    )
    CASES.setdefault("conv_wgrad", []).append(
        Case(
            (Operand(_y), Operand(_x)),
            lambda g, x, w_shape, **o: adjoint(lambda w: conv(x, w, **o), w_shape, g),
            "f",
            {**_o, "w_shape": _w},
        )
    )


def _extent(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    starts = [i * s - p for i in range(n + 2 * p)]
    reach = d * (k - 1) + 1
    full = [a for a in starts if a + reach <= n + p]
    if (
        ceil_mode
        and (a := len(full) * s - p) < n
        and a + reach > n + p
        and full[-1] + reach < n + p
    ):
        full.append(a)
    return len(full)


def _windows(shape: tuple, kernel, stride, padding, dilation, ceil_mode):
    """For each result position: the input positions of its window inside the array."""
    extents = [
        _extent(*args, ceil_mode)
        for args in zip(shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    for at in np.ndindex(*extents):
        spans = [
            [a for t in range(k) if 0 <= (a := i * s - p + t * d) < n]
            for i, k, s, p, d, n in zip(
                at, kernel, stride, padding, dilation, shape[2:], strict=True
            )
        ]
        yield extents, at, list(product(*spans))


def _max_pool(x, **o):
    best = index = None
    for extents, at, places in _windows(x.shape, **o):
        if best is None:
            best, index = (
                np.zeros((*x.shape[:2], *extents)),
                np.zeros((*x.shape[:2], *extents), INT),
            )
        values = np.stack([x[(slice(None), slice(None), *place)] for place in places])
        flat = np.array([np.ravel_multi_index(place, x.shape[2:]) for place in places])
        where = values.argmax(0)
        best[(slice(None), slice(None), *at)] = values.max(0, initial=-np.inf)
        index[(slice(None), slice(None), *at)] = flat[where]
    return best, index


POOLS = [
    ((2, 3, 6, 6), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False}),
    ((1, 2, 5, 7), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": False}),
    ((1, 1, 6, 5), {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 1), "ceil_mode": True}),
    ((1, 1, 1, 1), {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0), "ceil_mode": False}),
    ((2, 2, 9), {"kernel": (4,), "stride": (3,), "padding": (1,), "ceil_mode": False}),
    ((0, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False}),
    (
        (1, 1, 4, 4, 4),
        {"kernel": (2, 2, 2), "stride": (2, 2, 2), "padding": (0, 0, 0), "ceil_mode": False},
    ),
]
CASES["max_pool"] = [
    Case(
        (Operand(s, distinct),),
        _max_pool,
        "f",
        {**o, "dilation": (d,) * len(o["kernel"])},
        ties=False,
    )
    for s, o in POOLS
    for d in (1, 2)
    if s[-1] > 4 or d == 1
]
POOLED = [
    ((2, 3, 3, 3), (6, 6)),
    ((1, 1, 1, 1), (1, 1)),
    ((2, 2, 5), (9,)),
    ((0, 2, 2, 2), (4, 4)),
    ((1, 2, 2, 1, 2), (3, 2, 3)),
]


def _pool_index(plane: int) -> Callable:
    return lambda rng, shape, dtype: rng.integers(0, plane, shape).astype(INT)


def _unpool(g, index, x_shape):
    out = np.zeros((*g.shape[:2], math.prod(x_shape[2:])))
    for at in np.ndindex(*g.shape):
        out[(*at[:2], index[at])] += g[at]
    return out.reshape(x_shape)


def _pool_gather(v, index):
    flat = v.reshape(*v.shape[:2], math.prod(v.shape[2:]))
    out = np.zeros(index.shape)
    for at in np.ndindex(*index.shape):
        out[at] = flat[(*at[:2], index[at])]
    return out


CASES["max_pool_bwd"] = [
    Case(
        (Operand(s), Operand(s, _pool_index(math.prod(p)), INT)),
        _unpool,
        "f",
        {"x_shape": (*s[:2], *p)},
    )
    for s, p in POOLED
]
CASES["max_pool_gather"] = [
    Case((Operand((*s[:2], *p)), Operand(s, _pool_index(math.prod(p)), INT)), _pool_gather, "f")
    for s, p in POOLED
]


def _avg_pool(x, count_include_pad, **o):
    out = None
    ones = (1,) * len(o["kernel"])
    for extents, at, places in _windows(x.shape, dilation=ones, **o):
        if out is None:
            out = np.zeros((*x.shape[:2], *extents))
        spans = zip(at, o["kernel"], o["stride"], o["padding"], x.shape[2:], strict=True)
        padded = math.prod(min(i * s - p + k, n + p) - (i * s - p) for i, k, s, p, n in spans)
        total = sum(x[(slice(None), slice(None), *place)] for place in places)
        out[(slice(None), slice(None), *at)] = total / (
            padded if count_include_pad else len(places)
        )
    return out


for _s, _o in POOLS:
    for _count in (True, False):
        _params = {**_o, "count_include_pad": _count}
        CASES.setdefault("avg_pool", []).append(Case((Operand(_s),), _avg_pool, "f", _params))
        CASES.setdefault("avg_pool_bwd", []).append(
            Case(
                (Operand(_avg_pool(np.zeros(_s), **_params).shape),),
                lambda g, x_shape, **o: adjoint(lambda x: _avg_pool(x, **o), x_shape, g),
                "f",
                {**_params, "x_shape": _s},
            )
        )


# ----- normalization -----
def _normalize(x, weight, bias, axis, eps):
    mean = x.mean(axis, keepdims=True)
    rstd = (((x - mean) ** 2).mean(axis, keepdims=True) + eps) ** -0.5
    return (x - mean) * rstd * weight + bias, mean, rstd


def _batch_norm(x, weight, bias, eps):
    side = (1, -1, *(1,) * (x.ndim - 2))
    y, mean, rstd = _normalize(
        x, weight.reshape(side), bias.reshape(side), (0, *range(2, x.ndim)), eps
    )
    return y, mean.ravel(), rstd.ravel()


def _layer_norm(x, weight, bias, eps):
    y, mean, rstd = _normalize(x, weight, bias, -1, eps)
    return y, mean[..., 0], rstd[..., 0]


def _norm_bwd(axis: Callable, side: Callable):
    def formula(g, x, weight, mean, rstd):
        """The gradient term by term, with given statistics."""
        axes = axis(x)
        shape = side(x)
        w, m, r = weight.reshape(shape), mean, rstd
        m, r = (
            (m.reshape(shape), r.reshape(shape)) if len(shape) > 1 else (m[..., None], r[..., None])
        )
        normal = (x - m) * r
        gn = g * w
        gx = r * (
            gn - gn.mean(axes, keepdims=True) - normal * (gn * normal).mean(axes, keepdims=True)
        )
        others = (
            tuple(i for i, n in enumerate(shape) if n == 1)
            if len(shape) == x.ndim
            else tuple(range(x.ndim - 1))
        )
        return (
            gx,
            (g * normal).sum(others).reshape(weight.shape),
            g.sum(others).reshape(weight.shape),
        )

    return formula


def _channels(x):
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


EPS = {"eps": 1e-5}
CHANNELS = [(5, 3), (2, 3, 4, 5), (4, 1, 3), (37, 2), (2, 3, 1, 1), (2, 4, 2, 3, 2)]
FEATURES = [(3, 5), (37, 4), (2, 3, 4), (1, 7), (0, 3), (3,)]
CASES["batch_norm"] = [
    Case((Operand(s), Operand((s[1],), nonzero), Operand((s[1],))), _batch_norm, "f", EPS)
    for s in CHANNELS
]
CASES["layer_norm"] = [
    Case((Operand(s), Operand(s[-1:], nonzero), Operand(s[-1:])), _layer_norm, "f", EPS, ties=False)
    for s in FEATURES
]


def _statistic(sample: Callable) -> Callable:
    """Statistics are float32 for the half precisions."""
    return lambda rng, shape, dtype: sample(
        rng, shape, np.dtype("float32") if dtype.itemsize < 4 else dtype
    )


CASES["batch_norm_bwd"] = [
    Case(
        (Operand(s), Operand(s), Operand((s[1],), nonzero), Operand((s[1],), _statistic(unit)), Operand((s[1],), _statistic(positive))),
        _norm_bwd(lambda x: (0, *range(2, x.ndim)), _channels), "f",
    )
    for s in CHANNELS
]  # fmt: skip
CASES["layer_norm_bwd"] = [
    Case(
        (Operand(s), Operand(s), Operand(s[-1:], nonzero), Operand(s[:-1], _statistic(unit)), Operand(s[:-1], _statistic(positive))),
        _norm_bwd(lambda x: (x.ndim - 1,), lambda x: (x.shape[-1],)), "f",
    )
    for s in FEATURES if s != (3,)
]  # fmt: skip

# ----- creation -----
CPU = devices.CPU
CREATED: dict[str, list[tuple[dict[str, Any], Callable[[], np.ndarray]]]] = {
    "full": [
        ({"shape": s, "value": v, "dtype": d}, lambda s=s, v=v, d=d: np.zeros(s, d) + np.array(v, d))
        for s in ((), (0,), (1,), (37,), (3, 5), (300, 400))
        for d, v in ((np.dtype("float32"), 1.5), (np.dtype("int64"), 2**40), (np.dtype(bool), True), (BFLOAT16, 2.0),
                     (np.dtype("complex64"), 1 + 2j))
    ],
    "arange": [
        (
            {"start": a, "step": s, "length": n, "dtype": d},
            lambda a=a, s=s, n=n, d=d: np.array([a + i * s for i in range(n)], d),
        )
        for a, s, n in ((0, 1, 0), (0, 1, 1), (3, -2, 37), (2**40, 3, 5))
        for d in (np.dtype("int64"), np.dtype("float64"))
    ] + [({"start": 0.5, "step": 0.25, "length": 37, "dtype": np.dtype("float32")}, lambda: np.array([0.5 + 0.25 * i for i in range(37)], np.float32))],
}  # fmt: skip


# ----- random numbers -----
def _philox(seed: int, stream: int, block: int) -> list[int]:
    """One block of Philox 4x32-10, in Python integers."""
    c = [block & 0xFFFFFFFF, block >> 32, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def _words(seed: int, stream: int, offset: int, n: int) -> list[int]:
    return [
        word for b in range(-(-n // 4)) for word in _philox(seed, stream, (offset + b) % 2**64)
    ][:n]


def _words64(seed: int, stream: int, offset: int, n: int) -> list[int]:
    words = _words(seed, stream, offset, 2 * n)
    return [high << 32 | low for high, low in zip(words[::2], words[1::2], strict=True)]


def _uniform(at: dict[str, int], n: int, dtype: np.dtype) -> np.ndarray:
    if dtype == np.float32:
        return np.array([(w >> 8) / 2**24 for w in _words(**at, n=n)], dtype)
    return np.array([(w >> 11) / 2**53 for w in _words64(**at, n=n)], dtype)


def _box_muller(at: dict[str, int], n: int, dtype: np.dtype) -> np.ndarray:
    u = _uniform(at, n + n % 2, dtype).astype(np.float64).reshape(-1, 2)
    ulp = 2.0 ** (-24 if dtype == np.float32 else -53)
    r, t = np.sqrt(-2 * np.log(u[:, 0] + ulp)), 2 * np.pi * u[:, 1]
    return np.stack([r * np.cos(t), r * np.sin(t)], 1).reshape(-1)[:n].astype(dtype)


def _integers(at: dict[str, int], n: int, low: int, high: int) -> np.ndarray:
    if high - low <= 2**32:
        return np.array([low + (w * (high - low) >> 64) for w in _words64(**at, n=n)], INT)
    w = _words64(**at, n=2 * n)
    return np.array(
        [low + ((w[2 * i] << 64 | w[2 * i + 1]) * (high - low) >> 128) for i in range(n)], INT
    )


def _permutation(at: dict[str, int], n: int) -> np.ndarray:
    keys = _words64(**at, n=n)
    return np.array(sorted(range(n), key=keys.__getitem__), INT)


for _n in (0, 1, 37, 1128):
    for _at in (
        {"seed": 0, "stream": 0, "offset": 0},
        {"seed": 2**63 + 5, "stream": 2**40, "offset": 2**64 - 3},
    ):
        for _name, _params, _f in (
            ("random_bits", {}, lambda at, n: np.array(_words(**at, n=n), np.uint32)),
            ("random_bits64", {}, lambda at, n: np.array(_words64(**at, n=n), np.uint64)),
            ("random_uniform", {"dtype": np.dtype("float32")}, _uniform),
            ("random_uniform", {"dtype": np.dtype("float64")}, _uniform),
            ("random_normal", {"dtype": np.dtype("float32")}, _box_muller),
            ("random_normal", {"dtype": np.dtype("float64")}, _box_muller),
            ("random_integers", {"low": -5, "high": 2**31}, _integers),
            ("random_integers", {"low": -(2**40), "high": 2**62}, _integers),
            ("random_permutation", {}, _permutation),
        ):
            CREATED.setdefault(_name, []).append(
                ({**_at, "n": _n, **_params}, lambda at=_at, n=_n, p=_params, f=_f: f(at, n, **p))
            )


# ----- linear layers -----
def _linear(x, w, *bias):
    return np.einsum("...k,nk->...n", x, w) + (bias[0] if bias else 0)


CASES["linear"] = [
    Case((Operand(x), Operand(w), *([Operand((w[0],))] if bias else [])), _linear)
    for x, w in [
        ((3, 5), (4, 5)),
        ((5,), (4, 5)),
        ((0, 5), (2, 5)),
        ((2, 3, 5), (1, 5)),
        ((37, 1), (3, 1)),
        ((3, 0), (2, 0)),
    ]
    for bias in (False, True)
]


# ----- linear algebra -----
def _matrices(shift: float, *, square: bool = False) -> Callable:
    """Full rank, with well separated singular values and eigenvalues."""

    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        x = 0.3 * normal(
            rng, shape, np.dtype("complex128") if kind(dtype) == "c" else np.dtype("float64")
        )
        n = min(shape[-2:])
        x[..., np.arange(n), np.arange(n)] += shift * np.arange(1, n + 1)
        if square:
            x = x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(n)
        return x.astype(dtype)

    return sample


def _hermitian(x):
    return (x + np.conj(np.swapaxes(x, -1, -2))) / 2


def _wide_rtol(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.full(
        shape,
        1e-2,
        {"c": f"f{dtype.itemsize // 2}"}.get(dtype.kind, dtype if dtype.itemsize >= 4 else "f4"),
    )


def _gauge(v):
    """Columns times the conjugate of their first element: what does not depend on their phases."""
    return v * gd.conj(v[..., :1, :])


def _spectral(values, vectors):
    """Sums over the eigenvalues: what depends neither on their order nor on the phases of the vectors."""
    weights = [values**0, values, values * values]
    gauged = _gauge(vectors)
    return (
        *[gd.sum(w, axis=-1) for w in weights],
        *[gd.sum(gauged * gd.expand_dims(w, axis=-2), axis=-1) for w in weights],
    )


def _pinv(x, rtol):
    xh = np.conj(np.swapaxes(x, -1, -2))
    return np.linalg.inv(xh @ x) @ xh if x.shape[-2] >= x.shape[-1] else xh @ np.linalg.inv(x @ xh)


def _determinant(x):
    if x.shape[-1] == 0:
        return np.ones(x.shape[:-2], x.dtype)
    minors = [np.delete(np.delete(x, 0, -2), j, -1) for j in range(x.shape[-1])]
    return sum((-1) ** j * x[..., 0, j] * _determinant(minor) for j, minor in enumerate(minors))


def _slogdet(x):
    d = _determinant(x)
    return d / np.abs(d), np.log(np.abs(d))


def _lin(operands: tuple[Operand, ...], formula: Callable, **options: Any) -> Case:
    return Case(operands, formula, repeats=False, **options)


STACKS = [(1, 1), (3, 3), (2, 3, 3), (0, 3, 3)]
for _name, _f in {
    "cholesky": lambda x: np.linalg.cholesky(_hermitian(x)),
    "inv": np.linalg.inv,
    "det": _determinant,
    "slogdet": _slogdet,
}.items():
    CASES[_name] = [
        _lin((Operand(s, _matrices(1.0, square=_name == "cholesky")),), _f) for s in STACKS
    ]
CASES["solve"] = [
    _lin((Operand(a, _matrices(1.0)), Operand(b)), lambda a, b: np.linalg.inv(a) @ b)
    for a, b in [
        ((1, 1), (1, 1)),
        ((3, 3), (3, 2)),
        ((2, 3, 3), (3, 2)),
        ((3, 3), (2, 3, 1)),
        ((3, 3), (3, 0)),
        ((0, 3, 3), (3, 1)),
    ]
]
CASES["eigh"] = [
    _lin(
        (Operand(s, _matrices(1.0)),),
        lambda x: np.linalg.eigh(_hermitian(x)),
        seen=lambda w, v: (w, _gauge(v)),
    )
    for s in STACKS
]
CASES["eigvalsh"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x: np.linalg.eigh(_hermitian(x))[0]) for s in STACKS
]
CASES["eig"] = [_lin((Operand(s, _matrices(1.0)),), np.linalg.eig, seen=_spectral) for s in STACKS]
TALL = [(1, 1), (3, 3), (5, 3), (2, 4, 2), (0, 3, 2)]
WIDE = [(2, 4), (2, 1, 3)]
CASES["qr"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x, mode: tuple(np.linalg.qr(x, mode)), params={"mode": mode},
         smooth=s in TALL and (mode == "reduced" or s[-1] == s[-2]))
    for s in TALL + WIDE
    for mode in ("reduced", "complete")
]  # fmt: skip


def _svd_seen(u, s, vh):
    k = s.shape[-1]
    both = u[..., :k] @ (vh[..., :k, :] * gd.expand_dims(s, axis=-1) ** 2)
    return both, s, u @ gd.conj(gd.matrix_transpose(u)), gd.conj(gd.matrix_transpose(vh)) @ vh


CASES["svd"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x, full_matrices: tuple(np.linalg.svd(x, full_matrices)),
         params={"full_matrices": full}, seen=_svd_seen, smooth=not full)
    for s in TALL + WIDE
    for full in (False, True)
]  # fmt: skip
CASES["svdvals"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x: np.linalg.svd(x)[1]) for s in TALL + WIDE
]
CASES["pinv"] = [
    _lin((Operand(s, _matrices(1.0)), Operand((), _wide_rtol)), _pinv) for s in TALL + WIDE
]


# ----- Fourier transforms -----
def _scale(n: int, norm: str, inverse: bool) -> float:
    whole = {"backward": inverse, "forward": not inverse, "ortho": False}[norm]
    return 1 / math.sqrt(n) if norm == "ortho" else 1 / n if whole else 1.0


def _along(matrix, x, axis):
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def _turns(rows: int, cols: int, n: int, sign: int):
    return np.exp(sign * 2j * np.pi * np.outer(np.arange(rows), np.arange(cols)) / n)


def _fftn(x, axes, norm, inverse):
    for axis in axes:
        n = x.shape[axis]
        x = _along(_turns(n, n, n, 1 if inverse else -1) * _scale(n, norm, inverse), x, axis)
    return x


def _rfft(x, axis, norm):
    n = x.shape[axis]
    return _along(_turns(n // 2 + 1, n, n, -1) * _scale(n, norm, False), x, axis)


def _irfft(x, n, axis, norm):
    half = n // 2 + 1
    weight = np.array([1 if k == 0 or 2 * k == n else 2 for k in range(half)]) * _scale(
        n, norm, True
    )
    return _along(_turns(n, half, n, 1) * weight, x, axis).real


NORMS = ("backward", "ortho", "forward")
CASES["fftn"] = [
    Case((Operand(s),), _fftn, "c", {"axes": a, "norm": norm, "inverse": inverse})
    for s, a in [
        ((1,), (0,)),
        ((8,), (0,)),
        ((37,), (0,)),
        ((3, 5), (1,)),
        ((3, 4), (0, 1)),
        ((0, 5), (1,)),
    ]
    for norm in NORMS
    for inverse in (False, True)
]
CASES["rfft"] = [
    Case((Operand(s),), _rfft, "f", {"axis": a, "norm": norm})
    for s, a in [((1,), 0), ((8,), 0), ((37,), 0), ((3, 5), 0), ((3, 4), 1), ((0, 5), 1)]
    for norm in NORMS
]
CASES["irfft"] = [
    Case(
        (Operand((*s[:a], n // 2 + 1, *s[a + 1 :])),),
        _irfft,
        "c",
        {"n": n, "axis": a, "norm": norm},
    )
    for s, a in [((1,), 0), ((8,), 0), ((37,), 0), ((3, 5), 0), ((3, 4), 1), ((0, 5), 1)]
    for n in (s[a],)
    for norm in NORMS
]
