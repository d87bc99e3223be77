"""Small pieces of syntax trees."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

Statements = list[ast.stmt]


def name(identifier: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(identifier, ast.Load())


def assign(target: str, value: ast.expr) -> ast.stmt:
    """target = value."""
    return ast.Assign([ast.Name(target, ast.Store())], value)


def stored(place: ast.expr) -> ast.expr:
    """A name, element or attribute as what is assigned to."""
    assert isinstance(place, (ast.Name, ast.Subscript, ast.Attribute))
    place.ctx = ast.Store()
    return place


def parsed(text: str) -> Statements:
    """Statements from their text."""
    return ast.parse(text).body


def expression(text: str) -> ast.expr:
    """An expression from its text."""
    return ast.parse(text, mode="eval").body


def heads(statement: ast.stmt) -> list[ast.AST]:
    """The nodes of a statement that are not in its blocks."""
    parts = [part for field, part in ast.iter_fields(statement) if field not in ("body", "orelse")]
    flat = [p for part in parts for p in (part if isinstance(part, list) else [part])]
    return [node for part in flat if isinstance(part, ast.AST) for node in ast.walk(part)]


def function_text(name: str, parameters: Sequence[str], body: Statements) -> str:
    """The text of a function."""
    lines = ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))
    return f"def {name}({', '.join(parameters)}):\n{textwrap.indent(lines, '    ')}\n"
