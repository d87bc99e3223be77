"""Convolution on a card in Python: implicit GEMM in channels-last order, one to three spatial axes.

A product whose left operand is gathered from the image as its tiles are filled; `passes.py`
describes what each row of it reads. Wrappers as in `cpu.py`, for the kinds "cuda" and "emu".
"""

from __future__ import annotations

import math
from typing import Any

from gpudl import devices
from gpudl.runtime.numba_cuda import CudaKernel, cuda
from gpudl.shapes import windows

from ..gpu import channels_first, empty_channels_last, takes
from ..numba_copy import BLOCK, blocks, contiguous, packed_pixels
from ..numba_tiles import EACH, SIDE, THREADS, TILE, add_tile
from .numba_loops import EXTENT, STEPS, place, result_pixel
from .passes import Pass, Problem

Array = Any  # a cupy.ndarray or an EmulatedArray
Pairs = tuple[tuple[int, int], ...]
CHUNK_ROWS, MOST_CHUNKS = 4096, 16  # rows that a block of the weight's gradient adds up
MOST_DEEP = 65535  # blocks that a grid has on its third axis


def read(
    source: Any, row: int, tap: int, channel: int, geometry: Any, offsets: Any, number: Any
) -> Any:
    """What `row` of a pass reads of a channel for a tap: zero outside of the image."""
    n, j0, j1, j2 = place(row, geometry)
    i0 = j0 * geometry[STEPS] + offsets[tap, 0]
    i1 = j1 * geometry[STEPS + 1] + offsets[tap, 1]
    i2 = j2 * geometry[STEPS + 2] + offsets[tap, 2]
    inside = 0 <= i0 < geometry[EXTENT] and 0 <= i1 < geometry[EXTENT + 1]
    if inside and 0 <= i2 < geometry[EXTENT + 2]:
        return source[n, i0, i1, i2, channel]
    return number(0)


def convolve(
    source: Any, weight: Any, out: Any, geometry: Any, offsets: Any, taps: Any, rows: int
) -> None:
    """One pass: `source` (N, *E, channels), `weight` (groups, taps, read, made), `out` (pixels, O).

    A block makes a tile of rows and channels of one group, blockIdx.z.
    """
    left = cuda.shared.array((SIDE, TILE), out.dtype)
    right = cuda.shared.array((SIDE, TILE), out.dtype)
    sums = cuda.local.array((EACH, EACH), out.dtype)
    number = out.dtype.type
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    thread = ty * SIDE + tx
    row0, column0, group = cuda.blockIdx.x * TILE, cuda.blockIdx.y * TILE, cuda.blockIdx.z
    used, made = weight.shape[2], weight.shape[3]
    depth = taps.size * used
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = number(0)
    for k0 in range(0, depth, SIDE):
        for part in range(EACH):
            at = thread + part * THREADS
            row, k = row0 + at // SIDE, k0 + at % SIDE
            value = number(0)
            if row < rows and k < depth:
                channel = group * used + k % used
                value = read(source, row, k // used, channel, geometry, offsets, number)
            left[at % SIDE, at // SIDE] = value
            k, column = k0 + at // TILE, column0 + at % TILE
            value = number(0)
            if k < depth and column < made:
                value = weight[group, taps[k // used], k % used, column]
            right[at // TILE, at % TILE] = value
        cuda.syncthreads()
        add_tile(left, right, sums, tx, ty)
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            row, column = row0 + ty + i * SIDE, column0 + tx + j * SIDE
            if row < rows and column < made:
                out[result_pixel(row, geometry), group * made + column] = sums[i, j]


def weigh(
    source: Any, g: Any, partial: Any, geometry: Any, offsets: Any, rows: int, chunk_rows: int
) -> None:
    """`partial` (chunks, groups, taps * read, made): the weight's gradient over chunks of rows.

    `g` is (rows, O). A block makes a tile of one group and chunk, both in blockIdx.z.
    """
    left = cuda.shared.array((SIDE, TILE), g.dtype)
    right = cuda.shared.array((SIDE, TILE), g.dtype)
    sums = cuda.local.array((EACH, EACH), g.dtype)
    number = g.dtype.type
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    thread = ty * SIDE + tx
    groups, height, made = partial.shape[1], partial.shape[2], partial.shape[3]
    used = height // offsets.shape[0]
    row0, column0 = cuda.blockIdx.x * TILE, cuda.blockIdx.y * TILE
    group, chunk = cuda.blockIdx.z % groups, cuda.blockIdx.z // groups
    stop = min((chunk + 1) * chunk_rows, rows)
    for i in range(EACH):
        for j in range(EACH):
            sums[i, j] = number(0)
    for k0 in range(chunk * chunk_rows, stop, SIDE):
        for part in range(EACH):
            at = thread + part * THREADS
            k, row = k0 + at // TILE, row0 + at % TILE
            value = number(0)
            if k < stop and row < height:
                channel = group * used + row % used
                value = read(source, k, row // used, channel, geometry, offsets, number)
            left[at // TILE, at % TILE] = value
            column = column0 + at % TILE
            value = number(0)
            if k < stop and column < made:
                value = g[k, group * made + column]
            right[at // TILE, at % TILE] = value
        cuda.syncthreads()
        add_tile(left, right, sums, tx, ty)
        cuda.syncthreads()
    for i in range(EACH):
        for j in range(EACH):
            row, column = row0 + ty + i * SIDE, column0 + tx + j * SIDE
            if row < height and column < made:
                partial[chunk, group, row, column] = sums[i, j]


def add_chunks(partial: Any, out: Any) -> None:
    """`out` (O, taps, read): chunks of `partial` (chunks, groups, taps * read, made), in order."""
    chunks, made = partial.shape[0], partial.shape[3]
    taps, used = out.shape[1], out.shape[2]
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        channel, tap, output = i % used, i // used % taps, i // (used * taps)
        total = out.dtype.type(0)
        for chunk in range(chunks):
            total += partial[chunk, output // made, tap * used + channel, output % made]
        out[output, tap, channel] = total


_convolve = CudaKernel(convolve, "A5 A4 W2 I1 I2 I1 i")
_weigh = CudaKernel(weigh, "A5 R2 W4 I1 I2 i i")
_add_chunks = CudaKernel(add_chunks, "R4 W3")


def _takes(*arrays: Array, groups: int) -> bool:
    return takes(*arrays) and 3 <= arrays[0].ndim <= 5 and groups <= MOST_DEEP


def _pixels(x: Array) -> Array:
    """The view (N, E0, E1, E2, C) of `x` (N, C, *S)."""
    last = x.transpose(0, *range(2, x.ndim), 1)
    return last.reshape(x.shape[0], *([1] * (5 - x.ndim)), *last.shape[1:])


def _by_tap(w: Array, groups: int) -> Array:
    """w (O, C / groups, *K) as (groups, taps, read, made)."""
    made, used, taps = w.shape[0] // groups, w.shape[1], math.prod(w.shape[2:])
    last = w.transpose(0, *range(2, w.ndim), 1)
    if last.flags.c_contiguous:  # as convolutions keep their weights
        return last.reshape(groups, made, taps, used).transpose(0, 2, 3, 1)
    return contiguous(w).reshape(groups, made, used, taps).transpose(0, 3, 2, 1)


def _run(step: Pass, source: Array, weight: Array, out: Array) -> None:
    groups, made = weight.shape[0], weight.shape[3]
    if not step.rows:
        return
    device = devices.of(source)
    plan = [device.from_host(x, copy=True) for x in (step.geometry, step.offsets, step.taps)]
    grid = (-(-step.rows // TILE), -(-made // TILE), groups)
    _convolve.launch(grid, (SIDE, SIDE), source, weight, out, *plan, step.rows)


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
    if not _takes(x, w, groups=groups):
        return NotImplemented
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    shape = (x.shape[0], w.shape[0], *(windows("conv", *axis) for axis in axes))
    if not (x.size and w.size and math.prod(shape)):
        return NotImplemented
    problem = Problem.of(x.shape, shape, w.shape[2:], stride, padding, dilation, groups)
    y, last = empty_channels_last(x, shape, x.dtype)
    _run(problem.forward(), _pixels(x), _by_tap(w, groups), last.reshape(-1, shape[1]))
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
    if not _takes(g, w, groups=groups) or not (g.size and w.size and math.prod(x_shape)):
        return NotImplemented
    problem = Problem.of(x_shape, g.shape, w.shape[2:], stride, padding, dilation, groups)
    gx, last = empty_channels_last(g, tuple(x_shape), g.dtype)
    weight = _by_tap(w, groups).transpose(0, 1, 3, 2)
    for step in problem.backward():
        _run(step, _pixels(g), weight, last.reshape(-1, x_shape[1]))
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
    if not _takes(g, x, groups=groups) or not (g.size and x.size and math.prod(w_shape)):
        return NotImplemented
    device, (outputs, used, *kernel) = devices.of(x), w_shape
    taps, made = math.prod(kernel), outputs // groups
    problem = Problem.of(x.shape, g.shape, kernel, stride, padding, dilation, groups)
    step = problem.forward()
    chunks = min(MOST_CHUNKS, -(-step.rows // CHUNK_ROWS), MOST_DEEP // groups)
    partial = device.empty((chunks, groups, taps * used, made), g.dtype)
    plan = [device.from_host(array, copy=True) for array in (step.geometry, step.offsets)]
    grid = (-(-(taps * used) // TILE), -(-made // TILE), groups * chunks)
    sizes = (step.rows, -(-step.rows // chunks))
    ups = packed_pixels(g).reshape(-1, outputs)
    _weigh.launch(grid, (SIDE, SIDE), _pixels(x), ups, partial, *plan, *sizes)
    out = device.empty((outputs, *kernel, used), g.dtype)
    flat = out.reshape(outputs, taps, used)
    _add_chunks.launch(blocks(flat.size), BLOCK, partial, flat)
    return channels_first(out)
