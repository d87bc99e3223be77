"""Python loops compiled for the CPU by Numba, when they are first called; Numba is imported then.

    scale = Compiled(_scale, "i i R1 W1")      # at import: costs nothing
    scale(x.dtype)(0, x.size, x, out)          # compiles for the dtype, or loads from the cache

`numba_signature.py` explains the words of a signature.

Sums keep their order (no fast-math), except that a product and a sum may be one operation.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import missing
from ..notices import notice
from ..settings import settings
from . import numba_threads
from .numba_signature import types_of
from .python_source import Function, bound, callees, fingerprint

DType = np.dtype[Any]
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"contract"},
    "error_model": "numpy",
    "boundscheck": False,
}
_lock = threading.RLock()  # Numba's cache folder is a setting of the process


def require_numba(op: str) -> None:
    """Raise `MissingDependencyError` if Numba is not installed."""
    if importlib.util.find_spec("numba") is None:
        raise missing("numba", "numba", op)


@contextmanager
def cached_in(folder: Path) -> Iterator[None]:
    """Inside the block, functions that Numba compiles with `cache=True` are kept in `folder`."""
    import numba

    config: Any = numba.config
    with _lock:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            config.CACHE_DIR = before


def cache_folder(function: Callable[..., Any], given: Mapping[str, Any]) -> Path:
    """Where compiled code of `function` lies. The text of all that it calls is in the name: Numba
    looks at one file only."""
    name = f"{function.__name__.strip('_')}-{fingerprint(function, given)}"
    return Path(settings.cache_dir) / "numba" / name


class Compiled:
    """A loop in Python, compiled for a dtype when it is first asked for.

    `given` are meanings of global names of `function`: a formula, for a loop that maps one.
    """

    def __init__(self, function: Function, signature: str, **given: Any) -> None:
        self.function, self.signature, self.given = function, signature, given
        self._made: dict[DType, Any] = {}

    def __repr__(self) -> str:
        return f"<compiled {self.function.__name__}({self.signature})>"

    def __call__(self, dtype: DType) -> Any:
        """The compiled function for arrays of `dtype`."""
        made = self._made.get(dtype)
        if made is None:
            with _lock:
                made = self._made.get(dtype)
                if made is None:
                    made = self._made[dtype] = self._compile(dtype)
        return made

    def run(self, dtype: DType, tasks: int, *args: Any) -> None:
        """Call `function(begin, end, *args)` for all of `range(tasks)`, on several threads."""
        compiled = self(dtype)
        numba_threads.run(lambda begin, end: compiled(begin, end, *args), tasks)

    def _compile(self, dtype: DType) -> Any:
        require_numba(self.function.__name__.strip("_"))
        import numba

        start = time.perf_counter()
        folder = cache_folder(self.function, self.given)
        types = types_of(self.signature, dtype)
        with cached_in(folder):
            made = numba.njit(numba.void(*types), cache=True, **OPTIONS)(self._bound(numba))
        if not made.stats.cache_hits:
            took = time.perf_counter() - start
            notice(
                "compile",
                self.function.__name__.strip("_"),
                lambda: f"by Numba for {dtype.name} in {took:.2f} s, kept in {folder}",
            )
        return made

    def _bound(self, numba: Any) -> FunctionType:
        """The function with its callees compiled; they are compiled into it."""
        done: dict[FunctionType, Any] = {}

        def compiled_callees(function: Function) -> dict[str, Any]:
            return {name: callee(value) for name, value in callees(function, self.given).items()}

        def callee(function: FunctionType) -> Any:
            if function not in done:
                inner = bound(function, compiled_callees(function))
                done[function] = numba.njit(forceinline=True, **OPTIONS)(inner)
            return done[function]

        return bound(self.function, {**self.given, **compiled_callees(self.function)})
