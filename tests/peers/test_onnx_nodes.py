"""ONNX's node tests: what it expects of each operator, beside what gpudl computes.

The operators are calls of gpudl in `onnx_nodes/`, a table a family; a case that gpudl does not pass
is listed in `onnx_nodes/explained.py` with the reason, and docs/onnx-nodes.md has the counts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

onnx = pytest.importorskip("onnx", reason="runs the node tests of the package onnx (extra peers)")
if not onnx.__version__.startswith("1.23."):
    pytest.skip("counts and names are those of onnx 1.23", allow_module_level=True)

from onnx_nodes import ADAPTERS, FAMILIES, OTHERS, explained, run, table  # noqa: E402

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("family", [*FAMILIES, OTHERS])
@pytest.mark.parametrize("device", ["cpu", "emu"])
def test_cases(family: str, device: str, count: Any) -> None:
    """A case that is not explained passes, and one that is explained does not."""
    results = run.outcomes(family, device)
    wrong = [r for r in results if bool(r.error) != bool(r.reason)]
    passed = sum(not r.error for r in results)
    count(f"ONNX nodes on {device}", passed, len(results))
    if device == "cpu":
        kept = "" if family == OTHERS else table.note(results)
        count(f"ONNX nodes, {family}{kept}", passed, len(results))
    assert results
    assert not wrong, "\n".join(f"{r.name}: {r.error or 'passes, but is explained'}" for r in wrong)


def test_every_operator_has_a_place() -> None:
    known = {node.op_type for case in run.cases().values() for node in case.model.graph.node}
    assert not known - {*ADAPTERS, *explained.WITHOUT_ADAPTER}
    assert not {*ADAPTERS} & {*explained.WITHOUT_ADAPTER}


def test_every_explanation_is_needed() -> None:
    names = [*run.cases()]
    operators = {node.op_type for case in run.cases().values() for node in case.model.graph.node}
    patterns = [p for group in explained.EXPLAINED.values() for p in group]
    assert [p for p in patterns if not any(fnmatchcase(n, p) for n in names)] == []
    assert {*explained.WITHOUT_ADAPTER} <= operators
    assert {*explained.ROUNDED} <= {*names}


def test_the_page_is_fresh() -> None:
    """Run `python scripts/make_onnx_table.py` after a change."""
    assert table.PAGE.read_text() == table.page()
