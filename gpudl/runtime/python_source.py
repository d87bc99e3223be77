"""Plain Python functions as source of kernels: what they use, bound anew, and a key for it all.

A kernel in Python is an ordinary function of a module that does not import Numba. What a compiler
needs, compiled callees or another meaning of a name, is put into a copy of its globals.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import numpy as np

Function = Callable[..., Any]
PLAIN = (bool, int, float, complex, str, tuple, type(None), np.generic, np.dtype)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def globals_of(function: Function, given: Mapping[str, Any]) -> dict[str, Any]:
    """The global names that `function` uses, with their values; `given` ones come first."""
    assert isinstance(function, FunctionType)
    known = {**function.__globals__, **given}
    return {name: known[name] for name in sorted({*_names(function.__code__)}) if name in known}


def callees(function: Function, given: Mapping[str, Any]) -> dict[str, FunctionType]:
    """The plain Python functions among them."""
    used = globals_of(function, given)
    return {name: value for name, value in used.items() if isinstance(value, FunctionType)}


def bound(function: Function, values: Mapping[str, Any]) -> FunctionType:
    """A copy of `function` for which the global names of `values` mean these."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **values},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    return copy


def fingerprint(function: Function, given: Mapping[str, Any]) -> str:
    """A key for the text of `function`, the constants that it uses, and those of its callees."""
    parts: list[str] = []
    _collect(function, given, parts, set())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _collect(
    function: Function, given: Mapping[str, Any], parts: list[str], seen: set[int]
) -> None:
    if id(function) in seen:
        return
    seen.add(id(function))
    parts.append(inspect.getsource(function))
    for name, value in globals_of(function, given).items():
        if isinstance(value, FunctionType):
            parts.append(f"{name} calls {value.__qualname__}")
            _collect(value, given, parts, seen)
        elif isinstance(value, PLAIN):
            parts.append(f"{name} = {value!r}")
