"""The array functions of the emulated device: those of CuPy that gpudl uses, computed by NumPy.

Each call that computes is counted by name. A function waits for the current stream, reads the
arrays in the host's memory, and puts the result into new memory of the device; views stay views.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DeviceError
from .emulated_array import EmulatedArray, Host

if TYPE_CHECKING:
    from .emulated import EmulatedDevice


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FUNCTIONS = _words(
    "all any arange argmax argmin argsort ascontiguousarray broadcast_to clip concatenate cumprod "
    "cumsum einsum eye flip full ix_ max mean min moveaxis nonzero ones pad prod searchsorted "
    "stack sum take_along_axis tensordot tril triu unique where zeros"
)
UFUNCS = _words(
    "abs add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or "
    "bitwise_xor ceil conj copysign cos cosh divide equal exp exp2 expm1 floor floor_divide "
    "greater greater_equal hypot invert isfinite isinf isnan left_shift less less_equal log log10 "
    "log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul maximum minimum "
    "multiply negative nextafter not_equal power reciprocal remainder right_shift rint sign "
    "signbit sin sinh sqrt square subtract tan tanh true_divide trunc"
)
LINALG = _words("cholesky det eig eigh eigvalsh inv pinv qr slogdet solve svd")
FFT = _words("fftn ifftn irfft rfft")

# Views: nothing is computed, so they do not count.
_VIEWS = frozenset({"broadcast_to", "flip", "moveaxis"})
# What takes arrays of the host: uploads, and index arrays.
_TAKES_HOST = frozenset({"asarray", "array", "getitem", "setitem", "add.at"})


class Function:
    """One function of the library. `at` is there for ufuncs, as in NumPy."""

    def __init__(self, device: EmulatedDevice, name: str, compute: Callable[..., Any]) -> None:
        self._device, self._name, self._compute = device, name, compute

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call(self._device, self._name, self._compute, args, kwargs)

    def at(self, array: Any, key: Any, *values: Any) -> None:
        """Unbuffered in-place operation: repeated indices count each time."""
        call(self._device, f"{self._name}.at", self._compute.at, (array, key, *values), {})  # type: ignore[attr-defined]


class Grid:
    """`ogrid`: open grids by slices."""

    def __init__(self, device: EmulatedDevice) -> None:
        self._device = device

    def __getitem__(self, key: Any) -> Any:
        return call(self._device, "ogrid", np.ogrid.__getitem__, (key,), {})


def _erf(x: Host) -> Host:
    out: Any = np.frompyfunc(math.erf, 1, 1)(x)
    return np.asarray(out, x.dtype)


def _erfinv_of(y: float) -> float:
    if not -1 < y < 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    x = NormalDist().inv_cdf((1 + y) / 2) / math.sqrt(2)
    # One step of Newton: near 0 the detour over 1 + y loses digits.
    return x - (math.erf(x) - y) / (2 / math.sqrt(math.pi) * math.exp(-x * x))


def _erfinv(x: Host) -> Host:
    out: Any = np.frompyfunc(_erfinv_of, 1, 1)(x)
    return np.asarray(out, x.dtype)


class Library:
    """The module `xp` of an emulated device: attributes are functions of CuPy.

    What gpudl uses is listed above; anything else is no attribute, also where NumPy has it.
    `special` has what `cupyx.scipy.special` gives.
    """

    __name__ = "library"

    def __init__(self, device: EmulatedDevice) -> None:
        self._device = device
        self.ndarray = EmulatedArray
        self.linalg = SimpleNamespace(
            **{name: self._of(f"linalg.{name}", getattr(np.linalg, name)) for name in LINALG}
        )
        self.fft = SimpleNamespace(
            **{name: self._of(f"fft.{name}", getattr(np.fft, name)) for name in FFT}
        )
        self.special = SimpleNamespace(
            erf=self._of("special.erf", _erf), erfinv=self._of("special.erfinv", _erfinv)
        )
        self.ogrid = Grid(device)
        self._functions = {name: self._of(name, getattr(np, name)) for name in FUNCTIONS + UFUNCS}

    def _of(self, name: str, compute: Callable[..., Any]) -> Function:
        return Function(self._device, name, compute)

    def __getattr__(self, name: str) -> Function:
        try:
            found: Function = self.__dict__["_functions"][name]
        except KeyError:
            raise AttributeError(f"the library of {self._device} has no {name!r}") from None
        return found

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> EmulatedArray:
        """An uninitialised array: memory only, nothing is computed."""
        shape = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
        return self._device.empty(shape, np.dtype(dtype))

    def asarray(self, value: Any, dtype: Any = None) -> EmulatedArray:
        """`value` as an array of the device; itself if it is one."""
        if isinstance(value, EmulatedArray) and (dtype is None or value.dtype == dtype):
            return value
        out: EmulatedArray = call(self._device, "asarray", np.array, (value, dtype), {})
        return out


def call(
    device: EmulatedDevice,
    name: str,
    compute: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Compute on the arrays of `device` once its current stream has run what is queued."""
    device.check_alive()
    if name not in _VIEWS:
        device.count_library_call(name)
    used: list[EmulatedArray] = []
    host_args = [_to_host(device, name, value, used) for value in args]
    host_kwargs = {key: _to_host(device, name, value, used) for key, value in kwargs.items()}
    device.stream().synchronize()
    with np.errstate(all="ignore"):
        result = compute(*host_args, **host_kwargs)
    for array in used:
        device.heap.written(array._block.ptr)
    out = kwargs.get("out")
    return _to_device(device, result, used) if out is None else out


def _to_host(device: EmulatedDevice, name: str, value: Any, used: list[EmulatedArray]) -> Any:
    """`value` with the arrays of the device in it replaced by the host's."""
    if isinstance(value, EmulatedArray):
        if value._owner is not device:
            raise DeviceError(name, f"operands on {device} and {value._owner}", array=value)
        used.append(value)
        return value._host
    if isinstance(value, np.ndarray) and name not in _TAKES_HOST:
        raise TypeError(f"{name}: Unsupported type {type(value)}")
    if type(value) in (tuple, list):
        return type(value)(_to_host(device, name, part, used) for part in value)
    return value


def _to_device(device: EmulatedDevice, value: Any, used: list[EmulatedArray]) -> Any:
    """What NumPy computed, on the device: views of operands as views, the rest in new memory."""
    if isinstance(value, (tuple, list)):  # also NumPy's named tuples, of which CuPy has none
        return tuple(_to_device(device, part, used) for part in value)
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        return value
    for array in used:
        if value is array._host:
            return array
        if value.size and np.may_share_memory(value, array._block.buffer):
            return array._view(value)
    return upload(device, value)


def upload(device: EmulatedDevice, host: Host) -> EmulatedArray:
    """A copy of `host` in new memory of `device`, its axes in the same order in memory."""
    out = device.empty_elementwise(host.shape, host.dtype, (host,))
    out._host[...] = host
    device.heap.written(out._block.ptr)
    return out
