"""What generated code calls: lanes of a warp, atomics, local arrays, bits. It is imported with it,
since it needs Numba. `layout.py` describes `lanes`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from .layout import PRESENT, SEEN, WARP

compiled = numba.njit(boundscheck=True, error_model="numpy")


class LaneError(Exception):
    """A shuffle reads a lane that takes no part in it."""


# ----- values as 64 bits -----
def to_bits(value: Any) -> Any:
    """The value in 64 bits, exactly."""
    raise NotImplementedError


def from_bits(bits: Any, like: Any) -> Any:
    """The value of the type of `like` that `to_bits` made `bits` of."""
    raise NotImplementedError


@overload(to_bits)
def _to_bits(value: Any) -> Any:
    if isinstance(value, types.Float):

        def float_bits(value: Any) -> Any:
            return np.float64(value).view(np.int64)

        return float_bits

    def integer_bits(value: Any) -> Any:
        return np.int64(value)

    return integer_bits


@overload(from_bits)
def _from_bits(bits: Any, like: Any) -> Any:
    if isinstance(like, types.Boolean):

        def boolean(bits: Any, like: Any) -> Any:
            return bits != 0

        return boolean
    integer = isinstance(like, types.IntegerLiteral)
    cast = np.int64 if integer else np.dtype(like.name).type
    if isinstance(like, types.Float):

        def floating(bits: Any, like: Any) -> Any:
            return cast(np.int64(bits).view(np.float64))

        return floating

    def whole(bits: Any, like: Any) -> Any:
        return cast(bits)

    return whole


# ----- warp operations, after all lanes have arrived -----
@compiled
def shuffled(lanes: Any, me: int, source: int, like: Any) -> Any:
    """What lane `source` of this warp gave; this lane's own beyond the warp."""
    if source < 0 or source >= WARP:
        return like
    at = me // WARP * WARP + source
    if at >= lanes.shape[1] or lanes[PRESENT, at] != 1:
        raise LaneError("a shuffle reads a lane that takes no part in it")
    return from_bits(lanes[SEEN, at], like)


@compiled
def shfl_sync(lanes: Any, me: int, value: Any, lane: int) -> Any:
    return shuffled(lanes, me, lane & (WARP - 1), value)


@compiled
def shfl_up_sync(lanes: Any, me: int, value: Any, delta: int) -> Any:
    return shuffled(lanes, me, me % WARP - delta, value)


@compiled
def shfl_down_sync(lanes: Any, me: int, value: Any, delta: int) -> Any:
    return shuffled(lanes, me, me % WARP + delta, value)


@compiled
def shfl_xor_sync(lanes: Any, me: int, value: Any, mask: int) -> Any:
    return shuffled(lanes, me, me % WARP ^ mask, value)


@compiled
def same(lanes: Any, me: int, bits: int) -> int:
    """The mask of the lanes that took part and gave `bits`."""
    mask = 0
    first = me // WARP * WARP
    for lane in range(min(WARP, lanes.shape[1] - first)):
        if lanes[PRESENT, first + lane] == 1 and lanes[SEEN, first + lane] == bits:
            mask |= 1 << lane
    return mask


@compiled
def present(lanes: Any, me: int) -> int:
    """The mask of the lanes that took part."""
    mask = 0
    first = me // WARP * WARP
    for lane in range(min(WARP, lanes.shape[1] - first)):
        if lanes[PRESENT, first + lane] == 1:
            mask |= 1 << lane
    return mask


@compiled
def ballot_sync(lanes: Any, me: int) -> Any:
    return np.int32(same(lanes, me, 1))


@compiled
def any_sync(lanes: Any, me: int) -> bool:
    return same(lanes, me, 1) != 0


@compiled
def all_sync(lanes: Any, me: int) -> bool:
    return same(lanes, me, 0) == 0


@compiled
def eq_sync(lanes: Any, me: int) -> bool:
    return same(lanes, me, 0) == 0 or same(lanes, me, 1) == 0


@compiled
def match_any_sync(lanes: Any, me: int) -> Any:
    return np.int32(same(lanes, me, lanes[SEEN, me]))


@compiled
def match_all_sync(lanes: Any, me: int) -> Any:
    found, everyone = same(lanes, me, lanes[SEEN, me]), present(lanes, me)
    return np.int32(everyone if found == everyone else 0), found == everyone


# ----- block operations -----
@compiled
def syncthreads_count(lanes: Any, me: int) -> Any:
    return np.int32(np.sum(lanes[SEEN]))


@compiled
def syncthreads_and(lanes: Any, me: int) -> Any:
    return np.int32(np.sum(lanes[SEEN]) == lanes.shape[1])


@compiled
def syncthreads_or(lanes: Any, me: int) -> Any:
    return np.int32(np.sum(lanes[SEEN]) > 0)


# ----- atomics: one thread runs at a time, so reading and writing is one step -----
@compiled
def atomic_add(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = old + value
    return old


@compiled
def atomic_sub(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = old - value
    return old


@compiled
def atomic_max(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    if old < value or value != value:
        array[index] = value
    return old


@compiled
def atomic_min(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    if old > value or value != value:
        array[index] = value
    return old


@compiled
def atomic_nanmax(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    if old < value or old != old:
        array[index] = value
    return old


@compiled
def atomic_nanmin(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    if old > value or old != old:
        array[index] = value
    return old


@compiled
def atomic_and_(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = old & value
    return old


@compiled
def atomic_or_(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = old | value
    return old


@compiled
def atomic_xor(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = old ^ value
    return old


@compiled
def atomic_inc(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = 0 if old >= value else old + 1
    return old


@compiled
def atomic_dec(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = value if old == 0 or old > value else old - 1
    return old


@compiled
def atomic_exch(array: Any, index: Any, value: Any) -> Any:
    old = array[index]
    array[index] = value
    return old


@compiled
def atomic_cas(array: Any, index: Any, expected: Any, value: Any) -> Any:
    old = array[index]
    if old == expected:
        array[index] = value
    return old


@compiled
def atomic_compare_and_swap(array: Any, expected: Any, value: Any) -> Any:
    return atomic_cas(array, 0, expected, value)


# ----- memory -----
def poison(array: Any) -> None:
    """Fill `array` with what no right kernel gives: NaN, or a number that is no index."""
    if array.dtype.kind in "fc":
        array.fill(np.nan)
    else:
        array.view(np.uint8).fill(0x7D)


def poison_in_kernel(array: Any) -> Any:
    """`poison` in compiled code."""
    raise NotImplementedError


@overload(poison_in_kernel)
def _poison_in_kernel(array: Any) -> Any:
    dtype = np.dtype(array.dtype.name)
    value: Any = np.frombuffer(b"\x7d" * dtype.itemsize, dtype)[0]
    if dtype.kind in "fc":
        value = dtype.type(np.nan)

    def fill(array: Any) -> None:
        array.fill(value)

    return fill


@compiled
def local_array(shape: Any, dtype: Any) -> Any:
    """An array of this thread, poisoned."""
    array = np.empty(shape, dtype)
    poison_in_kernel(array)
    return array


# ----- arithmetic that only numba.cuda has -----
def width(x: Any) -> Any:
    """The bits of an integer, 32 or 64, in compiled code."""
    raise NotImplementedError


@overload(width)
def _width(x: Any) -> Any:
    bits: int = max(32, x.bitwidth)

    def constant(x: Any) -> Any:
        return bits

    return constant


@compiled
def bit(x: Any, position: int) -> Any:
    return np.int64(x) >> position & 1


@compiled
def popc(x: Any) -> Any:
    count = 0
    for position in range(width(x)):
        count += bit(x, position)
    return count


@compiled
def clz(x: Any) -> Any:
    for count in range(width(x)):
        if bit(x, width(x) - 1 - count):
            return count
    return width(x)


@compiled
def ffs(x: Any) -> Any:
    for position in range(width(x)):
        if bit(x, position):
            return position + 1
    return 0


@compiled
def reversed_bits(x: Any) -> Any:
    out = np.int64(0)
    for position in range(width(x)):
        out |= bit(x, position) << (width(x) - 1 - position)
    return out


def brev(x: Any) -> Any:
    """The bits of an integer from the last to the first, in compiled code."""
    raise NotImplementedError


@overload(brev)
def _brev(x: Any) -> Any:
    unsigned = np.uint64 if x.bitwidth == 64 else np.uint32

    def reverse(x: Any) -> Any:
        return unsigned(reversed_bits(x))

    return reverse


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""
    real = typingctx.unify_types(a, b, c)
    if not isinstance(real, types.Float):
        real = types.float64

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return real(real, real, real), emit


@compiled
def cbrt(x: Any) -> Any:
    return np.cbrt(x)


@compiled
def selp(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b
