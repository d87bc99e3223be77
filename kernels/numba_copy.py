"""Copies to C order by a kernel in Python, for the twins that need it. Each is a notice "copy"."""

from __future__ import annotations

from typing import Any

from gpudl import devices
from gpudl.notices import notice
from gpudl.runtime.numba_cuda import CudaKernel, cuda

Array = Any  # a cupy.ndarray or an EmulatedArray
BLOCK, MOST_BLOCKS = 256, 4096
AXES = 5


def blocks(size: int) -> int:
    """The blocks of a loop over `size` elements; threads take several if there are many."""
    return min(-(-size // BLOCK), MOST_BLOCKS)


def copy(x: Any, out: Any) -> None:
    """`out`, a vector, = `x` of five axes in C order."""
    e1, e2, e3, e4 = x.shape[1], x.shape[2], x.shape[3], x.shape[4]
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        rest, i4 = i // e4, i % e4
        rest, i3 = rest // e3, rest % e3
        rest, i2 = rest // e2, rest % e2
        out[i] = x[rest // e1, rest % e1, i2, i3, i4]


_copy = CudaKernel(copy, "A5 W1")


def contiguous(x: Array) -> Array:
    """`x`, floats with up to five axes, in C order; a copy only if it is not."""
    if x.flags.c_contiguous:
        return x
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} strides {x.strides} to C order")
    out = devices.of(x).empty((x.size,), x.dtype)
    if x.size:
        _copy.launch(blocks(x.size), BLOCK, x[(None,) * (AXES - x.ndim)], out)
    return out.reshape(x.shape)


def packed_pixels(x: Array) -> Array:
    """The (N, *S, C) array of `x` (N, C, *S) in C order; a view if the memory is already so."""
    return contiguous(x.transpose(0, *range(2, x.ndim), 1))
