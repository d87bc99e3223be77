"""Elementwise functions on the GPU (`elementwise.cu`), of operands of any strides, broadcast.

A kernel takes operands of one dtype, for which `table.py` has a variant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.dtypes import DType, bool_
from gpudl.runtime import KernelSpec, launch

from ..gpu import BITS, Array, copied, ctype, empty_elementwise, has_ctype, takes
from ..strided import plan
from .specs import CAST, SPEC_OF, WHERE
from .table import GROUPS

Kernel = Callable[..., Any]

# (kernel, functor, C type) -> the spec, whether the result is a bool, and the packs there are
_FOUND = {
    (group.kernel, variant["F"], variant["T"]): (SPEC_OF[group.spec], group.truth, group.packs)
    for group in GROUPS
    for variant in group.variants()
}


def _run(
    spec: KernelSpec, variant: dict[str, str], operands: tuple[Array, ...], out: Array, packs: int
) -> Any:
    """`out`, after the launches that walk over it; `packs` are the elements of the packs that the
    kernel has, 1 if it has none."""
    if not out.size:
        return out
    route = plan(out, *operands)
    if route is not None and route.vector not in (1, packs):
        route = plan(out, *operands, packs=False)
    if route is None:
        return NotImplemented
    for piece in route.pieces:
        launch(
            spec,
            variant | {"V": str(route.vector)} if "{V}" in spec.template else variant,
            (*operands, out, piece.layout),
            size=piece.size,
            vector=route.vector,
        )
    return out


def _apply(kernel: str, functor: str, operands: tuple[Array, ...]) -> Any:
    dtype = operands[0].dtype
    if any(x.dtype != dtype for x in operands) or not has_ctype(dtype):
        return NotImplemented
    t = ctype(dtype)
    found = _FOUND.get((kernel, functor, t))
    if found is None:
        return NotImplemented
    spec, truth, packs = found
    shape = np.broadcast_shapes(*(x.shape for x in operands))
    out = empty_elementwise(shape, bool_ if truth else dtype, operands)
    variant = {"F": functor, "T": t, "R": "bool" if truth else t}
    return _run(spec, variant, operands, out, 4 if packs and t == "float" else 1)


def _unary(functor: str, doc: str) -> Kernel:
    """The kernel of a function of one array."""

    def run(x: Array) -> Any:
        return _apply("unary", functor, (x,))

    run.__doc__ = doc
    return run


def _binary(functor: str, doc: str) -> Kernel:
    """The kernel of a function of two arrays."""

    def run(a: Array, b: Array) -> Any:
        return _apply("binary", functor, (a, b))

    run.__doc__ = doc
    return run


relu: Kernel = _unary("Relu", "max(x, 0); NaN stays.")
sigmoid: Kernel = _unary("Sigmoid", "1 / (1 + exp(-x)), accurate in both tails.")
tanh: Kernel = _unary("Tanh", "The hyperbolic tangent.")
silu: Kernel = _unary("Silu", "x * sigmoid(x); -0 at -inf.")
erf: Kernel = _unary("Erf", "The error function.")
negative: Kernel = _unary("Negative", "-x; of integers, wrapping around.")
abs: Kernel = _unary("Abs", "The absolute value.")
square: Kernel = _unary("Square", "x * x.")
sign: Kernel = _unary("Sign", "-1, 0 or 1; NaN stays.")
reciprocal: Kernel = _unary("Reciprocal", "1 / x.")
sqrt: Kernel = _unary("Sqrt", "The square root.")
exp: Kernel = _unary("Exp", "e to the x.")
log: Kernel = _unary("Log", "The natural logarithm.")
expm1: Kernel = _unary("Expm1", "exp(x) - 1.")
log1p: Kernel = _unary("Log1p", "log(1 + x).")
log2: Kernel = _unary("Log2", "The logarithm to base 2.")
log10: Kernel = _unary("Log10", "The logarithm to base 10.")
floor: Kernel = _unary("Floor", "Rounded down.")
ceil: Kernel = _unary("Ceil", "Rounded up.")
trunc: Kernel = _unary("Trunc", "Rounded towards zero.")
round: Kernel = _unary("Round", "Rounded to nearest, ties to even.")
erfinv: Kernel = _unary("Erfinv", "The inverse of the error function.")
sin: Kernel = _unary("Sin", "The sine.")
cos: Kernel = _unary("Cos", "The cosine.")
tan: Kernel = _unary("Tan", "The tangent.")
asin: Kernel = _unary("Asin", "The inverse sine.")
acos: Kernel = _unary("Acos", "The inverse cosine.")
atan: Kernel = _unary("Atan", "The inverse tangent.")
sinh: Kernel = _unary("Sinh", "The hyperbolic sine.")
cosh: Kernel = _unary("Cosh", "The hyperbolic cosine.")
asinh: Kernel = _unary("Asinh", "The inverse hyperbolic sine.")
acosh: Kernel = _unary("Acosh", "The inverse hyperbolic cosine.")
atanh: Kernel = _unary("Atanh", "The inverse hyperbolic tangent.")
bitwise_invert: Kernel = _unary("Invert", "Every bit turned over; of bools, not x.")
logical_not: Kernel = _unary("LogicalNot", "Whether x is false.")
isnan: Kernel = _unary("IsNan", "Whether x is NaN.")
isinf: Kernel = _unary("IsInf", "Whether x is an infinity.")
isfinite: Kernel = _unary("IsFinite", "Whether x is neither an infinity nor NaN.")
signbit: Kernel = _unary("SignBit", "Whether the sign is minus.")
add: Kernel = _binary("Add", "a + b; of bools, or.")
subtract: Kernel = _binary("Subtract", "a - b.")
multiply: Kernel = _binary("Multiply", "a * b; of bools, and.")
divide: Kernel = _binary("Divide", "a / b.")
maximum: Kernel = _binary("Maximum", "The larger one; a NaN wins.")
minimum: Kernel = _binary("Minimum", "The smaller one; a NaN wins.")
relu_bwd: Kernel = _binary("ReluBwd", "g where the result y is positive or NaN, else 0.")
silu_bwd: Kernel = _binary("SiluBwd", "g times the derivative of `silu` at x.")
pow: Kernel = _binary("Pow", "a to the b.")
floor_divide: Kernel = _binary("FloorDivide", "a / b rounded down; 0 where an integer b is 0.")
remainder: Kernel = _binary("Remainder", "What `floor_divide` leaves, with the sign of b.")
atan2: Kernel = _binary("Atan2", "The angle of the point (b, a).")
hypot: Kernel = _binary("Hypot", "sqrt(a * a + b * b).")
copysign: Kernel = _binary("Copysign", "a with the sign of b.")
nextafter: Kernel = _binary("Nextafter", "The number after a on the way to b.")
logaddexp: Kernel = _binary("Logaddexp", "log(exp(a) + exp(b)).")
int_pow: Kernel = _binary("Pow", "a to the b, wrapping around.")
bitwise_left_shift: Kernel = _binary("LeftShift", "a shifted left by b bits.")
bitwise_right_shift: Kernel = _binary("RightShift", "a shifted right by b bits.")
bitwise_and: Kernel = _binary("BitwiseAnd", "The bits that both have.")
bitwise_or: Kernel = _binary("BitwiseOr", "The bits that either has.")
bitwise_xor: Kernel = _binary("BitwiseXor", "The bits that one of them has.")
equal: Kernel = _binary("Equal", "a == b.")
not_equal: Kernel = _binary("NotEqual", "a != b.")
less: Kernel = _binary("Less", "a < b.")
less_equal: Kernel = _binary("LessEqual", "a <= b.")
greater: Kernel = _binary("Greater", "a > b.")
greater_equal: Kernel = _binary("GreaterEqual", "a >= b.")
logical_and: Kernel = _binary("LogicalAnd", "Whether both are true.")
logical_or: Kernel = _binary("LogicalOr", "Whether one is true.")
logical_xor: Kernel = _binary("LogicalXor", "Whether just one is true.")


def gelu(x: Array, approximate: str = "none") -> Any:
    """x times the normal distribution function at x, or its `tanh` approximation; -0 at -inf."""
    return _apply("unary", "GeluTanh" if approximate == "tanh" else "Gelu", (x,))


def gelu_bwd(g: Array, x: Array, approximate: str = "none") -> Any:
    """g times the derivative of `gelu` at x."""
    return _apply("binary", "GeluTanhBwd" if approximate == "tanh" else "GeluBwd", (g, x))


def bias_add(x: Array, b: Array) -> Any:
    """x (N, C, *S) + b (C,) along axis 1, in the layout of x."""
    if not takes(x, b) or x.ndim < 2 or b.shape != x.shape[1:2]:
        return NotImplemented
    return add(x, b.reshape((-1, *(1,) * (x.ndim - 2))))


def cast(x: Array, *, dtype: DType) -> Any:
    """x as another dtype; reals are cut towards zero."""
    out = empty_elementwise(x.shape, dtype, (x,))
    if x.dtype == dtype:
        return copied(x, out)
    variant = {"T": ctype(x.dtype), "R": ctype(dtype)} if _both(x.dtype, dtype) else None
    if variant not in CAST.variants:
        return NotImplemented
    return _run(CAST, variant, (x,), out, 1)


def _both(a: DType, b: DType) -> bool:
    return has_ctype(a) and has_ctype(b)


def where(c: Array, a: Array, b: Array) -> Any:
    """a where c is true, else b."""
    bits = BITS.get(a.dtype.itemsize, "")
    if c.dtype != bool_ or a.dtype != b.dtype or {"T": bits, "V": "1"} not in WHERE.variants:
        return NotImplemented
    out = empty_elementwise(np.broadcast_shapes(c.shape, a.shape, b.shape), a.dtype, (a, b, c))
    return _run(WHERE, {"T": bits}, (c, a, b), out, 4 if bits == "uint32_t" else 1)
