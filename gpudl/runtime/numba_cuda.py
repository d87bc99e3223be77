"""Kernels in Python for CUDA: the one place that knows `numba.cuda`, which it imports when needed.

A kernel is a plain function that speaks of `cuda` (`cuda.threadIdx.x`, `cuda.shared.array`, ...),
imported from here; plain functions that it calls become device functions. It is compiled by
numba-cuda for arrays on a card, and run by the simulator for arrays on the emulated device.

    multiply = CudaKernel(_multiply, "A2 A2 W2 i")      # at import: costs nothing
    multiply.launch(grid, block, a, b, out, n)

`numba_signature.py` explains the words of a signature; the first array gives the dtype.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

from .. import devices
from ..errors import DeviceError, missing
from ..notices import notice, say
from ..settings import settings
from .arguments import extent
from .numba_cpu import cache_folder, cached_in
from .numba_signature import types_of
from .numba_simulator import SimulatedKernel, Vocabulary
from .python_source import Function, bound, callees

DType = np.dtype[Any]
Extents = int | tuple[int, ...]

cuda: Any = Vocabulary()


def module() -> Any:
    """`numba.cuda` itself. Raises `MissingDependencyError` if numba-cuda is not installed."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise missing("numba-cuda", "cuda13", "numba.cuda")
    import numba.cuda

    found: Any = numba.cuda
    # A small array is a small grid; that is no reason to warn.
    found.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    return found


def real(function: Function) -> Function:
    """`function` with numba.cuda in place of the vocabulary and its callees as device functions.

    These are inlined, so that compiling them needs no card.
    """
    numba_cuda = module()
    done: dict[Function, Any] = {}

    def values(of: Function) -> dict[str, Any]:
        names = {name: device(value) for name, value in callees(of, {}).items()}
        return {**names, "cuda": numba_cuda}

    def device(of: Function) -> Any:
        if of not in done:
            inner = bound(of, values(of))
            done[of] = numba_cuda.jit(device=True, inline="always")(inner)
        return done[of]

    return bound(function, values(function))


class CudaKernel:
    """A kernel in Python, compiled or translated when it is first launched for a dtype."""

    def __init__(self, function: Function, signature: str) -> None:
        self.function, self.signature = function, signature
        self.name = function.__name__.strip("_")
        self._simulated: SimulatedKernel | None = None
        self._compiled: dict[tuple[DType, int], Any] = {}

    def __repr__(self) -> str:
        return f"<cuda kernel {self.name}({self.signature})>"

    def launch(self, grid: Extents, block: Extents, *args: Any, shared: int = 0) -> None:
        """Run it on the current stream of the device that holds the first argument, an array."""
        device: Any = devices.of(args[0])
        say(2, f"  launch {self.name} grid {grid} block {block} shared {shared} on {device}")
        if device.kind == "emu":
            self._simulate(device, grid, block, args, shared)
        elif device.kind == "cuda":
            self._launch(device, grid, block, args, shared)
        else:
            raise DeviceError(self.name, f"{device} runs no CUDA kernels", first=args[0])

    def ptx(self, dtype: DType, capability: tuple[int, int]) -> str:
        """The PTX for an architecture; needs no card."""
        types = types_of(self.signature, dtype)
        text, _ = module().compile_ptx(real(self.function), types, cc=capability)
        return str(text)

    def _simulate(
        self, device: Any, grid: Extents, block: Extents, args: tuple[Any, ...], shared: int
    ) -> None:
        """Queue a run of the simulator. Like a card's launch it keeps addresses, not arrays."""
        if self._simulated is None:
            self._simulated = SimulatedKernel(self.function)
        kernel, order, heap = self._simulated, settings.emulator_order, device.heap
        types = types_of(self.signature, args[0].dtype)
        arrays = [x for x in args if isinstance(x, device.array_type)]
        starts = [extent(x)[0] for x in arrays if x.size]
        host = [x._host if isinstance(x, device.array_type) else x for x in args]

        def run() -> None:
            blocks = [heap.check_alive(kernel.name, start) for start in starts]
            kernel.launch(grid, block, *host, shared=shared, order=order, types=types)
            for written in blocks:
                heap.written(written.start)

        device.stream().enqueue(run)

    def _launch(
        self, device: Any, grid: Extents, block: Extents, args: tuple[Any, ...], shared: int
    ) -> None:
        numba_cuda = module()
        with numba_cuda.gpus[device.index]:
            compiled = self._compile(numba_cuda, args[0].dtype, device.index)
            stream = numba_cuda.external_stream(device.stream().ptr)
            arrays = [
                numba_cuda.as_cuda_array(x, sync=False) if isinstance(x, device.array_type) else x
                for x in args
            ]
            compiled[grid, block, stream, shared](*arrays)

    def _compile(self, numba_cuda: Any, dtype: DType, index: int) -> Any:
        """The kernel for a dtype in the context of a card, which is the current one."""
        made = self._compiled.get((dtype, index))
        if made is None:
            start = time.perf_counter()
            types = types_of(self.signature, dtype)
            with cached_in(cache_folder(self.function, {})):
                made = numba_cuda.jit(types, cache=True)(real(self.function))
            self._compiled[dtype, index] = made
            took = time.perf_counter() - start
            notice("compile", self.name, lambda: f"by numba-cuda for {dtype.name} in {took:.2f} s")
        return made
