"""Convolution on the GPU (`conv.cu`, `depthwise.cu`): implicit matrix products in channels-last
order, one to three spatial axes.

x (N, C, *S), w (O, C / groups, *K), g and the result (N, O, *S'). `padding` holds a (low, high)
pair for each axis. Weights are OHWI in memory; what lies otherwise is copied, which is counted.
`tile` is chosen by shape if None.
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.runtime import launch
from gpudl.shapes import windows

from ..gpu import Array, channels_first, ctype, empty, empty_channels_last, packed_pixels, takes
from ..matmul.specs import SUM_PARTS
from .gather import Channels, Strides, fits, gathers
from .passes import Problem
from .specs import CONV_DGRAD, CONV_FWD, CONV_WGRAD, DEPTHWISE, DEPTHWISE_WGRAD, variant
from .tiles import MEDIUM, ROWS, TAPS, Tile, choose, choose_depthwise, chunk_of

Pairs = tuple[tuple[int, int], ...]
QUAD = 4


def _quads(x: Array, channels: int) -> bool:
    """Whether four of `channels` that lie side by side are one aligned access of 16 bytes."""
    return bool(channels % QUAD == 0 and x.itemsize == 4 and x.data.ptr % 16 == 0)


def _strides(pixels: Array) -> Strides:
    """Of the batch and three spatial axes of (N, *S, C), in elements."""
    batch, *axes = (stride // pixels.itemsize for stride in pixels.strides[:-1])
    a, b, c = [0] * (3 - len(axes)) + axes
    return batch, a, b, c


def _tile(x: Array, M: int, N: int, batch: int, tile: Tile | None) -> Tile:
    if x.itemsize != 4:
        return MEDIUM
    return tile or choose(M, N, batch)


def _gathered(
    image: Array,
    w: Array,
    out: Array,
    problem: Problem,
    used: int,
    made: int,
    tile: Tile | None,
    backward: bool,
) -> Any:
    """Results (N, *S, groups * made) that gather from `image` (N, *S, groups * used)."""
    groups = problem.groups
    if used == made == 1:
        return _channelwise(image, w, out, problem, backward)
    channels = Channels(groups, used, made, _quads(image, used), _quads(out, made))
    if not fits(problem, channels):
        return NotImplemented
    quads = channels.read_quads and (backward or w.data.ptr % 16 == 0)
    for part in gathers(problem, channels, _strides(image), backward):
        chosen = _tile(image, part.rows, made, groups * part.phases, tile)
        tiles = chosen.count(part.rows, made)
        launch(
            CONV_DGRAD if backward else CONV_FWD,
            variant(ctype(image.dtype), chosen, quads),
            (image, w, out, part.layout, tiles),
            tiles=tiles,
            groups=groups,
            layers=part.phases,
            threads=chosen.threads,
            shared=chosen.shared(image.itemsize),
        )
    return out


def _channelwise(image: Array, w: Array, out: Array, problem: Problem, backward: bool) -> Any:
    groups = problem.groups
    vec = QUAD if _quads(image, groups) and _quads(out, groups) else 1
    channels = Channels(groups, 1, 1)
    cut = choose_depthwise(groups, math.prod(problem.kernel), vec, image.itemsize)
    if cut is None or not fits(problem, channels):
        return NotImplemented
    for part in gathers(problem, channels, _strides(image), backward):
        launch(
            DEPTHWISE,
            {"T": ctype(image.dtype), "VEC": str(vec)},
            (image, w, out, part.layout),
            blocks=-(-part.rows // (cut.down * ROWS)),
            tiles=cut.tiles,
            phases=part.phases,
            along=cut.along,
            shared=cut.shared(part.taps, image.itemsize),
        )
    return out


def conv(
    x: Array,
    w: Array,
    *,
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
    tile: Tile | None = None,
) -> Any:
    """(N, O, *S') in channels-last memory."""
    if not takes(x, w) or not 3 <= x.ndim <= 5:
        return NotImplemented
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    y_shape = (x.shape[0], w.shape[0], *(windows("conv", *axis) for axis in axes))
    y, last = empty_channels_last(x, y_shape, x.dtype)
    if not y.size:
        return y
    problem = Problem.of(x.shape, y_shape, w.shape[2:], stride, padding, dilation, groups)
    used, made = w.shape[1], w.shape[0] // groups
    done = _gathered(packed_pixels(x), packed_pixels(w), last, problem, used, made, tile, False)
    return done if done is NotImplemented else y


def conv_dgrad(
    g: Array,
    w: Array,
    *,
    x_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
    tile: Tile | None = None,
) -> Any:
    """The gradient with respect to x: (N, C, *S) in channels-last memory."""
    if not takes(g, w) or not 3 <= g.ndim <= 5:
        return NotImplemented
    gx, last = empty_channels_last(g, tuple(x_shape), g.dtype)
    if not gx.size:
        return gx
    problem = Problem.of(x_shape, g.shape, w.shape[2:], stride, padding, dilation, groups)
    used, made = w.shape[0] // groups, w.shape[1]
    done = _gathered(packed_pixels(g), packed_pixels(w), last, problem, used, made, tile, True)
    return done if done is NotImplemented else gx


def conv_wgrad(
    g: Array,
    x: Array,
    *,
    w_shape: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    dilation: tuple[int, ...],
    groups: int,
    tile: Tile | None = None,
) -> Any:
    """The gradient with respect to w: (O, C / groups, *K), OHWI in memory."""
    if not takes(g, x) or not 3 <= g.ndim <= 5:
        return NotImplemented
    out = empty(g, (w_shape[0], *w_shape[2:], w_shape[1]))
    if not out.size:
        return channels_first(out)
    problem = Problem.of(x.shape, g.shape, w_shape[2:], stride, padding, dilation, groups)
    up, image = packed_pixels(g), packed_pixels(x)
    used, made = w_shape[1], w_shape[0] // groups
    taps = math.prod(problem.kernel)
    alone = used == made == 1  # every channel for itself
    quads = (False, False) if alone else (_quads(image, used), _quads(up, made))
    channels = Channels(groups, used, made, *quads)
    if not fits(problem, channels):
        return NotImplemented
    (part,) = gathers(problem, channels, _strides(image), False)
    t = ctype(g.dtype)
    if alone:
        vec = QUAD if _quads(image, groups) and _quads(up, groups) else 1
        along = min(32, 1 << (-(-groups // vec) - 1).bit_length())
        tiles, slices = -(-groups // (along * vec)), -(-taps // TAPS)
        blocks = tiles * slices
        spec, chosen = DEPTHWISE_WGRAD, {"T": t, "VEC": str(vec)}
        shapes = {"tiles": tiles, "taps": slices, "along": along}
    else:
        cut = _tile(g, made, taps * used, groups, tile)
        tiles = cut.count(made, taps * used)
        blocks = tiles * groups
        spec, chosen = CONV_WGRAD, variant(t, cut)
        shapes = {"tiles": tiles, "groups": groups, "threads": cut.threads}
        shapes["shared"] = cut.shared(g.itemsize)
    chunk = chunk_of(part.rows, blocks)
    parts = max(1, -(-part.rows // max(chunk, 1)))
    sums = out if parts == 1 else empty(out, (parts, *out.shape))
    sizes = (chunk,) if alone else (tiles, chunk)
    launch(spec, chosen, (up, image, sums, part.layout, *sizes), layers=parts, **shapes)
    if parts > 1:
        launch(SUM_PARTS, {"T": t}, (sums, None, out, out.size, parts, 1, 0), size=out.size)
    return channels_first(out)
