"""docs/onnx-nodes.md: how many cases of each operator pass, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from . import FAMILIES, OTHERS, run

PAGE = Path(__file__).resolve().parents[3] / "docs" / "onnx-nodes.md"

HEAD = """# ONNX's node tests

Made by `scripts/make_onnx_table.py` from the node tests of the package onnx, version 1.23:
{total} small graphs with inputs and the results that ONNX expects. `tests/peers/onnx_nodes/` writes
the operators as calls of gpudl, and `tests/peers/test_onnx_nodes.py` runs all cases, on the CPU and
on an emulated GPU. A result must have the dtype and shape that ONNX expects, and its numbers by the
measure of `gpudl/tolerances.py`: 1e-5 for float32.

{passed} pass, {explained} are explained: the test fails where one of these passes, and where any
other does not. A case that ONNX has written as a graph of simpler operators counts for the one
that it stands for.
"""


def by_operator(results: Iterable[run.Outcome]) -> dict[str, list[run.Outcome]]:
    ordered = sorted(results, key=lambda r: r.operator)
    return {op: list(of) for op, of in groupby(ordered, key=lambda r: r.operator)}


def note(results: list[run.Outcome]) -> str:
    """How many cases of which operators do not pass."""
    kept = by_operator([r for r in results if r.error])
    named = ", ".join(f"{op} {len(of)}" for op, of in kept.items())
    return f" (explained: {named})" if kept else ""


def page() -> str:
    """The text of the page."""
    results = [run.outcome(name) for name in run.cases()]
    failed = [r for r in results if r.error]
    passed = len(results) - len(failed)
    lines = [HEAD.format(total=len(results), passed=passed, explained=len(failed))]
    for family in (*FAMILIES, OTHERS):
        lines += [f"## {family.capitalize()}", "", "| operator | passed | explained | all |"]
        lines += ["|---|---|---|---|"]
        for op, of in by_operator(run.outcomes(family)).items():
            bad = sum(bool(r.error) for r in of)
            lines.append(f"| {op} | {len(of) - bad} | {bad} | {len(of)} |")
        lines.append("")
    lines += ["## Why a case does not pass", "", "| reason | operators | cases |", "|---|---|---|"]
    for reason in sorted({r.reason for r in failed if r.reason}):
        of = [r for r in failed if r.reason == reason]
        lines.append(f"| {reason} | {', '.join(by_operator(of))} | {len(of)} |")
    return "\n".join(lines) + "\n"
