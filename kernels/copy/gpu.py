"""Copies on the GPU (`copy.cu`)."""

from __future__ import annotations

from gpudl.notices import notice

from ..gpu import Array, copied, empty, empty_elementwise


def copy(x: Array) -> Array:
    """x in new memory, in the layout of x where that is dense."""
    return copied(x, empty_elementwise(x.shape, x.dtype, (x,)))


def contiguous(x: Array) -> Array:
    """x in new memory, in C order."""
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} to C order")
    return copied(x, empty(x, x.shape))
