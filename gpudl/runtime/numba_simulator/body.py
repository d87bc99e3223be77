"""The body of a function as the body of a generator: a thread yields where it waits."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable

from ..python_source import Function
from .expressions import Expressions
from .scope import Scope
from .syntax import Statements, assign, heads, name, parsed, stored
from .vocabulary import BLOCK, SHUFFLES, VOTES, unsupported

POLL = -1  # what a thread yields that waits for memory: it may go on at once
END = 0  # what it yields at its end
# A device function that returns leaves the place where it was called.
ENTRY, EXIT = "_caller = _ctx[_PLACE]", "_ctx[_PLACE] = _caller"


class Body:
    """Translates the statements of a scope. `callers` are the functions that it becomes part of."""

    def __init__(self, scope: Scope, *, kernel: bool, callers: tuple[Function, ...] = ()) -> None:
        self.scope, self.module, self.kernel = scope, scope.module, kernel
        self.callers = (*callers, scope.function)
        self.expressions = Expressions(scope, self._waiting_call)
        self.take = self.expressions.take
        self._translations: dict[type[ast.stmt], Callable[..., None]] = {
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.Expr: self._expression,
            ast.If: self._if,
            ast.For: self._for,
            ast.While: self._while,
            ast.Return: self._return,
        }

    def translated(self) -> Statements:
        """All of it."""
        body = self._block(self.scope.tree.body)
        if self.kernel:
            return body + parsed(f"yield {END}")
        return parsed(ENTRY) + body + parsed(EXIT)

    # ----- statements -----
    def _block(self, body: list[ast.stmt]) -> Statements:
        out: Statements = []
        for statement in body:
            self._statement(statement, out)
        return out or [ast.Pass()]

    def _statement(self, node: ast.stmt, out: Statements) -> None:
        if isinstance(node, (ast.Pass, ast.Break, ast.Continue)):
            out.append(node)
            return
        translate = self._translations.get(type(node))
        if translate is None:
            raise unsupported(f"the statement {type(node).__name__}", node.lineno)
        if not isinstance(node, ast.While) and _can_fail(heads(node)):
            self._note_place(node, out)
        translate(node, out)

    def _note_place(self, node: ast.stmt | ast.expr, out: Statements) -> None:
        """What fails from here on fails at this place of the source."""
        out += parsed(f"_ctx[_PLACE] = {self.scope.place(node)}")

    def _assign(self, node: ast.Assign, out: Statements) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self.scope.words.aliases:
            return
        value = self.take(node.value, out)
        out.append(ast.Assign([self._target(t, out) for t in node.targets], value))

    def _annotated(self, node: ast.AnnAssign, out: Statements) -> None:
        if node.value is not None:
            value = self.take(node.value, out)
            out.append(ast.Assign([self._target(node.target, out)], value))

    def _target(self, node: ast.expr, out: Statements) -> ast.expr:
        """What is assigned to; a wait in its index comes after the value."""
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self._target(part, out) for part in node.elts], ast.Store())
        return stored(self.take(node, out))

    def _augmented(self, node: ast.AugAssign, out: Statements) -> None:
        if not self.scope.waits(node):
            target = stored(self.take(node.target, out))
            assert isinstance(target, (ast.Name, ast.Subscript, ast.Attribute))
            out.append(ast.AugAssign(target, node.op, self.take(node.value, out)))
            return
        # The old value is read before the wait.
        place = self.take(node.target, out)
        if isinstance(node.target, ast.Subscript):
            array = self.expressions.kept(node.target.value, out)
            index = self.expressions.kept(node.target.slice, out)
            place = ast.Subscript(array, index, ast.Load())
        before = self.module.temporary()
        out.append(assign(before, place))
        value = ast.BinOp(name(before), node.op, self.take(node.value, out))
        out.append(ast.Assign([stored(copy.deepcopy(place))], value))

    def _expression(self, node: ast.Expr, out: Statements) -> None:
        value = self.take(node.value, out)
        if not isinstance(value, (ast.Constant, ast.Name)):
            out.append(ast.Expr(value))

    def _if(self, node: ast.If, out: Statements) -> None:
        test = self.take(node.test, out)
        other = self._block(node.orelse) if node.orelse else []
        out.append(ast.If(test, self._block(node.body), other))

    def _for(self, node: ast.For, out: Statements) -> None:
        steps = self.take(node.iter, out)
        other = self._block(node.orelse) if node.orelse else []
        out.append(ast.For(self._target(node.target, out), steps, self._block(node.body), other))

    def _while(self, node: ast.While, out: Statements) -> None:
        polls = self.scope.words.polls(node)
        if not (polls or self.scope.waits(node.test) or _can_fail(ast.walk(node.test))):
            other = self._block(node.orelse) if node.orelse else []
            out.append(ast.While(self.take(node.test, out), self._block(node.body), other))
            return
        # The test becomes statements, which run in each round.
        if node.orelse:
            raise unsupported("else of a loop whose test waits or reads memory", node.lineno)
        start: Statements = []
        self._note_place(node, start)
        test = self.take(node.test, start)
        start.append(ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], []))
        if polls:
            start += parsed(f"yield {POLL}")
        out.append(ast.While(ast.Constant(True), start + self._block(node.body), []))

    def _return(self, node: ast.Return, out: Statements) -> None:
        if self.kernel:
            if node.value is not None:
                raise unsupported("a kernel that returns a value", node.lineno)
            out += parsed(f"yield {END}\nreturn")
            return
        result = None if node.value is None else self.expressions.kept(node.value, out)
        out += parsed(EXIT)
        out.append(ast.Return(result))

    # ----- waits -----
    def _waiting_call(self, node: ast.Call, out: Statements) -> ast.expr:
        word = self.scope.words.called(node)
        if word is None:
            function = self.scope.callee(node)
            assert function is not None
            return self._inlined(function, node, out)
        if node.keywords:
            raise unsupported(f"keyword arguments of {word}", node.lineno)
        given = [ast.unparse(self.expressions.kept(arg, out)) for arg in node.args]
        return self._wait(word, given, node, out)

    def _wait(self, word: str, given: list[str], node: ast.Call, out: Statements) -> ast.expr:
        """Give a value, wait, and take what came of all values."""
        block = word in BLOCK
        if not block:
            mask = given.pop(0) if given else "0xffffffff"
            out += parsed(f"_lanes[_MASK, _lin] = numpy.int64({mask}) & 0xffffffff")
        if given:
            asks = block or word in VOTES
            bits = f"1 if {given[0]} else 0" if asks else f"_lib.to_bits({given[0]})"
            out += parsed(f"_lanes[_GIVEN, _lin] = {bits}")
        place = self.scope.place(node)
        site = self.module.site("block" if block else "warp", word, place)
        out += parsed(f"yield {site}\n_ctx[_PLACE] = {place}")
        if not given:
            return ast.Constant(0)
        result = self.module.temporary()
        args = ", ".join(["_lanes", "_lin", *(given if word in SHUFFLES else ())])
        out += parsed(f"{result} = _lib.{word}({args})")
        return name(result)

    def _inlined(self, function: Function, call: ast.Call, out: Statements) -> ast.expr:
        """The body of a device function in place of its call."""
        if function in self.callers:
            raise unsupported(f"{function.__name__} waits, and calls itself", call.lineno)
        scope = Scope(self.module, function, prefix=self.module.temporary("f") + "_")
        if call.keywords or len(call.args) != len(scope.parameters):
            raise unsupported(f"defaults or keywords in a call of {function.__name__}", call.lineno)
        for parameter, arg in zip(scope.parameters, call.args, strict=True):
            out.append(assign(scope.prefix + parameter, self.expressions.kept(arg, out)))
        *body, last = scope.tree.body
        result = last.value if isinstance(last, ast.Return) else None
        if not isinstance(last, ast.Return):
            body.append(last)
        if any(isinstance(node, ast.Return) for part in body for node in ast.walk(part)):
            raise unsupported(f"{function.__name__} waits, and returns early", call.lineno)
        inner = Body(scope, kernel=False, callers=self.callers)
        out += inner._block(body)
        value: ast.expr = ast.Constant(0)
        if result is not None:
            inner._note_place(last, out)
            value = inner.expressions.kept(result, out)
        self._note_place(call, out)
        return value


def _can_fail(nodes: Iterable[ast.AST]) -> bool:
    return any(isinstance(node, (ast.Subscript, ast.Call)) for node in nodes)
