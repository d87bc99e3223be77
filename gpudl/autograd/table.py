"""The table of operations: rows are primitives that can be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .apply import run, run_hooked
from .primitive import Primitive, Rule
from .state import rare

_rows: dict[str, Row] = {}


class Row(Primitive):
    """A primitive in the table; calling it applies it to variables."""

    __slots__ = ()

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        return run_hooked(self, inputs, params) if rare.active else run(self, inputs, params)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rows.__getitem__, (self.name,)


def row(name: str, ref: Callable[..., Any], rule: Rule, **options: Any) -> Row:
    """Make a primitive and enter it in the table. The options are those of `Primitive`."""
    if name in _rows:
        raise AssertionError(f"two rows are called {name}")
    made = _rows[name] = Row(name, ref, rule, **options)
    return made


def rows() -> dict[str, Row]:
    """The table of operations: name -> row."""
    return dict(_rows)
