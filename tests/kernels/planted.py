"""All mutants: those of every family in `mutants/`."""

from __future__ import annotations

import importlib
from pathlib import Path

from mutation import Mutant

FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "mutants").glob("*.py"))
MUTANTS: tuple[Mutant, ...] = tuple(
    mutant for family in FAMILIES for mutant in importlib.import_module(f"mutants.{family}").MUTANTS
)
