"""Faults planted by rule in every kernel: each barrier dropped, each bound flipped, each index
shifted by one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mutation import Mutant, finding

from gpudl import kernels
from gpudl.errors import CompileError
from gpudl.runtime import KernelSpec

# source -> how many faults were planted in it, and why those that no case finds are not found
RECORD = Path(__file__).parent / "mechanical_survivors.json"

_WAITS = (
    r"(?:__syncthreads\w*|__syncwarp|__threadfence\w*|grid_sync|named_barrier_sync|cp_async_wait<\w+>|"
    r"cp_async_commit|mbarrier_wait|wgmma_wait<\w+>|wgmma_fence|fence_proxy_async)"
)
_BARRIER = re.compile(rf"(?<![\w=(] ){_WAITS}\([^;{{}}]*\);")
_BOUND = re.compile(r" (<=|>=|<|>) ")
_FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_INDEX = re.compile(r"(?<=[\w\])])\[([^\[\]]+)\]")
_DECLARATION = re.compile(
    r"^\s*(?:__shared__|(?!return\b)(?:const\s+)?[\w:]+(?:<[^;=]*>)?[*\s]\s*\w+\[[^\]]*\]"
    r"(?:\[[^\]]*\])*\s*[;={,])"
)
_GLOBAL = re.compile(
    r"__global__(?:[^;{(]*?__launch_bounds__\([^)]*\))?[^;{(]*?\b(\w+)\s*\([^;{]*\)\s*\{"
)


def code_only(text: str) -> str:
    """The text with comments and preprocessor lines blanked, each character in its place."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    pattern = r"//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*(?:\\\n[^\n]*)*|template\s*<[^>]*>"
    return re.sub(pattern, blank, text, flags=re.DOTALL | re.MULTILINE)


def functions(code: str) -> list[tuple[str, int, int]]:
    """Name, begin and end of each `__global__` function."""
    found = []
    for match in _GLOBAL.finditer(code):
        depth, end = 1, match.end()
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        found.append((match[1], match.start(), end))
    return found


def faults(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Kind, begin, end and replacement of every fault that the rules plant."""
    code = code_only(text)
    for match in _BARRIER.finditer(code):
        yield "barrier", match.start(), match.end(), ";"
    for match in _BOUND.finditer(code):
        yield "bound", match.start(), match.end(), f" {_FLIPPED[match[1]]} "
    for match in _INDEX.finditer(code):
        begin = code.rfind("\n", 0, match.start()) + 1
        line = code[begin : code.find("\n", match.start())]
        if not _DECLARATION.match(line):
            yield "index", match.start(), match.end(), f"[({match[1]}) + 1]"


def mutants(text: str, specs: list[KernelSpec]) -> Iterator[tuple[list[KernelSpec], Mutant, str]]:
    """Every fault of a source: the specs whose code it is in, the mutant, and its name: the kind,
    the line, and which of its faults."""
    code = code_only(text)
    spans = functions(code)
    seen: dict[str, int] = {}
    for kind, begin, end, new in faults(text):
        owner = next((name for name, low, high in spans if low <= begin < high), None)
        of = [s for s in specs if owner in (None, re.match(r"[\w:]+", s.template)[0])]
        if not of:
            continue
        start = text.rfind("\n", 0, begin) + 1
        line = " ".join(text[start : text.find("\n", begin)].split())
        base = f"{kind}: {line}"
        nth = seen[base] = seen.get(base, -1) + 1
        # The patch is the whole text up to the fault, so that it fits in one place only.
        yield of, Mutant(of[0].name, kind, text[:end], text[:begin] + new), f"{base} #{nth}"


def sources() -> dict[str, list[KernelSpec]]:
    """Each source with the specs whose kernels are in it."""
    found: dict[str, list[KernelSpec]] = {}
    for spec in kernels.specs():
        found.setdefault(spec.source, []).append(spec)
    return found


def record() -> dict[str, Any]:
    """What is known of the sources that were gone through."""
    known: dict[str, Any] = json.loads(RECORD.read_text())
    return known


def survives(of: list[KernelSpec], mutant: Mutant) -> bool:
    """Whether neither the compiler nor a case of the specs finds the fault."""
    try:
        return all(finding(spec, mutant) is None for spec in of)
    except (CompileError, AssertionError):  # refused, or compiled with a warning
        return False


def go_through(source: str) -> Iterator[tuple[str, bool]]:
    """Plant every fault in a source, one at a time: its name, and whether it survives."""
    of = sources()[source]
    for specs, mutant, name in mutants(of[0].path.read_text(), of):
        yield name, survives(specs, mutant)
