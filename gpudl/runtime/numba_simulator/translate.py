"""From the text of a kernel to the text of a module with its generator: what Numba compiles."""

from __future__ import annotations

from typing import NamedTuple

from ..python_source import Function
from .body import Body
from .module import DECORATOR, HEAD, PROLOGUE, Module, Site
from .scope import Scope
from .syntax import function_text, parsed


class Translated(NamedTuple):
    """`text` defines `generator`, and `shared`, which gives the shapes and dtypes of the shared
    arrays from the arguments.
    """

    text: str
    sites: list[Site]
    files: list[str]


def translate(kernel: Function) -> Translated:
    """The module for a kernel. Raises `NotSupportedError` for what the simulator does not know."""
    module = Module()
    scope = Scope(module, kernel)
    body = parsed(PROLOGUE) + Body(scope, kernel=True).translated()
    arrays = [f"_shared{i}" for i in range(len(module.shared))]
    parameters = ["_lin", "_ctx", "_lanes", *arrays, *scope.parameters]
    generator = DECORATOR + function_text("generator", parameters, body)
    helpers = _helpers(module)
    sizes = "".join(f"({shape}, {dtype}), " for shape, dtype in module.shared)
    shared = f"def shared({', '.join(scope.parameters)}):\n    return ({sizes})\n"
    head = HEAD.format(origin=kernel.__qualname__)
    parts = [head, *module.definitions, *helpers, generator, shared]
    return Translated("\n\n".join(parts), module.sites, module.files)


def _helpers(module: Module) -> list[str]:
    """The device functions in which nobody waits; their translation may find more of them."""
    texts: list[str] = []
    while len(texts) < len(module.helpers):
        function, emitted = list(module.helpers.items())[len(texts)]
        scope = Scope(module, function)
        body = parsed(PROLOGUE) + Body(scope, kernel=False).translated()
        parameters = ["_lin", "_ctx", *scope.parameters]
        texts.append(DECORATOR + function_text(emitted, parameters, body))
    return texts
