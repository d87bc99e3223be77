"""NVIDIA GPUs. The only module that imports CuPy, at the first use of a device.

CuPy's pool gives memory, in the order of the stream that it is used on; CuPy's libraries compute
what has no kernel here.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import DeviceError, LostDeviceError, MissingDependencyError, OutOfMemoryError
from ..shapes import Shape, count
from .base import Array, Device
from .error_word import WORD_DTYPE, WORD_SHAPE, ErrorSite, ErrorSlot, raise_reported
from .holders import largest_holders
from .layout import axis_order, result_order

# Errors of CUDA after which a context is of no use: illegal and misaligned addresses, illegal
# instructions, time-outs, asserts, uncorrectable memory errors.
_FATAL = frozenset({214, 700, 702, 710, 714, 715, 716, 717, 718, 719})
_INSTALL = 'pip install "gpudl[cuda13]" (or "gpudl[cuda12]")'


class CudaEvent:
    """A mark on a stream of a GPU."""

    def __init__(self, event: Any) -> None:
        self.event = event

    def record(self, stream: Any = None) -> None:
        """Put the mark at the end of what is queued on `stream`, or the current one."""
        self.event.record(None if stream is None else stream.stream)

    def synchronize(self) -> None:
        """Wait until the mark is reached."""
        self.event.synchronize()

    def elapsed_ms(self, later: Any) -> float:
        """Milliseconds between this mark and a `later` one."""
        self.synchronize()
        later.synchronize()
        return float(_cupy().cuda.get_elapsed_time(self.event, later.event))


class CudaStream:
    """A queue of work of a GPU. `ptr` is the handle that launches take."""

    def __init__(self, device: CudaDevice, stream: Any) -> None:
        self.device, self.stream = device, stream

    @property
    def ptr(self) -> int:
        return int(self.stream.ptr)

    def synchronize(self) -> None:
        """Wait until this stream has done what is queued."""
        with self.device.checked():
            self.stream.synchronize()

    def wait_event(self, event: CudaEvent) -> None:
        """Let what is queued from now on wait for `event`."""
        self.stream.wait_event(event.event)


class Library:
    """CuPy as `xp`, with the special functions of SciPy's under `special`."""

    __name__ = "cupy"

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    @property
    def special(self) -> Any:
        return importlib.import_module("cupyx.scipy.special")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_cupy"], name)


class CudaDevice:
    """One GPU."""

    kind = "cuda"

    def __init__(self, cupy: Any, index: int) -> None:
        self.cupy, self.index = cupy, index
        self.name = f"cuda:{index}"
        self.array_type = cupy.ndarray
        self.xp: Any = Library(cupy)
        self._lost: str | None = None
        self._word: Array = None

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other == self.name or (other == "cuda" and self.index == 0)
        return isinstance(other, CudaDevice) and other.index == self.index

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return cuda, (self.index,)

    # ----- memory -----
    def empty(self, shape: Shape, dtype: DType) -> Array:
        """An uninitialised array in C order. Raises `OutOfMemoryError`."""
        count("empty", shape, dtype.itemsize)
        with self.checked(), self.current():
            try:
                return self.cupy.empty(shape, dtype)
            except MemoryError as error:
                self.empty_cache()
                try:
                    return self.cupy.empty(shape, dtype)
                except MemoryError:
                    raise self.out_of_memory("empty", shape, dtype, error) from None

    def empty_elementwise(self, shape: Shape, dtype: DType, operands: tuple[Array, ...]) -> Array:
        """An uninitialised elementwise result, in the layout that the rule gives it."""
        order = result_order(shape, operands)
        if order is None:
            return self.empty(shape, dtype)
        dense = self.empty(tuple(shape[i] for i in order), dtype)
        return dense.transpose(_inverse(order))

    def from_host(self, array: np.ndarray[Any, Any], *, copy: bool) -> Array:
        """`array` on this device, its axes in the same order in memory: always a copy."""
        order = axis_order(array) or tuple(range(array.ndim))
        dense = np.ascontiguousarray(array.transpose(order)).reshape(
            [array.shape[i] for i in order]
        )
        out = self.empty(dense.shape, array.dtype)
        with self.checked():
            if dense.size:
                out.set(dense)
        return out.transpose(_inverse(order))

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        """A copy in the host's memory, its axes in the same order in memory."""
        order = axis_order(array) or tuple(range(array.ndim))
        with self.checked():
            host: np.ndarray[Any, Any] = array.transpose(order).get()
        self.raise_reported()
        return host.transpose(_inverse(order))

    def receive(self, array: Array, source: Device) -> Array:
        """A copy of `array`: from card to card directly, else through the host."""
        if source.kind != "cuda":
            return self.from_host(source.to_host(array), copy=True)
        with self.checked(), self.current():
            return self.cupy.array(array, copy=True, order="K")

    def memory_stats(self) -> dict[str, int]:
        with self.current():
            pool = self.cupy.get_default_memory_pool()
            return {"allocated": int(pool.used_bytes()), "cached": int(pool.free_bytes())}

    def empty_cache(self) -> None:
        with self.checked(), self.current():
            self.cupy.get_default_memory_pool().free_all_blocks()
            self.cupy.get_default_pinned_memory_pool().free_all_blocks()

    def out_of_memory(
        self, op: str, shape: Shape, dtype: DType, error: BaseException
    ) -> OutOfMemoryError:
        """The typed error for a failed allocation: sizes, and who holds most."""
        with self.current():
            free, total = self.cupy.cuda.runtime.memGetInfo()
        return OutOfMemoryError(
            op,
            f"no memory for {dtype.name}{shape} on {self}, where {free} of {total} bytes are free: "
            f"{error}; {self.memory_stats()['allocated']} bytes are held, most by "
            f"{largest_holders(self)}",
            remedy="smaller batches, `del` of large tensors, or gd.checkpoint",
        )

    # ----- streams -----
    def stream(self) -> CudaStream:
        """The current stream of this thread."""
        with self.current():
            return CudaStream(self, self.cupy.cuda.get_current_stream())

    def new_stream(self) -> CudaStream:
        """A further stream."""
        with self.checked(), self.current():
            return CudaStream(self, self.cupy.cuda.Stream(non_blocking=True))

    def use_stream(self, stream: CudaStream) -> None:
        """Make `stream` the current one of this thread."""
        with self.current():
            stream.stream.use()

    def event(self) -> CudaEvent:
        with self.checked(), self.current():
            return CudaEvent(self.cupy.cuda.Event())

    def synchronize(self) -> None:
        """Wait for all work of the device, and raise what kernels reported."""
        with self.checked():
            self.cupy.cuda.Device(self.index).synchronize()
        self.raise_reported()

    # ----- errors -----
    def error_slot(self, site: ErrorSite) -> ErrorSlot:
        """What a kernel gets to report errors of `site`."""
        if self._word is None:
            with self.checked(), self.current():
                self._word = self.cupy.zeros(WORD_SHAPE, WORD_DTYPE)
        return site.slot(int(self._word.data.ptr))

    def raise_reported(self) -> None:
        """Raise what a kernel that ran has reported, and forget it."""
        if self._word is None:
            return
        with self.checked():
            site, value, extent, _ = (int(n) for n in self._word.get())
            if site:
                self._word.set(np.zeros(WORD_SHAPE, WORD_DTYPE))
        if site:
            raise_reported(self, site, value, extent)

    def check_alive(self, error: BaseException | None = None) -> None:
        """Raise `LostDeviceError` if the context is lost, or `error` says so."""
        if self._lost is None and getattr(error, "status", None) in _FATAL:
            self._lost = str(error)
        if self._lost is not None:
            raise LostDeviceError(
                str(self),
                f"the context of the device is lost: {self._lost}",
                remedy="start the process again; what is on the CPU can still be saved. "
                'device="emu" runs the same kernels and says which line is at fault',
            ) from error

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turn errors of CUDA inside the block into typed ones."""
        self.check_alive()
        try:
            yield
        except self.cupy.cuda.runtime.CUDARuntimeError as error:
            self.check_alive(error)
            raise DeviceError(str(self), str(error)) from error

    # ----- library -----
    def current(self) -> Any:
        """A context in which this is CuPy's device."""
        return self.cupy.cuda.Device(self.index)

    def scoped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, run with this as CuPy's device; alone, it always is."""
        if device_count() == 1:
            return function

        def run(*args: Any, **kwargs: Any) -> Any:
            with self.current():
                return function(*args, **kwargs)

        return run

    def library(self, name: str, compute: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `compute`, a function written for NumPy: CuPy takes NumPy's functions over."""
        with self.checked(), self.current():
            return compute(*args, **kwargs)

    # ----- what it is -----
    def card(self) -> str:
        """The name of the card."""
        name = self.cupy.cuda.runtime.getDeviceProperties(self.index)["name"]
        return name.decode() if isinstance(name, bytes) else str(name)

    def capability(self) -> tuple[int, int]:
        """The compute capability: (9, 0) for sm_90."""
        digits = str(self.cupy.cuda.Device(self.index).compute_capability)
        return int(digits[:-1]), int(digits[-1])


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


# ----- finding them -----
def has_driver() -> bool:
    """Whether NVIDIA's driver is installed: a fraction of a millisecond, without CuPy."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


@cache
def _cupy() -> Any:
    """CuPy. Raises `MissingDependencyError` or `DeviceError` that says why it is of no use."""
    if not has_driver():
        raise DeviceError(
            "device",
            "no GPU can be used: NVIDIA's driver (libcuda.so.1) is not found",
            remedy=f'install the driver, then {_INSTALL}; device="emu" needs no GPU',
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of CuPy about several wheels: `gpudl doctor` says it
            return importlib.import_module("cupy")
    except ImportError as error:
        raise MissingDependencyError(
            "device", f"no GPU can be used without CuPy: {error}", remedy=_INSTALL
        ) from None


def device_count() -> int:
    """How many GPUs this process can use; 0 without driver or CuPy."""
    try:
        cupy = _cupy()
    except (DeviceError, MissingDependencyError):
        return 0
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


@cache
def cuda(index: int) -> CudaDevice:
    """The GPU `index`. Raises a typed error that says why there is none."""
    cupy = _cupy()
    try:
        have = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            "device", f"no GPU can be used: {error}", remedy="gpudl doctor looks for the cause"
        ) from error
    if index >= have:
        raise DeviceError("device", f"there are {have} GPUs, no cuda:{index}")
    return CudaDevice(cupy, index)
