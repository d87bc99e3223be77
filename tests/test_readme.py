"""The README's programs run, and the network in it learns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_network_has_about_twenty_lines() -> None:
    assert 15 <= len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 24


def test_the_network_learns() -> None:
    found = re.match(r"([\d.]+)% of (\d+) held-out digits", run(BLOCKS[0]))
    assert found is not None
    assert float(found[1]) > 85
    assert int(found[2]) == 359


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_other_programs_run(block: str) -> None:
    assert run(block).strip()


def test_links_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
