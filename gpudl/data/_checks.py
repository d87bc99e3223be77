"""Checks of arguments that are common to the data functions; each raises a typed error."""

from __future__ import annotations

import numbers
import os
from typing import Any

from ..errors import ArgumentTypeError


def number(op: str, name: str, value: Any) -> float:
    """`value` as a float, which may be NaN."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(op, f"{name} must be a number, not {value!r:.80}")
    return float(value)


def sized(op: str, name: str, value: Any) -> Any:
    """`value`, which has a length."""
    if not hasattr(value, "__len__"):
        raise ArgumentTypeError(
            op, f"{name} has no length", remedy="define __len__ on it", given=value
        )
    return value


def indexed(op: str, name: str, value: Any) -> Any:
    """`value`, which has a length and elements by index."""
    if not hasattr(value, "__getitem__"):
        raise ArgumentTypeError(op, f"{name} has no __getitem__", given=value)
    return sized(op, name, value)


def iterable(op: str, name: str, value: Any) -> Any:
    """`value`, over which one can iterate."""
    try:
        iter(value)
    except TypeError:
        raise ArgumentTypeError(op, f"{name} cannot be iterated over", given=value) from None
    return value


def function(op: str, name: str, value: Any) -> Any:
    """`value`, which can be called, or None."""
    if value is not None and not callable(value):
        raise ArgumentTypeError(op, f"{name} cannot be called", given=value)
    return value


def as_folder(op: str, name: str, value: Any) -> Any:
    """`value`, which is a path."""
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(op, f"{name} is no path", given=value)
    return value
