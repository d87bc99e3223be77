"""Copies, constants and ranges on the GPU (`copy.cu`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import devices
from gpudl.dtypes import DType
from gpudl.notices import notice
from gpudl.runtime import launch
from gpudl.shapes import Shape, resolve_reshape

from ..elementwise.walk import cast_into
from ..gpu import BITS, FLOATS, Array, copied, ctype, empty, empty_elementwise, filled
from ..gpu import contiguous as in_order
from ..strided import MAX_INDEX, WIDTH
from .specs import ARANGE_REAL, ARANGE_WHOLE, TRIANGLE


# ----- copies -----
def copy(x: Array) -> Array:
    """x in new memory, in the layout of x where that is dense."""
    return copied(x, empty_elementwise(x.shape, x.dtype, (x,)))


def contiguous(x: Array) -> Array:
    """x in new memory, in C order."""
    notice("copy", "contiguous", lambda: f"{x.dtype.name}{x.shape} to C order")
    return copied(x, empty(x, x.shape))


def assign(out: Array, value: Any) -> Any:
    """Write an array or a number into `out`, cast and broadcast."""
    if isinstance(value, np.ndarray):
        return NotImplemented
    if not isinstance(value, type(out)):
        if out.itemsize > 8:
            return NotImplemented
        if out.flags.c_contiguous and not out.data.ptr % WIDTH:
            filled(out, value)
            return None
        value = filled(empty(out, (), out.dtype), value)
    if devices.of(value) != devices.of(out) or not _spreads(value.shape, out.shape):
        return NotImplemented
    if _meet(out, value):
        value = copied(value, empty(value, value.shape))
    return NotImplemented if cast_into(value, out) is NotImplemented else None


def _spreads(shape: Shape, to: Shape) -> bool:
    """Whether `shape` broadcasts to the shape `to`."""
    lead = len(to) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, to[lead:], strict=True))


def _meet(a: Array, b: Array) -> bool:
    """Whether a thread that writes `a` may change what another one reads of `b`."""
    if not devices.overlap(a, b):
        return False
    (a_low, a_high), (b_low, b_high) = devices.byte_bounds(a), devices.byte_bounds(b)
    return bool(a_low < b_high and b_low < a_high)


# ----- shapes -----
def reshape(x: Array, *, shape: Shape) -> Array:
    """x in another shape: a view where its strides allow that, else a copy in C order."""
    wanted = resolve_reshape("reshape", x.shape, shape)
    return (x if _splits(x, wanted) else contiguous(x)).reshape(wanted)


def _splits(x: Array, shape: Shape) -> bool:
    """Whether `shape` only splits and joins axes of x that lie in a row."""
    if x.flags.c_contiguous:
        return True
    runs: list[int] = []
    outer = 0  # the stride of the axis before
    for n, stride in zip(x.shape, x.strides, strict=True):
        if n == 1:
            continue
        if runs and n * stride == outer:
            runs[-1] *= n
        else:
            runs.append(n)
        outer = stride
    extents = iter(shape)
    for run in runs:
        size = 1
        while size < run:
            size *= next(extents)
        if size != run:
            return False
    return True


def concat(*arrays: Array, axis: int, sizes: tuple[int, ...]) -> Any:
    """The arrays one after the other along `axis`, in C order."""
    first = arrays[0]
    rest = [x.shape[:axis] + x.shape[axis + 1 :] for x in arrays]
    if any(
        x.dtype != first.dtype or other != rest[0] for x, other in zip(arrays, rest, strict=True)
    ):
        return NotImplemented
    out = empty(first, (*first.shape[:axis], sum(sizes), *first.shape[axis + 1 :]))
    start = 0
    for x, size in zip(arrays, sizes, strict=True):
        copied(x, out[(slice(None),) * axis + (slice(start, start + size),)])
        start += size
    return out


def pad(x: Array, *, width: tuple[tuple[int, int], ...], value: float) -> Any:
    """x with (before, after) elements of one value around each axis."""
    if x.itemsize > 8 or any(n < 0 for pair in width for n in pair):
        return NotImplemented
    shape = tuple(low + n + high for n, (low, high) in zip(x.shape, width, strict=True))
    out = filled(empty(x, shape), value)
    inside = tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, width, strict=True))
    copied(x, out[(*inside, ...)])
    return out


def tril(x: Array, *, k: int) -> Any:
    """x on and below the diagonal k of its last two axes, else 0."""
    return _triangle(x, k, upper=False)


def triu(x: Array, *, k: int) -> Any:
    """x on and above the diagonal k of its last two axes, else 0."""
    return _triangle(x, k, upper=True)


def _triangle(x: Array, k: int, *, upper: bool) -> Any:
    if x.ndim < 2 or x.size >= MAX_INDEX or x.itemsize > 8:
        return NotImplemented
    x = in_order(x)
    y = empty(x, x.shape)
    if x.size:
        k = min(max(k, -MAX_INDEX), MAX_INDEX)
        args = (x, y, x.size, *x.shape[-2:], k, int(upper))
        launch(TRIANGLE, {"T": BITS[x.itemsize]}, args, size=x.size, vector=1)
    return y


# ----- creation -----
def full(*, shape: Shape, value: complex, dtype: DType, device: Any) -> Any:
    """A new array of one value."""
    return NotImplemented if dtype.itemsize > 8 else filled(device.empty(shape, dtype), value)


def arange(*, start: float, step: float, length: int, dtype: DType, device: Any) -> Any:
    """start, start + step, ...: `length` of them; of integers wrapping around."""
    whole = isinstance(start, int) and isinstance(step, int)
    if dtype.kind == "i" and whole:
        limits = np.iinfo(dtype)
        if dtype.itemsize < 4 or not all(limits.min <= n <= limits.max for n in (start, step)):
            return NotImplemented
        spec = ARANGE_WHOLE
        values: tuple[float, float] = (int(start) % 2**64, int(step) % 2**64)
    elif dtype in FLOATS:
        spec, values = ARANGE_REAL, (float(start), float(step))
    else:
        return NotImplemented
    y = device.empty((length,), dtype)
    launch(spec, {"T": ctype(dtype)}, (y, length, *values), nbytes=y.nbytes)
    return y
