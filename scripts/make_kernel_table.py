"""Records kernels/table.json, which `gpudl kernels` shows: resources of every kernel on every
architecture, its emulated cases, and its mutants. Takes minutes; rows that are up to date stay.

Usage: python scripts/make_kernel_table.py [--all]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "kernels"))

from mutation import finding  # noqa: E402
from planted import MUTANTS  # noqa: E402

from gpudl import kernels  # noqa: E402
from gpudl.runtime._nvrtc_library import library  # noqa: E402
from gpudl.testing import kernel_table  # noqa: E402


def main(everything: bool) -> None:
    """Measure what changed, and write the table."""
    before = kernel_table.record()["kernels"]
    table = {}
    for spec in kernels.specs():
        mutants = [mutant for mutant in MUTANTS if mutant.spec == spec.name]
        digest = kernel_table.digest(spec)
        known = before.get(spec.name)
        fresh = known is not None and known["digest"] == digest
        if fresh and not everything and known["mutants"]["planted"] == len(mutants):
            table[spec.name] = known
            continue
        caught = sum(finding(spec, mutant) is not None for mutant in mutants)
        row = {**kernel_table.measured(spec), **kernel_table.emulated(spec)}
        row["mutants"] = {"caught": caught, "planted": len(mutants)}
        table[spec.name] = {"digest": digest, **row}
        passed = f"{row['passed']} / {len(spec.cases)} cases"
        print(f"{spec.name}: {passed}, {caught} / {len(mutants)} mutants", flush=True)
        write(before | table)  # a run that is stopped has done its part
    names = [spec.name for spec in kernels.specs()]
    write({name: table[name] for name in names})


def write(table: dict[str, Any]) -> None:
    """Record the rows, and with which compiler they were measured."""
    version = ".".join(map(str, library().version))
    text = json.dumps({"nvrtc": version, "kernels": table}, indent=1)
    kernel_table.recorded_at().write_text(text + "\n")


if __name__ == "__main__":
    main("--all" in sys.argv[1:])
