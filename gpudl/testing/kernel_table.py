"""What `gpudl kernels` shows: each kernel with its resources, its emulated cases and its mutants.

Compiling for seven architectures and running every mutant takes minutes, so the table is recorded
in `kernels/table.json` by `scripts/make_kernel_table.py`. Each row has a digest of what it was
measured on; where the kernel has changed since, the row says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import devices, kernels
from ..errors import ArgumentError, GpudlError
from ..runtime import KernelSpec, binary, cache
from ..runtime.nvrtc import compile_cubin
from ..runtime.sources import closure, include_folder
from ..settings import config
from .kernel_cases import ORDERS, recover, run_case

Row = dict[str, Any]


def record() -> dict[str, Any]:
    """The recorded table: `nvrtc`, and `kernels` by name. Empty where none was recorded."""
    path = recorded_at()
    if not path.is_file():
        return {"nvrtc": None, "kernels": {}}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def recorded_at() -> Path:
    """The file of the table."""
    return include_folder().parent / "table.json"


def digest(spec: KernelSpec) -> str:
    """What the measurements of a kernel depend on, in 12 letters."""
    text = spec.path.read_text()
    known = closure(spec.path, [include_folder()])
    variants = [spec.expression(variant) for variant in spec.variants]
    return cache.key(text, known, variants, spec.archs, [str(c) for c in spec.cases])[:12]


def measured(spec: KernelSpec) -> Row:
    """Resources of the compiled kernel by architecture: the largest over its variants, and of each
    required instruction the smallest count.

    Raises `MissingDependencyError` without NVRTC; without nvdisasm there are no counts.
    """
    found = {}
    for arch in spec.archs:
        cubin = compile_cubin(spec, spec.variants, arch)
        used = [binary.resources(cubin)[name] for name in cubin.names]
        sass: dict[str, int] = {}
        if spec.sass and binary.disassembler() is not None:
            counts = binary.sass(cubin)
            sass = {
                wanted: min(binary.count(counts[name], wanted) for name in cubin.names)
                for wanted in spec.sass
            }
        found[arch] = {
            "registers": max(u.registers for u in used),
            "spills": max(u.spills for u in used),
            "shared": max(u.shared for u in used),
            "sass": sass,
        }
    return {"architectures": found}


def emulated(spec: KernelSpec) -> Row:
    """How many cases of a kernel agree with float64 in every order, on the checked emulator."""
    device = devices.device("emu")
    passed = 0
    for case in spec.cases:
        try:
            for order in ORDERS:
                with config(emulator="checked", emulator_order=order):
                    run_case(spec, case, device)
            passed += 1
        except GpudlError:
            recover(device)
    return {"passed": passed}


def rows(names: Sequence[str] = (), *, measure: bool = False) -> list[Row]:
    """A row for each kernel, or for those in `names`; with `measure`, what can be measured here is
    measured now.

    Raises `ArgumentError` for a name that is no kernel.
    """
    specs = {spec.name: spec for spec in kernels.specs()}
    for name in names:
        if name not in specs:
            raise ArgumentError(
                "kernels", f"no kernel {name!r}", remedy="one of " + ", ".join(specs)
            )
    recorded = record()["kernels"]
    return [_row(specs[name], recorded.get(name), measure) for name in names or specs]


def _row(spec: KernelSpec, known: Row | None, measure: bool) -> Row:
    row: Row = {
        "kernel": spec.name,
        "source": spec.source,
        "variants": len(spec.variants),
        "cases": len(spec.cases),
        "architectures": dict.fromkeys(spec.archs),
        "passed": None,
        "mutants": None,
        "state": "not recorded",
    }
    if known is not None:
        row |= {name: known[name] for name in ("architectures", "passed", "mutants")}
        row["state"] = "recorded" if known["digest"] == digest(spec) else "changed"
    if measure:
        row |= {**measured(spec), **emulated(spec)}
        row["state"] = "passes" if row["passed"] == row["cases"] else "fails"
    return row
