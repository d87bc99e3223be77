"""What a device is: memory, array functions, streams, and the way to the host and back."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..dtypes import DType
from ..shapes import Shape

Array = Any  # a numpy.ndarray, a cupy.ndarray or an EmulatedArray: `device.array_type` says which


class Stream(Protocol):
    """A queue of work. Work on one stream runs in order."""

    def synchronize(self) -> None:
        """Wait until all work queued so far has run."""
        ...


class Event(Protocol):
    """A mark on a stream."""

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark at the end of the work queued so far."""
        ...

    def elapsed_ms(self, later: Event) -> float:
        """Milliseconds between this mark and a `later` one."""
        ...


class Device(Protocol):
    """One place that holds arrays and computes with them.

    Devices are values: two handles of one place are equal and hash alike. `kind` selects the
    implementation of a primitive (`cpu`, `cuda`, `emu`), `index` the card; `name` says both.
    """

    kind: str
    index: int
    name: str
    array_type: Any
    xp: Any

    def empty(self, shape: Shape, dtype: DType) -> Array:
        """An uninitialised array in C order. Raises `OutOfMemoryError`."""
        ...

    def from_host(self, array: np.ndarray[Any, Any], *, copy: bool) -> Array:
        """`array` on this device; without `copy` it may share the memory."""
        ...

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """`array` as NumPy's; shares the memory where the device is the host."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done all its work, and raise what it found."""
        ...

    def stream(self) -> Stream:
        """The current stream."""
        ...

    def event(self) -> Event:
        """A new event."""
        ...

    def memory_stats(self) -> dict[str, int]:
        """Bytes `allocated`, `cached` and `peak`, and allocation `hits` and `misses`."""
        ...

    def empty_cache(self) -> None:
        """Give cached blocks back to the system."""
        ...
