"""From a kernel's source to a shared object that emulates it, by g++, through the cache on disk.

One unit includes the `.cu` and instantiates every variant of a spec. The emulator's own files are
compiled once for all.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from ..errors import CompileError, MissingDependencyError
from ..notices import notice, say
from . import cache
from .sources import EMULATOR, closure, include_folder
from .spec import KernelSpec

OLDEST = 12
COMMON = (
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-g1",
    "-gdwarf-4",  # addr2line takes the file of a line from the wrong entry of a version 5 table
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",  # unroll, for NVRTC
    "-Wno-psabi",  # a tensor map by value: how GCC 4.5 passed it
)
RUNTIME = (*COMMON, "-O2")
FAST = ("-O2", "-fno-omit-frame-pointer")
# The compiler's instrumentation only: the emulator defines what it calls, the sanitizers' libraries
# are not linked.
CHECKED = (
    "-O1",
    "-DGPUDL_EMU_CHECKED",
    "-fsanitize=thread",
    "--param=tsan-instrument-func-entry-exit=0",
    "--param=tsan-distinguish-volatile=1",
    "-fsanitize=bounds-strict,alignment,signed-integer-overflow,integer-divide-by-zero,shift",
    "-fsanitize-recover=all",
)


@dataclass(frozen=True)
class Compiler:
    """A g++, its version, and the instructions it may use here."""

    path: str
    version: str
    machine: tuple[str, ...]

    def run(self, arguments: Sequence[str], folder: Path, what: str) -> str:
        """Run in `folder`; the warnings. Raises `CompileError` with what it said."""
        done = subprocess.run(
            [self.path, *self.machine, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode:
            raise CompileError(what, f"g++ refused it:\n{done.stderr.strip()}")
        return done.stderr


@once
def compiler() -> Compiler:
    """The first GCC that is new enough: of CXX, then g++. Raises `MissingDependencyError`."""
    named = [os.environ.get("CXX", ""), "g++", *(f"g++-{n}" for n in range(16, OLDEST - 1, -1))]
    for name in named:
        path = shutil.which(name) if name else None
        if path is None:
            continue
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        found = re.search(r" (\d+)\.\d+\.\d+", asked.stdout)
        if "Free Software Foundation" in asked.stdout and found and int(found[1]) >= OLDEST:
            return Compiler(path, asked.stdout.splitlines()[0], _machine())
    raise MissingDependencyError(
        "emulator",
        f"the device emu compiles kernels with g++ {OLDEST} or later, and found none",
        remedy="sudo apt install g++ (or set CXX)",
    )


def _machine() -> tuple[str, ...]:
    """Fused multiply-adds and AVX2 where the processor has them; it is part of the cache's key."""
    if platform.machine() == "x86_64" and Path("/proc/cpuinfo").exists():
        flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
        if {"avx2", "fma", "bmi2", "movbe"} <= set(flags):
            return ("-march=x86-64-v3",)
    return ()


def _prefixes(folder: Path, spec: KernelSpec | None = None) -> list[str]:
    """No path of this machine in a binary: messages name files as the repository does."""
    maps = {folder: ".", EMULATOR: "gpudl/runtime/emulator", include_folder().parent: "kernels"}
    if spec is not None and spec.folder is not None:
        maps[spec.folder] = "kernels"
    return [f"-ffile-prefix-map={path}={name}" for path, name in maps.items()]


@once
def runtime_objects() -> tuple[bytes, ...]:
    """The emulator itself, compiled: an object a file."""
    gcc = compiler()
    headers = {path.name: path.read_text() for path in sorted(EMULATOR.glob("*.h"))}

    def build(source: Path) -> bytes:
        def make() -> bytes:
            notice("compile", "emulator", lambda: f"{source.name} by g++")
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                flags = [*RUNTIME, *_prefixes(folder)]
                gcc.run(
                    [*flags, "-c", str(source), "-o", "out.o"], folder, f"emulator/{source.name}"
                )
                return (folder / "out.o").read_bytes()

        text = source.read_text()
        key = cache.key("emulator", gcc.version, gcc.machine, RUNTIME, source.name, text, headers)
        return cache.content(cache.entry(f"{key}.o", make))

    return tuple(build(source) for source in sorted(EMULATOR.glob("*.cpp")))


def unit(spec: KernelSpec) -> str:
    """The source of the unit that emulates a spec."""
    lines = [f'GPUDL_INSTANCE("{spec.key(v)}", ({spec.expression(v)}))' for v in spec.variants]
    return "\n".join([f'#include "{spec.source}"', *lines, ""])


def build_library(spec: KernelSpec, checked: bool) -> Path:
    """The shared object that emulates all variants of a spec.

    Raises `CompileError` with what g++ said, `MissingDependencyError` without g++.
    """
    gcc = compiler()
    objects = runtime_objects()
    roots = [spec.path.parents[spec.source.count("/")], include_folder().parent]
    roots += [include_folder(), EMULATOR]
    text = unit(spec)
    flags = (*COMMON, *(CHECKED if checked else FAST), "-DGPUDL_EMULATED")
    sources = (spec.path.read_text(), closure(spec.path, roots))
    key = cache.key("library", gcc.version, gcc.machine, flags, text, sources, objects)

    def make() -> bytes:
        build = "checked" if checked else "fast"
        notice("compile", spec.name, lambda: f"{len(spec.variants)} variants by g++, {build}")
        say(4, f"{spec.name}, emulated:\n{text}")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "unit.cpp").write_text(text)
            includes = [f"-I{root}" for root in roots]
            given = [*flags, *_prefixes(folder, spec), *includes, "-c", "unit.cpp", "-o", "unit.o"]
            log = gcc.run(given, folder, spec.name)
            names = [f"runtime{i}.o" for i in range(len(objects))]
            for file, image in zip(names, objects, strict=True):
                (folder / file).write_bytes(image)
            link = ["-shared", "-Wl,-Bsymbolic", "unit.o", *names, "-ldl", "-lrt", "-pthread"]
            log += gcc.run([*link, "-o", "out.so"], folder, spec.name)
            return _with_log((folder / "out.so").read_bytes(), log)

    return cache.entry(f"{key}.so", make)


def _with_log(image: bytes, log: str) -> bytes:
    """The log after the image, where the loader does not look."""
    said = log.encode()
    return image + said + len(said).to_bytes(8, "little")


def log_of(library: Path) -> str:
    """The warnings of the build of a library."""
    payload = cache.content(library)
    size = int.from_bytes(payload[-8:], "little")
    return payload[len(payload) - 8 - size : -8].decode()
