"""Rows of a matrix on the GPU: how many threads hold one, and how much each of them holds.

The counterpart of `include/gpudl/rows.cuh`. A row of up to 8192 elements stays in the registers of
one group of threads, so memory is read once; longer rows are read twice by a block each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpudl.runtime import Geometry

Array = Any

VECTOR_BYTES = 16
LONG_THREADS = 512
BLOCK_THREADS = 128


@dataclass(frozen=True)
class RowTile:
    """A group of `lanes` threads holds a row, `per` elements each, `vec` neighbours at a time."""

    lanes: int
    per: int
    vec: int

    @property
    def capacity(self) -> int:
        """The longest row that fits."""
        return self.lanes * self.per

    def legal(self) -> bool:
        """Whether `rows.cuh` takes it: groups of a power of two within a warp, or whole warps."""
        whole = self.lanes % 32 == 0 if self.lanes > 32 else 32 % self.lanes == 0
        return whole and self.per % self.vec == 0

    def variant(self, dtype: np.dtype[Any]) -> dict[str, str]:
        """The template arguments of a kernel for it."""
        return {
            "T": _CTYPES[dtype.itemsize],
            "LANES": str(self.lanes),
            "PER": str(self.per),
            "VEC": str(self.vec),
        }


_CTYPES = {4: "float", 8: "double"}
# Smallest first. Double precision has half the registers, and its rows are never worth a vector:
# a warp that reads single doubles reads whole lines already.
_SHAPES = {4: ((8, 4), (32, 8), (32, 32), (256, 32)), 8: ((8, 4), (32, 32))}


def vector(cols: int, *arrays: Array) -> int:
    """Elements of a 16-byte access if every row of the arrays begins at one, else 1."""
    itemsize: int = arrays[0].itemsize
    wide = VECTOR_BYTES // itemsize
    aligned = all(x.data.ptr % VECTOR_BYTES == 0 for x in arrays)
    return wide if aligned and cols % wide == 0 and itemsize == 4 else 1


def choose(cols: int, *arrays: Array) -> RowTile | None:
    """The smallest tile that holds a row of `cols` elements of the arrays; None if none does."""
    vec = vector(cols, *arrays)
    for lanes, per in _SHAPES[arrays[0].itemsize]:
        if cols <= lanes * per:
            return RowTile(lanes, per, vec)
    return None


def tile_variants() -> tuple[dict[str, str], ...]:
    """The variants of a kernel over tiles: all that `choose` may answer."""
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    return tuple(
        RowTile(lanes, per, vec).variant(dtype)
        for dtype, widths in ((single, (1, 4)), (double, (1,)))
        for lanes, per in _SHAPES[dtype.itemsize]
        for vec in widths
    )


def long_variant(dtype: np.dtype[Any], vec: int) -> dict[str, str]:
    """The template arguments of a kernel over rows too long for registers."""
    return {"T": _CTYPES[dtype.itemsize], "VEC": str(vec)}


LONG_VARIANTS = (
    {"T": "float", "VEC": "1"},
    {"T": "float", "VEC": "4"},
    {"T": "double", "VEC": "1"},
)


def tiled(*, rows: int, lanes: int) -> Geometry:
    """Blocks of 128 threads with as many rows as fit, or of one row."""
    threads = max(lanes, BLOCK_THREADS)
    return Geometry(grid=(-(-rows * lanes // threads), 1, 1), block=(threads, 1, 1))


def one_row(*, rows: int) -> Geometry:
    """A block for each row."""
    return Geometry(grid=(rows, 1, 1), block=(LONG_THREADS, 1, 1))
