"""What a device is: memory, array functions, streams, and the way to the host and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..dtypes import DType
from ..errors import OutOfMemoryError
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

    def empty_elementwise(self, shape: Shape, dtype: DType, operands: tuple[Array, ...]) -> Array:
        """An uninitialised elementwise result, in the layout that the rule gives it."""
        ...

    def from_host(self, array: np.ndarray[Any, Any], *, copy: bool) -> Array:
        """`array` on this device; without `copy` it may share the memory."""
        ...

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """`array` as NumPy's; shares the memory where the device is the host."""
        ...

    def receive(self, array: Array, source: Device) -> Array:
        """A copy of `array`, which is on `source`, on this device."""
        ...

    def library(self, name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `compute`, a function written for NumPy, on arrays of this device by its library."""
        ...

    def scoped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of `xp`, run with this device as the current one of its library."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done all its work, and raise what it found."""
        ...

    def check_alive(self, error: BaseException | None = None) -> None:
        """Raise `LostDeviceError` if the context of the device is lost, or `error` says so."""
        ...

    def out_of_memory(
        self, op: str, shape: Shape, dtype: DType, error: BaseException
    ) -> OutOfMemoryError:
        """The typed error for an allocation that failed with `error`."""
        ...

    def stream(self) -> Stream:
        """The current stream."""
        ...

    def new_stream(self) -> Stream:
        """A further stream; the CPU has one only."""
        ...

    def use_stream(self, stream: Any) -> None:
        """Make `stream` the current one of this thread."""
        ...

    def event(self) -> Event:
        """A new event."""
        ...

    def memory_stats(self) -> dict[str, int]:
        """Bytes `allocated` and `cached`; where they are counted, `peak`, `hits` and `misses`."""
        ...

    def empty_cache(self) -> None:
        """Give cached blocks back to the system."""
        ...
