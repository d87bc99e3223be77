"""Expressions in which a thread waits, taken apart: what comes before the wait stays before it.

`s[t] + shfl_xor_sync(mask, s[t], 1)` becomes three statements, as the left operand is read before
the other lanes go on. Expressions without a wait stay as they are, apart from their words.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Protocol

from .vocabulary import unsupported

Statements = list[ast.stmt]


def name(identifier: str) -> ast.Name:
    """A name that is read."""
    return ast.Name(identifier, ast.Load())


def assign(target: str, value: ast.expr) -> ast.stmt:
    """target = value."""
    return ast.Assign([ast.Name(target, ast.Store())], value)


def parsed(text: str) -> Statements:
    """Statements from their text."""
    return ast.parse(text).body


class Owner(Protocol):
    """The translation that the expressions belong to."""

    def waits(self, node: ast.AST) -> bool:
        """Whether a thread waits inside `node`."""
        ...

    def plain(self, node: ast.expr) -> ast.expr:
        """An expression without a wait, in the words of the generated code."""
        ...

    def call(self, node: ast.Call, args: list[ast.expr]) -> ast.expr:
        """A call in which nobody waits, of arguments that are taken already."""
        ...

    def waiting_call(self, node: ast.Call, out: Statements) -> ast.expr:
        """A call at which, or in which, a thread waits."""
        ...

    def is_waiting_call(self, node: ast.Call) -> bool:
        """Whether the wait is in the call itself, not only in its arguments."""
        ...

    def temporary(self) -> str:
        """A new name."""
        ...


class Expressions:
    """Takes expressions apart; statements go to `out`, what is left is returned."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def take(self, node: ast.expr, out: Statements) -> ast.expr:
        """`node` as an expression without a wait."""
        owner = self.owner
        if not owner.waits(node):
            return owner.plain(node)
        if isinstance(node, ast.Call):
            if owner.is_waiting_call(node):
                return owner.waiting_call(node, out)
            if node.keywords:
                raise unsupported("keyword arguments beside a warp operation", node.lineno)
            return owner.call(node, self.operands(node.args, out))
        if isinstance(node, ast.BinOp):
            left, right = self.operands([node.left, node.right], out)
            return ast.BinOp(left, node.op, right)
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self.take(node.operand, out))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.operands([node.left, *node.comparators], out)
            return ast.Compare(left, node.ops, [right])
        if isinstance(node, ast.Tuple):
            return ast.Tuple(self.operands(node.elts, out), ast.Load())
        if isinstance(node, ast.Subscript):
            value, index = self.operands([node.value, node.slice], out)
            return ast.Subscript(value, index, ast.Load())
        if isinstance(node, ast.Attribute):
            return ast.Attribute(self.take(node.value, out), node.attr, ast.Load())
        if isinstance(node, ast.IfExp):
            return self._choice(node, out)
        if isinstance(node, ast.BoolOp):
            return self._logic(node, out)
        raise unsupported(f"a warp operation or barrier inside {type(node).__name__}", node.lineno)

    def operands(self, nodes: Sequence[ast.expr], out: Statements) -> list[ast.expr]:
        """Operands in the order of evaluation: those before a wait are kept in names."""
        later = [any(map(self.owner.waits, nodes[i + 1 :])) for i in range(len(nodes))]
        return [
            self.kept(node, out) if wait else self.take(node, out)
            for node, wait in zip(nodes, later, strict=True)
        ]

    def kept(self, node: ast.expr, out: Statements) -> ast.expr:
        """The value of `node` now, in a name."""
        value = self.take(node, out)
        if isinstance(value, (ast.Constant, ast.Name, ast.Slice)):
            return value
        temporary = self.owner.temporary()
        out.append(assign(temporary, value))
        return name(temporary)

    def _choice(self, node: ast.IfExp, out: Statements) -> ast.expr:
        result = self.owner.temporary()
        test = self.take(node.test, out)
        branches: list[Statements] = []
        for value in (node.body, node.orelse):
            branch: Statements = []
            branch.append(assign(result, self.take(value, branch)))
            branches.append(branch)
        out.append(ast.If(test, branches[0], branches[1]))
        return name(result)

    def _logic(self, node: ast.BoolOp, out: Statements) -> ast.expr:
        """`and` and `or` with their short cuts: the rest is evaluated in a branch."""
        result = self.owner.temporary()
        body = out
        for i, value in enumerate(node.values):
            body.append(assign(result, self.take(value, body)))
            if i + 1 < len(node.values):
                go_on: ast.expr = name(result)
                if isinstance(node.op, ast.Or):
                    go_on = ast.UnaryOp(ast.Not(), go_on)
                inner: Statements = []
                body.append(ast.If(go_on, inner, []))
                body = inner
        return name(result)
