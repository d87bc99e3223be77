"""Convolution in one, two and three dimensions, and its two adjoints, which are each other's
derivatives.

x is (N, C, *S), w is (O, C / groups, *K); the result is (N, O, *S') in channels-last memory.
`padding` holds a pair (low, high) per spatial axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import check_kind
from ..errors import ShapeError
from ..shapes import Shape
from ._rules import same_dtype
from .elementwise import widen
from .reduce import sum_

Pads = tuple[tuple[int, int], ...]
Ints = tuple[int, ...]


def _conv_rule(
    x: Spec, w: Spec, *, stride: Ints, padding: Pads, dilation: Ints, groups: int
) -> Spec:
    dtype = same_dtype("conv", x, w)
    check_kind("conv", dtype, "f")
    rank = len(stride)
    if x.ndim != rank + 2 or w.ndim != rank + 2:
        raise ShapeError(
            f"conv{rank}d", f"needs x and weight with {rank + 2} axes", x=x, weight=w,
            remedy="x is (N, C, *spatial), weight (O, C / groups, *kernel)",
        )  # fmt: skip
    if groups < 1 or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ShapeError(
            f"conv{rank}d", f"channels do not fit groups={groups}", x=x, weight=w,
            remedy="x.shape[1] == weight.shape[1] * groups and weight.shape[0] % groups == 0",
        )  # fmt: skip
    spatial = tuple(
        shapes.windows(f"conv{rank}d", *args)
        for args in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    )
    shape = (x.shape[0], w.shape[0], *spatial)
    padded = (n + low + high for n, (low, high) in zip(x.shape[2:], padding, strict=True))
    shapes.count(f"conv{rank}d", (*x.shape[:2], *padded), dtype.itemsize)
    shapes.count(f"conv{rank}d", shape, dtype.itemsize)
    return Spec(shape, dtype)


def taps(kernel: Ints, out: Ints, stride: Ints, dilation: Ints) -> Iterator[tuple[Any, Any]]:
    """For each kernel position: its index, and the slices of the padded input that it meets."""
    for offset in product(*map(range, kernel)):
        yield (
            offset,
            tuple(
                slice(o * d, o * d + s * (n - 1) + 1, s)
                for o, d, s, n in zip(offset, dilation, stride, out, strict=True)
            ),
        )


def channels_last(xp: Any, y: Any) -> Any:
    """A copy of `y` (N, C, *S) that lies in memory as (N, *S, C)."""
    order = (0, *range(2, y.ndim), 1)
    dense = xp.ascontiguousarray(y.transpose(order))
    return dense.transpose(0, y.ndim - 1, *range(1, y.ndim - 1))


def _pad(xp: Any, x: Any, padding: Pads) -> Any:
    return xp.pad(x, ((0, 0), (0, 0), *padding)) if any(map(any, padding)) else x


def _conv_ref(
    xp: Any, x: Any, w: Any, *, stride: Ints, padding: Pads, dilation: Ints, groups: int
) -> Any:
    spec = _conv_rule(
        Spec(x.shape, x.dtype), Spec(w.shape, w.dtype), stride=stride, padding=padding,
        dilation=dilation, groups=groups,
    )  # fmt: skip
    out = spec.shape[2:]
    N, O = spec.shape[:2]
    xpad, w2 = _pad(xp, widen(xp, x), padding), widen(xp, w)
    y = xp.zeros((N, groups, O // groups, *out), xpad.dtype)
    for offset, where in taps(w.shape[2:], out, stride, dilation):
        xs = xpad[(slice(None), slice(None), *where)].reshape(N, groups, w.shape[1], *out)
        wk = w2[(slice(None), slice(None), *offset)].reshape(groups, O // groups, w.shape[1])
        y += xp.einsum("ngc...,goc->ngo...", xs, wk)
    return channels_last(xp, y.reshape(spec.shape).astype(x.dtype, copy=False))


def _dgrad_rule(g: Spec, w: Spec, *, x_shape: Shape, **options: Any) -> Spec:
    expected = _conv_rule(Spec(x_shape, g.dtype), w, **options)
    if expected.shape != g.shape:
        raise ShapeError("conv_dgrad", f"a gradient of shape {expected.shape} is needed", g=g, w=w)
    return Spec(x_shape, g.dtype)


def _dgrad_ref(
    xp: Any,
    g: Any,
    w: Any,
    *,
    x_shape: Shape,
    stride: Ints,
    padding: Pads,
    dilation: Ints,
    groups: int,
) -> Any:
    N, O, *out = g.shape
    C = w.shape[1]
    g2, w2 = widen(xp, g).reshape(N, groups, O // groups, *out), widen(xp, w)
    padded = [n + low + high for n, (low, high) in zip(x_shape[2:], padding, strict=True)]
    gx = xp.zeros((*x_shape[:2], *padded), g2.dtype)
    for offset, where in taps(w.shape[2:], tuple(out), stride, dilation):
        wk = w2[(slice(None), slice(None), *offset)].reshape(groups, O // groups, C)
        part = xp.einsum("ngo...,goc->ngc...", g2, wk).reshape(N, groups * C, *out)
        gx[(slice(None), slice(None), *where)] += part
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(x_shape[2:], padding, strict=True))
    return channels_last(xp, gx[(slice(None), slice(None), *inner)].astype(g.dtype, copy=False))


def _wgrad_rule(g: Spec, x: Spec, *, w_shape: Shape, **options: Any) -> Spec:
    expected = _conv_rule(x, Spec(w_shape, g.dtype), **options)
    if expected.shape != g.shape:
        raise ShapeError("conv_wgrad", f"a gradient of shape {expected.shape} is needed", g=g, x=x)
    return Spec(w_shape, g.dtype)


def _wgrad_ref(
    xp: Any,
    g: Any,
    x: Any,
    *,
    w_shape: Shape,
    stride: Ints,
    padding: Pads,
    dilation: Ints,
    groups: int,
) -> Any:
    N, O, *out = g.shape
    C = w_shape[1]
    g2 = widen(xp, g).reshape(N, groups, O // groups, math.prod(out))
    xpad = _pad(xp, widen(xp, x), padding)
    gw = xp.zeros(w_shape, g2.dtype)
    for offset, where in taps(w_shape[2:], tuple(out), stride, dilation):
        xs = xpad[(slice(None), slice(None), *where)].reshape(N, groups, C, g2.shape[-1])
        part = xp.einsum("ngos,ngcs->goc", g2, xs, optimize=True)
        gw[(slice(None), slice(None), *offset)] = part.reshape(O, C)
    return gw.astype(g.dtype, copy=False)


def _bias_add_rule(x: Spec, b: Spec) -> Spec:
    dtype = same_dtype("bias_add", x, b)
    check_kind("bias_add", dtype, "f")
    if x.ndim < 2 or b.shape != x.shape[1:2]:
        raise ShapeError("bias_add", "the bias has one number for each channel", x=x, bias=b)
    return x


def _bias_add_ref(xp: Any, x: Any, b: Any) -> Any:
    return x + b.reshape(-1 if b.size else 0, *(1,) * (x.ndim - 2))


bias_add: Row = row(
    "bias_add",
    _bias_add_ref,
    _bias_add_rule,
    vjp=(
        lambda g, y, x, b: g,
        lambda g, y, x, b: sum_(g, axis=(0, *range(2, g.ndim)), keepdims=False),
    ),
    linear=True,
    kernel="bias_add",
    flops=lambda x, b: math.prod(x.shape),
)


def _flops(y: Shape, w: Shape) -> int:
    """A multiplication and an addition for every output and every weight that it meets."""
    return 2 * math.prod(y) * math.prod(w[1:])


conv: Row = row(
    "conv",
    _conv_ref,
    _conv_rule,
    vjp=(
        lambda g, y, x, w, **o: conv_dgrad(g, w, x_shape=x.shape, **o),
        lambda g, y, x, w, **o: conv_wgrad(g, x, w_shape=w.shape, **o),
    ),
    saves=(0, 1),
    crossed=True,
    kernel="conv",
    flops=lambda x, w, **o: _flops(_conv_rule(x, w, **o).shape, w.shape),
)
conv_dgrad: Row = row(
    "conv_dgrad",
    _dgrad_ref,
    _dgrad_rule,
    vjp=(
        lambda g, y, h, w, *, x_shape, **o: conv(g, w, **o),
        lambda g, y, h, w, *, x_shape, **o: conv_wgrad(h, g, w_shape=w.shape, **o),
    ),
    saves=(0, 1),
    crossed=True,
    kernel="conv_dgrad",
    flops=lambda g, w, **_: _flops(g.shape, w.shape),
)
conv_wgrad: Row = row(
    "conv_wgrad",
    _wgrad_ref,
    _wgrad_rule,
    vjp=(
        lambda g, y, h, x, *, w_shape, **o: conv(x, g, **o),
        lambda g, y, h, x, *, w_shape, **o: conv_dgrad(h, g, x_shape=x.shape, **o),
    ),
    saves=(0, 1),
    crossed=True,
    kernel="conv_wgrad",
    flops=lambda g, x, *, w_shape, **_: _flops(g.shape, w_shape),
)
