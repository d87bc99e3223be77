"""Kernels in Python for CUDA: the one place that knows `numba.cuda`, which it imports when needed.

A kernel is a plain function that speaks of `cuda` (`cuda.threadIdx.x`, `cuda.shared.array`, ...),
imported from here; plain functions that it calls become device functions. It is compiled by
numba-cuda for arrays on a card, and run by the simulator for arrays on the emulated device.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any, NoReturn

import numpy as np

from .. import devices
from ..devices.emulated_array import EmulatedArray
from ..errors import NotSupportedError, missing
from ..notices import notice
from .numba_cpu import cache_folder, cached_in
from .numba_simulator import simulated
from .python_source import Function, bound, callees

Extents = int | tuple[int, ...]


class Vocabulary:
    """What `cuda` is in the text of a kernel; it has a meaning there only."""

    def __getattr__(self, word: str) -> NoReturn:
        if word.startswith("__"):
            raise AttributeError(word)
        raise NotSupportedError(
            f"cuda.{word}",
            "has a meaning inside a kernel only",
            remedy="launch the kernel: CudaKernel(function).launch(grid, block, ...)",
        )


cuda: Any = Vocabulary()


def module() -> Any:
    """`numba.cuda` itself. Raises `MissingDependencyError` if numba-cuda is not installed."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise missing("numba-cuda", "cuda13", "numba.cuda")
    import numba.cuda

    return numba.cuda


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


def ptx(function: Function, signature: str, capability: tuple[int, int]) -> str:
    """The PTX of a kernel for an architecture; needs no card.

    signature: Numba's names of the argument types, as in "float32[:,::1], int64".
    """
    from numba.core import sigutils

    types, _ = sigutils.normalize_signature(f"void({signature})")
    text, _ = module().compile_ptx(real(function), types, cc=capability)
    return str(text)


class CudaKernel:
    """A kernel in Python, compiled or translated at its first launch."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.name = function.__name__.strip("_")
        self._compiled: Any = None

    def __repr__(self) -> str:
        return f"<cuda kernel {self.name}>"

    def launch(self, grid: Extents, block: Extents, *args: Any, shared: int = 0) -> None:
        """Run it on the current stream of the device that holds the first argument, an array."""
        device: Any = devices.of(args[0])
        if device.kind == "emu":
            self._simulate(device, grid, block, args, shared)
        else:
            self._launch(device, grid, block, args, shared)

    def _simulate(
        self, device: Any, grid: Extents, block: Extents, args: tuple[Any, ...], shared: int
    ) -> None:
        kernel = simulated(self.function, cuda)
        host = [x._host if isinstance(x, EmulatedArray) else x for x in args]
        held = list(args)  # the blocks must not be freed before the queue is there

        def work() -> None:
            kernel.launch(grid, block, *host, shared=shared)
            held.clear()

        device.stream().enqueue(work)

    def _launch(
        self, device: Any, grid: Extents, block: Extents, args: tuple[Any, ...], shared: int
    ) -> None:
        numba_cuda = module()
        if self._compiled is None:
            start = time.perf_counter()
            with cached_in(cache_folder(self.function, {})):
                self._compiled = numba_cuda.jit(cache=True)(real(self.function))
            took = time.perf_counter() - start
            notice("compile", self.name, lambda: f"by numba-cuda, prepared in {took:.2f} s")
        with numba_cuda.gpus[device.index]:
            stream = numba_cuda.external_stream(device.stream().ptr)
            arrays = [
                numba_cuda.as_cuda_array(x, sync=False)
                if hasattr(x, "__cuda_array_interface__")
                else x
                for x in args
            ]
            self._compiled[grid, block, stream, shared](*arrays)


def integer(value: int) -> np.int64:
    """A number as kernels take it: one type, whatever its size, so one compilation."""
    return np.int64(value)
