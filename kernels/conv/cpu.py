"""Convolution on the CPU: channels-last implicit GEMM (`csrc/conv.cpp`), one to three spatial axes.

x (N, C, *S), w (O, C / groups, *K), g and the result (N, O, *S'). `padding` holds a (low, high)
pair for each axis.
"""

from __future__ import annotations

from typing import Any

from gpudl import _C
from gpudl.shapes import windows

from ..layout import (
    Array,
    aligned,
    channels_first,
    empty_channels_last,
    packed_pixels,
    pixels_last,
    takes,
)

Pairs = tuple[tuple[int, int], ...]


def _output(
    op: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    axes = zip(x_shape[2:], w_shape[2:], stride, padding, dilation, strict=True)
    return (x_shape[0], w_shape[0], *(windows(op, *axis) for axis in axes))


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
    if not takes(x, w) or not 3 <= x.ndim <= 5:
        return NotImplemented
    shape = _output("conv", x.shape, w.shape, stride, padding, dilation)
    y, last = empty_channels_last(shape, x.dtype)
    low = [pair[0] for pair in padding]
    _C.conv_fwd(pixels_last(x), aligned(w), last, list(stride), low, list(dilation), groups)
    return y


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
    if not takes(g, w) or not 3 <= g.ndim <= 5:
        return NotImplemented
    gx, last = empty_channels_last(tuple(x_shape), g.dtype)
    low = [pair[0] for pair in padding]
    _C.conv_dgrad(pixels_last(g), aligned(w), last, list(stride), low, list(dilation), groups)
    return gx


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
    if not takes(g, x) or not 3 <= g.ndim <= 5:
        return NotImplemented
    last = _C.empty((w_shape[0], *w_shape[2:], w_shape[1]), g.dtype)
    low = [pair[0] for pair in padding]
    _C.conv_wgrad(packed_pixels(g), pixels_last(x), last, list(stride), low, list(dilation), groups)
    return channels_first(last)
