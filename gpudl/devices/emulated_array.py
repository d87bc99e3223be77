"""`EmulatedArray`: what `cupy.ndarray` is, on the emulated device.

It is opaque: NumPy cannot compute on it behind one's back, `.get()` reads it. Shapes, strides and
views are NumPy's; whatever computes or copies is a call of the device's library, and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ..errors import DeviceError
from .emulated_memory import Block

if TYPE_CHECKING:
    from .emulated import EmulatedDevice

Host = np.ndarray[Any, np.dtype[Any]]


class Flags(NamedTuple):
    """The flags that `cupy.ndarray` has."""

    c_contiguous: bool
    f_contiguous: bool
    owndata: bool


class Pointer(NamedTuple):
    """An address on the device, in the block `mem` (`mem.ptr`, `mem.size`)."""

    ptr: int
    mem: Block


class DeviceId(NamedTuple):
    """What `cupy.ndarray.device` gives: the number of the card."""

    id: int

    def __str__(self) -> str:
        return f"emu:{self.id}"


class EmulatedArray:
    """An array in the memory of the emulated device."""

    __slots__ = ("__weakref__", "_block", "_host", "_owner", "base")

    def __init__(
        self, owner: EmulatedDevice, block: Block, host: Host, base: EmulatedArray | None
    ) -> None:
        # `_host` is the array in the host's memory that stands for the device's: only a view is
        # taken of it here, its elements are read when the queues are drained.
        self._owner, self._block, self._host, self.base = owner, block, host, base

    def _view(self, host: Host) -> EmulatedArray:
        return EmulatedArray(
            self._owner, self._block, host, self if self.base is None else self.base
        )

    # ----- what it is -----
    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self._host.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._host.dtype

    @property
    def strides(self) -> tuple[int, ...]:
        return self._host.strides

    @property
    def ndim(self) -> int:
        return self._host.ndim

    @property
    def size(self) -> int:
        return self._host.size

    @property
    def itemsize(self) -> int:
        return self._host.itemsize

    @property
    def nbytes(self) -> int:
        return self._host.nbytes

    @property
    def flags(self) -> Flags:
        flags = self._host.flags
        return Flags(flags.c_contiguous, flags.f_contiguous, self.base is None)

    @property
    def data(self) -> Pointer:
        address = self._host.__array_interface__["data"][0] if self._block.size else 0
        return Pointer(address, self._block)

    @property
    def device(self) -> DeviceId:
        return DeviceId(self._owner.index)

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"<emulated array {self.dtype.name}{self.shape} on {self._owner}>"

    # ----- views -----
    @property
    def T(self) -> EmulatedArray:
        return self._view(self._host.T)

    def transpose(self, *axes: Any) -> EmulatedArray:
        """The axes in another order, a view."""
        return self._view(self._host.transpose(*axes))

    def reshape(self, *shape: Any, order: str = "C") -> EmulatedArray:
        """Another shape; a view where the strides allow it, else a copy by the library."""
        wanted: Host = self._host.reshape(*shape, order=order)  # type: ignore[call-overload]
        if not wanted.size or np.may_share_memory(wanted, self._host):
            return self._view(wanted)
        out: EmulatedArray = self._library("reshape", np.reshape, self, wanted.shape, order)
        return out

    def view(self, dtype: Any = None) -> EmulatedArray:
        """The same memory as another dtype."""
        return self._view(self._host.view() if dtype is None else self._host.view(dtype))

    def swapaxes(self, axis1: int, axis2: int) -> EmulatedArray:
        """Two axes exchanged, a view."""
        return self._view(self._host.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> EmulatedArray:
        """Without axes of extent 1, a view."""
        return self._view(self._host.squeeze(axis))

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, (EmulatedArray, np.ndarray, list)) for part in parts):
            return self._library("getitem", _take, self, key)
        # With an Ellipsis NumPy gives an array also for one element.
        whole = parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)
        return self._view(self._host[whole])

    # ----- to the host -----
    def get(self) -> Host:
        """A copy in the host's memory, once the work that is queued has run."""
        return self._owner.to_host(self)

    def item(self) -> Any:
        """The one element as a Python number."""
        return self.get().item()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise _opaque("numpy.asarray", self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if len(inputs) == 2 and isinstance(inputs[0], np.generic) and method == "__call__":
            return self._library(ufunc.__name__, ufunc, *inputs)  # scalar + array
        raise _opaque(f"numpy.{ufunc.__name__}", self)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        raise _opaque(f"numpy.{func.__name__}", self)

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __index__(self) -> int:
        return self.get().__index__()

    # ----- calls of the library -----
    def _library(self, name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self._owner.library(name, function, *args, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._library("setitem", _put, self, key, value)

    def fill(self, value: Any) -> None:
        """Set all elements to one value."""
        self._library("fill", np.copyto, self, value, casting="unsafe")

    def copy(self, order: str = "C") -> EmulatedArray:
        """A copy."""
        out: EmulatedArray = self._library("copy", np.array, self, order=order)
        return out

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> EmulatedArray:
        """With another dtype; itself if nothing changes and `copy` is False."""
        if not copy and self.dtype == dtype:
            return self
        out: EmulatedArray = self._library("astype", _astype, self, dtype, order)
        return out

    def sum(
        self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        return self._library("sum", np.sum, self, axis, dtype, out, keepdims)

    def mean(
        self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        return self._library("mean", np.mean, self, axis, dtype, out, keepdims)

    def prod(
        self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        return self._library("prod", np.prod, self, axis, dtype, out, keepdims)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._library("max", np.max, self, axis, out, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._library("min", np.min, self, axis, out, keepdims)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._library("all", np.all, self, axis, out, keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._library("any", np.any, self, axis, out, keepdims)

    def conj(self) -> Any:
        return self._library("conjugate", np.conjugate, self)

    @property
    def real(self) -> EmulatedArray:
        return self._view(self._host.real)

    @property
    def imag(self) -> EmulatedArray:
        if self.dtype.kind == "c":
            return self._view(self._host.imag)
        out: EmulatedArray = self._library("zeros_like", np.zeros_like, self)
        return out

    def __neg__(self) -> Any:
        return self._library("negative", np.negative, self)

    def __abs__(self) -> Any:
        return self._library("absolute", np.absolute, self)

    def __invert__(self) -> Any:
        return self._library("invert", np.invert, self)

    def __add__(self, other: Any) -> Any:
        return self._library("add", np.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._library("add", np.add, other, self)

    def __iadd__(self, other: Any) -> Any:
        return self._library("add", np.add, self, other, out=self)

    def __sub__(self, other: Any) -> Any:
        return self._library("subtract", np.subtract, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._library("subtract", np.subtract, other, self)

    def __isub__(self, other: Any) -> Any:
        return self._library("subtract", np.subtract, self, other, out=self)

    def __mul__(self, other: Any) -> Any:
        return self._library("multiply", np.multiply, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._library("multiply", np.multiply, other, self)

    def __imul__(self, other: Any) -> Any:
        return self._library("multiply", np.multiply, self, other, out=self)

    def __truediv__(self, other: Any) -> Any:
        return self._library("true_divide", np.true_divide, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._library("true_divide", np.true_divide, other, self)

    def __itruediv__(self, other: Any) -> Any:
        return self._library("true_divide", np.true_divide, self, other, out=self)

    def __floordiv__(self, other: Any) -> Any:
        return self._library("floor_divide", np.floor_divide, self, other)

    def __mod__(self, other: Any) -> Any:
        return self._library("remainder", np.remainder, self, other)

    def __pow__(self, other: Any) -> Any:
        return self._library("power", np.power, self, other)

    def __matmul__(self, other: Any) -> Any:
        return self._library("matmul", np.matmul, self, other)

    def __and__(self, other: Any) -> Any:
        return self._library("bitwise_and", np.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Any:
        return self._library("bitwise_and", np.bitwise_and, other, self)

    def __or__(self, other: Any) -> Any:
        return self._library("bitwise_or", np.bitwise_or, self, other)

    def __xor__(self, other: Any) -> Any:
        return self._library("bitwise_xor", np.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._library("bitwise_xor", np.bitwise_xor, other, self)

    def __lshift__(self, other: Any) -> Any:
        return self._library("left_shift", np.left_shift, self, other)

    def __rshift__(self, other: Any) -> Any:
        return self._library("right_shift", np.right_shift, self, other)

    def __eq__(self, other: object) -> Any:
        return self._library("equal", np.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return self._library("not_equal", np.not_equal, self, other)

    def __lt__(self, other: Any) -> Any:
        return self._library("less", np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return self._library("less_equal", np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return self._library("greater", np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return self._library("greater_equal", np.greater_equal, self, other)


def _opaque(op: str, array: EmulatedArray) -> DeviceError:
    return DeviceError(
        op,
        "NumPy cannot compute on an array of the emulated device",
        remedy="array.get() is a copy on the host; the device's own functions are device.xp",
        array=array,
    )


def _take(x: Host, key: Any) -> Host:
    return np.asarray(x[key])


def _put(x: Host, key: Any, value: Any) -> None:
    x[key] = value


def _astype(x: Host, dtype: Any, order: Any) -> Host:
    return x.astype(dtype, order=order)
