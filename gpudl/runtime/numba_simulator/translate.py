"""From the text of a kernel to a module with its generator: what Numba compiles."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from ..python_source import Function, globals_of
from .expressions import Expressions, Statements, assign, name, parsed
from .vocabulary import (
    ATOMICS,
    BLOCK,
    FENCES,
    MATH,
    SHUFFLES,
    Words,
    device_function,
    is_index,
    roots_of,
    unsupported,
    waits,
)

HEAD = '''"""Generated from {origin}: one generator a thread."""
import numba
import numpy
from gpudl.runtime.numba_simulator import library as _lib
'''
PROLOGUE = """
_bx, _by, _bz = _ctx[0], _ctx[1], _ctx[2]
_bdx, _bdy, _bdz = _ctx[3], _ctx[4], _ctx[5]
_gdx, _gdy, _gdz = _ctx[6], _ctx[7], _ctx[8]
_tx, _ty, _tz = _lin % _bdx, _lin // _bdx % _bdy, _lin // (_bdx * _bdy)
"""
PREFIX = {"threadIdx": "_t", "blockIdx": "_b", "blockDim": "_bd", "gridDim": "_gd"}
DECORATOR = '@numba.njit(cache=True, boundscheck=True, error_model="numpy")\n'


@dataclass(frozen=True)
class Site:
    """A place where threads wait: "block" or "warp", the operation, its line in the kernel."""

    kind: str
    operation: str
    line: int


@dataclass
class Module:
    """The generated module, as it grows."""

    vocabulary: object
    globals: dict[str, Any] = field(default_factory=dict)  # emitted name -> value
    text: list[str] = field(default_factory=list)  # definitions of globals
    helpers: dict[Function, str] = field(default_factory=dict)
    inlined: dict[Function, bool] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)  # shape and dtype, as text
    temporaries: int = 0

    def temporary(self) -> str:
        """A name that no kernel uses."""
        self.temporaries += 1
        return f"_v{self.temporaries}"

    def constant(self, given: str, value: Any, line: int) -> str:
        """The name under which the module has a global value of a kernel."""
        emitted, n = given, 2
        while emitted in self.globals and self.globals[emitted] is not value:
            emitted, n = f"{given}_{n}", n + 1
        if emitted not in self.globals:
            self.globals[emitted] = value
            self.text.append(_definition(emitted, value, line))
        return emitted


def _definition(emitted: str, value: Any, line: int) -> str:
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {emitted}"
    if isinstance(value, (bool, int, float, str, tuple, type(None))):
        return f"{emitted} = {value!r}"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"{emitted} = numpy.{value.__name__}"
    if isinstance(value, (np.dtype, np.generic)):
        made = f"dtype({value.name!r})" if isinstance(value, np.dtype) else repr(value)[3:]
        return f"{emitted} = numpy.{made}"
    if isinstance(value, np.ndarray):
        return f"{emitted} = numpy.array({value.tolist()!r}, {value.dtype.name!r})"
    if type(value).__module__.startswith("numba."):
        return f"{emitted} = numba.{value}"
    raise unsupported(f"the global {emitted} = {value!r}", line)


def tree_of(function: Function) -> ast.FunctionDef:
    """The syntax tree of a function, with the line numbers of its file."""
    text = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(text)
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    found = tree.body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


class Translation:
    """One function inside the module: the kernel, or a device function."""

    def __init__(self, module: Module, function: Function, *, rename: str = "") -> None:
        self.module, self.function, self.rename = module, function, rename
        self.tree = tree_of(function)
        self.used = globals_of(function, {})
        self.words = Words(roots_of(self.used, module.vocabulary))
        self.words.collect(self.tree.body)
        self.expressions = Expressions(self)
        self.locals = {*function.__code__.co_varnames}
        self.temporary = module.temporary

    # ----- what the text means -----
    def device(self, node: ast.AST) -> Function | None:
        """The device function that a call calls."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in self.locals:
                return device_function(self.used.get(node.func.id))
        return None

    def is_waiting_call(self, node: ast.Call) -> bool:
        if waits(self.words.called(node)):
            return True
        function = self.device(node)
        if function is None:
            return False
        if function not in self.module.inlined:
            self.module.inlined[function] = self._inner(function).needs_inlining()
        return self.module.inlined[function]

    def _inner(self, function: Function, rename: str = "") -> Translation:
        if function is self.function:
            raise unsupported(f"recursion of {function.__name__}", self.tree.lineno)
        return Translation(self.module, function, rename=rename)

    def waits(self, node: ast.AST) -> bool:
        return any(
            isinstance(inner, ast.Call) and self.is_waiting_call(inner) for inner in ast.walk(node)
        )

    def needs_inlining(self) -> bool:
        """Whether threads wait in this function, or it has shared memory."""
        return any(
            self.words.called(node) == "shared.array"
            or (isinstance(node, ast.Call) and self.is_waiting_call(node))
            for node in ast.walk(self.tree)
        )

    # ----- expressions -----
    def plain(self, node: ast.expr) -> ast.expr:
        result: ast.expr = _Plain(self).visit(copy.deepcopy(node))
        return result

    def call(self, node: ast.Call, args: list[ast.expr]) -> ast.expr:
        return _Plain(self).call(node, args)

    def waiting_call(self, node: ast.Call, out: Statements) -> ast.expr:
        word = self.words.called(node)
        if word is None:
            function = self.device(node)
            assert function is not None
            return self._inlined(function, node, out)
        if node.keywords:
            raise unsupported(f"keyword arguments of {word}", node.lineno)
        values = [self.expressions.kept(arg, out) for arg in node.args]
        names = [ast.unparse(value) for value in values]
        block = word in BLOCK
        if not block:
            mask = names.pop(0) if names else "0xffffffff"
            out += parsed(f"_lanes[_lib.MASK, _lin] = numpy.int64({mask}) & 0xffffffff")
        result = "0"
        if names:
            counts = block or word in ("ballot_sync", "any_sync", "all_sync", "eq_sync")
            given = f"1 if {names[0]} else 0" if counts else f"_lib.to_bits({names[0]})"
            out += parsed(f"_lanes[_lib.GIVEN, _lin] = {given}")
            more = ", ".join(["_lanes", "_lin", *(names if word in SHUFFLES else ())])
            result = f"_lib.{word}({more})"
        self.module.sites.append(Site("block" if block else "warp", word, node.lineno))
        out += parsed(f"yield {len(self.module.sites)}")
        if result == "0":
            return ast.Constant(0)
        kept = self.temporary()
        out += parsed(f"_ctx[9] = {node.lineno}\n{kept} = {result}")
        return name(kept)

    def _inlined(self, function: Function, call: ast.Call, out: Statements) -> ast.expr:
        """The body of a device function in place of its call."""
        self.module.temporaries += 1
        inner = self._inner(function, rename=f"_f{self.module.temporaries}_")
        parameters = [arg.arg for arg in inner.tree.args.args]
        if call.keywords or len(call.args) != len(parameters):
            raise unsupported(f"defaults or keywords in a call of {function.__name__}", call.lineno)
        for parameter, value in zip(parameters, call.args, strict=True):
            out.append(assign(inner.rename + parameter, self.expressions.kept(value, out)))
        body = list(inner.tree.body)
        last = body.pop() if body and isinstance(body[-1], ast.Return) else None
        if any(isinstance(node, ast.Return) for part in body for node in ast.walk(part)):
            raise unsupported(
                f"an early return of {function.__name__}, in which threads wait", call.lineno
            )
        out += inner.block(body)
        if not isinstance(last, ast.Return) or last.value is None:
            return ast.Constant(0)
        return inner.expressions.kept(last.value, out)

    def local(self, identifier: str, line: int) -> str:
        """A name of the function, in the generated text."""
        if identifier in self.locals:
            return self.rename + identifier
        if identifier in self.used:
            function = device_function(self.used[identifier])
            if function is not None:
                return self.helper(function)
            return self.module.constant(identifier, self.used[identifier], line)
        return identifier

    def helper(self, function: Function) -> str:
        """The name of a device function in which nobody waits: it is compiled by itself."""
        if function not in self.module.helpers:
            emitted = f"_device{len(self.module.helpers)}_{function.__name__}"
            self.module.helpers[function] = emitted
            inner = self._inner(function)
            body = parsed(PROLOGUE) + inner.block(inner.tree.body)
            names = ["_lin", "_ctx", *(arg.arg for arg in inner.tree.args.args)]
            self.module.text.append(DECORATOR + _function(emitted, names, body))
        return self.module.helpers[function]

    # ----- statements -----
    def block(self, body: list[ast.stmt]) -> Statements:
        out: Statements = []
        for statement in body:
            self.statement(statement, out)
        return out or [ast.Pass()]

    def statement(self, node: ast.stmt, out: Statements) -> None:
        take = self.expressions.take
        if any(isinstance(inner, (ast.Subscript, ast.Call)) for inner in _heads(node)):
            out += parsed(f"_ctx[9] = {node.lineno}")
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id in self.words.aliases:
                return
            value = take(node.value, out)
            out.append(ast.Assign([self.target(t, out) for t in node.targets], value))
        elif isinstance(node, ast.AugAssign):
            self._augmented(node, out)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            out.append(ast.Assign([self.target(node.target, out)], take(node.value, out)))
        elif isinstance(node, ast.Expr):
            value = take(node.value, out)
            if not isinstance(value, (ast.Constant, ast.Name)):
                out.append(ast.Expr(value))
        elif isinstance(node, ast.If):
            test = take(node.test, out)
            other = self.block(node.orelse) if node.orelse else []
            out.append(ast.If(test, self.block(node.body), other))
        elif isinstance(node, ast.For):
            steps = take(node.iter, out)
            other = self.block(node.orelse) if node.orelse else []
            out.append(ast.For(self.target(node.target, out), steps, self.block(node.body), other))
        elif isinstance(node, ast.While):
            self._while(node, out)
        elif isinstance(node, ast.Return):
            self._return(node, out)
        elif isinstance(node, (ast.Pass, ast.Break, ast.Continue)):
            out.append(node)
        else:
            raise unsupported(f"the statement {type(node).__name__}", node.lineno)

    def target(self, node: ast.expr, out: Statements) -> ast.expr:
        """What is assigned to; a wait in its index comes after the value."""
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self.target(part, out) for part in node.elts], ast.Store())
        taken = self.expressions.take(node, out)
        assert isinstance(taken, (ast.Name, ast.Subscript, ast.Attribute))
        taken.ctx = ast.Store()
        return taken

    def _augmented(self, node: ast.AugAssign, out: Statements) -> None:
        if not self.waits(node):
            target = self.plain(node.target)
            assert isinstance(target, (ast.Name, ast.Subscript, ast.Attribute))
            target.ctx = ast.Store()
            out.append(ast.AugAssign(target, node.op, self.plain(node.value)))
            return
        target = copy.deepcopy(node.target)
        if isinstance(target, ast.Subscript):
            array = self.expressions.kept(target.value, out)
            target = ast.Subscript(array, self.expressions.kept(target.slice, out), ast.Load())
        else:
            target = self.plain(target)
        before = self.temporary()
        out.append(assign(before, target))
        value = ast.BinOp(name(before), node.op, self.expressions.take(node.value, out))
        stored = copy.deepcopy(target)
        assert isinstance(stored, (ast.Name, ast.Subscript))
        stored.ctx = ast.Store()
        out.append(ast.Assign([stored], value))

    def _while(self, node: ast.While, out: Statements) -> None:
        if not self.waits(node.test):
            other = self.block(node.orelse) if node.orelse else []
            out.append(ast.While(self.plain(node.test), self.block(node.body), other))
            return
        if node.orelse:
            raise unsupported("else of a loop whose test waits", node.lineno)
        inner: Statements = []
        test = self.expressions.take(node.test, inner)
        inner.append(ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], []))
        out.append(ast.While(ast.Constant(True), inner + self.block(node.body), []))

    def _return(self, node: ast.Return, out: Statements) -> None:
        if node.value is None:
            out += parsed("yield 0") if self.function not in self.module.helpers else []
            out.append(ast.Return(None))
        else:
            out.append(ast.Return(self.expressions.take(node.value, out)))


def _heads(node: ast.stmt) -> list[ast.AST]:
    """The nodes of a statement that are not in its blocks."""
    blocks = ("body", "orelse")
    parts = [value for key, value in ast.iter_fields(node) if key not in blocks]
    flat = [p for part in parts for p in (part if isinstance(part, list) else [part])]
    return [inner for part in flat if isinstance(part, ast.AST) for inner in ast.walk(part)]


class _Plain(ast.NodeTransformer):
    """Words and names of an expression in which nobody waits."""

    def __init__(self, owner: Translation) -> None:
        self.owner, self.words = owner, owner.words

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if self.words.meaning(node) is not None:
            return self.visit_Attribute(node)
        return ast.Name(self.owner.local(node.id, node.lineno), node.ctx)

    def visit_Attribute(self, node: ast.Attribute | ast.Name) -> ast.expr:
        word = self.words.meaning(node)
        if word is None:
            result = self.generic_visit(node)
            assert isinstance(result, ast.expr)
            return result
        if not is_index(word):
            raise unsupported(f"cuda.{word}", node.lineno)
        if word == "warpsize":
            return ast.Constant(32)
        if word == "laneid":
            return parsed_expression("_lin % 32")
        base, _, axis = word.partition(".")
        return name(PREFIX[base] + axis)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if self.words.called(node) == "shared.array":
            return self._shared(node)
        # `shape=` and `dtype=` of local arrays stand in the order of the parameters.
        args = [self.visit(arg) for arg in node.args]
        if self.words.called(node) is not None:
            args += [self.visit(keyword.value) for keyword in node.keywords]
        return self.call(node, args)

    def call(self, node: ast.Call, args: list[ast.expr]) -> ast.expr:
        """The call with arguments that are translated already."""
        word = self.words.called(node)
        if word is None:
            if self.owner.device(node) is not None:
                args = [name("_lin"), name("_ctx"), *args]
            keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
            return ast.Call(self.visit(node.func), args, keywords)
        if word == "const.array_like":
            return args[0]
        if word in ("grid", "gridsize"):
            return self._grid(word, node)
        if word in FENCES:
            return ast.Constant(0)
        if word == "local.array":
            return ast.Call(parsed_expression("_lib.local_array"), args, [])
        if word in MATH:
            return ast.Call(parsed_expression(f"_lib.{word}"), args, [])
        family, _, operation = word.partition(".")
        if family == "atomic" and operation in ATOMICS:
            return ast.Call(parsed_expression(f"_lib.atomic_{operation}"), args, [])
        raise unsupported(f"cuda.{word}", node.lineno)

    def _grid(self, word: str, node: ast.Call) -> ast.expr:
        axes = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if axes not in (1, 2, 3):
            raise unsupported(f"cuda.{word} of other than 1, 2 or 3 axes", node.lineno)
        form = "_t{0} + _b{0} * _bd{0}" if word == "grid" else "_gd{0} * _bd{0}"
        values = [form.format(axis) for axis in "xyz"[: int(str(axes))]]
        return parsed_expression(values[0] if axes == 1 else f"({', '.join(values)})")

    def _shared(self, node: ast.Call) -> ast.expr:
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        shape, dtype = (ast.unparse(self.visit(part)) for part in parts)
        self.owner.module.shared.append((shape, dtype))
        return name(f"_shared{len(self.owner.module.shared) - 1}")


def parsed_expression(text: str) -> ast.expr:
    """An expression from its text."""
    return ast.parse(text, mode="eval").body


def _function(emitted: str, parameters: list[str], body: Statements) -> str:
    lines = ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))
    return f"def {emitted}({', '.join(parameters)}):\n{textwrap.indent(lines, '    ')}\n"


def translate(kernel: Function, vocabulary: object) -> str:
    """The text of the module for `kernel`: `generator`, `shared`, `SITES`."""
    module = Module(vocabulary)
    translation = Translation(module, kernel)
    parameters = [arg.arg for arg in translation.tree.args.args]
    body = parsed(PROLOGUE) + translation.block(translation.tree.body) + parsed("yield 0")
    shared = [f"_shared{i}" for i in range(len(module.shared))]
    generator = _function("generator", ["_lin", "_ctx", "_lanes", *shared, *parameters], body)
    sizes = "".join(f"({shape}, {dtype}), " for shape, dtype in module.shared)
    sites = "".join(f"({s.kind!r}, {s.operation!r}, {s.line}), " for s in module.sites)
    return "\n\n".join(
        [
            HEAD.format(origin=kernel.__qualname__),
            *module.text,
            DECORATOR + generator,
            f"def shared({', '.join(parameters)}):\n    return ({sizes})",
            f"SITES = ({sites})\n",
        ]
    )
