"""Activation functions of one number in plain Python, for the Numba twins on the CPU.

The float32 versions have no branches, calls or tables, so a loop over them vectorises: those of
`csrc/math.inc`, with its errors. The float64 versions call the C library. Arguments are cut where
the result no longer changes, so that infinities give no NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

f = np.float32
FAR = 1e4  # beyond it every activation is 0 or its asymptote
TANH_SCALE, CUBE = math.sqrt(2 / math.pi), 0.044715
ROOT_HALF, DENSITY = math.sqrt(0.5), math.sqrt(0.5 / math.pi)


# ----- float32 -----
def power32(n: Any) -> Any:
    """2^n of an integer from -126 to 127: its bits."""
    return np.int32(np.int32(n + np.int32(127)) << np.int32(23)).view(np.float32)


def exp32(x: Any) -> Any:
    """exp, within 2 ulp; the nearest integer to x / log 2 comes from the low bits of a sum."""
    x = f(-104) if x < f(-104) else x
    x = f(89) if x > f(89) else x
    shifted = x * f(1.44269504) + f(12582912)
    n = shifted - f(12582912)
    r = (x - n * f(0.693145752)) - n * f(1.42860677e-6)
    p = f(1 / 5040)
    p = p * r + f(1 / 720)
    p = p * r + f(1 / 120)
    p = p * r + f(1 / 24)
    p = p * r + f(1 / 6)
    p = p * r + f(0.5)
    p = (p * r) * r + r
    # 2^n in two factors: results may be subnormal, or the last before infinity.
    k = np.int32(f(shifted).view(np.int32) - np.int32(0x4B400000))
    half = np.int32(k >> np.int32(1))
    return ((f(1) + p) * power32(half)) * power32(np.int32(k - half))


def sigmoid32(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    e = exp32(-abs(x))
    return (f(1) if x >= f(0) else e) / (f(1) + e)


def tanh32(x: Any) -> Any:
    """The hyperbolic tangent."""
    a, t = abs(x), x * x
    p = f(0.0018552702)
    p = p * t - f(0.0078244323)
    p = p * t + f(0.021538466)
    p = p * t - f(0.053912438)
    p = p * t + f(0.13332878)
    p = p * t - f(0.33333319)
    near = x + x * (t * p)
    far = f(1) - f(2) / (exp32(f(2) * a) + f(1))
    far = -far if x < f(0) else far
    return near if a < f(0.6) else (x if x != x else far)


def scaled_erfc32(x: Any) -> Any:
    """exp(x^2) erfc(x) for 0 <= x <= 10."""
    t = f(4.8) / (f(2) + x) - f(1.4)
    p = f(5.7193242e-06)
    p = p * t - f(1.7708349e-05)
    p = p * t - f(3.6305381e-05)
    p = p * t + f(2.4533369e-04)
    p = p * t + f(8.9379328e-05)
    p = p * t - f(2.9232159e-03)
    p = p * t - f(1.1053609e-03)
    p = p * t + f(4.5990290e-02)
    p = p * t + f(1.9544341e-01)
    p = p * t + f(4.2863480e-01)
    return p * t + f(3.3367365e-01)


def cut32(x: Any) -> Any:
    """x, at most `FAR` from zero."""
    x = f(-FAR) if x < f(-FAR) else x
    return f(FAR) if x > f(FAR) else x


def normal_cdf32(x: Any) -> Any:
    """The normal distribution function, accurate in the lower tail too."""
    a = abs(x) * f(ROOT_HALF)
    a = f(10) if a > f(10) else a
    e = f(0.5) * exp32(f(-0.5) * x * x) * scaled_erfc32(a)
    return f(1) - e if x > f(0) else e


def silu32(x: Any) -> Any:
    """x sigmoid(x)."""
    low = f(-FAR) if x < f(-FAR) else x
    return low * sigmoid32(x)


def silu_bwd32(g: Any, x: Any) -> Any:
    """g times the derivative of silu."""
    x = cut32(x)
    s = sigmoid32(x)
    return g * (s * (f(1) + x * (f(1) - s)))


def gelu32(x: Any) -> Any:
    """x times the normal distribution function."""
    low = f(-FAR) if x < f(-FAR) else x
    return low * normal_cdf32(cut32(x))


def gelu_bwd32(g: Any, x: Any) -> Any:
    """g times the derivative of gelu."""
    x = cut32(x)
    return g * (normal_cdf32(x) + x * (f(DENSITY) * exp32(f(-0.5) * x * x)))


def gelu_tanh32(x: Any) -> Any:
    """The tanh form of gelu; (1 + tanh u) / 2 is sigmoid(2 u), which keeps the lower tail."""
    low = f(-FAR) if x < f(-FAR) else x
    z = cut32(x)
    return low * sigmoid32(f(2 * TANH_SCALE) * (z + f(CUBE) * z * z * z))


def gelu_tanh_bwd32(g: Any, x: Any) -> Any:
    """g times the derivative of `gelu_tanh32`."""
    x = cut32(x)
    s = sigmoid32(f(2 * TANH_SCALE) * (x + f(CUBE) * x * x * x))
    slope = f(2 * TANH_SCALE) * (f(1) + f(3 * CUBE) * x * x)
    return g * (s + x * (s * (f(1) - s)) * slope)


# ----- float64 -----
def sigmoid64(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    e = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else e) / (1.0 + e)


def tanh64(x: Any) -> Any:
    """The hyperbolic tangent."""
    return math.tanh(x)


def cut64(x: Any) -> Any:
    """x, at most `FAR` from zero."""
    x = -FAR if x < -FAR else x
    return FAR if x > FAR else x


def normal_cdf64(x: Any) -> Any:
    """The normal distribution function."""
    return 0.5 * math.erfc(x * -ROOT_HALF)


def silu64(x: Any) -> Any:
    """x sigmoid(x)."""
    return (-FAR if x < -FAR else x) * sigmoid64(x)


def silu_bwd64(g: Any, x: Any) -> Any:
    """g times the derivative of silu."""
    x = cut64(x)
    s = sigmoid64(x)
    return g * (s * (1.0 + x * (1.0 - s)))


def gelu64(x: Any) -> Any:
    """x times the normal distribution function."""
    return (-FAR if x < -FAR else x) * normal_cdf64(x)


def gelu_bwd64(g: Any, x: Any) -> Any:
    """g times the derivative of gelu."""
    x = cut64(x)
    return g * (normal_cdf64(x) + x * (DENSITY * math.exp(-0.5 * x * x)))


def gelu_tanh64(x: Any) -> Any:
    """The tanh form of gelu."""
    z = cut64(x)
    return (-FAR if x < -FAR else x) * sigmoid64(2 * TANH_SCALE * (z + CUBE * z * z * z))


def gelu_tanh_bwd64(g: Any, x: Any) -> Any:
    """g times the derivative of `gelu_tanh64`."""
    x = cut64(x)
    s = sigmoid64(2 * TANH_SCALE * (x + CUBE * x * x * x))
    slope = 2 * TANH_SCALE * (1.0 + 3 * CUBE * x * x)
    return g * (s + x * (s * (1.0 - s)) * slope)


# ----- any dtype -----
def relu(x: Any) -> Any:
    """max(x, 0); NaN stays."""
    return 0 if x < 0 else x


def relu_bwd(g: Any, y: Any) -> Any:
    """g where y is positive or NaN, else 0."""
    return 0 if y <= 0 else g
