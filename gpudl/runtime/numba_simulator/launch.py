"""A simulated kernel: translated once, compiled for its arguments, launched like a kernel."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import itertools
import linecache
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...errors import ArgumentError, EmulatorError
from ...notices import notice, say
from ...settings import settings
from ..numba_cpu import cached_in, require_numba
from ..python_source import Function
from .scheduler import Block, order_of
from .translate import Site, translate

Extents = int | tuple[int, ...]
MAX_THREADS = 1024


def _three(extents: Extents, what: str) -> tuple[int, int, int]:
    given = (extents,) if isinstance(extents, int) else tuple(extents)
    if not 1 <= len(given) <= 3 or min(given) < 1:
        raise ArgumentError("launch", f"{what} is {extents!r}", remedy="1 to 3 numbers from 1 on")
    x, y, z = (*given, *([1] * (3 - len(given))))
    return x, y, z


class SimulatedKernel:
    """A kernel on the CPU.

    `launch` takes what a launch on a card takes; arrays are NumPy's, and are read and written in
    place.
    """

    def __init__(self, function: Function, vocabulary: object = None) -> None:
        require_numba(function.__name__)
        self.function = function
        self.text = translate(function, vocabulary)
        self.name = function.__name__.strip("_")
        self.file = inspect.getsourcefile(function) or "<kernel>"
        self.module = _load(self.name, self.text)
        self.sites = [Site(*site) for site in self.module.SITES]

    def __repr__(self) -> str:
        return f"<simulated kernel {self.name}>"

    def launch(
        self,
        grid: Extents,
        block: Extents,
        *args: Any,
        shared: int = 0,
        order: str | None = None,
    ) -> None:
        """Run all threads.

        shared: bytes of dynamic shared memory. order: "forward", "reverse" or a seed, the order of
        blocks, warps and lanes; by default the setting `emulator_order`. Raises `EmulatorError`
        with the thread, its block and the source line.
        """
        grid, block = _three(grid, "the grid"), _three(block, "the block")
        count = block[0] * block[1] * block[2]
        if count > MAX_THREADS:
            raise ArgumentError(
                self.name, f"a block of {count} threads", remedy=f"at most {MAX_THREADS}"
            )
        arrange = order_of(settings.emulator_order if order is None else order)
        memory = self._shared(args, shared)
        context = np.zeros(10, np.int64)
        context[3:9] = *block, *grid
        lanes = np.zeros((4, count), np.int64)
        generator = self.module.generator
        blocks = list(itertools.product(*(range(n) for n in reversed(grid))))
        for number in arrange(len(blocks)):
            where = blocks[number][::-1]
            context[:3] = where
            for array in memory:
                self.module._lib.poison(array)

            def error(kind: str, message: str, thread: int, line: int) -> EmulatorError:
                return self._error(kind, message, thread, line or int(context[9]), context)

            threads = [generator(t, context, lanes, *memory, *args) for t in range(count)]
            Block(threads, lanes, self.sites, arrange, error).run()

    def _shared(self, args: tuple[Any, ...], dynamic: int) -> list[np.ndarray[Any, Any]]:
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

    def _error(
        self, kind: str, message: str, thread: int, line: int, context: np.ndarray[Any, Any]
    ) -> EmulatorError:
        bdx, bdy = int(context[3]), int(context[4])
        index = (thread % bdx, thread // bdx % bdy, thread // (bdx * bdy))
        where = tuple(int(n) for n in context[:3])
        source = linecache.getline(self.file, line).strip()
        return EmulatorError(
            self.name,
            f"{message}\n  at {Path(self.file).name}:{line}: {source}\n"
            f"  thread {index} of block {where}",
            kind=kind,
        )


def _dtype(given: Any) -> np.dtype[Any]:
    """The NumPy dtype of a dtype as kernels write it: NumPy's or Numba's."""
    from numba.np.numpy_support import as_dtype

    if type(given).__module__.startswith("numba."):
        return np.dtype(as_dtype(given))
    return np.dtype(given)


def _load(name: str, text: str) -> ModuleType:
    """The generated module, from a file, so that Numba finds what it compiled before."""
    library = Path(__file__).with_name("library.py").read_text()  # compiled into the generator
    key = hashlib.sha256((text + library).encode()).hexdigest()[:16]
    folder = Path(settings.cache_dir) / "numba" / f"simulated-{name}-{key}"
    path = folder / f"{name}.py"
    module_name = f"gpudl_simulated_{name}_{key}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{name}.{os.getpid()}.tmp"
        aside.write_text(text)
        aside.replace(path)
        notice("compile", name, lambda: f"for the simulator, generated source in {path}")
    say(4, text)
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with cached_in(folder):
        spec.loader.exec_module(module)
    sys.modules[module_name] = module
    return module


_known: dict[Function, SimulatedKernel] = {}


def simulated(function: Function, vocabulary: object = None) -> SimulatedKernel:
    """The simulated kernel of a plain function, or of what `numba.cuda.jit` made of one.

    vocabulary: the object that stands for `numba.cuda` in its text, beside that module itself.
    Raises `NotSupportedError` for what the simulator does not know, and
    `MissingDependencyError` without Numba.
    """
    plain = getattr(function, "py_func", function)
    if plain not in _known:
        _known[plain] = SimulatedKernel(plain, vocabulary)
    return _known[plain]
