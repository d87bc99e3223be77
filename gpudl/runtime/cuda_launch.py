"""Launching on a card: by the launcher of the extension, or by CuPy where there is no extension.

Both load a cubin made by NVRTC for the card's architecture, once for each kernel, variant and card.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from ..errors import KernelError, NotSupportedError
from . import architectures
from ._nvrtc_library import library
from .arguments import ByValue, packed, placed
from .nvrtc import compile_cubin
from .spec import Geometry, KernelSpec, Variant

_C: Any
try:
    from .. import _C
except ImportError:
    _C = None

FREE_SHARED = 48 * 1024  # dynamic shared memory that needs no permission
_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class Function(Protocol):
    """A kernel loaded on one card."""

    def allow_shared(self, nbytes: int) -> None:
        """Let launches use `nbytes` of dynamic shared memory."""
        ...

    def launch(self, args: tuple[Any, ...], geometry: Geometry, stream: int) -> None:
        """Queue the kernel on a stream."""
        ...


class NativeFunction:
    """A kernel that the extension launches."""

    def __init__(self, device: Any, spec: KernelSpec, image: bytes, name: str) -> None:
        self.name, self.device = spec.name, device
        self.loaded = driver().module(image).function(name, spec.signature)

    def allow_shared(self, nbytes: int) -> None:
        self.loaded.allow_shared(nbytes, self.device.index)

    def launch(self, args: tuple[Any, ...], geometry: Geometry, stream: int) -> None:
        try:
            self.loaded.launch(
                args,
                geometry.grid,
                geometry.block,
                geometry.shared,
                stream,
                geometry.cluster,
                geometry.cooperative,
            )
        except _C.CudaError as error:
            error.status = error.code  # under the name that CuPy's errors have it
            self.device.check_alive(error)
            raise KernelError(self.name, f"{error} ({geometry}) on {self.device}") from error


class CupyFunction:
    """A kernel that CuPy launches."""

    def __init__(self, device: Any, spec: KernelSpec, image: bytes, name: str) -> None:
        self.spec, self.device = spec, device
        self.driver = device.cupy.cuda.driver
        module = device.cupy.cuda.function.Module()
        module.load(image)
        self.module, self.handle = module, module.get_function(name).ptr

    def allow_shared(self, nbytes: int) -> None:
        self.driver.funcSetAttribute(self.handle, _MAX_DYNAMIC_SHARED, nbytes)

    def launch(self, args: tuple[Any, ...], geometry: Geometry, stream: int) -> None:
        if geometry.cluster != (1, 1, 1):
            raise NotSupportedError(
                self.spec.name,
                "CuPy cannot launch clusters of blocks",
                remedy="build the C++ extension; `gpudl doctor` says what is missing",
            )
        values = [
            packed(self.spec, i, letter, value)
            for i, (letter, value) in enumerate(zip(self.spec.signature, args, strict=True))
        ]
        memory, addresses = placed(values)
        pointers = (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
        given = (self.handle, *geometry.grid, *geometry.block, geometry.shared, stream)
        try:
            if geometry.cooperative:
                self.driver.launchCooperativeKernel(*given, ctypes.addressof(pointers))
            else:
                self.driver.launchKernel(*given, ctypes.addressof(pointers), 0)
        except self.driver.CUDADriverError as error:
            self.device.check_alive(error)
            text = f"{error} ({geometry}) on {self.device}"
            raise KernelError(self.spec.name, text) from error
        del memory  # the driver has copied the arguments


class Loaded:
    """A function with how much shared memory its launches may use."""

    __slots__ = ("allowed", "function", "run")

    def __init__(self, device: Any, spec: KernelSpec, variant: Variant) -> None:
        arch = architectures.target(spec, device.capability(), library().archs)
        cubin = compile_cubin(spec, [variant], arch)
        kind = CupyFunction if _C is None else NativeFunction
        self.function: Function = device.scoped(kind)(device, spec, cubin.image, cubin.names[0])
        self.run = device.scoped(self.function.launch)
        self.allowed = FREE_SHARED


_functions: dict[tuple[KernelSpec, tuple[tuple[str, str], ...], int], Loaded] = {}


def launch(
    device: Any, spec: KernelSpec, variant: Variant, args: Sequence[Any], geometry: Geometry
) -> None:
    """Queue a kernel on the current stream of a card.

    Raises `DeviceError` for a card without code, `KernelError` for a launch that CUDA refuses.
    """
    key = (spec, tuple(variant.items()), device.index)
    found = _functions.get(key)
    if found is None:
        found = _functions[key] = Loaded(device, spec, variant)
    if geometry.shared > found.allowed:
        device.scoped(found.function.allow_shared)(geometry.shared)
        found.allowed = geometry.shared
    if "E" in spec.signature or "S" in spec.signature:
        args = [_by_value(device, *pair) for pair in zip(spec.signature, args, strict=True)]
    found.run(tuple(args), geometry, device.stream().ptr)


def _by_value(device: Any, letter: str, value: Any) -> Any:
    if letter == "E":
        return device.error_slot(value)
    return value.value if isinstance(value, ByValue) else value


def covers(spec: KernelSpec, device: Any) -> bool:
    """Whether the card gets code of this kernel."""
    portable = spec.fallback is None
    return architectures.choose(spec.archs, device.capability(), portable=portable) is not None


@cache
def driver() -> Any:
    """CUDA's driver, as the extension loads it."""
    return _C.CudaDriver.load()
