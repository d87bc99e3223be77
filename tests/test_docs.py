"""The pages of docs/ tell the truth: their code runs, the files they name exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import gpudl
from gpudl import autograd

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
FOLDERS = "gpudl|kernels|csrc|tests|scripts|docs|examples|bench"


def blocks(page: Path) -> str:
    """The Python blocks of a page as one program, each at its own line."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        start = text[: match.start()].count("\n") + 1
        for i, line in enumerate(match[1].splitlines()):
            lines[start + i] = line
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page, tmp_path):
    program = blocks(page)
    if not program.strip():
        return
    # In a process of its own: a page may add rows to the table.
    path = tmp_path / page.with_suffix(".py").name
    path.write_text(program)
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(gpudl.__path__, "gpudl.")
    if name.rpartition(".")[2] not in ("__main__", "_C")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # examples may write files
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_examples_are_found():
    finder = doctest.DocTestFinder()
    found = [case for name in MODULES for case in finder.find(importlib.import_module(name))]
    assert sum(len(case.examples) for case in found) > 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", page.read_text()))
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_pages_are_found():
    assert {"architecture.md", "adding-an-op.md", "settings.md"} <= {page.name for page in PAGES}
    assert "softsign" in blocks(ROOT / "docs" / "adding-an-op.md")
    assert "softsign" not in autograd.rows()


def test_settings_page_is_the_table():
    page = runpy.run_path(str(ROOT / "scripts" / "make_settings_page.py"))["page"]
    assert (ROOT / "docs" / "settings.md").read_text() == page(), (
        "run scripts/make_settings_page.py"
    )


def test_architecture_page_names_every_floor_and_folder():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "gpudl").iterdir():
        if path.is_dir() and (path / "__init__.py").exists() and path.name != "kernels":
            assert f"`gpudl/{path.name}/`" in text, path.name
