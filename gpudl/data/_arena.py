"""Memory that processes share; it has no name, so whoever dies leaves nothing behind."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import struct
import tempfile
from collections.abc import Callable
from multiprocessing import reduction
from typing import Any

_ALIGN = 64
_HEAD = struct.Struct(
    "<QQ"
)  # bytes of the pickle, number of buffers; then a length for each buffer


class Arena:
    """An anonymous file, mapped by everyone who was given it when a process started."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("gpudl-data", os.MFD_CLOEXEC)
        else:
            # A temporary file that is unlinked before anything is in it.
            with tempfile.TemporaryFile() as file:
                self.fd = os.dup(file.fileno())
        self._map: mmap.mmap | None = None

    def __getstate__(self) -> Any:
        # Works while multiprocessing starts a process, which then inherits the descriptor.
        return reduction.DupFd(self.fd)

    def __setstate__(self, handle: Any) -> None:
        self.fd = handle.detach()
        self._map = None

    def reserve(self, size: int) -> memoryview:
        """At least `size` bytes that can be written; raises `OSError` when there is no memory."""
        have = os.fstat(self.fd).st_size
        if have < size:
            size = -(-(size + size // 4) // mmap.PAGESIZE) * mmap.PAGESIZE
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.fd, 0, size)  # else a full machine shows as SIGBUS
            else:
                os.ftruncate(self.fd, size)
        return self.view()

    def view(self) -> memoryview:
        """All bytes of the arena, shared with the other processes."""
        size = os.fstat(self.fd).st_size
        if self._map is None or len(self._map) < size:
            self._unmap()
            self._map = mmap.mmap(self.fd, size)
        return memoryview(self._map)

    def private(self) -> memoryview:
        """All bytes, copied page by page on the first write: nobody else sees the writes."""
        return memoryview(mmap.mmap(self.fd, 0, access=mmap.ACCESS_COPY))

    def close(self) -> None:
        """Give the memory back."""
        self._unmap()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _unmap(self) -> None:
        if self._map is not None:
            # A view that somebody still holds keeps the mapping until it goes.
            with contextlib.suppress(BufferError):
                self._map.close()
            self._map = None


def write(arena: Arena, value: Any) -> int:
    """Put `value` into the arena, arrays beside the pickle; returns the bytes used."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    table = _HEAD.pack(len(body), len(parts)) + b"".join(struct.pack("<Q", len(p)) for p in parts)
    offsets, end = _layout(len(table), len(body), [len(part) for part in parts])
    with arena.reserve(max(end, 1)) as view:
        view[: len(table)] = table
        view[len(table) : len(table) + len(body)] = body
        for offset, part in zip(offsets, parts, strict=True):
            view[offset : offset + len(part)] = part
    for part in parts:
        part.release()
    return end


def read(view: memoryview, take: Callable[[memoryview], Any]) -> Any:
    """What `write` put there; `take` turns a stretch of bytes into an array's buffer."""
    body_length, count = _HEAD.unpack_from(view)
    table = _HEAD.size + 8 * count
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    offsets, _ = _layout(table, body_length, list(lengths))
    buffers = [take(view[o : o + n]) for o, n in zip(offsets, lengths, strict=True)]
    with view[table : table + body_length] as body:
        return pickle.loads(body, buffers=buffers)


def _layout(table: int, body: int, lengths: list[int]) -> tuple[list[int], int]:
    end = table + body
    offsets = []
    for length in lengths:
        start = -(-end // _ALIGN) * _ALIGN
        offsets.append(start)
        end = start + length
    return offsets, end
