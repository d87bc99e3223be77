"""Columns of a matrix on the GPU: how many threads go along them, and how many rows a block takes.

The counterpart of `norm/columns.cuh`. It looks at the shape alone, so the order of every
sum, and with it every bit, is the same on all cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpudl.runtime import Geometry

from .rows import vector

Array = Any

THREADS = 256
FINISH_COLUMNS = 8  # of a block that adds the chunks up: 32 threads share one column
BLOCKS = 1024  # about what fills a card: 8 blocks on each of 128 multiprocessors
LEAST_ROWS = 4  # that a thread reduces, where there are as many


@dataclass(frozen=True)
class ColumnPlan:
    """A block is `along` threads with `vec` columns each, and THREADS / `along` rows at a time; it
    reduces `chunk` rows."""

    along: int
    vec: int
    tiles: int
    chunk: int
    chunks: int

    @property
    def shapes(self) -> dict[str, int]:
        """What the geometry is made of."""
        return {"along": self.along, "tiles": self.tiles, "chunks": self.chunks}


def choose(rows: int, cols: int, *arrays: Array) -> ColumnPlan:
    """The plan for C-ordered (rows, cols) arrays."""
    vec = vector(cols, *arrays)
    groups = cols // vec
    along = min(32, 1 << (groups - 1).bit_length())
    down = THREADS // along
    tiles = -(-groups // along)
    chunks = max(1, min(-(-rows // (down * LEAST_ROWS)), BLOCKS // tiles))
    chunk = max(1, -(-rows // chunks))
    return ColumnPlan(along, vec, tiles, chunk, -(-rows // chunk))


def chunked(*, along: int, tiles: int, chunks: int) -> Geometry:
    """A block for each tile of columns and chunk of rows."""
    return Geometry(grid=(tiles, chunks, 1), block=(along, THREADS // along, 1))


def finishing(*, cols: int) -> Geometry:
    """A block for every 8 columns, which adds up their chunks."""
    return Geometry(
        grid=(-(-cols // FINISH_COLUMNS), 1, 1),
        block=(FINISH_COLUMNS, THREADS // FINISH_COLUMNS, 1),
    )


def each_column(*, cols: int) -> Geometry:
    """A thread for each column."""
    return Geometry(grid=(-(-cols // THREADS), 1, 1), block=(THREADS, 1, 1))
