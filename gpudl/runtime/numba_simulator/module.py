"""The generated module of a kernel, as it grows: constants, device functions, places of waits."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..python_source import Function
from .vocabulary import unsupported

HEAD = '''"""Generated from {origin}: one generator a thread."""
import numba
import numpy
from numpy import inf, nan
from gpudl.runtime.numba_simulator import library as _lib
from gpudl.runtime.numba_simulator.layout import GIVEN as _GIVEN, MASK as _MASK, PLACE as _PLACE
'''
# `_lin` is the number of the thread in its block; `layout.py` describes `_ctx` and `_lanes`.
PROLOGUE = """
_bx, _by, _bz = _ctx[0], _ctx[1], _ctx[2]
_bdx, _bdy, _bdz = _ctx[3], _ctx[4], _ctx[5]
_gdx, _gdy, _gdz = _ctx[6], _ctx[7], _ctx[8]
_tx, _ty, _tz = _lin % _bdx, _lin // _bdx % _bdy, _lin // (_bdx * _bdy)
"""
PREFIX = {"threadIdx": "_t", "blockIdx": "_b", "blockDim": "_bd", "gridDim": "_gd"}
DECORATOR = '@numba.njit(cache=True, boundscheck=True, error_model="numpy")\n'
RESERVED = ("generator", "shared", "numba", "numpy")  # names of the module itself
LINES = 1 << 20  # a place in the source is a line plus this times the number of its file


def line_of(place: int) -> int:
    """The line of a place in the source."""
    return place % LINES


@dataclass(frozen=True)
class Site:
    """Where threads wait: "block" or "warp", the operation, its place in the source."""

    kind: str
    operation: str
    place: int


class Module:
    """What the functions of the module share while they are translated."""

    def __init__(self) -> None:
        self.sites: list[Site] = []  # a thread that waits yields the number of its site, from 1 on
        self.shared: list[tuple[str, str]] = []  # shape and dtype of shared arrays, as text
        self.files: list[str] = []
        self.definitions: list[str] = []  # of constants
        self.helpers: dict[Function, str] = {}  # device functions in which nobody waits
        self.inlined: dict[Function, bool] = {}  # whether a device function is part of its caller
        self._constants: dict[str, Any] = dict.fromkeys(RESERVED, self)
        self._temporaries = 0

    def temporary(self, stem: str = "v") -> str:
        """A name that no kernel uses."""
        self._temporaries += 1
        return f"_{stem}{self._temporaries}"

    def site(self, kind: str, operation: str, place: int) -> int:
        """The number of a new site."""
        self.sites.append(Site(kind, operation, place))
        return len(self.sites)

    def shared_array(self, shape: str, dtype: str) -> str:
        """The parameter of the generator that is a shared array."""
        self.shared.append((shape, dtype))
        return f"_shared{len(self.shared) - 1}"

    def helper(self, function: Function) -> str:
        """The name of a device function in which nobody waits: it is compiled by itself."""
        return self.helpers.setdefault(function, f"_device{len(self.helpers)}_{function.__name__}")

    def place(self, file: str, line: int) -> int:
        """A line of a file as a number."""
        if file not in self.files:
            self.files.append(file)
        return self.files.index(file) * LINES + line

    def constant(self, given: str, value: Any, line: int) -> str:
        """The name under which the module has a value that a kernel has from around it."""
        emitted, n = given, 2
        while emitted in self._constants and self._constants[emitted] is not value:
            emitted, n = f"{given}_{n}", n + 1
        if emitted not in self._constants:
            self._constants[emitted] = value
            self.definitions.append(_definition(emitted, value, line))
        return emitted


def _definition(emitted: str, value: Any, line: int) -> str:
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {emitted}"
    if isinstance(value, (bool, int, float, str, tuple, type(None))):
        return f"{emitted} = {value!r}"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"{emitted} = numpy.{value.__name__}"
    if isinstance(value, np.dtype):
        return f"{emitted} = numpy.dtype({value.name!r})"
    if isinstance(value, np.generic):
        return f"{emitted} = numpy.dtype({value.dtype.name!r}).type({value.item()!r})"
    if isinstance(value, np.ndarray):
        return f"{emitted} = numpy.array({value.tolist()!r}, {value.dtype.name!r})"
    if type(value).__module__.startswith("numba."):
        return f"{emitted} = numba.{value}"
    raise unsupported(f"{emitted} = {value!r}, which is no number, array or function", line)
