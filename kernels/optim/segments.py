"""Ranges of flat buffers, packed as `segments.cuh` reads them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Array = Any

MAX_SEGMENTS = 64  # of one launch: a kernel's arguments have 4 KB
SPAN = 2048  # elements of a block
ALIGNED = 16  # bytes


class Segments(ctypes.Structure):
    """The struct of the kernels."""

    _fields_ = (
        ("start", ctypes.c_int64 * MAX_SEGMENTS),
        ("stop", ctypes.c_int64 * MAX_SEGMENTS),
        ("block", ctypes.c_int32 * MAX_SEGMENTS),
        ("count", ctypes.c_int32),
        ("wide", ctypes.c_int32),
    )


class Sources(ctypes.Structure):
    """Segments, and for each the address of the array that it is copied from."""

    _fields_ = (("at", Segments), ("source", ctypes.c_void_p * MAX_SEGMENTS))


@dataclass(frozen=True)
class Piece:
    """What one launch covers: its first segment, its segments, and its number of blocks."""

    first: int
    at: Segments
    blocks: int


def pieces(ranges: Sequence[slice], *buffers: Array) -> Iterator[Piece]:
    """The launches that cover `ranges` of the buffers, whose segments are not empty."""
    wide = all(x.data.ptr % ALIGNED == 0 for x in buffers)
    for first in range(0, len(ranges), MAX_SEGMENTS):
        at = Segments(wide=wide)
        blocks = 0
        for part in ranges[first : first + MAX_SEGMENTS]:
            k = at.count
            at.start[k], at.stop[k], at.block[k] = part.start, part.stop, blocks
            at.count += 1
            blocks += -(-(part.stop - part.start) // SPAN)
        if blocks:
            yield Piece(first, at, blocks)
