"""What is in a binary: registers, spills and shared memory from the assembler's log, and counts of
SASS instructions by nvdisasm.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ..errors import CompileError, MissingDependencyError
from .nvrtc import Cubin

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_SECTION = re.compile(r"^\s*\.section\s+\.text\.(\S+?),", re.MULTILINE)
_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", re.MULTILINE)


@dataclass(frozen=True)
class Resources:
    """What one function takes: registers a thread, bytes spilled, static shared memory a block."""

    registers: int
    spills: int
    shared: int


def resources(cubin: Cubin) -> dict[str, Resources]:
    """What each function of a cubin takes, by its name in there."""
    found = {}
    _, *parts = _ENTRY.split(cubin.log)
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        registers, spills, shared = (r.search(text) for r in (_REGISTERS, _SPILLS, _SHARED))
        if registers is None or spills is None:
            raise CompileError(name, f"the assembler's log says nothing of it:\n{text}")
        spilled = int(spills[1]) + int(spills[2])
        found[name] = Resources(int(registers[1]), spilled, int(shared[1]) if shared else 0)
    return found


def warnings(cubin: Cubin) -> list[str]:
    """The lines of the log that warn, such as C7510: wgmma serialised."""
    return [line for line in cubin.log.splitlines() if re.search(r"\bC7\d{3}\b|[Ww]arning", line)]


def has_function(cubin: Cubin, name: str) -> bool:
    """Whether there is code for `name`: guards by macros can compile a kernel away."""
    return b".text." + name.encode() + b"\0" in cubin.image


@cache
def disassembler() -> str | None:
    """nvdisasm: of its wheel, of CUDA_PATH, or on the PATH."""
    folders = [Path(folder) / "nvidia/cu13/bin" for folder in sys.path]
    folders += [Path(root) / "bin" for root in [os.environ.get("CUDA_PATH")] if root]
    for folder in folders:
        if os.access(folder / "nvdisasm", os.X_OK):
            return str(folder / "nvdisasm")
    return shutil.which("nvdisasm")


def sass(cubin: Cubin) -> dict[str, Counter[str]]:
    """How often each instruction, with its modifiers, is in each function of a cubin.

    Raises `MissingDependencyError` without nvdisasm.
    """
    tool = disassembler()
    if tool is None:
        raise MissingDependencyError(
            "sass", "nvdisasm was not found", remedy="pip install nvidia-cuda-nvdisasm"
        )
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin.image)
        file.flush()
        done = subprocess.run([tool, "-c", file.name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError("sass", f"nvdisasm: {done.stderr.strip()}")
    _, *parts = _SECTION.split(done.stdout)
    return {
        name: Counter(_INSTRUCTION.findall(text))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def count(instructions: Counter[str], wanted: str) -> int:
    """How many instructions are `wanted`: an opcode with the modifiers it begins with, or a
    pattern.

    >>> have = Counter({"LDG.E.128": 2, "LDGSTS.E": 1, "BAR.SYNC": 3})
    >>> count(have, "LDG"), count(have, "LDG*"), count(have, "BAR.SYNC")
    (2, 3, 3)
    """
    return sum(
        n
        for name, n in instructions.items()
        if name == wanted or name.startswith(wanted + ".") or fnmatchcase(name, wanted)
    )
