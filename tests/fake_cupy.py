"""A stand-in for CuPy on a machine without a GPU: its names that gpudl uses, with the arguments
that CuPy 14 takes, over two emulated devices of its own.

It runs every line of the host code of the `cuda` device; it says nothing about a real card.
"""

from __future__ import annotations

import importlib.machinery
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from gpudl.devices.emulated import EmulatedDevice
from gpudl.devices.emulated_array import EmulatedArray


class CUDARuntimeError(RuntimeError):
    """Carries the status of CUDA, as CuPy's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class OutOfMemoryError(MemoryError):
    """What CuPy's pool raises."""


class ndarray(EmulatedArray):
    """cupy.ndarray."""

    __slots__ = ()
    __module__ = "cupy"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self._library(ufunc.__name__, ufunc, *inputs, **kwargs)  # as CuPy does


class Backing(EmulatedDevice):
    """The memory and the library behind one fake card."""

    array_type: Any = ndarray


class FakeCupy(ModuleType):
    """The module `cupy`, with `count` cards."""

    def __init__(self, count: int = 2) -> None:
        super().__init__("cupy")
        self.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
        self.cards = [Backing(i) for i in range(count)]
        self._current = [0]
        self.broken = 0  # the status that the next call of CUDA fails with
        self.ndarray = ndarray
        self.full_pool = 0  # how many allocations fail
        self.calls: list[str] = []
        self.cuda = SimpleNamespace(
            Device=self._device_class(),
            Stream=self._stream,
            Event=lambda: FakeEvent(self.card),
            get_current_stream=lambda: FakeStream(self.card.stream()),
            get_elapsed_time=lambda a, b: a.event.elapsed_ms(b.event),
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                getDeviceCount=self._count,
                getDeviceProperties=lambda i: {"name": b"Fake H100"},
                memGetInfo=lambda: (1000, 5000),
            ),
        )

    @property
    def card(self) -> Backing:
        return self.cards[self._current[-1]]

    def fail_if_broken(self) -> None:
        if self.broken:
            raise CUDARuntimeError(self.broken)

    def _count(self) -> int:
        self.fail_if_broken()
        return len(self.cards)

    def _stream(self, non_blocking: bool = False) -> FakeStream:
        assert non_blocking
        return FakeStream(self.card.new_stream())

    def _device_class(self) -> Any:
        module = self

        class Device:
            def __init__(self, index: int) -> None:
                self.id = index
                self.compute_capability = "90"

            def __enter__(self) -> Any:
                module._current.append(self.id)
                return self

            def __exit__(self, *exc: object) -> None:
                module._current.pop()

            def synchronize(self) -> None:
                module.fail_if_broken()
                module.cards[self.id].synchronize()

        return Device

    # ----- memory -----
    def empty(self, shape: Any, dtype: Any = float) -> Any:
        self.fail_if_broken()
        if self.full_pool:
            self.full_pool -= 1
            raise OutOfMemoryError("out of memory allocating bytes")
        return self.card.empty(tuple(shape), np.dtype(dtype))

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        return self.card.xp.zeros(shape, dtype)

    def array(self, value: Any, copy: bool, order: str) -> Any:
        assert copy and order == "K"
        return self.card.from_host(value.get(), copy=True)

    def from_dlpack(self, value: Any) -> Any:
        return value.array

    def get_default_memory_pool(self) -> Any:
        stats = self.card.memory_stats()
        return SimpleNamespace(
            used_bytes=lambda: stats["allocated"],
            free_bytes=lambda: stats["cached"],
            free_all_blocks=lambda: self.calls.append("free_all_blocks") or self.card.empty_cache(),
        )

    def get_default_pinned_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return OfCard(self, (name,))


class OfCard:
    """A function or namespace of CuPy: it computes on the card that is current when called."""

    def __init__(self, cupy: FakeCupy, path: tuple[str, ...]) -> None:
        self.cupy, self.path = cupy, path

    def _found(self) -> Any:
        self.cupy.fail_if_broken()
        found: Any = self.cupy.card.xp
        for name in self.path:
            found = getattr(found, name)
        return found

    def __getattr__(self, name: str) -> Any:
        return OfCard(self.cupy, (*self.path, name))

    def __getitem__(self, key: Any) -> Any:
        return self._found()[key]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._found()(*args, **kwargs)


class FakeStream:
    """cupy.cuda.Stream."""

    def __init__(self, raw: Any) -> None:
        self.raw, self.ptr = raw, id(raw)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def wait_event(self, event: FakeEvent) -> None:
        self.raw.wait_event(event.event)

    def use(self) -> None:
        self.raw.scheduler.use(self.raw)


class FakeEvent:
    """cupy.cuda.Event."""

    def __init__(self, card: Backing) -> None:
        self.event = card.event()

    def record(self, stream: FakeStream | None = None) -> None:
        self.event.record(None if stream is None else stream.raw)

    def synchronize(self) -> None:
        self.event.synchronize()


def special(cupy: FakeCupy) -> dict[str, ModuleType]:
    """The modules `cupyx`, `cupyx.scipy` and `cupyx.scipy.special`."""
    names = ("cupyx", "cupyx.scipy", "cupyx.scipy.special")
    modules = {name: ModuleType(name) for name in names}
    for name in ("erf", "erfinv"):
        setattr(modules[names[2]], name, lambda x, n=name: getattr(cupy.card.xp.special, n)(x))
    return modules


def install(monkeypatch: Any, count: int = 2) -> FakeCupy:
    """Put a fake CuPy in the place of the real one until the test ends."""
    from gpudl import devices
    from gpudl.devices import cuda

    cupy = FakeCupy(count)
    for name, module in {"cupy": cupy, **special(cupy)}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cuda, "has_driver", lambda: True)
    monkeypatch.setattr(devices, "_owner_by_type", dict(devices._owner_by_type))
    cuda._cupy.cache_clear()
    cuda.cuda.cache_clear()
    return cupy
