"""Devices: `device("cpu")`, the device of an array, and the default device.

A new kind of device is a module beside `cpu.py` and a line in `_OPENERS`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import ArgumentError, DeviceError, GpudlError
from ..settings import settings
from ..shapes import Shape
from .base import Array, Device, Event, Stream
from .cpu import CpuDevice

__all__ = [
    "CPU",
    "Array",
    "Device",
    "Event",
    "Stream",
    "allocating",
    "available",
    "default_device",
    "device",
    "kinds",
    "names_one",
    "of",
    "resolve",
]

CPU = CpuDevice()


def _open_cpu(index: int) -> Device:
    if index:
        raise DeviceError("device", f"there is one CPU device, not cpu:{index}", remedy='use "cpu"')
    return CPU


def _open_emu(index: int) -> Device:
    from .emulated import emulated  # not at the top: most programs need no emulated device

    return _register(emulated(index), lambda array: emulated(array.device.id))


def _register(device: Device, owner: Callable[[Array], Device]) -> Device:
    """Make arrays of the type of `device` known; `owner(array)` is the device of one of them."""
    _owner_by_type[device.array_type] = owner
    return device


# Kinds that a device string may name. A kind is added with the module that implements it.
_OPENERS: dict[str, Callable[[int], Device]] = {"cpu": _open_cpu, "emu": _open_emu}
_owner_by_type: dict[type, Callable[[Array], Device]] = {np.ndarray: lambda array: CPU}
_known = ("cpu", "cuda", "emu")


def device(name: str | Device) -> Device:
    """The device that `name` stands for: `"cpu"`, `"cuda"`, `"cuda:1"`, `"emu"`, or a device
    itself.

    Raises `ArgumentError` for a name that is no device, `DeviceError` for one that this build or
    machine does not have.

    >>> import gpudl as gd
    >>> gd.device("cpu")
    cpu
    """
    if not isinstance(name, str):
        if hasattr(name, "array_type"):
            return name
        raise ArgumentError("device", f"{name!r} is no device", remedy='a string such as "cpu"')
    kind, _, index = name.partition(":")
    if kind not in _known or (index and not (index.isascii() and index.isdigit())):
        raise ArgumentError(
            "device", f"{name!r} is no device", remedy='"cpu", "cuda", "cuda:<index>" or "emu"'
        )
    if kind not in _OPENERS:
        raise DeviceError(
            "device", f"this version of gpudl has no {kind!r} device yet", remedy='use "cpu"'
        )
    if len(index) > 4:
        raise DeviceError("device", f"there is no {kind} device {index}")
    return _OPENERS[kind](int(index or 0))


def names_one(value: object) -> bool:
    """Whether `value` is a device or has the form of the name of one."""
    if isinstance(value, str):
        return value.partition(":")[0] in _known
    return hasattr(value, "array_type")


def kinds() -> tuple[str, ...]:
    """The kinds of device that this version of gpudl has, whether or not the machine has one."""
    return tuple(_OPENERS)


def available() -> list[Device]:
    """All devices of this machine that gpudl can use."""
    return [CPU]


def of(array: Array) -> Device:
    """The device that holds `array`."""
    return CPU if type(array) is np.ndarray else _owner_by_type[type(array)](array)


@contextmanager
def allocating(op: str, shape: Shape, dtype: DType) -> Iterator[None]:
    """Turn a failed allocation of the host's library inside the block into `OutOfMemoryError`."""
    try:
        yield
    except MemoryError as error:
        if isinstance(error, GpudlError):
            raise
        raise CPU.out_of_memory(op, shape, dtype, error) from None


class _Default(threading.local):
    device: Device | None = None


_default = _Default()


@contextmanager
def default_device(name: str | Device) -> Iterator[Device]:
    """Make `name` the device of new arrays inside a `with` block, on this thread.

    >>> import gpudl as gd
    >>> with gd.default_device("cpu"):
    ...     x = gd.zeros(3)
    """
    before, _default.device = _default.device, device(name)
    try:
        yield _default.device
    finally:
        _default.device = before


def resolve(name: Any = None) -> Device:
    """`name` as a device; None gives the default one."""
    if name is not None:
        return device(name)
    return _default.device or device(settings.device)
