"""Padding with PyTorch's order: pairs from the last axis to the first."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, ShapeError
from ...ops.shape import broadcast_to, flip, join
from ...ops.shape import pad as pad_row
from ._check import as_ints, number, tensor

_MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """`input` with margins around it; `pad` is (low, high) of the last axis, then of the one
    before, ...

    `mode` is "constant" (with `value`), "reflect", "replicate" or "circular". Negative margins cut
    off.
    """
    x = tensor("pad", input)
    margins = as_ints("pad", pad)
    if len(margins) % 2 or len(margins) > 2 * x.ndim:
        raise ShapeError(
            "pad",
            f"{len(margins)} margins for {x.ndim} axes",
            remedy="a pair per axis, last axis first",
        )
    if mode not in _MODES:
        raise ArgumentError("pad", f"mode={mode!r}", remedy=" or ".join(map(repr, _MODES)))
    pairs = [(margins[i], margins[i + 1]) for i in range(0, len(margins), 2)]
    pairs += [(0, 0)] * (x.ndim - len(pairs))
    pairs.reverse()
    if mode == "constant":
        return _constant(x, pairs, 0.0 if value is None else number("pad", "value", value))
    if value is not None and value != 0:
        raise ArgumentError("pad", f"mode={mode!r} takes no value", value=value)
    for at, (low, high) in enumerate(pairs):
        if low or high:
            x = _mirrored(x, at, low, high, mode)
    return x


def _constant(x: Any, pairs: list[tuple[int, int]], value: float) -> Any:
    if any(low < 0 or high < 0 for low, high in pairs):
        key = []
        for n, (low, high) in zip(x.shape, pairs, strict=True):
            start, stop = max(-low, 0), n - max(-high, 0)
            if start > stop:
                raise ShapeError(
                    "pad", f"margins ({low}, {high}) cut more than the axis of {n}", input=x
                )
            key.append(slice(start, stop))
        x = x[tuple(key)]
        pairs = [(max(low, 0), max(high, 0)) for low, high in pairs]
    if not any(low or high for low, high in pairs):
        return x.clone()
    return pad_row(x, width=tuple(pairs), value=value)


def _mirrored(x: Any, at: int, low: int, high: int, mode: str) -> Any:
    n = x.shape[at]
    if n + min(low, 0) + min(high, 0) < 1 or n + low + high < 1:
        raise ShapeError("pad", f"margins ({low}, {high}) leave nothing of an axis of {n}", input=x)
    cut = (max(-low, 0), max(-high, 0))
    if mode == "circular" and any(cut):
        # What is left goes around; the other modes look at all of the axis, and are cut then.
        x = _shortened(x, at, *cut)
        n = x.shape[at]
    low, high = max(low, 0), max(high, 0)
    limit = {"reflect": n - 1, "circular": n, "replicate": 2**31}[mode]
    if max(low, high) > limit:
        raise ShapeError(
            "pad", f"margins ({low}, {high}) with mode={mode!r} for an axis of {n}", input=x
        )

    def part(start: int, stop: int) -> Any:
        return x[(slice(None),) * at + (slice(start, stop),)]

    def edge(i: int, width: int) -> Any:
        return broadcast_to(part(i, i + 1), shape=(*x.shape[:at], width, *x.shape[at + 1 :]))

    if mode == "reflect":
        front, back = (
            flip(part(1, low + 1), axis=(at,)),
            flip(part(n - 1 - high, n - 1), axis=(at,)),
        )
    elif mode == "circular":
        front, back = part(n - low, n), part(0, high)
    else:
        front, back = edge(0, low), edge(n - 1, high)
    parts = [side for side, width in ((front, low), (x, 1), (back, high)) if width]
    padded = join(tuple(parts), at) if len(parts) > 1 else x
    return padded if mode == "circular" else _shortened(padded, at, *cut)


def _shortened(x: Any, at: int, low: int, high: int) -> Any:
    """`x` without the first and last elements of an axis."""
    if not low and not high:
        return x
    return x[(slice(None),) * at + (slice(low, x.shape[at] - high),)]
