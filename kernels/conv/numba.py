"""Numba twins of convolution: implicit GEMM in channels-last order, one to three spatial axes.

x (N, C, *S), w (O, C / groups, *K), g and the result (N, O, *S'). `padding` holds a (low, high)
pair for each axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl import devices
from gpudl.runtime.numba_cpu import Compiled
from gpudl.shapes import windows

from ..layout import (
    Array,
    channels_first,
    contiguous,
    empty_channels_last,
    packed_pixels,
    takes,
)
from ..numba_blocks import ROWS, STEP, WIDTH, pack_panels, rounded
from . import numba_loops as loops
from .passes import Pass, Problem

Pairs = tuple[tuple[int, int], ...]

FEW_TASKS, CHUNK_ROWS = (
    16,
    1024,
)  # fewer blocks of a weight's gradient are split into chunks of rows

_pack = Compiled(pack_panels, "i i A4 I1 W1 i i")
_convolve = Compiled(loops.convolve, "i i R1 R1 W1 I1 I2 i i i i")
_convolve_channels = Compiled(loops.convolve_channels, "i i R1 R1 W1 I1 I2 i i")
_weigh = Compiled(loops.weigh, "i i R1 R1 W1 I1 I2 i i i i i i")
_weigh_channels = Compiled(loops.weigh_channels, "i i R1 R1 W1 I1 I2 i i i")


def _by_tap(w: Array, groups: int) -> Array:
    """w (O, C / groups, *K) as (groups, taps, C / groups, O / groups)."""
    taps = math.prod(w.shape[2:])
    return contiguous(w).reshape(groups, -1, w.shape[1], taps).transpose(0, 3, 2, 1)


def _run(step: Pass, source: Array, weight: Array, out: Array) -> None:
    """One pass: `weight` (groups, taps, channels read, channels made)."""
    groups, _, used, made = weight.shape
    dtype = out.dtype
    if not step.rows:
        return
    tasks = -(-step.rows // ROWS)
    described = (step.geometry, step.offsets, step.rows)
    if used == made == 1 and groups > 1:
        by_channel = np.ascontiguousarray(weight[:, step.taps, 0, 0].T).reshape(-1)
        arrays = (source, by_channel, out)
        _convolve_channels.run(dtype, tasks, *arrays, *described, groups)
        return
    panels, depth = -(-made // WIDTH), rounded(len(step.taps) * used, STEP)
    packed = devices.CPU.empty((groups * panels * depth * WIDTH,), dtype)
    _pack.run(dtype, groups * panels, weight, step.taps, packed, panels, depth)
    _convolve.run(dtype, tasks * groups, source, packed, out, *described, groups, used, made)


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
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    shape = (x.shape[0], w.shape[0], *(windows("conv", *axis) for axis in axes))
    y, last = empty_channels_last(shape, x.dtype)
    if y.size:
        problem = Problem.of(x.shape, shape, w.shape[2:], stride, padding, dilation, groups)
        source = packed_pixels(x).reshape(-1)
        _run(problem.forward(), source, _by_tap(w, groups), last.reshape(-1))
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
    if not gx.size:
        return gx
    problem = Problem.of(x_shape, g.shape, w.shape[2:], stride, padding, dilation, groups)
    source, out = packed_pixels(g).reshape(-1), last.reshape(-1)
    weight = _by_tap(w, groups).swapaxes(2, 3)
    for step in problem.backward():
        _run(step, source, weight, out)
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
    dtype, (outputs, used, *kernel) = g.dtype, w_shape
    taps, made = math.prod(kernel), outputs // groups
    problem = Problem.of(x.shape, g.shape, kernel, stride, padding, dilation, groups)
    step = problem.forward()
    last = devices.CPU.empty((outputs, *kernel, used), dtype)
    if not last.size or not step.rows:
        last[...] = 0
        return channels_first(last)
    images = (packed_pixels(x).reshape(-1), packed_pixels(g).reshape(-1))
    depthwise = used == made == 1 and groups > 1
    tap_step = max(1, min(taps, ROWS // used))
    tasks = 1 if depthwise else groups * -(-taps // tap_step)
    # The chunks depend on sizes alone, so the sums are the same for any number of threads.
    chunks = 1 if tasks >= FEW_TASKS else min(FEW_TASKS, -(-step.rows // CHUNK_ROWS))
    chunk_rows = rounded(-(-step.rows // chunks), ROWS)
    partial = devices.CPU.empty((chunks * groups * taps * used * made,), dtype)
    described = (*images, partial, step.geometry, step.offsets, step.rows)
    if depthwise:
        _weigh_channels.run(dtype, chunks, *described, groups, chunk_rows)
        by_tap = partial.reshape(chunks, 1, taps, 1, groups)
    else:
        sizes = (groups, used, made, tap_step, chunk_rows)
        _weigh.run(dtype, chunks * tasks, *described, *sizes)
        by_tap = partial.reshape(chunks, groups, taps, used, made)
    total = by_tap[0] if chunks == 1 else by_tap.sum(0)
    last[...] = total.transpose(0, 3, 1, 2).reshape(last.shape)
    return channels_first(last)
