"""GPUs: whether there are any, their memory, streams and events.

`device` is `"cuda"`, `"cuda:1"`, ... or a number; streams, events and memory figures are there for
the emulated device too (`device="emu"`).
"""

from __future__ import annotations

from typing import Any

from . import devices as _devices
from .devices import cuda as _cuda
from .errors import ArgumentError as _ArgumentError

__all__ = [
    "Event",
    "Stream",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "is_available",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "synchronize",
]


def _gpu(op: str, device: Any) -> Any:
    if device is None:
        default = _devices.resolve()
        device = default if default.kind != "cpu" else "cuda"
    if isinstance(device, int) and not isinstance(device, bool):
        device = f"cuda:{device}"
    found = _devices.device(device)
    if found.kind == "cpu":
        raise _ArgumentError(op, "the CPU is no GPU", remedy='device="cuda"')
    return found


def is_available() -> bool:
    """Whether there is a GPU that gpudl can use: False, at once, without a driver or CuPy.

    >>> import gpudl as gd
    >>> device = "cuda" if gd.cuda.is_available() else "cpu"
    """
    return device_count() > 0


def device_count() -> int:
    """How many GPUs this process can use."""
    return _cuda.device_count()


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done what is queued, and raise what its kernels reported.

    >>> import gpudl as gd
    >>> gd.cuda.synchronize("emu")
    """
    _gpu("synchronize", device).synchronize()


def memory_stats(device: Any = None) -> dict[str, int]:
    """Bytes `allocated` by arrays and `cached` in freed blocks, and what else the device counts."""
    stats: dict[str, int] = _gpu("memory_stats", device).memory_stats()
    return stats


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold.

    >>> import gpudl as gd
    >>> x = gd.zeros(1024, device="emu")
    >>> gd.cuda.memory_allocated("emu") >= 4096
    True
    """
    return memory_stats(device)["allocated"]


def memory_reserved(device: Any = None) -> int:
    """Bytes that arrays hold and freed blocks that are kept for later ones."""
    stats = memory_stats(device)
    return stats["allocated"] + stats["cached"]


def empty_cache(device: Any = None) -> None:
    """Give freed blocks back to the driver."""
    _gpu("empty_cache", device).empty_cache()


def get_device_name(device: Any = None) -> str:
    """The name of the card."""
    return str(_gpu("get_device_name", device).card())


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability of the card: (9, 0) for sm_90."""
    found: tuple[int, int] = _gpu("get_device_capability", device).capability()
    return found


class Event:
    """A mark on a stream.

    >>> import gpudl as gd
    >>> start, end = gd.cuda.Event("emu"), gd.cuda.Event("emu")
    >>> start.record()
    >>> y = gd.ones(10, device="emu") * 2
    >>> end.record()
    >>> start.elapsed_time(end) >= 0
    True
    """

    def __init__(self, device: Any = None) -> None:
        self.device = _gpu("Event", device)
        self._event = self.device.event()

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark at the end of what is queued on `stream`, or the current one."""
        self._event.record(None if stream is None else stream.raw)

    def synchronize(self) -> None:
        """Wait until the mark is reached."""
        self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to `end_event`; waits for both."""
        return float(self._event.elapsed_ms(end_event._event))


class Stream:
    """A queue of work of a GPU; work of one stream runs in order. In a `with` block it is the
    current one, which operations go to.

    >>> import gpudl as gd
    >>> side = gd.cuda.Stream("emu")
    >>> with side:
    ...     y = gd.ones(3, device="emu") * 2
    >>> side.synchronize()
    """

    def __init__(self, device: Any = None, *, raw: Any = None) -> None:
        self.device = _gpu("Stream", device)
        self.raw = self.device.new_stream() if raw is None else raw
        self._before: list[Any] = []

    def synchronize(self) -> None:
        """Wait until this stream has done what is queued."""
        self.raw.synchronize()

    def wait_event(self, event: Event) -> None:
        """Let what is queued here from now on wait for `event`."""
        self.raw.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Let what is queued here from now on wait for what is queued on `stream` now."""
        event = Event(self.device)
        event.record(stream)
        self.wait_event(event)

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark at the end of what is queued here, and return it."""
        event = Event(self.device) if event is None else event
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        self._before.append(self.device.stream())
        self.device.use_stream(self.raw)
        return self

    def __exit__(self, *exc: object) -> None:
        self.device.use_stream(self._before.pop())


def current_stream(device: Any = None) -> Stream:
    """The stream that operations of this thread go to."""
    found = _gpu("current_stream", device)
    return Stream(found, raw=found.stream())
