"""Activation functions and the special functions they need."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Row, Spec, row
from ..dtypes import check_kind
from ..errors import ArgumentError
from ._rules import elementwise, like
from .elementwise import exp, square, tanh, where, widen, zero
from .reduce import sum_

_RSQRT_PI = 1.0 / math.sqrt(math.pi)
_TANH_SCALE = math.sqrt(2.0 / math.pi)


def _exact(name: str, function: Any) -> Any:
    """A reference made of a scalar function of the standard library, in float64; on a GPU, of the
    library's special function `name`."""
    table = np.frompyfunc(function, 1, 1)

    def ref(xp: Any, x: Any) -> Any:
        if xp is not np:
            return getattr(xp.special, name)(widen(xp, x)).astype(x.dtype, copy=False)
        exact = np.asarray(table(np.asarray(x, np.float64)), np.float64)
        return xp.asarray(exact).astype(x.dtype)

    return ref


# ----- relu -----
relu_bwd: Row = row(
    "relu_bwd",
    lambda xp, g, y: xp.where(y > 0, g, xp.zeros((), g.dtype)),
    elementwise("relu_bwd", "f"),
    kernel="relu_bwd",
    why="the fused backward of relu; relu's own rule differentiates to any order",
)
relu: Row = row(
    "relu",
    lambda xp, x: xp.maximum(x, xp.zeros((), x.dtype)),
    elementwise("relu", "f"),
    vjp=(lambda g, y, x: where(y > zero(y), g, zero(g)),),
    fused=lambda g, y, needs, x: (relu_bwd(g, y),),
    saves=("y",),
    kernel="relu",
    elementwise=True,
)


# ----- sigmoid, silu -----
def sigmoid_ref(xp: Any, x: Any) -> Any:
    # exp of a negative number only: no overflow on either side.
    small = xp.exp(-xp.abs(widen(xp, x)))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


sigmoid: Row = row(
    "sigmoid",
    sigmoid_ref,
    elementwise("sigmoid", "f"),
    vjp=(lambda g, y, x: g * (y * (1 - y)),),
    saves=("y",),
    kernel="sigmoid",
    elementwise=True,
)


def _silu_bwd_ref(xp: Any, g: Any, x: Any) -> Any:
    s = sigmoid_ref(xp, widen(xp, x))
    return (g * (s * (1 + x * (1 - s)))).astype(g.dtype)


silu_bwd: Row = row(
    "silu_bwd",
    _silu_bwd_ref,
    elementwise("silu_bwd", "f"),
    kernel="silu_bwd",
    why="the fused backward of silu; silu's own rule differentiates to any order",
)


def _silu_vjp(g: Any, y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


silu: Row = row(
    "silu",
    lambda xp, x: (x * sigmoid_ref(xp, widen(xp, x))).astype(x.dtype),
    elementwise("silu", "f"),
    vjp=(_silu_vjp,),
    fused=lambda g, y, needs, x: (silu_bwd(g, x),),
    saves=(0,),
    kernel="silu",
    elementwise=True,
)

# ----- erf -----
_erf_ref = _exact("erf", math.erf)
erf: Row = row(
    "erf",
    _erf_ref,
    elementwise("erf", "f"),
    vjp=(lambda g, y, x: g * (exp(-square(x)) * (2 * _RSQRT_PI)),),
    saves=(0,),
    kernel="erf",
    elementwise=True,
)


def _erfinv(y: float) -> float:
    if not -1.0 < y < 1.0:
        return math.copysign(math.inf, y) if abs(y) == 1.0 else math.nan
    if y == 0.0:
        return y
    # Winitzki's approximation, then Newton steps (Halley's) to full precision; erfc keeps the
    # tail exact.
    t = math.log1p(-y * y)
    half = 2 / (math.pi * 0.147) + t / 2
    x = math.copysign(math.sqrt(math.sqrt(half * half - t / 0.147) - half), y)
    for _ in range(4):
        if y > 0.5:
            error = (1.0 - y) - math.erfc(x)
        elif y < -0.5:
            error = math.erfc(-x) - (1.0 + y)
        else:
            error = math.erf(x) - y
        slope = 2 * _RSQRT_PI * math.exp(-x * x)
        step = error / slope
        x -= step / (1 + x * step)
    return x


erfinv: Row = row(
    "erfinv",
    _exact("erfinv", _erfinv),
    elementwise("erfinv", "f"),
    vjp=(lambda g, y, x: g * (exp(square(y)) * (0.5 / _RSQRT_PI)),),
    saves=("y",),
    kernel="erfinv",
    elementwise=True,
)


# ----- gelu -----
def _gelu_slope(xp: Any, x: Any, approximate: str) -> tuple[Any, Any]:
    """The factor Phi(x) (or its tanh form) and the derivative of gelu."""
    if approximate == "none":
        phi = 0.5 * (1 + _erf_ref(xp, x * math.sqrt(0.5)))
        return phi, phi + x * xp.exp(-0.5 * x * x) * (_RSQRT_PI * math.sqrt(0.5))
    t = xp.tanh(_TANH_SCALE * (x + 0.044715 * x * x * x))
    phi = 0.5 * (1 + t)
    inner = _TANH_SCALE * (1 + 3 * 0.044715 * x * x)
    return phi, phi + x * 0.5 * (1 - t * t) * inner


def _gelu_rule(*specs: Spec, approximate: str) -> Spec:
    check_kind("gelu", specs[0].dtype, "f")
    if approximate not in ("none", "tanh"):
        raise ArgumentError("gelu", f"approximate={approximate!r}", remedy='"none" or "tanh"')
    return elementwise("gelu", "f")(*specs)


def _gelu_ref(xp: Any, x: Any, *, approximate: str) -> Any:
    wide = widen(xp, x)
    return (wide * _gelu_slope(xp, wide, approximate)[0]).astype(x.dtype)


def _gelu_bwd_ref(xp: Any, g: Any, x: Any, *, approximate: str) -> Any:
    return (g * _gelu_slope(xp, widen(xp, x), approximate)[1]).astype(g.dtype)


def _gelu_vjp(g: Any, y: Any, x: Any, *, approximate: str) -> Any:
    if approximate == "none":
        phi = (erf(x * math.sqrt(0.5)) + 1) * 0.5
        return g * (phi + x * exp(square(x) * -0.5) * (_RSQRT_PI * math.sqrt(0.5)))
    x2 = square(x)
    t = tanh(x * (x2 * 0.044715 + 1) * _TANH_SCALE)
    inner = (x2 * (3 * 0.044715) + 1) * _TANH_SCALE
    return g * ((t + 1) * 0.5 + x * (1 - t * t) * inner * 0.5)


gelu_bwd: Row = row(
    "gelu_bwd",
    _gelu_bwd_ref,
    _gelu_rule,
    kernel="gelu_bwd",
    why="the fused backward of gelu; gelu's own rule differentiates to any order",
)
gelu: Row = row(
    "gelu",
    _gelu_ref,
    _gelu_rule,
    vjp=(_gelu_vjp,),
    fused=lambda g, y, needs, x, *, approximate: (gelu_bwd(g, x, approximate=approximate),),
    saves=(0,),
    kernel="gelu",
    elementwise=True,
)


# ----- softmax -----
def _softmax_ref(xp: Any, x: Any) -> Any:
    wide = widen(xp, x)
    if x.shape[-1] == 0:
        return x.copy()
    e = xp.exp(wide - wide.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(x.dtype)


def _log_softmax_ref(xp: Any, x: Any) -> Any:
    wide = widen(xp, x)
    if x.shape[-1] == 0:
        return x.copy()
    shifted = wide - wide.max(-1, keepdims=True)
    return (shifted - xp.log(xp.exp(shifted).sum(-1, keepdims=True))).astype(x.dtype)


def _softmax_bwd_ref(xp: Any, g: Any, y: Any) -> Any:
    wide = widen(xp, g)
    return (y * (wide - (wide * y).sum(-1, keepdims=True))).astype(g.dtype)


def _log_softmax_bwd_ref(xp: Any, g: Any, y: Any) -> Any:
    wide = widen(xp, g)
    return (wide - xp.exp(widen(xp, y)) * wide.sum(-1, keepdims=True)).astype(g.dtype)


def _last(x: Any) -> dict[str, Any]:
    return {"axis": (len(x.shape) - 1,), "keepdims": True}


softmax_bwd: Row = row(
    "softmax_bwd",
    _softmax_bwd_ref,
    like("softmax_bwd", "f"),
    kernel="softmax_bwd",
    why="the fused backward of softmax; softmax's own rule differentiates to any order",
)
log_softmax_bwd: Row = row(
    "log_softmax_bwd",
    _log_softmax_bwd_ref,
    like("log_softmax_bwd", "f"),
    kernel="log_softmax_bwd",
    why="the fused backward of log_softmax; log_softmax's own rule differentiates to any order",
)


def _softmax_vjp(g: Any, y: Any, x: Any) -> Any:
    return y * (g - sum_(g * y, **_last(g)))


def _log_softmax_vjp(g: Any, y: Any, x: Any) -> Any:
    return g - exp(y) * sum_(g, **_last(g))


softmax: Row = row(
    "softmax",
    _softmax_ref,
    like("softmax", "f"),
    vjp=(_softmax_vjp,),
    fused=lambda g, y, needs, x: (softmax_bwd(g, y),),
    saves=("y",),
    kernel="softmax",
)
log_softmax: Row = row(
    "log_softmax",
    _log_softmax_ref,
    like("log_softmax", "f"),
    vjp=(_log_softmax_vjp,),
    fused=lambda g, y, needs, x: (log_softmax_bwd(g, y),),
    saves=("y",),
    kernel="log_softmax",
)
