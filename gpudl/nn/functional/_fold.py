"""Windows of images as columns, and columns added up into images: each other's adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import shapes
from ...errors import ShapeError
from ...ops.index import HOLE, index_add, take_items
from ...ops.shape import pad, reshape
from ._check import batched, ints, placed, tensor, unbatched

Ints = tuple[int, ...]


def _geometry(
    op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Ints, Ints, Ints, Ints]:
    return (
        ints(op, "kernel_size", kernel_size, 2, 1),
        ints(op, "dilation", dilation, 2, 1),
        ints(op, "padding", padding, 2, 0),
        ints(op, "stride", stride, 2, 1),
    )


def _windows(
    op: str, size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Ints:
    return tuple(
        shapes.windows(op, n, k, s, (p, p), d)
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )


def _places(like: Any, kernel: Ints, out: Ints, dilation: Ints, stride: Ints) -> tuple[Any, Any]:
    """Rows (kh, 1, oh, 1) and columns (1, kw, 1, ow) of every element of every window."""
    rows, columns = (
        np.arange(k)[:, None] * d + np.arange(o) * s
        for k, o, d, s in zip(kernel, out, dilation, stride, strict=True)
    )
    return placed(rows[:, None, :, None], like), placed(columns[None, :, None, :], like)


_KEY = (slice(None), slice(None), HOLE, HOLE)


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """The windows of (N, C, H, W) as columns: (N, C kh kw, L), with L the number of windows.

    >>> import gpudl as gd
    >>> gd.nn.functional.unfold(gd.ones(2, 3, 5, 6), 2).shape
    (2, 12, 20)
    """
    op = "unfold"
    x, added = batched(op, tensor(op, input), 2)
    kernel, dilations, pads, steps = _geometry(op, kernel_size, dilation, padding, stride)
    out = _windows(op, x.shape[2:], kernel, dilations, pads, steps)
    N, C = x.shape[:2]
    shapes.count(op, (N, C, *kernel, *out), 8)
    if any(pads):
        x = pad(x, width=((0, 0), (0, 0), *((p, p) for p in pads)), value=0.0)
    columns = take_items(x, *_places(x, kernel, out, dilations, steps), key=_KEY)
    return unbatched(reshape(columns, shape=(N, C * kernel[0] * kernel[1], out[0] * out[1])), added)


def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """The columns (N, C kh kw, L) added up at the places of their windows: (N, C, *output_size).

    >>> import gpudl as gd
    >>> columns = gd.nn.functional.unfold(gd.ones(1, 1, 2, 3), 2)
    >>> gd.nn.functional.fold(columns, (2, 3), 2).tolist()
    [[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]
    """
    op = "fold"
    x, added = batched(op, tensor(op, input), 1)
    kernel, dilations, pads, steps = _geometry(op, kernel_size, dilation, padding, stride)
    size = ints(op, "output_size", output_size, 2, 1)
    out = _windows(op, size, kernel, dilations, pads, steps)
    area = kernel[0] * kernel[1]
    N, rows, L = x.shape
    if rows % area or out[0] * out[1] != L:
        raise ShapeError(
            op,
            f"windows of {kernel} over {size} make {out[0] * out[1]} columns of C x {area} rows",
            input=x,
        )
    C = rows // area
    padded = tuple(n + 2 * p for n, p in zip(size, pads, strict=True))
    shapes.count(op, (N, C, *padded), 8)
    columns = reshape(x, shape=(N, C, *kernel, *out))
    places = _places(x, kernel, out, dilations, steps)
    y = index_add(columns, *places, key=_KEY, shape=(N, C, *padded))
    inner = tuple(slice(p, p + n) for p, n in zip(pads, size, strict=True))
    return unbatched(y[(slice(None), slice(None), *inner)], added)
