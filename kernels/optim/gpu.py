"""Optimizer steps on the GPU (`optim.cu`, `gather.cu`): the arguments and the bits of `reference`,
but for the order in which `sumsq` adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl import devices
from gpudl.dtypes import float64
from gpudl.errors import ShapeError
from gpudl.runtime import ByValue, KernelSpec, launch

from ..gpu import Array, ctype, empty, takes
from .reference import Segments, slices
from .segments import Sources, pieces
from .specs import ADAM, GATHER_FLAT, RMSPROP, SGD, SUMSQ_SPANS, SUMSQ_TOTAL


def _update(
    spec: KernelSpec, buffers: Sequence[Array | None], segments: Segments, scalars: Sequence[Any]
) -> None:
    """Launch `spec` on the segments of flat buffers of one dtype and length."""
    given = [x for x in buffers if x is not None]
    first = given[0]
    alike = all(x.shape == (first.size,) and x.flags.c_contiguous for x in given)
    if not takes(*given) or not alike:
        raise ShapeError(
            spec.name,
            "needs contiguous vectors of one length, all float32 or all float64",
            **{f"buffer{i}": x for i, x in enumerate(given)},
        )
    for piece in pieces(slices(segments, first.size), *given):
        args = (*buffers, piece.at, *scalars)
        launch(spec, {"T": ctype(first.dtype)}, args, blocks=piece.blocks)


def sgd(
    p: Array,
    g: Array,
    buf: Array | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
    segments: Segments = None,
) -> None:
    """Stochastic gradient descent; `first` makes the momentum buffer a copy of the gradient."""
    if momentum != 0 and buf is None:
        raise ValueError("sgd: momentum needs buf")
    buffers = (p, g, buf if momentum != 0 else None)
    scalars = (lr, momentum, dampening, weight_decay, int(nesterov), int(maximize), int(first))
    _update(SGD, buffers, segments, scalars)


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    vmax: Array | None,
    *,
    step: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
    segments: Segments = None,
) -> None:
    """Adam, and AdamW with `decoupled`; `step` counts from 1, the step being made included."""
    if amsgrad and vmax is None:
        raise ValueError("adam: amsgrad needs vmax")
    if not step >= 1:
        raise ValueError("adam: step counts from 1")
    step_size = lr / (1 - beta1**step)
    correction = (1 - beta2**step) ** 0.5
    added, shrink = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    scalars = (step_size, correction, beta1, beta2, eps, added, shrink, int(maximize))
    _update(ADAM, (p, g, m, v, vmax if amsgrad else None), segments, scalars)


def rmsprop(
    p: Array,
    g: Array,
    sq: Array,
    ga: Array | None,
    buf: Array | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
    segments: Segments = None,
) -> None:
    """RMSprop, with `ga` the mean gradient of the centred form and `buf` the momentum."""
    if centered and ga is None:
        raise ValueError("rmsprop: centered needs ga")
    if momentum != 0 and buf is None:
        raise ValueError("rmsprop: momentum needs buf")
    buffers = (p, g, sq, ga if centered else None, buf if momentum != 0 else None)
    scalars = (lr, alpha, eps, weight_decay, momentum, int(maximize))
    _update(RMSPROP, buffers, segments, scalars)


def sumsq(g: Array, *, segments: Segments = None) -> float:
    """Sum of squares in double, in an order that the segments alone decide.

    The result is a Python number, so this waits for the device.
    """
    parts = list(pieces(slices(segments, g.size), g))
    count = sum(piece.blocks for piece in parts)
    partial, total = empty(g, (count,), float64), empty(g, (1,), float64)
    base = 0
    for piece in parts:
        args = (g, piece.at, partial, base)
        launch(SUMSQ_SPANS, {"T": ctype(g.dtype)}, args, blocks=piece.blocks)
        base += piece.blocks
    launch(SUMSQ_TOTAL, {}, (partial, count, total))
    return float(devices.of(g).to_host(total)[0])


def gather_flat(g: Array, *sources: Array, segments: Segments) -> None:
    """Copy each of the `sources`, dense arrays of the dtype of `g`, into its segment of `g`.

    The elements go in the order in which they lie in memory.
    """
    ranges = slices(segments, g.size)
    for piece in pieces(ranges, g, *(x for x in sources if x.size)):
        arrays = sources[piece.first : piece.first + piece.at.count]
        table = Sources(at=piece.at)
        for k, x in enumerate(arrays):
            table.source[k] = x.data.ptr
        args = (g, ByValue(table, arrays))
        launch(GATHER_FLAT, {"T": ctype(g.dtype)}, args, blocks=piece.blocks)
