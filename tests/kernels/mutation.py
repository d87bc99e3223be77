"""Mutants: a kernel with one fault planted, which the cases of its spec must find."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import gpudl as gd
from gpudl.errors import CompileError, GpudlError, MissingDependencyError
from gpudl.runtime import Case, KernelSpec, emulated, gcc, replaced
from gpudl.runtime.sources import include_folder
from gpudl.testing.kernel_cases import ORDERS, recover, run_case

SECONDS = 5.0  # after which a mutant that hangs is stopped


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A patch of the source of `spec`, or of another `file` of its folder or (`gpudl/...`) of the
    device headers: the occurrence `nth` of `old` becomes `new`."""

    spec: str
    kind: str
    old: str
    new: str
    nth: int = 0
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.spec}-{self.kind}-{' '.join(self.old.split())[:40]}-{self.nth}"

    def original(self, spec: KernelSpec) -> Path:
        """The file that is patched."""
        if self.file is not None and "/" in self.file:
            return include_folder() / self.file
        return spec.path.parent / (self.file or spec.path.name)

    def apply(self, text: str) -> str:
        """The patched text. Raises `ValueError` if there is no such occurrence."""
        at = -1
        for _ in range(self.nth + 1):
            at = text.find(self.old, at + 1)
            if at < 0:
                raise ValueError(f"{self}: the source has no occurrence {self.nth} of {self.old!r}")
        return text[:at] + self.new + text[at + len(self.old) :]


@contextmanager
def patched(spec: KernelSpec, mutant: Mutant) -> Iterator[KernelSpec]:
    """`spec` with a copy of its folder in which the fault is planted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = spec.path.parent
        target = (folder / spec.source).parent
        target.mkdir(parents=True, exist_ok=True)
        for path in own.iterdir():
            if path.suffix in (".cu", ".cuh"):
                shutil.copy(path, target)
        original = mutant.original(spec)
        shared = original.parent != own
        file = folder / original.relative_to(include_folder()) if shared else target / original.name
        file.parent.mkdir(exist_ok=True)
        file.write_text(mutant.apply(original.read_text()))
        yield dataclasses.replace(spec, folder=folder)


@cache
def variants_of(spec: KernelSpec, find: Any = None) -> dict[Case, frozenset[str]]:
    """Which variants of a spec each of its cases launches."""
    device = gd.device("emu")
    found = {}
    for case in spec.cases:
        launched = run_case(spec, case, device, find and find(case)).launched
        found[case] = frozenset(key for name, key in launched if name == spec.name)
    return found


def finding(spec: KernelSpec, mutant: Mutant, find: Any = None) -> GpudlError | None:
    """What the cases of a spec find in a mutant: the first error, or None if it survives.

    Raises `AssertionError` if the mutant does not compile cleanly.
    """
    launched = variants_of(spec, find)
    # Nearly every mutant is found by the variant that is built first; the others cost compile time.
    first = next((keys for keys in launched.values() if len(keys) == 1), frozenset())
    stages = [[case for case, keys in launched.items() if keys == first and keys], spec.cases]
    with (
        patched(spec, mutant) as changed,
        tempfile.TemporaryDirectory() as folder,
        gd.config(cache_dir=folder, emulator="checked"),
    ):
        for cases in stages:
            keys = frozenset().union(*(launched[case] for case in cases))
            part = tuple(v for v in spec.variants if spec.key(v) in keys)
            if not part:
                continue
            reduced = dataclasses.replace(changed, variants=part)
            log = gcc.log_of(gcc.build_library(reduced, True))
            assert not log, f"{mutant} compiles with warnings:\n{log}"
            error = first_error(spec, reduced, cases, find)
            if error is not None:
                return error
    return None


def first_error(
    spec: KernelSpec, changed: KernelSpec, cases: Sequence[Case], find: Any = None
) -> GpudlError | None:
    """The first error of `cases` in any order, with `changed` in the place of `spec`."""
    device = gd.device("emu")
    before, emulated.TIME_LIMIT = emulated.TIME_LIMIT, SECONDS
    try:
        for order in ORDERS:
            with replaced(spec, changed), gd.config(emulator_order=order):
                for case in cases:
                    try:
                        run_case(spec, case, device, find and find(case))
                    except (CompileError, MissingDependencyError):
                        raise
                    except GpudlError as error:
                        recover(device)
                        return error
    finally:
        emulated.TIME_LIMIT = before
    return None
