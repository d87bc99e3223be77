"""`launch`: run a kernel on the current stream of the device that holds its arguments."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import devices
from ..devices.error_word import ErrorSite
from ..errors import DeviceError, KernelError
from ..notices import say
from ..settings import settings
from . import cuda_launch, emulated
from .arguments import Range, check, packed, ranges
from .spec import Geometry, KernelSpec, Variant

_counts: Counter[tuple[str, str]] = Counter()
_instead: dict[KernelSpec, KernelSpec] = {}
_lock = threading.Lock()
_WORD_BYTES = 32


def launch(spec: KernelSpec, variant: Variant, args: Sequence[Any], **shapes: Any) -> None:
    """Run a variant of a kernel on `args`, one for each letter of its signature.

    Its geometry is made from `shapes`; a grid without blocks launches nothing. It is queued on the
    current stream. Raises `KernelError` for arguments that do not fit, `CompileError`,
    `MissingDependencyError` without the compiler, and, when the queue is run, `EmulatorError`.
    """
    geometry = spec.geometry(**shapes)
    if 0 in geometry.grid:
        return
    if _instead:
        spec = _instead.get(spec, spec)
    check(spec, args)
    device = _device_of(spec, args)
    with _lock:
        _counts[spec.name, spec.key(variant)] += 1
    if settings.debug >= 2:
        shape = f"grid {geometry.grid} block {geometry.block} shared {geometry.shared}"
        say(2, f"  launch {spec.expression(variant)} {shape} on {device}")
    if device.kind == "emu":
        _emulate(device, spec, variant, args, geometry)
    elif device.kind == "cuda":
        cuda_launch.launch(device, spec, variant, args, geometry)
    else:
        raise DeviceError(spec.name, f"{device} runs no CUDA kernels")


def runs_on(spec: KernelSpec, array: Any) -> bool:
    """Whether the device of `array` is one that `spec` is compiled for; the emulator runs all."""
    device = devices.of(array)
    if device.kind == "emu":
        return True
    return device.kind == "cuda" and cuda_launch.covers(spec, device)


def launches() -> dict[str, int]:
    """How often each kernel was launched since the start, by the name of its spec."""
    total: Counter[str] = Counter()
    for (name, _), n in launched_variants().items():
        total[name] += n
    return dict(total)


def launched_variants() -> dict[tuple[str, str], int]:
    """How often each variant was launched, by the name and the key of the variant."""
    with _lock:
        return dict(_counts)


@contextmanager
def replaced(spec: KernelSpec, other: KernelSpec) -> Iterator[None]:
    """Launch `other` wherever `spec` is asked for, in all threads: to try a changed source."""
    if spec.signature != other.signature:
        raise KernelError(
            spec.name, f"{other.name} takes {other.signature!r}, not {spec.signature!r}"
        )
    _instead[spec] = other
    try:
        yield
    finally:
        del _instead[spec]


def _device_of(spec: KernelSpec, args: Sequence[Any]) -> Any:
    for letter, value in zip(spec.signature, args, strict=True):
        if letter == "P" and value is not None:
            return devices.of(value)
    raise KernelError(spec.name, "no argument is an array, so no device can be told")


def _emulate(
    device: Any, spec: KernelSpec, variant: Variant, args: Sequence[Any], geometry: Geometry
) -> None:
    """Queue a run of the emulator. Like a card's launch it keeps addresses, not arrays."""
    problem = geometry.problem()
    if problem is not None:
        raise KernelError(spec.name, f"no card launches this: {problem}")
    library = emulated.library(spec, settings.emulator == "checked")
    order = settings.emulator_order
    values = []
    memory = [found for found, _ in ranges(spec, args)]
    for number, (letter, value) in enumerate(zip(spec.signature, args, strict=True)):
        if letter == "E":
            value = device.error_slot(value)
            memory.append(Range(value.word, _WORD_BYTES, number))
        values.append(packed(spec, number, letter, value))

    def run() -> None:
        heap = device.heap
        blocks = [heap.check_alive(spec.name, part.begin) for part in memory]
        fresh = [heap.unwritten(block) for block in blocks]
        library.launch(variant, geometry, values, list(zip(memory, fresh, strict=True)), order)
        for block in blocks:
            heap.written(block.start)

    device.stream().enqueue(run)


__all__ = ["ErrorSite", "launch", "launched_variants", "launches", "replaced", "runs_on"]
