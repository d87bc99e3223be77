"""ONNX's normalisations as calls of gpudl."""

from __future__ import annotations

from typing import Any

import gpudl as gd
from gpudl.nn import functional as F


def batch_norm(
    x: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    var: Any,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Any:
    """ONNX's momentum weighs the old value, and its running variance is the biased one."""
    if not training_mode:
        return F.batch_norm(x, mean, var, scale, bias, eps=epsilon)
    old = momentum * var
    y = F.batch_norm(x, mean, var, scale, bias, True, 1 - momentum, epsilon)
    n = x.size // x.shape[1]
    return y, mean, old + (var - old) * ((n - 1) / n)


def layer_norm(
    x: Any,
    scale: Any,
    bias: Any = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:
    axes = tuple(range(axis % x.ndim, x.ndim))
    y = F.layer_norm(x, x.shape[axes[0] :], scale, bias, epsilon)
    spread = gd.var(x, axis=axes, keepdims=True) + epsilon
    return y, gd.mean(x, axis=axes, keepdims=True), 1 / gd.sqrt(spread)


def rms_norm(x: Any, scale: Any, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    return F.rms_norm(x, x.shape[axis % x.ndim :], scale, epsilon)


def group_norm(
    x: Any, scale: Any, bias: Any, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    return F.group_norm(x, num_groups, scale, bias, epsilon)


def instance_norm(x: Any, scale: Any, bias: Any, epsilon: float = 1e-5) -> Any:
    return F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def mean_variance(x: Any, axes: Any = (0, 2, 3)) -> Any:
    centred = x - gd.mean(x, axis=tuple(axes), keepdims=True)
    return centred / (gd.std(x, axis=tuple(axes), keepdims=True) + 1e-9)


def lrn(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    return F.local_response_norm(x, size, alpha, beta, bias)


OPS: dict[str, Any] = {
    "BatchNormalization": batch_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LRN": lrn,
    "LayerNormalization": layer_norm,
    "LpNormalization": lambda x, axis=-1, p=2: F.normalize(x, p, axis),
    "MeanVarianceNormalization": mean_variance,
    "RMSNormalization": rms_norm,
}
