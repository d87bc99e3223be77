"""Nested tuples, lists and dicts of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """What a nested structure holds, in order; dicts by their sorted keys where these sort."""
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, dict):
        for key in _keys(tree):
            _collect(tree[key], found)
    elif isinstance(tree, (tuple, list)):
        for part in tree:
            _collect(part, found)
    elif tree is not None:
        found.append(tree)


def _keys(tree: dict[Any, Any]) -> Iterable[Any]:
    try:
        return sorted(tree)
    except TypeError:
        return tree


def rebuild(tree: Any, values: Iterable[Any]) -> Any:
    """A structure like `tree` that holds `values`."""
    return _rebuild(tree, iter(values))


def _rebuild(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, dict):
        filled = {key: _rebuild(tree[key], values) for key in _keys(tree)}
        return type(tree)((key, filled[key]) for key in tree)
    if isinstance(tree, (tuple, list)):
        parts = [_rebuild(part, values) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else next(values)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with `function` applied to its leaves."""
    return rebuild(tree, [function(leaf) for leaf in leaves(tree)])


def same_structure(a: Any, b: Any) -> bool:
    """Whether two structures have their leaves at the same places."""
    if isinstance(a, dict) or isinstance(b, dict):
        return (
            isinstance(a, dict)
            and isinstance(b, dict)
            and a.keys() == b.keys()
            and all(same_structure(a[key], b[key]) for key in a)
        )
    if isinstance(a, (tuple, list)) or isinstance(b, (tuple, list)):
        return (
            isinstance(a, (tuple, list))
            and isinstance(b, (tuple, list))
            and len(a) == len(b)
            and all(same_structure(x, y) for x, y in zip(a, b, strict=True))
        )
    return (a is None) == (b is None)
