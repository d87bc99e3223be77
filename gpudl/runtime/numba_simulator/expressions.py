"""Expressions in which a thread waits, taken apart: what comes before the wait stays before it.

`s[t] + shfl_xor_sync(mask, s[t], 1)` becomes three statements, as the left operand is read before
the other lanes go on. Expressions without a wait stay as they are, apart from their words.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from .plain import Plain
from .scope import Scope
from .syntax import Statements, assign, name
from .vocabulary import unsupported

# What becomes of a call at which a thread waits: statements go to the list, the result is returned.
WaitingCall = Callable[[ast.Call, Statements], ast.expr]


class Expressions:
    """Takes expressions of a scope apart; statements go to `out`, what is left is returned."""

    def __init__(self, scope: Scope, waiting_call: WaitingCall) -> None:
        self.scope, self.waiting_call = scope, waiting_call
        self.plain = Plain(scope)

    def take(self, node: ast.expr, out: Statements) -> ast.expr:
        """`node` as an expression without a wait."""
        if not self.scope.waits(node):
            return self.plain.translated(node)
        if isinstance(node, ast.Call):
            return self._call(node, out)
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
        raise unsupported(f"a wait inside {type(node).__name__}", node.lineno)

    def operands(self, nodes: Sequence[ast.expr], out: Statements) -> list[ast.expr]:
        """Operands in the order of evaluation: those before a wait are kept in names."""
        later = [any(map(self.scope.waits, nodes[i + 1 :])) for i in range(len(nodes))]
        return [
            self.kept(node, out) if wait else self.take(node, out)
            for node, wait in zip(nodes, later, strict=True)
        ]

    def kept(self, node: ast.expr, out: Statements) -> ast.expr:
        """The value of `node` now, in a name."""
        value = self.take(node, out)
        if isinstance(value, (ast.Constant, ast.Name, ast.Slice)):
            return value
        temporary = self.scope.module.temporary()
        out.append(assign(temporary, value))
        return name(temporary)

    def _call(self, node: ast.Call, out: Statements) -> ast.expr:
        if self.scope.waits_at(node):
            return self.waiting_call(node, out)
        if node.keywords:
            raise unsupported("keyword arguments beside a wait", node.lineno)
        return self.plain.call(node, self.operands(node.args, out))

    def _choice(self, node: ast.IfExp, out: Statements) -> ast.expr:
        result = self.scope.module.temporary()
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
        result = self.scope.module.temporary()
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
