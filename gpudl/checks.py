"""Checks of arguments that are no arrays: numbers, flags, functions, sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import ArgumentTypeError


def real(op: str, name: str, value: Any) -> float:
    """`value` as a float: a number of Python or NumPy, or anything else with `__float__`."""
    if not isinstance(value, (bool, str, bytes)) and hasattr(value, "__float__"):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise ArgumentTypeError(op, f"{name} must be a number, not {value!r:.80}")


def flag(op: str, name: str, value: Any) -> bool:
    """`value`, which must be True, False, 0 or 1."""
    if isinstance(value, (bool, int)) and value in (0, 1):
        return bool(value)
    raise ArgumentTypeError(op, f"{name} must be True or False, not {value!r:.80}")


def items(op: str, name: str, value: Any) -> list[Any]:
    """What an iterable holds."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise ArgumentTypeError(op, f"{name} must be a sequence, not {value!r:.80}")
    return list(value)


def function(op: str, name: str, value: Any) -> Any:
    """`value`, which must be callable."""
    if not callable(value):
        raise ArgumentTypeError(op, f"{name} must be callable, not {value!r:.80}")
    return value
