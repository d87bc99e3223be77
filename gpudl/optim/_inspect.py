"""Optimizer kernels under `GPUDL_DEBUG` and `GPUDL_VALIDATE`. They write in place, so they are no
rows, and the hooks around rows do not see them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.inspection import rate
from ..devices import Device
from ..errors import KernelError
from ..kernels.optim import reference
from ..notices import say
from ..settings import settings


def inspected(name: str, kernel: Callable[..., None], device: Device) -> Callable[..., None]:
    """`kernel`, timed and compared with its reference as the settings of this thread ask."""
    if settings.debug < 2 and not settings.validate:
        return kernel

    def run(*arrays: Any, **options: Any) -> None:
        before: list[Any] = []
        if settings.validate:
            before = [None if x is None else device.to_host(x).copy() for x in arrays]
        device.synchronize()
        start = time.perf_counter_ns()
        kernel(*arrays, **options)
        device.synchronize()
        took = time.perf_counter_ns() - start
        moved = sum(x.nbytes for x in arrays if x is not None)
        given = " ".join(f"{x.dtype.name}{x.shape}" for x in arrays if x is not None)
        line = f"{name:<16} {'kernel':<8} {took / 1e6:9.3f} ms {'-':>8} GFLOP/s"
        say(2, f"{line} {rate(moved, took):>7} GB/s  {given}")
        if settings.validate:
            _compare(name, device, arrays, before, options)

    return run


def _compare(
    name: str, device: Device, arrays: tuple[Any, ...], before: list[Any], options: dict[str, Any]
) -> None:
    """Raise `KernelError` unless the kernel gave the bits that its reference gives."""
    getattr(reference, name)(*before, **options)
    for i, (x, want) in enumerate(zip(arrays, before, strict=True)):
        if x is None:
            continue
        got = device.to_host(x)
        wrong = ~((got == want) | (np.isnan(got) & np.isnan(want)))
        if wrong.any():
            gap = np.abs(got[wrong].astype(np.float64) - want[wrong])
            raise KernelError(
                name,
                f"{int(wrong.sum())} of {wrong.size} elements of operand {i} differ from the "
                f"reference, by up to {gap.max():.3g}",
                remedy="please report this",
                operand=x,
            )
