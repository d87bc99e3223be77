"""The words of `numba.cuda` that the simulator knows, and how they are found in a kernel's text."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, NoReturn

from ...errors import NotSupportedError
from ..python_source import Function

# Operations at which a thread waits for others. block: all threads of the block; warp: the lanes
# that the mask names, the first argument.
BLOCK = ("syncthreads", "syncthreads_count", "syncthreads_and", "syncthreads_or")
SHUFFLES = ("shfl_sync", "shfl_up_sync", "shfl_down_sync", "shfl_xor_sync")
VOTES = ("ballot_sync", "any_sync", "all_sync", "eq_sync")
MATCHES = ("match_any_sync", "match_all_sync")
WARP = ("syncwarp", *SHUFFLES, *VOTES, *MATCHES)
ATOMICS: tuple[str, ...] = ("add", "sub", "min", "max", "nanmin", "nanmax", "and_", "or_", "xor")
ATOMICS += ("inc", "dec", "exch", "cas", "compare_and_swap")
FENCES = ("threadfence", "threadfence_block", "threadfence_system", "nanosleep")
MATH = ("popc", "clz", "ffs", "brev", "fma", "cbrt", "selp")
INDICES = ("threadIdx", "blockIdx", "blockDim", "gridDim")


class Vocabulary:
    """What stands for `numba.cuda` in the text of a kernel; it has a meaning there only."""

    def __getattr__(self, word: str) -> NoReturn:
        if word.startswith("__"):
            raise AttributeError(word)
        raise NotSupportedError(
            f"cuda.{word}",
            "has a meaning inside a kernel only",
            remedy="launch the kernel, or call this function from one",
        )


def unsupported(what: str, line: int, remedy: str | None = None) -> NotSupportedError:
    """The error for a kernel that uses what the simulator does not know."""
    return NotSupportedError(
        "numba simulator",
        f"{what} (line {line})",
        remedy=remedy or "run this kernel on a card, or write it without",
    )


class Words:
    """What expressions of a function mean in the vocabulary: "threadIdx.x", "shfl_xor_sync", ..."""

    def __init__(self, roots: frozenset[str], body: list[ast.stmt]) -> None:
        self.roots = roots  # names of numba.cuda
        self.aliases: dict[str, str] = {}  # local names of parts of it, as after t = cuda.threadIdx
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Assign) and len(node.targets) == 1:
                    target, word = node.targets[0], self.meaning(node.value)
                    if isinstance(target, ast.Name) and word is not None and not is_index(word):
                        self.aliases[target.id] = word

    def meaning(self, node: ast.AST) -> str | None:
        """The dotted name inside numba.cuda, or None."""
        if isinstance(node, ast.Name):
            return "" if node.id in self.roots else self.aliases.get(node.id)
        if isinstance(node, ast.Attribute):
            inner = self.meaning(node.value)
            return None if inner is None else f"{inner}.{node.attr}".lstrip(".")
        return None

    def called(self, node: ast.AST) -> str | None:
        """The word that a call calls."""
        return self.meaning(node.func) if isinstance(node, ast.Call) else None

    def polls(self, loop: ast.While) -> bool:
        """Whether a loop may wait for what another thread writes: its end may depend on memory."""
        endless = isinstance(loop.test, ast.Constant)
        tests = [node.test for node in ast.walk(loop) if isinstance(node, ast.If) and endless]
        reads = (node for test in [loop.test, *tests] for node in ast.walk(test))
        if any(isinstance(node, ast.Subscript) for node in reads):
            return True
        return any((self.called(node) or "").startswith("atomic.") for node in ast.walk(loop))


def is_index(word: str) -> bool:
    """Whether a word is a number: threadIdx.x and its like."""
    name, _, axis = word.partition(".")
    return axis in ("x", "y", "z") if name in INDICES else word in ("laneid", "warpsize")


def waits(word: str | None) -> bool:
    """Whether a thread waits at a call of `word`."""
    return word in BLOCK or word in WARP


def roots_of(values: Mapping[str, Any]) -> frozenset[str]:
    """The names among those that a kernel has from around it that mean numba.cuda."""
    return frozenset(
        name
        for name, value in values.items()
        if isinstance(value, Vocabulary)
        or (isinstance(value, ModuleType) and value.__name__ == "numba.cuda")
    )


def device_function(value: object) -> Function | None:
    """The plain function of a value that a kernel may call as a device function."""
    plain = getattr(value, "py_func", value)
    return plain if isinstance(plain, FunctionType) else None
