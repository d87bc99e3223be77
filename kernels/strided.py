"""Strided layouts for kernels: axes merged, packed as `include/gpudl/strided.cuh` reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_AXES = 8
MAX_INDEX = 2**31
THREADS = 256
WIDTH = 16  # bytes of the widest access
MAX_VECTOR = 8  # elements of a pack: more bytes than that take too many registers


def blocks(size: int, vector: int) -> int:
    """The blocks that walk over `size` packs: a thread has several loads in flight."""
    return -(-size // (THREADS * (2 if vector > 1 else 4)))


Strides = tuple[int, ...]  # of one axis, in elements: one for each operand


@dataclass(frozen=True)
class Axis:
    """One axis of an index space, with its stride in every operand, in elements."""

    extent: int
    strides: Strides


@dataclass(frozen=True)
class Piece:
    """What one launch covers: the struct `Strided<N>` as bytes, and its number of packs."""

    layout: bytes
    size: int


@dataclass(frozen=True)
class Plan:
    """The launches that walk over all operands, and the elements in a pack."""

    vector: int
    pieces: tuple[Piece, ...]


def merged(shape: tuple[int, ...], strides: tuple[Strides, ...]) -> tuple[Axis, ...]:
    """The axes of `shape`, fastest first in the first operand, those merged that lie in a row.

    `strides` has those of each operand, 0 where it is broadcast. Axes of extent 1 go.
    """
    axes = [
        Axis(n, along) for n, along in zip(shape, zip(*strides, strict=True), strict=True) if n != 1
    ]
    axes.reverse()
    # The result decides the order, then the operands: a stable sort keeps C order among equals.
    axes.sort(key=lambda axis: tuple(map(abs, axis.strides)))
    out: list[Axis] = []
    for axis in axes:
        if out and all(
            stride == fast * out[-1].extent
            for stride, fast in zip(axis.strides, out[-1].strides, strict=True)
        ):
            out[-1] = Axis(out[-1].extent * axis.extent, out[-1].strides)
        else:
            out.append(axis)
    return tuple(out) or (Axis(1, (0,) * len(strides)),)


def widest(axes: tuple[Axis, ...], itemsize: int, addresses: tuple[int, ...]) -> int:
    """Elements of a pack: 8 or what 16 bytes hold, if every pack is then one aligned access.

    `itemsize` is that of the widest operand, `addresses` the operands' modulo `WIDTH`, counted in
    elements of each.
    """
    vector = min(WIDTH // itemsize, MAX_VECTOR)
    fast = axes[0]
    if vector < 2 or fast.extent < vector or fast.strides[0] != 1:
        return 1
    for n, stride in enumerate(fast.strides):
        if stride == 0:
            continue
        if stride != 1 or addresses[n] % vector:
            return 1
        if any(axis.strides[n] % vector for axis in axes[1:]):
            return 1
    return vector


def _division(extent: int) -> tuple[int, int]:
    """Multiplier and shift that divide numbers below 2**31 (Granlund and Montgomery 1994)."""
    shift = (extent - 1).bit_length()
    return ((1 << 32) * ((1 << shift) - extent) // extent + 1) & 0xFFFFFFFF, shift


def _pack(axes: tuple[Axis, ...], base: Strides, vector: int) -> Piece:
    operands = range(len(base))
    extents = [-(-axes[0].extent // vector), *[axis.extent for axis in axes[1:]]]
    size = 1
    for extent in extents:
        size *= extent
    spare = MAX_AXES - len(axes)
    divisions = [*map(_division, extents), *[(0, 0)] * spare]
    layout = struct.pack(
        f"={len(base)}q{len(base) * MAX_AXES}q{3 * MAX_AXES}I2I2i",
        *base,
        *[stride for n in operands for stride in [a.strides[n] for a in axes] + [0] * spare],
        *extents,
        *[1] * spare,
        *[multiplier for multiplier, _ in divisions],
        *[shift for _, shift in divisions],
        axes[0].extent,
        size,
        len(axes),
        0,
    )
    return Piece(layout, size)


def piece(axes: tuple[Axis, ...], vector: int = 1) -> Piece:
    """One launch over all of `axes`, in packs of `vector`."""
    return _pack(axes, (0,) * len(axes[0].strides), vector)


def _pieces(axes: tuple[Axis, ...], base: Strides, vector: int) -> Iterator[Piece]:
    """`axes` in launches of fewer than 2**31 elements: the slowest is halved until they fit."""
    elements = 1
    for axis in axes:
        elements *= axis.extent
    if elements < MAX_INDEX:
        yield _pack(axes, base, vector)
        return
    slow = axes[-1]
    if slow.extent == 1:
        yield from _pieces(axes[:-1], base, vector)
        return
    half = slow.extent // 2
    if len(axes) == 1:
        half -= half % WIDTH  # packs stay aligned
    behind = tuple(b + half * s for b, s in zip(base, slow.strides, strict=True))
    yield from _pieces((*axes[:-1], Axis(half, slow.strides)), base, vector)
    yield from _pieces((*axes[:-1], Axis(slow.extent - half, slow.strides)), behind, vector)


@lru_cache(maxsize=4096)
def _plan(
    shape: tuple[int, ...],
    strides: tuple[Strides, ...],
    itemsizes: tuple[int, ...],
    addresses: tuple[int, ...],
    packs: bool,
) -> Plan | None:
    axes = merged(shape, strides)
    if len(axes) > MAX_AXES:
        return None
    vector = widest(axes, max(itemsizes), addresses) if packs else 1
    return Plan(vector, tuple(_pieces(axes, (0,) * len(strides), vector)))


def element_strides(x: Any, shape: tuple[int, ...]) -> Strides | None:
    """The strides of `x` broadcast to `shape`, in elements; None if they are no whole numbers."""
    lead = len(shape) - x.ndim
    item = x.itemsize
    found = [0] * lead
    for n, stride, extent in zip(x.shape, x.strides, shape[lead:], strict=True):
        if n == 1 and extent != 1:
            found.append(0)
        elif stride % item:
            return None
        else:
            found.append(stride // item)
    return tuple(found)


def plan(out: Any, *operands: Any, packs: bool = True) -> Plan | None:
    """How to walk over `out` and `operands` broadcast to its shape; None: more than 8 axes are left
    or an array is not aligned. Without `packs` it goes element by element.
    """
    shape = out.shape
    strides = []
    addresses = []
    sizes = []
    for x in (out, *operands):
        item = x.itemsize
        along = element_strides(x, shape)
        place, rest = divmod(x.data.ptr % WIDTH, item)
        if along is None or rest:
            return None
        strides.append(along)
        addresses.append(place)
        sizes.append(item)
    return _plan(shape, tuple(strides), tuple(sizes), tuple(addresses), packs)


# ----- transposes -----
MIN_TILED = 16  # extents below leave most of a 32 x 32 tile empty


@dataclass(frozen=True)
class Tiles:
    """A copy whose result runs along another axis than its operand: (rows, columns) planes."""

    rows: int  # the fastest axis of the operand
    columns: int  # the fastest axis of the result
    x_pitch: int  # between columns, in elements of the operand
    y_pitch: int  # between rows, in elements of the result
    batch: Piece  # all other axes


@lru_cache(maxsize=1024)
def _tiles(shape: tuple[int, ...], strides: tuple[Strides, ...]) -> Tiles | None:
    axes = merged(shape, strides)
    fast = axes[0]
    rows = next((axis for axis in axes[1:] if axis.strides[1] == 1), None)
    if rows is None or fast.strides[0] != 1 or len(axes) > MAX_AXES:
        return None
    if min(rows.extent, fast.extent) < MIN_TILED or max(rows.extent, fast.extent) >= MAX_INDEX:
        return None
    others = tuple(axis for axis in axes if axis not in (fast, rows)) or (Axis(1, (0, 0)),)
    batch = _pack(others, (0, 0), 1)
    if -(-rows.extent // 32) * -(-fast.extent // 32) * batch.size >= MAX_INDEX:
        return None
    return Tiles(rows.extent, fast.extent, fast.strides[1], rows.strides[0], batch)


def tiles(out: Any, x: Any) -> Tiles | None:
    """How to copy `x` to `out` in tiles, or None where that is no transpose."""
    shape = out.shape
    along = element_strides(x, shape)
    into = element_strides(out, shape)
    if along is None or into is None or x.data.ptr % x.itemsize or out.data.ptr % out.itemsize:
        return None
    return _tiles(shape, (into, along))
