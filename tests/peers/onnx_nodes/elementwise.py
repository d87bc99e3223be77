"""ONNX's elementwise operators, activations included, as calls of gpudl."""

from __future__ import annotations

from functools import reduce
from typing import Any

import gpudl as gd
from gpudl.nn import functional as F

# TensorProto.DataType of the dtypes that gpudl has.
DTYPES = {
    1: gd.float32,
    2: gd.uint8,
    3: gd.int8,
    4: gd.uint16,
    5: gd.int16,
    6: gd.int32,
    7: gd.int64,
    9: gd.bool,
    10: gd.float16,
    11: gd.float64,
    12: gd.uint32,
    13: gd.uint64,
    14: gd.complex64,
    15: gd.complex128,
    16: gd.bfloat16,
}


def _floating(x: Any) -> bool:
    return gd.isdtype(x.dtype, "real floating")


def div(x: Any, y: Any) -> Any:
    """Integers are truncated, as in C."""
    if _floating(x):
        return x / y
    if gd.isdtype(x.dtype, "unsigned integer"):
        return x // y
    return (abs(x) // abs(y)) * gd.sign(x) * gd.sign(y)


def mod(x: Any, y: Any, fmod: int = 0) -> Any:
    """`fmod=1` takes the sign of `x`, as in C."""
    if not fmod:
        return gd.remainder(x, y)
    size = gd.remainder(abs(x), abs(y))
    return gd.where(x < 0, -size, size)


def mean(*xs: Any) -> Any:
    return reduce(gd.add, xs) / len(xs)


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return gd.clip(x, min, max)


def bit_shift(x: Any, y: Any, direction: str) -> Any:
    shift = {"LEFT": gd.bitwise_left_shift, "RIGHT": gd.bitwise_right_shift}[direction]
    return shift(x, y)


def is_inf(x: Any, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    wanted = [x < 0] * detect_negative + [x > 0] * detect_positive
    return reduce(gd.logical_or, wanted, gd.zeros_like(x, dtype=gd.bool)) & gd.isinf(x)


def cast(x: Any, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    """The last two arguments speak of 8-bit floats."""
    return x.astype(DTYPES[to])


def cast_like(x: Any, target: Any, saturate: int = 1, round_mode: str = "up") -> Any:
    return x.astype(target.dtype)


def selu(x: Any, alpha: float = 1.6732631921768188, gamma: float = 1.0507010221481323) -> Any:
    if (alpha, gamma) == (selu.__defaults__ or ()):
        return F.selu(x)
    return gamma * F.elu(x, alpha)


def swish(x: Any, alpha: float = 1.0) -> Any:
    return F.silu(alpha * x) / alpha


def prelu(x: Any, slope: Any) -> Any:
    """A slope per channel is `F.prelu`; ONNX broadcasts it from the right."""
    return gd.where(x < 0, slope * x, x)


def hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return gd.clip(alpha * x + beta, 0.0, 1.0)


def shrink(x: Any, bias: float = 0.0, lambd: float = 0.5) -> Any:
    if bias and bias != lambd:
        raise NotImplementedError("PyTorch has shrinking by lambd and by nothing")
    return (F.softshrink if bias else F.hardshrink)(x, lambd)


def hardmax(x: Any, axis: int = -1) -> Any:
    last = gd.moveaxis(x, axis, -1)
    ones = gd.one_hot(gd.argmax(last, axis=-1), last.shape[-1], dtype=x.dtype)
    return gd.moveaxis(ones, -1, axis)


def dropout(x: Any, ratio: Any = 0.5, training_mode: Any = False, seed: int = 0) -> Any:
    p, training = float(ratio), bool(training_mode)
    return F.dropout(x, p, training), gd.ones_like(x, dtype=gd.bool)


ARITHMETIC: dict[str, Any] = {
    "Abs": gd.abs,
    "Acos": gd.acos,
    "Acosh": gd.acosh,
    "Add": gd.add,
    "And": gd.logical_and,
    "Asin": gd.asin,
    "Asinh": gd.asinh,
    "Atan": gd.atan,
    "Atanh": gd.atanh,
    "BitShift": bit_shift,
    "BitwiseAnd": gd.bitwise_and,
    "BitwiseNot": gd.bitwise_invert,
    "BitwiseOr": gd.bitwise_or,
    "BitwiseXor": gd.bitwise_xor,
    "Cast": cast,
    "CastLike": cast_like,
    "Ceil": gd.ceil,
    "Clip": clip,
    "Cos": gd.cos,
    "Cosh": gd.cosh,
    "Div": div,
    "Equal": gd.equal,
    "Erf": gd.erf,
    "Exp": gd.exp,
    "Floor": gd.floor,
    "Greater": gd.greater,
    "GreaterOrEqual": gd.greater_equal,
    "Identity": gd.positive,
    "IsInf": is_inf,
    "IsNaN": gd.isnan,
    "Less": gd.less,
    "LessOrEqual": gd.less_equal,
    "Log": gd.log,
    "Max": lambda *xs: reduce(gd.maximum, xs),
    "Mean": mean,
    "Min": lambda *xs: reduce(gd.minimum, xs),
    "Mod": mod,
    "Mul": gd.multiply,
    "Neg": gd.negative,
    "Not": gd.logical_not,
    "Or": gd.logical_or,
    "Pow": lambda x, y: gd.pow(x, y).astype(x.dtype),
    "Reciprocal": gd.reciprocal,
    "Round": gd.round,
    "Sign": gd.sign,
    "Sin": gd.sin,
    "Sinh": gd.sinh,
    "Sqrt": gd.sqrt,
    "Sub": gd.subtract,
    "Sum": lambda *xs: reduce(gd.add, xs),
    "Tan": gd.tan,
    "Tanh": gd.tanh,
    "Where": gd.where,
    "Xor": gd.logical_xor,
}

ACTIVATIONS: dict[str, Any] = {
    "Celu": F.celu,
    "Dropout": dropout,
    "Elu": F.elu,
    "Gelu": F.gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": F.hardswish,
    "Hardmax": hardmax,
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha),
    "LogSoftmax": lambda x, axis=-1: F.log_softmax(x, axis),
    "Mish": F.mish,
    "PRelu": prelu,
    "Relu": F.relu,
    "Selu": selu,
    "Shrink": shrink,
    "Sigmoid": F.sigmoid,
    "Softmax": lambda x, axis=-1: F.softmax(x, axis),
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "SwiGLU": lambda a, b, alpha=1.0: swish(a, alpha) * b,
    "Swish": swish,
    "ThresholdedRelu": lambda x, alpha=1.0: F.threshold(x, alpha, 0.0),
}
