"""The emulated GPU `emu`: host memory behind the interface of a card.

Kernels run on it through the emulator, library functions through NumPy. Queues, memory and errors
behave as those of a card, so that the host code of a GPU is tested where there is none. Two of
them exist, `emu:0` and `emu:1`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import DeviceError, LostDeviceError, OutOfMemoryError
from ..shapes import Shape, count
from .emulated_array import EmulatedArray, Host
from .emulated_library import Library, call, upload
from .emulated_memory import QUARANTINE_BYTES, Heap
from .emulated_stream import EmulatedEvent, EmulatedStream, Scheduler
from .error_word import WORD_DTYPE, WORD_SHAPE, ErrorSite, ErrorSlot, raise_reported
from .holders import largest_holders
from .layout import result_order

DEVICES = 2


class EmulatedDevice:
    """One emulated card."""

    kind = "emu"
    array_type: Any = EmulatedArray

    def __init__(self, index: int) -> None:
        self.index = index
        self.name = f"emu:{index}"
        self.heap = Heap(self)
        self.scheduler = Scheduler(self.check_alive)
        self.xp: Any = Library(self)
        self._calls: Counter[str] = Counter()
        self._lost: str | None = None
        self._word: EmulatedArray | None = None

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, str) and other in self._names())

    def _names(self) -> tuple[str, ...]:
        return (self.name, "emu") if self.index == 0 else (self.name,)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return emulated, (self.index,)

    # ----- memory -----
    def empty(self, shape: Shape, dtype: DType) -> EmulatedArray:
        """An array in C order, its bytes poison. Raises `OutOfMemoryError`."""
        self.check_alive()
        nbytes = count("empty", shape, dtype.itemsize) * dtype.itemsize
        if self.heap.quarantined > 2 * QUARANTINE_BYTES:
            self.scheduler.drain()  # freed blocks wait in the queues
        stream = self.scheduler.current()
        try:
            block = self.heap.allocate(nbytes, stream.defer)
        except MemoryError as error:
            self.empty_cache()
            try:
                block = self.heap.allocate(nbytes, stream.defer)
            except MemoryError:
                raise self.out_of_memory("empty", shape, dtype, error) from None
        return EmulatedArray(self, block, np.ndarray(shape, dtype, block.buffer), None)

    def empty_elementwise(
        self, shape: Shape, dtype: DType, operands: tuple[Any, ...]
    ) -> EmulatedArray:
        """An uninitialised elementwise result, in the layout that the rule gives it."""
        order = result_order(shape, operands)
        if order is None:
            return self.empty(shape, dtype)
        dense = self.empty(tuple(shape[i] for i in order), dtype)
        return dense.transpose(tuple(int(i) for i in np.argsort(order)))

    def from_host(self, array: Host, *, copy: bool) -> EmulatedArray:
        """`array` on this device: always a copy."""
        return upload(self, array)

    def to_host(self, array: EmulatedArray) -> Host:
        """A copy in the host's memory, once the current stream has run what is queued."""
        self.check_alive()
        self.stream().synchronize()
        self.raise_reported()
        return array._host.copy(order="K")

    def memory_stats(self) -> dict[str, int]:
        heap = self.heap
        return {
            "allocated": heap.live_bytes,
            "cached": heap.quarantined,
            "peak": heap.peak,
            "hits": heap.hits,
            "misses": heap.misses,
        }

    def empty_cache(self) -> None:
        """Run what is queued, and give freed blocks back."""
        self.scheduler.drain()
        self.heap.release()

    def out_of_memory(
        self, op: str, shape: Shape, dtype: DType, error: BaseException
    ) -> OutOfMemoryError:
        """The typed error for a failed allocation: sizes, and who holds most."""
        return OutOfMemoryError(
            op,
            f"no memory for {dtype.name}{shape} on {self}: {error}; "
            f"{self.heap.live_bytes} bytes are held, most by {largest_holders(self)}",
            remedy="smaller batches, `del` of large tensors, or gd.checkpoint",
        )

    # ----- streams -----
    def stream(self) -> EmulatedStream:
        """The current stream of this thread."""
        return self.scheduler.current()

    def new_stream(self) -> EmulatedStream:
        """A further stream."""
        return EmulatedStream(self.scheduler)

    def event(self) -> EmulatedEvent:
        return EmulatedEvent(self.scheduler)

    def synchronize(self) -> None:
        """Run what is queued on all streams, and raise what kernels reported."""
        self.check_alive()
        self.scheduler.drain()
        self.raise_reported()

    # ----- errors -----
    def error_slot(self, site: ErrorSite) -> ErrorSlot:
        """What a kernel gets to report errors of `site`."""
        return site.slot(self._error_word().data.ptr)

    def _error_word(self) -> EmulatedArray:
        if self._word is None:
            self._word = self.empty(WORD_SHAPE, np.dtype(WORD_DTYPE))
            self._word._host[...] = 0
        return self._word

    def raise_reported(self) -> None:
        """Raise what a kernel that ran has reported, and forget it."""
        if self._word is None or not self._word._host[0]:
            return
        site, value, extent, _ = (int(n) for n in self._word._host)
        self._word._host[...] = 0
        raise_reported(self, site, value, extent)

    def lose(self, why: str) -> None:
        """Behave from now on as a card whose context is lost: for tests."""
        self._lost = why

    def check_alive(self) -> None:
        """Raise `LostDeviceError` if the context is lost."""
        if self._lost is not None:
            raise LostDeviceError(
                str(self),
                f"the context of the device is lost: {self._lost}",
                remedy="start the process again; what is on the CPU can still be saved",
            )

    # ----- library -----
    def library(self, name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A function of the library on arrays of this device, counted as `name`."""
        return call(self, name, compute, args, kwargs)

    def count_library_call(self, name: str) -> None:
        self._calls[name] += 1

    def library_calls(self) -> dict[str, int]:
        """How often each function of the library was called since the device was opened."""
        return dict(self._calls)


_DEVICES = tuple(EmulatedDevice(index) for index in range(DEVICES))


def emulated(index: int) -> EmulatedDevice:
    """The emulated card `index`. Raises `DeviceError` if there is none."""
    if index >= DEVICES:
        raise DeviceError("device", f"there are {DEVICES} emulated devices, not emu:{index}")
    return _DEVICES[index]
