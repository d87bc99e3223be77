"""Activation functions. Most are made of a few rows of the table; those with a kernel are rows
themselves.

`inplace=True` is taken as the permission to reuse the input's memory, of which no use is made.
"""

from __future__ import annotations

from typing import Any

from ... import shapes
from ..._namespace.convert import cast
from ...dtypes import as_dtype
from ...errors import ArgumentError, ArgumentTypeError, ShapeError
from ...ops import activation as ops
from ...ops import elementwise as ew
from ...ops.shape import reshape
from ._check import (
    axis,
    axis_last,
    channel_shape,
    constant,
    number,
    real_float,
    same_dtype,
    tensor,
    undone,
)

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def _where(op: str, condition: Any, a: Any, b: Any, x: Any) -> Any:
    """Where of tensors or numbers, in the dtype of `x`."""
    a = constant(op, x, a) if isinstance(a, (int, float)) else a
    b = constant(op, x, b) if isinstance(b, (int, float)) else b
    return ew.where(condition, a, b)


# ----- with a row of their own -----
def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0)."""
    return ops.relu(real_float("relu", input))


def gelu(input: Any, approximate: str = "none") -> Any:
    """x Phi(x), with the normal distribution exact ("none") or by "tanh"."""
    x = real_float("gelu", input)
    if approximate not in ("none", "tanh"):
        raise ArgumentError("gelu", f"approximate={approximate!r}", remedy='"none" or "tanh"')
    return ops.gelu(x, approximate=approximate)


def silu(input: Any, inplace: bool = False) -> Any:
    """x sigmoid(x)."""
    return ops.silu(real_float("silu", input))


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(real_float("sigmoid", input))


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return ew.tanh(real_float("tanh", input))


def _along(op: str, row: Any, input: Any, dim: Any, dtype: Any) -> Any:
    x = tensor(op, input)
    if dtype is not None:
        x = cast(x, as_dtype(dtype, op))
    x = real_float(op, x)
    if dim is None:
        raise ArgumentTypeError(op, "dim is needed", remedy="dim=-1 for the last axis", input=x)
    at = axis(op, dim, x)
    if x.ndim == 0:
        return reshape(row(reshape(x, shape=(1,))), shape=())
    moved, undo = axis_last(x, at)
    return undone(row(moved), undo)


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """exp(x) over its sum along `dim`."""
    return _along("softmax", ops.softmax, input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The logarithm of `softmax`, without overflow."""
    return _along("log_softmax", ops.log_softmax, input, dim, dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """The softmax of -x."""
    return softmax(-tensor("softmin", input), dim, dtype=dtype)


# ----- made of rows -----
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where positive, else negative_slope x."""
    x = real_float("leaky_relu", input)
    slope = constant("leaky_relu", x, number("leaky_relu", "negative_slope", negative_slope))
    return ew.where(x > 0, x, x * slope)


def prelu(input: Any, weight: Any) -> Any:
    """x where positive, else weight x, with one weight, or one per channel (axis 1)."""
    x, w = real_float("prelu", input), tensor("prelu", weight, "weight")
    same_dtype("prelu", x, weight=w)
    if w.shape != (1,) and not (x.ndim >= 2 and w.shape == (x.shape[1],)):
        raise ShapeError("prelu", "weight has one entry, or one per channel", input=x, weight=w)
    shape = channel_shape(x) if w.shape != (1,) else (1,) * max(x.ndim, 1)
    slope = reshape(w, shape=() if x.ndim == 0 else shape)
    return ew.where(x > 0, x, x * slope)


def _expm1_below(op: str, x: Any) -> Any:
    """exp(x) - 1 where x is negative, 0 elsewhere: no overflow reaches the gradient."""
    return ew.expm1(_where(op, x > 0, 0.0, x, x))


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where positive, else alpha (exp(x) - 1)."""
    x = real_float("elu", input)
    return ew.where(x > 0, x, _expm1_below("elu", x) * number("elu", "alpha", alpha))


def selu(input: Any, inplace: bool = False) -> Any:
    """A scaled elu whose fixed point is mean 0 and variance 1."""
    x = real_float("selu", input)
    return ew.where(x > 0, x, _expm1_below("selu", x) * SELU_ALPHA) * SELU_SCALE


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where positive, else alpha (exp(x / alpha) - 1)."""
    x, a = real_float("celu", input), number("celu", "alpha", alpha)
    if a == 0:
        raise ArgumentError("celu", "alpha is 0", remedy="any other number")
    return ew.where(x > 0, x, _expm1_below("celu", x * (1 / a)) * a)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    x, b = real_float("softplus", input), number("softplus", "beta", beta)
    if b == 0:
        raise ArgumentError("softplus", "beta is 0", remedy="a positive number")
    scaled = x if b == 1 else x * b
    soft = ew.logaddexp(scaled, constant("softplus", x, 0))
    return ew.where(
        scaled > number("softplus", "threshold", threshold), x, soft if b == 1 else soft * (1 / b)
    )


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    x = real_float("logsigmoid", input)
    return -ew.logaddexp(-x, constant("logsigmoid", x, 0))


def mish(input: Any, inplace: bool = False) -> Any:
    """x tanh(softplus(x))."""
    x = real_float("mish", input)
    return x * ew.tanh(softplus(x))


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    x = real_float("softsign", input)
    return x / (ew.absolute(x) + 1)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """x limited to [min_val, max_val]; no gradient at the limits."""
    x = real_float("hardtanh", input)
    low, high = number("hardtanh", "min_val", min_val), number("hardtanh", "max_val", max_val)
    if low > high:
        raise ArgumentError("hardtanh", f"min_val={low} is above max_val={high}")
    return _where("hardtanh", x <= low, low, _where("hardtanh", x >= high, high, x, x), x)


def relu6(input: Any, inplace: bool = False) -> Any:
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """relu6(x + 3) / 6."""
    return relu6(real_float("hardsigmoid", input) + 3) * (1 / 6)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x relu6(x + 3) / 6."""
    return input * hardsigmoid(real_float("hardswish", input))


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where above `threshold`, else `value`."""
    x = real_float("threshold", input)
    level = number("threshold", "threshold", threshold)
    # NaN is not below the threshold, so it stays.
    return _where("threshold", x <= level, number("threshold", "value", value), x, x)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    x = real_float("tanhshrink", input)
    return x - ew.tanh(x)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0."""
    x = real_float("hardshrink", input)
    return _where("hardshrink", ew.absolute(x) <= number("hardshrink", "lambd", lambd), 0.0, x, x)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x moved towards 0 by lambd, and 0 within it."""
    x, level = real_float("softshrink", input), number("softshrink", "lambd", lambd)
    if level < 0:
        raise ArgumentError("softshrink", f"lambd is {level}", remedy="at least 0")
    moved = ew.where(x > 0, x - level, x + level)
    return _where("softshrink", ew.absolute(x) <= level, 0.0, moved, x)


def glu(input: Any, dim: int = -1) -> Any:
    """a sigmoid(b), with a and b the halves of x along `dim`."""
    x = real_float("glu", input)
    at = shapes.normalize_axis("glu", dim, x.ndim)
    n = x.shape[at]
    if n % 2:
        raise ShapeError(
            "glu", f"axis {dim} has the odd extent {n}", remedy="an even extent", input=x
        )
    lead = (slice(None),) * at
    return x[(*lead, slice(0, n // 2))] * ops.sigmoid(x[(*lead, slice(n // 2, n))])
