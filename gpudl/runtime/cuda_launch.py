"""Launching on a card, by the launcher of the extension."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..errors import NotSupportedError
from . import architectures
from ._nvrtc_library import library
from .arguments import ByValue
from .nvrtc import compile_cubin
from .spec import Geometry, KernelSpec, Variant

_C: Any
try:
    from .. import _C
except ImportError:
    _C = None

# Dynamic shared memory that needs no permission.
FREE_SHARED = 48 * 1024


class Function:
    """A kernel loaded on one card."""

    __slots__ = ("allowed", "index", "loaded")

    def __init__(self, device: Any, spec: KernelSpec, variant: Variant) -> None:
        arch = architectures.target(spec, device.capability, library().archs)
        cubin = compile_cubin(spec, [variant], arch)
        self.loaded = driver(spec.name).module(cubin.image).function(cubin.names[0], spec.signature)
        self.index = device.index
        self.allowed = FREE_SHARED

    def allow(self, shared: int) -> None:
        """Let launches use `shared` bytes of dynamic shared memory."""
        self.loaded.allow_shared(shared, self.index)
        self.allowed = shared


_functions: dict[tuple[KernelSpec, tuple[tuple[str, str], ...], int], Function] = {}


def launch(
    device: Any, spec: KernelSpec, variant: Variant, args: Sequence[Any], geometry: Geometry
) -> None:
    """Queue a kernel on the current stream of a card."""
    key = (spec, tuple(variant.items()), device.index)
    function = _functions.get(key)
    if function is None:
        function = _functions[key] = Function(device, spec, variant)
    if geometry.shared > function.allowed:
        function.allow(geometry.shared)
    if "E" in spec.signature or "S" in spec.signature:
        args = [_by_value(device, *pair) for pair in zip(spec.signature, args, strict=True)]
    function.loaded.launch(
        tuple(args),
        geometry.grid,
        geometry.block,
        geometry.shared,
        device.stream().ptr,
        geometry.cluster,
        geometry.cooperative,
    )


def _by_value(device: Any, letter: str, value: Any) -> Any:
    if letter == "E":
        return device.error_slot(value)
    return value.value if isinstance(value, ByValue) else value


def covers(spec: KernelSpec, device: Any) -> bool:
    """Whether the card gets code of this kernel."""
    portable = spec.fallback is None
    return architectures.choose(spec.archs, device.capability, portable=portable) is not None


@cache
def driver(op: str) -> Any:
    """CUDA's driver, as the extension loads it."""
    if _C is None:
        raise NotSupportedError(
            op,
            "the device cuda launches kernels by the C++ extension, which was not built",
            remedy="`gpudl doctor` says what is missing",
        )
    return _C.CudaDriver.load()
