"""How a reduction is laid out on the GPU: two index spaces, and the threads that share a result."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from gpudl.runtime import Geometry

from ..strided import MAX_AXES, MAX_INDEX, Axis, Piece, element_strides, merged, piece

Array = Any

THREADS = 256
BLOCKS = 1024  # about what fills a card: 8 blocks on each of 128 multiprocessors
LEAST = 8  # elements that a thread reduces, where there are as many
WARP = 32


@dataclass(frozen=True)
class ReducePlan:
    """The struct `Strided<2>` of the results and `Strided<1>` of what is reduced; `down` threads
    share a result, and the reduced elements are cut into `splits` chunks."""

    kept: Piece
    reduced: Piece
    results: int
    step: int
    down: int
    chunk: int
    splits: int

    @property
    def team(self) -> bytes:
        """The struct `Team`."""
        return struct.pack("=iiI", self.step, self.down, self.chunk)

    def undivided(self) -> ReducePlan:
        """The same in one split."""
        return replace(self, chunk=self.chunk * self.splits, splits=1)

    @property
    def shapes(self) -> dict[str, int]:
        """What the geometry is made of."""
        return {"results": self.results, "down": self.down, "splits": self.splits}


def teams(*, results: int, down: int, splits: int) -> Geometry:
    """Blocks of 256 threads, `down` for each result; a row of blocks a split."""
    return Geometry(grid=(-(-results * down // THREADS), splits, 1), block=(THREADS, 1, 1))


def _power(n: int) -> int:
    """The least power of two from `n` on."""
    return 1 << max(n - 1, 0).bit_length()


def _fastest(axes: tuple[Axis, ...]) -> int:
    """The smallest step between neighbours in x; large where there are none."""
    steps = [abs(axis.strides[0]) for axis in axes if axis.extent > 1 and axis.strides[0]]
    return min(steps, default=MAX_INDEX)


@lru_cache(maxsize=4096)
def _plan(
    shape: tuple[int, ...], strides: tuple[int, ...], axis: tuple[int, ...]
) -> ReducePlan | None:
    kept_axes = [i for i in range(len(shape)) if i not in axis]
    kept_shape = tuple(shape[i] for i in kept_axes)
    own = tuple(math.prod(kept_shape[i + 1 :]) for i in range(len(kept_shape)))
    kept = merged(kept_shape, (tuple(strides[i] for i in kept_axes), own))
    reduced = merged(tuple(shape[i] for i in axis), (tuple(strides[i] for i in axis),))
    results, count = math.prod(kept_shape), math.prod(shape[i] for i in axis)
    if max(len(kept), len(reduced)) > MAX_AXES or max(results, count) >= MAX_INDEX:
        return None
    if not count:
        reduced = (Axis(1, (0,)),)
    if _fastest(reduced) <= _fastest(kept):
        step, down = 1, min(_power(count), WARP if count <= THREADS else THREADS)
    else:
        along = min(_power(results), WARP)
        down = min(_power(-(-count // LEAST)), THREADS // along)
        step = THREADS // down
    blocks = -(-results * down // THREADS)
    splits = max(1, min(-(-count // (down * LEAST)), BLOCKS // max(blocks, 1)))
    chunk = -(-count // splits)
    splits = -(-count // chunk) if count else 1
    return ReducePlan(piece(kept), piece(reduced), results, step, down, chunk, splits)


def plan(x: Array, axis: tuple[int, ...]) -> ReducePlan | None:
    """How to reduce `x`, with results, over `axis`; None if its layout or size is not taken."""
    strides = element_strides(x, x.shape)
    if strides is None or x.data.ptr % x.itemsize:
        return None
    return _plan(x.shape, strides, axis)
