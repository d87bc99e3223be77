"""The CPU: NumPy arrays, with large results from the extension's caching pool."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import OutOfMemoryError
from ..shapes import Shape, count
from .base import Array, Event, Stream
from .layout import result_order

_C: Any
try:
    from .. import _C
except ImportError:  # built without a compiler: NumPy allocates, and everything still works
    _C = None

# Fresh pages cost ten times the arithmetic of a large elementwise op; below this size NumPy's own
# cache is faster.
POOL_BYTES = 256 * 1024


class CpuStream:
    """The CPU runs everything in order, at once."""

    def synchronize(self) -> None:
        """Nothing is ever pending."""


class CpuEvent:
    """A time stamp."""

    def __init__(self) -> None:
        self.at = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.at = time.perf_counter()

    def elapsed_ms(self, later: Event) -> float:
        assert isinstance(later, CpuEvent)
        return (later.at - self.at) * 1e3


class CpuDevice:
    """The one CPU device."""

    kind = "cpu"
    index = 0
    name = "cpu"
    array_type: Any = np.ndarray
    xp: Any = np

    def __repr__(self) -> str:
        return "cpu"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CpuDevice) or (isinstance(other, str) and other == "cpu")

    def __hash__(self) -> int:
        return hash("cpu")

    def __reduce__(self) -> tuple[Any, ...]:
        return CpuDevice, ()

    def empty(self, shape: Shape, dtype: DType) -> Array:
        nbytes = count("empty", shape, dtype.itemsize) * dtype.itemsize
        try:
            if nbytes >= POOL_BYTES and _C is not None:
                return _C.empty(shape, dtype)
            return np.empty(shape, dtype)
        except (MemoryError, ValueError) as error:
            raise self.out_of_memory("empty", shape, dtype, error) from None

    def empty_elementwise(self, shape: Shape, dtype: DType, operands: tuple[Array, ...]) -> Array:
        """An uninitialised elementwise result, in the layout that the rule gives it."""
        order = result_order(shape, operands)
        if order is None:
            return self.empty(shape, dtype)
        dense = self.empty(tuple(shape[i] for i in order), dtype)
        return dense.transpose(np.argsort(order))

    def from_host(self, array: np.ndarray[Any, Any], *, copy: bool) -> Array:
        if not copy:
            return array
        result = self.empty_elementwise(array.shape, array.dtype, (array,))
        result[...] = array
        return result

    def to_host(self, array: Array) -> np.ndarray[Any, Any]:
        assert isinstance(array, np.ndarray)
        return array

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def stream(self) -> Stream:
        return CpuStream()

    def event(self) -> Event:
        return CpuEvent()

    def memory_stats(self) -> dict[str, int]:
        if _C is None:
            return {"allocated": 0, "cached": 0, "peak": 0, "hits": 0, "misses": 0}
        return dict(_C.memory_stats())

    def empty_cache(self) -> None:
        if _C is not None:
            _C.empty_cache()

    def out_of_memory(
        self, op: str, shape: Shape, dtype: DType, error: BaseException
    ) -> OutOfMemoryError:
        """The typed error for a failed allocation; cached blocks are given back first."""
        self.empty_cache()
        return OutOfMemoryError(
            op,
            f"no memory for {dtype.name}{shape}: {error}",
            remedy="smaller batches, `del` of large tensors, or gd.checkpoint",
        )
