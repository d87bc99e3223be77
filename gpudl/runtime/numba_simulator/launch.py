"""A simulated kernel: translated once, compiled for the types of its arguments, launched like one
on a card.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import linecache
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import ArgumentError, CacheError, CompileError, EmulatorError
from ...notices import notice, say
from ...settings import settings
from ..numba_cpu import cached_in, require_numba
from ..python_source import Function
from .layout import (
    BLOCK_EXTENTS,
    BLOCK_INDEX,
    CONTEXT_SIZE,
    GRID_EXTENTS,
    LANE_ROWS,
    PLACE,
)
from .module import LINES, line_of
from .scheduler import Block, order_of
from .translate import translate

Extents = int | tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]
Generator = Callable[..., Iterator[int]]
MAX_THREADS = 1024


class SimulatedKernel:
    """A kernel on the CPU: of a plain function, or of what `numba.cuda.jit` made of one.

    `launch` takes what a launch on a card takes; arrays are NumPy's, and are read and written in
    place. Raises `NotSupportedError` for what the simulator does not know, and
    `MissingDependencyError` without Numba.
    """

    def __init__(self, function: Function) -> None:
        plain = getattr(function, "py_func", function)
        self.name = plain.__name__.strip("_")
        require_numba(self.name)
        translated = translate(plain)
        self.text, self.sites, self.files = translated
        self.module = _load(self.name, self.text)
        self._generators: dict[tuple[Any, ...], Generator] = {}

    def __repr__(self) -> str:
        return f"<simulated kernel {self.name}>"

    def launch(
        self,
        grid: Extents,
        block: Extents,
        *args: Any,
        shared: int = 0,
        order: str | None = None,
        types: Sequence[Any] | None = None,
    ) -> None:
        """Run all threads.

        shared: bytes of dynamic shared memory. order: "forward", "reverse" or a seed, the order of
        blocks, warps and lanes; by default the setting `emulator_order`. types: Numba's types to
        compile for, by default those of the arguments. Raises `CompileError` with what Numba said,
        and `EmulatorError` with the thread, its block and the source line.
        """
        grid, block = _three(grid, "the grid"), _three(block, "the block")
        count = block[0] * block[1] * block[2]
        if count > MAX_THREADS:
            raise ArgumentError(
                self.name, f"a block of {count} threads", remedy=f"at most {MAX_THREADS}"
            )
        arrange = order_of(settings.emulator_order if order is None else order)
        memory = self._shared(args, shared)
        generator = self._generator(memory, args, types)
        context = np.zeros(CONTEXT_SIZE, np.int64)
        context[BLOCK_EXTENTS], context[GRID_EXTENTS] = block, grid
        lanes = np.zeros((LANE_ROWS, count), np.int64)

        def error(kind: str, message: str, thread: int, place: int) -> EmulatorError:
            return self._error(kind, message, thread, place, context)

        blocks = list(itertools.product(*(range(n) for n in reversed(grid))))
        for number in arrange(len(blocks)):
            context[BLOCK_INDEX] = blocks[number][::-1]
            for array in memory:
                self.module._lib.poison(array)
            threads = [generator(t, context, lanes, *memory, *args) for t in range(count)]
            Block(threads, lanes, self.sites, arrange, error).run()

    def _shared(self, args: tuple[Any, ...], dynamic: int) -> list[Array]:
        """The shared arrays; those without a size are views of one block of `dynamic` bytes."""
        arrays = []
        block = np.zeros(dynamic, np.uint8)
        for shape, given in self.module.shared(*args):
            dtype = _dtype(given)
            extents = (shape,) if isinstance(shape, int) else tuple(shape)
            if extents == (0,):
                whole = dynamic // dtype.itemsize * dtype.itemsize
                arrays.append(block[:whole].view(dtype))
            else:
                arrays.append(np.empty(extents, dtype))
        return arrays

    def _generator(
        self, memory: list[Array], args: tuple[Any, ...], types: Sequence[Any] | None
    ) -> Generator:
        """The compiled generator for these types."""
        import numba

        given = tuple(map(numba.typeof, args)) if types is None else tuple(types)
        key = (*map(numba.typeof, memory), *given)
        if key not in self._generators:
            start = time.perf_counter()
            lanes = (numba.int64, numba.int64[::1], numba.int64[:, ::1])
            made = self.module.generator
            try:
                made.compile((*lanes, *key))
            except numba.core.errors.NumbaError as error:
                raise CompileError(self.name, f"Numba refuses the kernel: {error}") from None
            took = time.perf_counter() - start
            if not made.stats.cache_hits:
                notice("compile", self.name, lambda: f"for the simulator, in {took:.2f} s")
            self._generators[key] = made.get_overload((*lanes, *key))
        return self._generators[key]

    def _error(
        self, kind: str, message: str, thread: int, place: int, context: Array
    ) -> EmulatorError:
        place = place or int(context[PLACE])
        file, line = self.files[place // LINES], line_of(place)
        x, y, _ = (int(n) for n in context[BLOCK_EXTENTS])
        index = (thread % x, thread // x % y, thread // (x * y))
        where = tuple(int(n) for n in context[BLOCK_INDEX])
        return EmulatorError(
            self.name,
            f"{message}\n  at {Path(file).name}:{line}: {linecache.getline(file, line).strip()}\n"
            f"  thread {index} of block {where}",
            kind=kind,
        )


def _three(extents: Extents, what: str) -> tuple[int, int, int]:
    given = (extents,) if isinstance(extents, int) else tuple(extents)
    if not 1 <= len(given) <= 3 or min(given) < 1:
        raise ArgumentError("launch", f"{what} is {extents!r}", remedy="1 to 3 numbers from 1 on")
    x, y, z = (*given, *([1] * (3 - len(given))))
    return x, y, z


def _dtype(given: Any) -> np.dtype[Any]:
    """The NumPy dtype of a dtype as kernels write it: NumPy's or Numba's."""
    from numba.np.numpy_support import as_dtype

    if type(given).__module__.startswith("numba."):
        given = as_dtype(given)
    found: np.dtype[Any] = np.dtype(given)
    return found


def _load(name: str, text: str) -> ModuleType:
    """The generated module, from a file, so that Numba finds what it compiled before."""
    library = Path(__file__).with_name("library.py").read_text()  # compiled into the generator
    key = hashlib.sha256((text + library).encode()).hexdigest()[:16]
    folder = Path(settings.cache_dir) / "numba" / f"simulated-{name}-{key}"
    path = folder / f"{name}.py"
    module_name = f"gpudl_simulated_{name}_{key}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    say(4, text)
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            aside = folder / f"{name}.{os.getpid()}.tmp"
            aside.write_text(text)
            aside.replace(path)
    except OSError as error:
        raise CacheError(
            name, f"{folder} cannot be written: {error}", remedy="GPUDL_CACHE_DIR names a folder"
        ) from None
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with cached_in(folder):
        spec.loader.exec_module(module)
    sys.modules[module_name] = module
    return module
