"""Expressions in which nobody waits: the words of numba.cuda and the names of the function."""

from __future__ import annotations

import ast
import copy

from .module import PREFIX
from .scope import Scope
from .syntax import expression, name
from .vocabulary import ATOMICS, FENCES, MATH, is_index, unsupported

WORDS = {"warpsize": "32", "laneid": "_lin % 32"}
GRID = "_t{0} + _b{0} * _bd{0}"
GRIDSIZE = "_gd{0} * _bd{0}"


class Plain(ast.NodeTransformer):
    """Translates an expression of a scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.words = scope, scope.words

    def translated(self, node: ast.expr) -> ast.expr:
        """`node` in the words of the generated module; it stays as it is."""
        result: ast.expr = self.visit(copy.deepcopy(node))
        return result

    def visit_Name(self, node: ast.Name) -> ast.expr:
        word = self.words.meaning(node)
        if word is not None:
            return self._word(word, node)
        return ast.Name(self.scope.emitted(node.id, node.lineno), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        word = self.words.meaning(node)
        if word is not None:
            return self._word(word, node)
        result = self.generic_visit(node)
        assert isinstance(result, ast.expr)
        return result

    def _word(self, word: str, node: ast.expr) -> ast.expr:
        if not is_index(word):
            raise unsupported(f"cuda.{word}".rstrip("."), node.lineno)
        if word in WORDS:
            return expression(WORDS[word])
        base, _, axis = word.partition(".")
        return name(PREFIX[base] + axis)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        word = self.words.called(node)
        if word is None:
            return self.call(node, [self.visit(arg) for arg in node.args])
        # `shape=` and `dtype=` of arrays stand in the order of the parameters.
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        args = [self.visit(arg) for arg in given]
        if word == "shared.array":
            if len(args) != 2:
                raise unsupported("a shared array of other than a shape and a dtype", node.lineno)
            return name(self.scope.module.shared_array(*map(ast.unparse, args)))
        return self.call(node, args)

    def call(self, node: ast.Call, args: list[ast.expr]) -> ast.expr:
        """A call with arguments that are translated already."""
        word = self.words.called(node)
        if word is None:
            if self.scope.callee(node) is not None:
                args = [name("_lin"), name("_ctx"), *args]
            keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
            return ast.Call(self.visit(node.func), args, keywords)
        if word in ("grid", "gridsize"):
            return self._grid(GRID if word == "grid" else GRIDSIZE, node)
        if word == "const.array_like":
            return args[0]
        if word == "lanemask_lt":
            return expression("(1 << _lin % 32) - 1")
        if word in FENCES:
            return ast.Constant(0)
        family, _, operation = word.partition(".")
        known = operation in ATOMICS if family == "atomic" else word in (*MATH, "local.array")
        if not known:
            raise unsupported(f"cuda.{word}", node.lineno)
        return ast.Call(expression(f"_lib.{word.replace('.', '_')}"), args, [])

    def _grid(self, form: str, node: ast.Call) -> ast.expr:
        axes = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if axes not in (1, 2, 3):
            raise unsupported("a grid of other than 1, 2 or 3 axes", node.lineno)
        values = [form.format(axis) for axis in "xyz"[: int(str(axes))]]
        return expression(values[0] if axes == 1 else f"({', '.join(values)})")
