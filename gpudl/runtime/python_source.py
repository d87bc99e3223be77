"""Plain Python functions as source of kernels: what they use, bound anew, and a key for it all.

A kernel in Python is an ordinary function of a module that does not import Numba. What a compiler
needs, compiled callees or another meaning of a name, is put into a copy of what the function sees.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from ..errors import ArgumentError

Function = Callable[..., Any]
PLAIN = (bool, int, float, complex, str, tuple, type(None), np.generic, np.dtype)


def text_of(function: Function) -> str:
    """The text of `function`. Raises `ArgumentError` if there is none."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        raise ArgumentError(
            getattr(function, "__name__", "kernel"),
            "a kernel in Python is compiled from its text, and this one has none",
            remedy="define it with `def` in a file or a notebook",
        ) from None


def tree_of(function: Function) -> ast.FunctionDef:
    """The syntax tree of `function`, with the line numbers of its file."""
    assert isinstance(function, FunctionType)
    tree = ast.parse(textwrap.dedent(text_of(function)))
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef):
        raise ArgumentError(
            function.__name__, f"a kernel is a plain function, not {type(found).__name__}"
        )
    return found


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _closure(function: FunctionType) -> dict[str, Any]:
    """The names that a function has from the functions around it, with their values."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells}


def values_of(function: Function, given: Mapping[str, Any]) -> dict[str, Any]:
    """The names that `function` has from around it, with their values; `given` ones come first."""
    assert isinstance(function, FunctionType)
    known = {**function.__globals__, **_closure(function), **given}
    used = {*_names(function.__code__), *function.__code__.co_freevars}
    return {name: known[name] for name in sorted(used) if name in known}


def callees(function: Function, given: Mapping[str, Any]) -> dict[str, FunctionType]:
    """The plain Python functions among them."""
    used = values_of(function, given)
    return {name: value for name, value in used.items() if isinstance(value, FunctionType)}


def bound(function: Function, values: Mapping[str, Any]) -> FunctionType:
    """A copy of `function` for which names from around it mean what `values` say."""
    assert isinstance(function, FunctionType)
    cells = {**_closure(function), **values}
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **values},
        function.__name__,
        function.__defaults__,
        tuple(CellType(cells[name]) for name in function.__code__.co_freevars) or None,
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
    parts.append(text_of(function))
    for name, value in values_of(function, given).items():
        if isinstance(value, FunctionType):
            parts.append(f"{name} calls {value.__qualname__}")
            _collect(value, given, parts, seen)
        elif isinstance(value, PLAIN):
            parts.append(f"{name} = {value!r}")
