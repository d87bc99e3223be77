"""Memory of the emulated device: blocks with exact ranges, poisoned when they are freed.

A freed block behaves as under CuPy's pool, which reuses memory in the order of the stream that it
was allocated on: the block becomes invalid when that stream gets there. Its bytes are then 0xFF (a
NaN, and -1), and it stays in quarantine for a while, so that work of another stream that still
uses it is found instead of reading what happens to lie there.
"""

from __future__ import annotations

import sys
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import EmulatorError

ALIGN = 512  # bytes, as CuPy's pool gives them
POISON = 0xFF
QUARANTINE_BYTES = 64 << 20

Buffer = np.ndarray[Any, np.dtype[np.uint8]]
# Runs a function once the work that is queued on the current stream has run.
Defer = Callable[[Callable[[], None]], None]


class Range(NamedTuple):
    """A block as the heap knows it: where it starts, its bytes, whether it is freed."""

    start: int
    nbytes: int
    freed: bool


class Block:
    """One allocation. `ptr` and `size` are its exact range, as of CuPy's memory objects."""

    __slots__ = ("__weakref__", "buffer", "defer", "heap", "ptr", "size")

    def __init__(self, heap: Heap, buffer: Buffer, defer: Defer) -> None:
        self.heap, self.buffer, self.defer = heap, buffer, defer
        self.size = buffer.size
        self.ptr = buffer.ctypes.data if buffer.size else 0

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.heap.freed(self)


class Heap:
    """All blocks of one emulated device.

    `limit` is the size of the emulated memory in bytes, None for no limit; blocks in quarantine
    count, as cached blocks of a pool do.
    """

    def __init__(self, device: object) -> None:
        self.device = device
        self.limit: int | None = None
        self.live_bytes = self.peak = self.quarantined = 0
        self.hits = self.misses = 0
        self._starts: list[int] = []
        self._unwritten: set[int] = set()
        self._ranges: dict[int, Range] = {}
        self._quarantine: deque[Buffer] = deque()

    def allocate(self, nbytes: int, defer: Defer) -> Block:
        """A block of exactly `nbytes`, filled with poison. Raises `MemoryError`."""
        if self.limit is not None and self.live_bytes + self.quarantined + nbytes > self.limit:
            raise MemoryError(f"{nbytes} bytes beyond the limit of {self.limit} of {self.device}")
        raw = np.empty(nbytes + ALIGN, np.uint8)
        start = -raw.ctypes.data % ALIGN
        buffer = raw[start : start + nbytes]
        buffer.fill(POISON)
        block = Block(self, buffer, defer)
        if nbytes:
            insort(self._starts, block.ptr)
            self._ranges[block.ptr] = Range(block.ptr, nbytes, False)
            self._unwritten.add(block.ptr)
        self.misses += 1
        self.live_bytes += nbytes
        self.peak = max(self.peak, self.live_bytes)
        return block

    def freed(self, block: Block) -> None:
        """The last reference to `block` is gone."""
        buffer = block.buffer
        if buffer.size:
            self.live_bytes -= buffer.size
            self.quarantined += buffer.size
            block.defer(lambda: self._poison(buffer))

    def _poison(self, buffer: Buffer) -> None:
        start = buffer.ctypes.data
        buffer.fill(POISON)
        self._ranges[start] = Range(start, buffer.size, True)
        self._quarantine.append(buffer)
        while self._quarantine and self.quarantined > QUARANTINE_BYTES:
            self._forget(self._quarantine.popleft())

    def _forget(self, buffer: Buffer) -> None:
        start = buffer.ctypes.data
        self.quarantined -= buffer.size
        self._unwritten.discard(start)
        del self._ranges[start]
        del self._starts[bisect_right(self._starts, start) - 1]

    def unwritten(self, block: Range) -> bool:
        """Whether nothing wrote into `block` since it was allocated."""
        return block.start in self._unwritten

    def written(self, start: int) -> None:
        """Something may have written into the block that starts at `start`."""
        self._unwritten.discard(start)

    def release(self) -> None:
        """Give the blocks in quarantine back; nothing may be queued that uses them."""
        while self._quarantine:
            self._forget(self._quarantine.popleft())

    def find(self, address: int) -> Range | None:
        """The block that holds `address`, or None."""
        i = bisect_right(self._starts, address) - 1
        if i < 0:
            return None
        found = self._ranges[self._starts[i]]
        return found if address < found.start + found.nbytes else None

    def check_alive(self, op: str, address: int) -> Range:
        """The living block at `address`: what a launch asks when it runs.

        Raises `EmulatorError` of kind "lifetime" if it is freed, or none of this device.
        """
        found = self.find(address)
        if found is None or found.freed:
            what = "was freed before" if found else "is no memory of"
            where = "this work of another stream ran" if found else str(self.device)
            raise EmulatorError(
                op,
                f"the memory at {address:#x} {what} {where}",
                kind="lifetime",
                remedy="keep a reference to the array until the stream that uses it is "
                "synchronized, or let the stream that allocated it wait for an event",
            )
        return found
