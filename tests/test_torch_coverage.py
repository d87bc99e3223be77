"""docs/torch-coverage.md says what is here, and no name of PyTorch is missing without a word."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_torch_table.py"


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_torch_table", SCRIPT)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_fresh(table):
    """Run `python scripts/make_torch_table.py` after a change."""
    assert table.PAGE.read_text() == table.page()


def test_every_name_is_sorted_once(table):
    names = json.loads(table.NAMES.read_text())
    for module in table.LATER:
        built, later, never = table.sort_names(module, names[module])
        assert sorted([*built, *later, *never]) == sorted(names[module])
        ours = importlib.import_module(f"gpudl.{module}")
        assert all(callable(getattr(ours, name)) for name in built)


def test_a_name_without_a_word_is_an_error(table):
    with pytest.raises(KeyError, match="Quantum"):
        table.sort_names("nn", ["Linear", "Quantum"])


def test_reasons_are_of_names_that_exist(table):
    """What was built is no longer left out on purpose."""
    names = json.loads(table.NAMES.read_text())
    for groups in (table.LATER, table.NOT_BUILT):
        for module, by_reason in groups.items():
            listed = [name for text in by_reason.values() for name in text.split()]
            assert set(listed) <= set(names[module]) and len(set(listed)) == len(listed)
    for module, by_reason in table.NOT_BUILT.items():
        ours = importlib.import_module(f"gpudl.{module}")
        assert not [n for text in by_reason.values() for n in text.split() if hasattr(ours, n)]


@pytest.mark.peers
def test_the_names_are_those_of_pytorch(table):
    torch = pytest.importorskip("torch", reason="reads the names of PyTorch's CPU wheel")
    stored = json.loads(table.NAMES.read_text())
    if torch.__version__.partition("+")[0] != stored["version"]:
        pytest.skip(f"the names are those of PyTorch {stored['version']}")
    assert table.read_names() == stored
