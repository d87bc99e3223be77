"""The tile of C that a block of `matmul` computes, and into how many parts the depth is split.

Both are chosen by shape alone, so that the order of every sum is the same on all cards.
"""

from __future__ import annotations

from dataclasses import dataclass

DEPTH = 16  # BK of gemm.cuh: steps of k in a slice
BLOCKS = 264  # that fill a card: two on each of 132 multiprocessors
LEAST_SLICES = 4  # of a part: fewer do not pay for the second pass
MOST_PARTS = 64


@dataclass(frozen=True)
class Tile:
    """`Tile<M, N, EACH_M, EACH_N>` of gemm.cuh: M x N of C a block, EACH_M x EACH_N a thread."""

    M: int
    N: int
    each_m: int
    each_n: int

    @property
    def cpp(self) -> str:
        """The C++ type."""
        return f"Tile<{self.M}, {self.N}, {self.each_m}, {self.each_n}>"

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.M // self.each_m * (self.N // self.each_n)

    def shared(self, itemsize: int) -> int:
        """Bytes of shared memory: two buffers of a slice of A and of B, rows padded by a quad."""
        return 2 * DEPTH * (self.M + self.N + 8) * itemsize

    def count(self, M: int, N: int) -> int:
        """The tiles of an M x N matrix."""
        return -(-M // self.M) * -(-N // self.N)


LARGE, SMALL = Tile(128, 64, 8, 8), Tile(64, 64, 4, 4)
TILES = (LARGE, SMALL)


def choose(M: int, N: int, batches: int, itemsize: int) -> Tile:
    """The large tile for floats when its blocks fill the card; it reads a quarter less."""
    fills = LARGE.count(M, N) * batches >= BLOCKS // 2
    return LARGE if itemsize == 4 and fills and M > SMALL.M else SMALL


def split(blocks: int, K: int) -> tuple[int, int]:
    """Steps of k in a part, a multiple of DEPTH, and how many parts of `blocks` fill a card."""
    slices = -(-K // DEPTH)
    parts = max(1, min(BLOCKS // max(blocks, 1), slices // LEAST_SLICES, MOST_PARTS))
    chunk = max(1, -(-slices // parts)) * DEPTH
    return chunk, max(1, -(-K // chunk))
