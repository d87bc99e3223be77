"""How convolutions are cut into blocks. Sizes alone decide, so the order of every sum, and with it
every bit, is the same on all cards."""

from __future__ import annotations

from dataclasses import dataclass

BK = 16  # steps of k in a slice
BLOCKS = 512  # about what fills a card: 2 to 4 blocks on each multiprocessor
LEAST_CHUNK = 256  # pixels of a part of a weight's gradient, where there are as many

THREADS = 256  # of a depthwise block
ROWS = 8  # results of a thread
TAPS = 9  # taps that a thread of the weight's gradient adds up at a time
SHARED = 48 << 10  # bytes that every card gives a block
MOST_TILES = 65535  # blocks along the second and third axis of a grid


@dataclass(frozen=True)
class Tile:
    """bm x bn results a block, tm x tn a thread (`include/gpudl/gemm.cuh`)."""

    bm: int
    bn: int
    tm: int
    tn: int

    @property
    def name(self) -> str:
        """The C++ type."""
        return f"Tile<{self.bm}, {self.bn}, {self.tm}, {self.tn}>"

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.bm * self.bn // (self.tm * self.tn)

    def shared(self, itemsize: int) -> int:
        """Bytes of a block's slices: two buffers, rows padded by a quad."""
        return 2 * BK * (self.bm + self.bn + 8) * itemsize

    def legal(self) -> bool:
        """Whether warps of 4 by 8 threads cover it, in quads, and share its slices evenly."""
        covered = self.bm % (4 * self.tm) == 0 and self.bn % (8 * self.tn) == 0
        quads = self.tm % 4 == 0 and self.tn % 4 == 0
        return covered and quads and min(self.bm, self.bn) * BK % (4 * self.threads) == 0

    def count(self, M: int, N: int) -> int:
        """Tiles of an M x N matrix."""
        return -(-M // self.bm) * -(-N // self.bn)


LARGE, MEDIUM = Tile(128, 64, 8, 8), Tile(64, 64, 8, 4)
TALL, WIDE = Tile(128, 32, 8, 4), Tile(32, 128, 8, 4)
TILES = (LARGE, MEDIUM, TALL, WIDE)
ENOUGH = 128  # large tiles that keep a card busy


def choose(M: int, N: int, batch: int) -> Tile:
    """The tile for `batch` products of M x N results: large ones read least, if they are enough."""
    if TALL.bn >= N:
        return TALL
    if WIDE.bm >= M:
        return WIDE
    if min(M, N) > MEDIUM.bm and LARGE.count(M, N) * batch >= ENOUGH:
        return LARGE
    return MEDIUM


def chunk_of(rows: int, blocks: int) -> int:
    """Pixels of a part, so that the parts of `blocks` sums over `rows` pixels fill a card."""
    parts = max(1, min(BLOCKS // max(blocks, 1), rows // LEAST_CHUNK))
    return -(-rows // (parts * BK)) * BK


@dataclass(frozen=True)
class Depthwise:
    """A block is `along` threads with `vec` channels each by THREADS / `along` pixels."""

    along: int
    vec: int
    tiles: int

    @property
    def down(self) -> int:
        """Threads along the pixels."""
        return THREADS // self.along

    def shared(self, taps: int, itemsize: int) -> int:
        """Bytes for the weights of a block's channels."""
        return taps * self.along * self.vec * itemsize


def choose_depthwise(channels: int, taps: int, vec: int, itemsize: int) -> Depthwise | None:
    """The cut for so many channels; None if the weights do not fit a block's memory."""
    along = min(32, 1 << (-(-channels // vec) - 1).bit_length())
    while along and along * vec * taps * itemsize > SHARED:
        along //= 2
    if not along:
        return None
    tiles = -(-channels // (along * vec))
    return Depthwise(along, vec, tiles) if tiles <= MOST_TILES else None
