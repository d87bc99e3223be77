"""Records kernels/table.json, which `gpudl kernels` shows: resources of every kernel on every
architecture, its emulated cases, and its mutants. Takes an hour of one core; rows that are up to
date stay, and a run that is stopped has done its part.

Usage: python scripts/make_kernel_table.py [--all] [FAMILY ...]     such as softmax; all by default
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


def main(everything: bool, families: list[str]) -> int:
    """Measure what changed, and write the table; 1 if a kernel is not as it should be."""
    specs = kernels.specs()
    unknown = set(families) - {spec.family for spec in specs}
    if unknown:
        sys.exit(f"no kernels in {', '.join(sorted(unknown))}")
    wrong = 0
    for spec in specs:
        if families and spec.family not in families:
            continue
        mutants = [mutant for mutant in MUTANTS if mutant.spec == spec.name]
        digest = kernel_table.digest(spec)
        known = kernel_table.record()["kernels"].get(spec.name)
        fresh = known is not None and known["digest"] == digest
        if fresh and not everything and known["mutants"]["planted"] == len(mutants):
            continue
        caught = sum(finding(spec, mutant) is not None for mutant in mutants)
        row = {**kernel_table.measured(spec), **kernel_table.emulated(spec)}
        row["mutants"] = {"caught": caught, "planted": len(mutants)}
        spills = max(used["spills"] for used in row["architectures"].values())
        wrong += bool(row["passed"] < len(spec.cases) or caught < len(mutants) or spills)
        passed = f"{row['passed']} / {len(spec.cases)} cases"
        print(
            f"{spec.name}: {passed}, {caught} / {len(mutants)} mutants, {spills} spills", flush=True
        )
        write(spec.name, {"digest": digest, **row})
    return int(wrong > 0)


def write(name: str, row: dict[str, Any]) -> None:
    """Record a row, and which compiler it is of; rows of kernels that are no more go."""
    rows = kernel_table.record()["kernels"] | {name: row}
    table = {spec.name: rows[spec.name] for spec in kernels.specs() if spec.name in rows}
    version = ".".join(map(str, library().version))
    text = json.dumps({"nvrtc": version, "kernels": table}, indent=1)
    kernel_table.recorded_at().write_text(text + "\n")


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main("--all" in given, [name for name in given if name != "--all"]))
