"""Arithmetic and mathematical functions, element by element.

Gradients follow the conjugate convention for complex inputs: that of a holomorphic f is
g * conj(f'(x)).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Row, Spec, Ufunc, row
from ..dtypes import DType, accumulator, check_kind, complex_of, kind, real_of
from ._rules import elementwise, to_bool
from .create import scalar_like, zeros_like

LN2, LN10 = math.log(2.0), math.log(10.0)


def conj_of(x: Any) -> Any:
    """The conjugate; real values pass through."""
    return conj(x) if x.data.dtype.kind == "c" else x


def _zero(g: Any, y: Any, *xs: Any) -> Any:
    """The gradient of a step function, zero wherever it exists."""
    return zeros_like(g)


def _unary(
    name: str, function: Any, vjp: Any, *saves: int | str, kinds: str = "fc", **options: Any
) -> Row:
    ref = Ufunc(function) if isinstance(function, str) else function
    return row(
        name,
        ref,
        elementwise(name, kinds, options.pop("out", None)),
        vjp=None if vjp is None else (vjp,),
        saves=saves,
        elementwise=True,
        **options,
    )


def _binary(
    name: str, function: Any, vjps: Any, *saves: int | str, kinds: str = "ifc", **options: Any
) -> Row:
    ref = Ufunc(function) if isinstance(function, str) else function
    return row(
        name,
        ref,
        elementwise(name, kinds, options.pop("out", None)),
        vjp=vjps,
        saves=saves,
        elementwise=True,
        broadcasts=True,
        **options,
    )


# ----- arithmetic -----
add: Row = _binary(
    "add", "add", (lambda g, y, a, b: g, lambda g, y, a, b: g), kinds="bifc", linear=True
)
subtract: Row = _binary(
    "subtract", "subtract", (lambda g, y, a, b: g, lambda g, y, a, b: -g), linear=True
)
multiply: Row = _binary(
    "multiply",
    "multiply",
    (lambda g, y, a, b: g * conj_of(b), lambda g, y, a, b: g * conj_of(a)),
    0,
    1,
    kinds="bifc",
    crossed=True,
)
divide: Row = _binary(
    "divide",
    "divide",
    (
        lambda g, y, a, b: g / conj_of(b),
        lambda g, y, a, b: -g * conj_of(y) / conj_of(b),
    ),
    1,
    "y",
    kinds="fc",
)
negative: Row = _unary("negative", "negative", lambda g, y, x: -g, kinds="ifc", linear=True)
square: Row = _unary("square", "square", lambda g, y, x: g * (conj_of(x) * 2), 0, kinds="ifc")
reciprocal: Row = _unary("reciprocal", "reciprocal", lambda g, y, x: -g * conj_of(y * y), "y")


def _abs_vjp(g: Any, y: Any, x: Any) -> Any:
    return g * sign(x) if kind(x.dtype) < 3 else cast(g, dtype=x.dtype) * sign(x)


absolute: Row = _unary("abs", "abs", _abs_vjp, 0, kinds="bifc", out=real_of)


def _sign_vjp(g: Any, y: Any, x: Any) -> Any:
    if kind(x.dtype) < 3:
        return _zero(g, y)
    # x/|x| turns with x and does not grow with it: only the part of g across y survives.
    across = imag(conj_of(y) * g)
    size = absolute(x)
    scaled = where(size == 0, size * 0, across / where(size == 0, size + 1, size))
    return y * cast(scaled, dtype=x.dtype) * 1j


sign: Row = _unary("sign", "sign", _sign_vjp, 0, "y", kinds="ifc")


def _pow_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    # a**(b-1) is infinite at a = 0, b = 0, where the derivative is 0.
    safe = where(b == 0, b * 0 + 1, b)
    return g * conj_of(b * power(a, safe - 1))


def _pow_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    # 0**b has derivative 0 for b > 0, where log(0) * 0 would be NaN.
    safe = where(a == 0, a * 0 + 1, a)
    return g * conj_of(y * log(safe))


power: Row = _binary("pow", "power", (_pow_base, _pow_exponent), 0, 1, "y")
int_power: Row = _binary("int_pow", "power", None, kinds="i", why="integers have no derivative")


def _half_at_ties(g: Any, y: Any, a: Any, b: Any) -> Any:
    won = cast(a == y, dtype=g.dtype)
    return g * won / (won + cast(b == y, dtype=g.dtype))


_extremum = (_half_at_ties, lambda g, y, a, b: _half_at_ties(g, y, b, a))
maximum: Row = _binary("maximum", "maximum", _extremum, 0, 1, "y", kinds="bif")
minimum: Row = _binary("minimum", "minimum", _extremum, 0, 1, "y", kinds="bif")


def _floor_divide_ref(xp: Any, a: Any, b: Any) -> Any:
    out = xp.floor_divide(a, b)
    if kind(out.dtype) == 1:
        return out
    # The standard counts infinities as a quotient does: inf // 2 is inf and -1 // inf is -0.
    return xp.where(xp.isinf(a) | xp.isinf(b), xp.true_divide(a, b), out)


floor_divide: Row = _binary("floor_divide", _floor_divide_ref, (_zero, _zero), kinds="if")
remainder: Row = _binary(
    "remainder",
    "remainder",
    (lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_divide(a, b)),
    0,
    1,
    kinds="if",
)
arctan2: Row = _binary(
    "atan2",
    "arctan2",
    (lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b)),
    0,
    1,
    kinds="f",
)
hypot: Row = _binary(
    "hypot",
    "hypot",
    (lambda g, y, a, b: g * (a / y), lambda g, y, a, b: g * (b / y)),
    0,
    1,
    "y",
    kinds="f",
)
logaddexp: Row = _binary(
    "logaddexp",
    "logaddexp",
    (lambda g, y, a, b: g * exp(a - y), lambda g, y, a, b: g * exp(b - y)),
    0,
    1,
    "y",
    kinds="f",
)


def _copysign_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    return where(signbit(a) == signbit(b), g, -g)


copysign: Row = _binary("copysign", "copysign", (_copysign_vjp, _zero), 0, 1, kinds="f")
nextafter: Row = _binary(
    "nextafter",
    "nextafter",
    None,
    kinds="f",
    why="a step to the neighbouring float is no function of reals",
)

# ----- exponentials, logarithms, roots -----
exp: Row = _unary("exp", "exp", lambda g, y, x: g * conj_of(y), "y")


def _expm1_ref(xp: Any, x: Any) -> Any:
    out = xp.expm1(x)
    if x.dtype.kind != "c":
        return out
    # Of infinities and NaN the library makes more NaN than the standard allows; exp does not.
    out = xp.asarray(xp.where(xp.isfinite(x), out, xp.exp(x) - 1))
    out.real += 0.0  # and a zero has a positive real part
    return out


expm1: Row = _unary("expm1", _expm1_ref, lambda g, y, x: g * conj_of(y + 1), "y")
log: Row = _unary("log", "log", lambda g, y, x: g / conj_of(x), 0)
log1p: Row = _unary("log1p", "log1p", lambda g, y, x: g / conj_of(x + 1), 0)
log2: Row = _unary("log2", "log2", lambda g, y, x: g / (conj_of(x) * LN2), 0)
log10: Row = _unary("log10", "log10", lambda g, y, x: g / (conj_of(x) * LN10), 0)
sqrt: Row = _unary("sqrt", "sqrt", lambda g, y, x: g / (conj_of(y) * 2), "y")

# ----- trigonometric and hyperbolic -----
sin: Row = _unary("sin", "sin", lambda g, y, x: g * conj_of(cos(x)), 0)
cos: Row = _unary("cos", "cos", lambda g, y, x: -g * conj_of(sin(x)), 0)
tan: Row = _unary("tan", "tan", lambda g, y, x: g * conj_of(y * y + 1), "y")
arcsin: Row = _unary("asin", "arcsin", lambda g, y, x: g / conj_of(sqrt(1 - x * x)), 0)
arccos: Row = _unary("acos", "arccos", lambda g, y, x: -g / conj_of(sqrt(1 - x * x)), 0)
arctan: Row = _unary("atan", "arctan", lambda g, y, x: g / conj_of(x * x + 1), 0)
sinh: Row = _unary("sinh", "sinh", lambda g, y, x: g * conj_of(cosh(x)), 0)
cosh: Row = _unary("cosh", "cosh", lambda g, y, x: g * conj_of(sinh(x)), 0)


def _tanh_bwd_ref(xp: Any, g: Any, y: Any) -> Any:
    slope = 1 - y * y
    return g * (xp.conj(slope) if y.dtype.kind == "c" else slope)


tanh_bwd: Row = row(
    "tanh_bwd",
    _tanh_bwd_ref,
    elementwise("tanh_bwd", "fc"),
    why="the fused backward of tanh; tanh's own rule differentiates to any order",
)
tanh: Row = _unary(
    "tanh",
    "tanh",
    lambda g, y, x: g * conj_of(1 - y * y),
    "y",
    fused=lambda g, y, needs, x: (tanh_bwd(g, y),),
    kernel="tanh",
)
arcsinh: Row = _unary("asinh", "arcsinh", lambda g, y, x: g / conj_of(sqrt(x * x + 1)), 0)
arccosh: Row = _unary("acosh", "arccosh", lambda g, y, x: g / conj_of(sqrt(x - 1) * sqrt(x + 1)), 0)
arctanh: Row = _unary("atanh", "arctanh", lambda g, y, x: g / conj_of(1 - x * x), 0)

# ----- rounding -----
floor: Row = _unary("floor", "floor", _zero, kinds="bif")
ceil: Row = _unary("ceil", "ceil", _zero, kinds="bif")
trunc: Row = _unary("trunc", "trunc", _zero, kinds="bif")


def _round_ref(xp: Any, x: Any) -> Any:
    return xp.rint(x) if x.dtype.kind in "fcV" else x.copy()


round_: Row = _unary("round", _round_ref, _zero, kinds="bifc")


# ----- complex -----
def _cast_ref(xp: Any, x: Any, *, dtype: DType) -> Any:
    if kind(x.dtype) == 3 and kind(dtype) < 3:
        x = x.real
    return x.astype(dtype)


def _cast_rule(x: Spec, *, dtype: DType) -> Spec:
    return Spec(x.shape, dtype)


cast: Row = row(
    "cast",
    _cast_ref,
    _cast_rule,
    vjp=(lambda g, y, x, *, dtype: cast(g, dtype=x.dtype),),
    elementwise=True,
    linear=True,
)


def _conj_ref(xp: Any, x: Any) -> Any:
    return xp.conj(x)


conj: Row = _unary("conj", _conj_ref, lambda g, y, x: conj(g), kinds="c", linear=True)
real: Row = _unary(
    "real",
    lambda xp, x: x.real.copy(),
    lambda g, y, x: cast(g, dtype=x.dtype),
    kinds="c",
    out=real_of,
    linear=True,
)
imag: Row = _unary(
    "imag",
    lambda xp, x: x.imag.copy(),
    lambda g, y, x: cast(g, dtype=x.dtype) * 1j,
    kinds="c",
    out=real_of,
    linear=True,
)


def _complex_ref(xp: Any, a: Any, b: Any) -> Any:
    out = xp.empty(np.broadcast_shapes(a.shape, b.shape), complex_of(a.dtype))
    out.real, out.imag = a, b
    return out


complex_: Row = _binary(
    "complex",
    _complex_ref,
    (lambda g, y, a, b: real(g), lambda g, y, a, b: imag(g)),
    kinds="f",
    out=complex_of,
    linear=True,
)


# ----- choice -----
def _where_rule(c: Spec, a: Spec, b: Spec) -> Spec:
    check_kind("where", c.dtype, "b")
    both = elementwise("where", "bifc")(a, b)
    return Spec(elementwise("where", "bifc")(c, Spec(both.shape, c.dtype)).shape, both.dtype)


where: Row = row(
    "where",
    Ufunc("where"),
    _where_rule,
    vjp=(
        None,
        lambda g, y, c, a, b: where(c, g, zero(g)),
        lambda g, y, c, a, b: where(c, zero(g), g),
    ),
    saves=(0,),
    broadcasts=True,
)


def zero(g: Any) -> Any:
    """A 0-d zero with the dtype and device of `g`."""
    return scalar_like(g, 0)


# ----- tests and comparisons -----
_STEP = "the result is a truth value"


def _test(name: str, function: str, kinds: str) -> Any:
    return row(
        name,
        Ufunc(function),
        elementwise(name, kinds, to_bool),
        why=_STEP,
        elementwise=True,
        broadcasts=True,
    )


equal: Row = _test("equal", "equal", "bifc")
not_equal: Row = _test("not_equal", "not_equal", "bifc")
less: Row = _test("less", "less", "bif")
less_equal: Row = _test("less_equal", "less_equal", "bif")
greater: Row = _test("greater", "greater", "bif")
greater_equal: Row = _test("greater_equal", "greater_equal", "bif")
isnan: Row = _test("isnan", "isnan", "bifc")
isinf: Row = _test("isinf", "isinf", "bifc")
isfinite: Row = _test("isfinite", "isfinite", "bifc")
signbit: Row = _test("signbit", "signbit", "f")
logical_and: Row = _test("logical_and", "logical_and", "bifc")
logical_or: Row = _test("logical_or", "logical_or", "bifc")
logical_xor: Row = _test("logical_xor", "logical_xor", "bifc")
logical_not: Row = _test("logical_not", "logical_not", "bifc")

# ----- bits -----
_BITS = "integers have no derivative"


def _bits(name: str, function: str, kinds: str = "bi") -> Any:
    return row(
        name,
        Ufunc(function),
        elementwise(name, kinds),
        why=_BITS,
        elementwise=True,
        broadcasts=True,
    )


bitwise_and: Row = _bits("bitwise_and", "bitwise_and")
bitwise_or: Row = _bits("bitwise_or", "bitwise_or")
bitwise_xor: Row = _bits("bitwise_xor", "bitwise_xor")
bitwise_invert: Row = _bits("bitwise_invert", "invert")
bitwise_left_shift: Row = _bits("bitwise_left_shift", "left_shift", "i")
bitwise_right_shift: Row = _bits("bitwise_right_shift", "right_shift", "i")


def widen(xp: Any, x: Any) -> Any:
    """Half precisions as float32, for references that sum."""
    wide = accumulator(x.dtype)
    return x if wide == x.dtype else x.astype(wide)
