"""Normalization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import CASES, Case, Operand, nonzero, positive, unit


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


def _rms_norm(x, weight, eps):
    rstd = ((x**2).mean(-1, keepdims=True) + eps) ** -0.5
    return x * rstd * weight, rstd[..., 0]


def _rms_norm_bwd(g, x, weight, rstd):
    """The gradient term by term, with given scales."""
    normal = x * rstd[..., None]
    gn = g * weight
    gx = rstd[..., None] * (gn - normal * (gn * normal).mean(-1, keepdims=True))
    return gx, (g * normal).sum(tuple(range(x.ndim - 1)))


def _running_stats(running_mean, running_var, mean, rstd, momentum, count, eps):
    var = np.maximum(rstd**-2 - eps, 0) * count / (count - 1)
    return (
        running_mean + momentum * (mean - running_mean),
        running_var + momentum * (var - running_var),
    )


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
        (
            Operand(s),
            Operand(s),
            Operand((s[1],), nonzero),
            Operand((s[1],), _statistic(unit)),
            Operand((s[1],), _statistic(positive)),
        ),
        _norm_bwd(lambda x: (0, *range(2, x.ndim)), _channels),
        "f",
    )
    for s in CHANNELS
]
CASES["running_stats"] = [
    Case(
        (
            Operand((n,)),
            Operand((n,), positive),
            Operand((n,), _statistic(unit)),
            Operand((n,), _statistic(positive)),
        ),
        _running_stats,
        "f",
        {"momentum": 0.1, "count": 37, "eps": 1e-5},
    )
    for n in (0, 1, 5, 37)
]
CASES["layer_norm_bwd"] = [
    Case(
        (
            Operand(s),
            Operand(s),
            Operand(s[-1:], nonzero),
            Operand(s[:-1], _statistic(unit)),
            Operand(s[:-1], _statistic(positive)),
        ),
        _norm_bwd(lambda x: (x.ndim - 1,), lambda x: (x.shape[-1],)),
        "f",
    )
    for s in FEATURES
    if s != (3,)
]
WIDE = [*FEATURES, (2, 3, 5, 4), (2, 1, 3, 2, 6)]
CASES["rms_norm"] = [
    Case((Operand(s), Operand(s[-1:], nonzero)), _rms_norm, "f", EPS, ties=False) for s in WIDE
]
CASES["rms_norm_bwd"] = [
    Case(
        (
            Operand(s),
            Operand(s),
            Operand(s[-1:], nonzero),
            Operand(s[:-1], _statistic(positive)),
        ),
        _rms_norm_bwd,
        "f",
    )
    for s in WIDE
]
