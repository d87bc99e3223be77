"""What the names of one function mean, and where a thread waits in it."""

from __future__ import annotations

import ast
import inspect

from ..python_source import Function, tree_of, values_of
from .module import Module
from .vocabulary import Words, device_function, roots_of, unsupported, waits


class Scope:
    """A kernel, or a device function. `prefix` is put before its own names in the module."""

    def __init__(self, module: Module, function: Function, prefix: str = "") -> None:
        self.module, self.function, self.prefix = module, function, prefix
        self.file = inspect.getsourcefile(function) or "<kernel>"
        self.tree = tree_of(function)
        self.parameters = [arg.arg for arg in self.tree.args.args]
        if ast.unparse(self.tree.args) != ", ".join(map(ast.unparse, self.tree.args.args)):
            raise unsupported(
                f"{function.__name__} has defaults, or takes other than plain arguments",
                self.tree.lineno,
            )
        self.values = values_of(function, {})
        self.words = Words(roots_of(self.values), self.tree.body)
        self.locals = frozenset(function.__code__.co_varnames + function.__code__.co_cellvars)

    def place(self, node: ast.stmt | ast.expr) -> int:
        """Where a node stands in the source."""
        return self.module.place(self.file, node.lineno)

    def emitted(self, identifier: str, line: int) -> str:
        """A name of the function in the text of the module."""
        if identifier in self.locals:
            # Names of the module itself begin with a line.
            return self.prefix + (f"own{identifier}" if identifier[0] == "_" else identifier)
        if identifier not in self.values:
            return identifier  # of Python itself
        value = self.values[identifier]
        function = device_function(value)
        if function is not None:
            return self.module.helper(function)
        return self.module.constant(identifier, value, line)

    def callee(self, node: ast.AST) -> Function | None:
        """The device function that a call calls."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in self.locals:
                return device_function(self.values.get(node.func.id))
        return None

    # ----- waits -----
    def waits(self, node: ast.AST) -> bool:
        """Whether a thread waits somewhere in `node`."""
        return any(map(self.waits_at, ast.walk(node)))

    def waits_at(self, node: ast.AST) -> bool:
        """Whether it waits at this node itself: a barrier, a warp operation, a loop that polls, or
        a call of a function with one of them.
        """
        if isinstance(node, ast.While):
            return self.words.polls(node)
        if waits(self.words.called(node)):
            return True
        function = self.callee(node)
        if function is None:
            return False
        known = self.module.inlined
        if function not in known:
            known[function] = False  # for functions that call each other
            known[function] = Scope(self.module, function).is_part_of_its_caller()
        return known[function]

    def is_part_of_its_caller(self) -> bool:
        """Whether a call is replaced by the function: threads wait in it, or share its arrays."""
        return self.waits(self.tree) or any(
            self.words.called(node) == "shared.array" for node in ast.walk(self.tree)
        )
