"""Convolutions and their transposes, in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, ShapeError
from ...ops import conv as ops
from ...ops.shape import pad as pad_row
from ...ops.shape import permute
from ._check import batched, ints, same_dtype, tensor, unbatched

Pads = tuple[tuple[int, int], ...]


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Pads:
    """The padding that keeps the extents at stride 1; an odd one goes behind, as in PyTorch."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in totals)


def _padding(
    op: str,
    padding: Any,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pads:
    if not isinstance(padding, str):
        return tuple((p, p) for p in ints(op, "padding", padding, len(kernel), 0))
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise ArgumentError(op, f"padding={padding!r}", remedy='integers, "same" or "valid"')
    if any(s != 1 for s in stride):
        raise ArgumentError(
            op, 'padding="same" needs stride 1', remedy="integers for the padding", stride=stride
        )
    return same_padding(kernel, dilation)


def _conv(
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    op = f"conv{rank}d"
    x, w = tensor(op, input), tensor(op, weight, "weight")
    same_dtype(op, x, weight=w, bias=bias)
    x, added = batched(op, x, rank)
    _check(op, x, w, bias, rank, groups, 0)
    steps, spread = ints(op, "stride", stride, rank, 1), ints(op, "dilation", dilation, rank, 1)
    y = ops.conv(
        x,
        w,
        stride=steps,
        padding=_padding(op, padding, w.shape[2:], steps, spread),
        dilation=spread,
        groups=groups,
    )
    return unbatched(_biased(y, bias), added)


def _check(op: str, x: Any, w: Any, bias: Any, rank: int, groups: Any, out_axis: int) -> None:
    ints(op, "groups", groups, 1, 1)
    if w.ndim != rank + 2:
        raise ShapeError(op, f"weight needs {rank + 2} axes", input=x, weight=w)
    inside, outside = (
        (w.shape[1] * groups, w.shape[0]) if out_axis == 0 else (w.shape[0], w.shape[1] * groups)
    )
    if x.shape[1] != inside or w.shape[0] % groups:
        wanted = (
            "(C_out, C_in / groups, *kernel)"
            if out_axis == 0
            else "(C_in, C_out / groups, *kernel)"
        )
        raise ShapeError(
            op,
            f"the input has {x.shape[1]} channels, weight takes {inside} with groups={groups}"
            if x.shape[1] != inside
            else f"{w.shape[0]} channels do not divide by groups={groups}",
            remedy=f"weight is {wanted}",
            input=x,
            weight=w,
        )
    if bias is not None and bias.shape != (outside,):
        raise ShapeError(op, f"bias is ({outside},)", weight=w, bias=bias)


def _biased(y: Any, bias: Any) -> Any:
    return y if bias is None else ops.bias_add(y, tensor("conv", bias, "bias"))


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation of (N, C, L) or (C, L) with weight (O, C / groups, K)."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """`conv1d` with time first: (T, N, C), weight (K, C, O) and bias (O,) give (T', N, O)."""
    x, w = tensor("conv_tbc", input), tensor("conv_tbc", weight, "weight")
    if x.ndim != 3 or w.ndim != 3:
        raise ShapeError("conv_tbc", "needs (T, N, C) and weight (K, C, O)", input=x, weight=w)
    y = conv1d(permute(x, axes=(1, 2, 0)), permute(w, axes=(2, 1, 0)), bias, 1, pad)
    return permute(y, axes=(2, 0, 1))


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation of (N, C, H, W) or (C, H, W) with weight (O, C / groups, KH, KW)."""
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W) with (O, C / groups, KD, KH, KW)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    op = f"conv_transpose{rank}d"
    x, w = tensor(op, input), tensor(op, weight, "weight")
    same_dtype(op, x, weight=w, bias=bias)
    x, added = batched(op, x, rank)
    _check(op, x, w, bias, rank, groups, 1)
    steps, spread = ints(op, "stride", stride, rank, 1), ints(op, "dilation", dilation, rank, 1)
    low, extra = (
        ints(op, "padding", padding, rank, 0),
        ints(op, "output_padding", output_padding, rank, 0),
    )
    for e, s, d in zip(extra, steps, spread, strict=True):
        if e >= max(s, d):
            raise ArgumentError(
                op, f"output_padding={e}", remedy=f"less than stride or dilation ({max(s, d)})"
            )
    # What output_padding adds beyond the reach of the stride is taken from the padding behind, then
    # filled with zeros.
    cut = tuple(0 if e < s else min(e, p) for e, s, p in zip(extra, steps, low, strict=True))
    tail = tuple(0 if e < s else e - c for e, s, c in zip(extra, steps, cut, strict=True))
    pads = tuple((p, p - c) for p, c in zip(low, cut, strict=True))
    spatial = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e - t + 1
        for n, s, p, d, k, e, t in zip(
            x.shape[2:], steps, low, spread, w.shape[2:], extra, tail, strict=True
        )
    )
    if any(n < 1 for n in spatial):
        raise ShapeError(
            op, f"the result would have extents {spatial}", remedy="less padding", input=x, weight=w
        )
    y = ops.conv_dgrad(
        x,
        w,
        x_shape=(x.shape[0], w.shape[1] * groups, *spatial),
        stride=steps,
        padding=pads,
        dilation=spread,
        groups=groups,
    )
    if any(tail):
        y = pad_row(y, width=((0, 0), (0, 0), *((0, t) for t in tail)), value=0)
    return unbatched(_biased(y, bias), added)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv1d`: (N, C, L) with weight (C, O / groups, K)."""
    return _conv_transpose(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv2d`: (N, C, H, W) with weight (C, O / groups, KH, KW)."""
    return _conv_transpose(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv3d`: (N, C, D, H, W) with weight (C, O / groups, KD, KH, KW)."""
    return _conv_transpose(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
