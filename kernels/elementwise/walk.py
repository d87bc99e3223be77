"""Launches of `elementwise.cu` that write into an array which is there."""

from __future__ import annotations

from typing import Any

from gpudl.runtime import KernelSpec, launch

from ..gpu import Array, copied, ctype, has_ctype
from ..strided import plan
from .specs import CAST


def run(
    spec: KernelSpec,
    variant: dict[str, str],
    operands: tuple[Array, ...],
    out: Array,
    *,
    packs: bool = True,
) -> Any:
    """`out`, after the launches that walk over it and `operands`, broadcast to its shape."""
    if not out.size:
        return out
    route = plan(out, *operands, packs=packs)
    if route is None:
        return NotImplemented
    variant = variant | {"V": str(route.vector)}
    for piece in route.pieces:
        launch(spec, variant, (*operands, out, piece.layout), size=piece.size, vector=route.vector)
    return out


def cast_into(x: Array, out: Array) -> Any:
    """`out`, after x broadcast to its shape was written into it."""
    if x.dtype == out.dtype:
        return copied(x, out)
    if not (has_ctype(x.dtype) and has_ctype(out.dtype)):
        return NotImplemented
    variant = {"T": ctype(x.dtype), "R": ctype(out.dtype)}
    if variant | {"V": "1"} not in CAST.variants:
        return NotImplemented
    return run(CAST, variant, (x,), out)
