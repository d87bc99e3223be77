"""Convolution on the GPU: implicit matrix products, channels-last, one to three spatial axes.

x (N, C, *S), w (O, C / groups, *K), g and the result (N, O, *S'). `padding` holds a (low, high)
pair for each axis. Weights are OHWI in memory; what lies otherwise is copied, which is counted.
"""

from __future__ import annotations

from typing import Any

from ..gpu import Array
from .launches import data_gradient, forward, weight_gradient

Pairs = tuple[tuple[int, int], ...]


def conv(
    x: Array,
    w: Array,
    *,
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """(N, O, *S') in channels-last memory."""
    return forward(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_dgrad(
    g: Array,
    w: Array,
    *,
    x_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """The gradient with respect to x: (N, C, *S) in channels-last memory."""
    options: Any = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return data_gradient(g, w, x_shape=x_shape, **options)


def conv_wgrad(
    g: Array,
    x: Array,
    *,
    w_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """The gradient with respect to w: (O, C / groups, *K), OHWI in memory."""
    options: Any = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return weight_gradient(g, x, w_shape=w_shape, **options)
