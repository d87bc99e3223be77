"""The types that gpudl ships, as a user's mypy --strict sees them."""

from __future__ import annotations

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import gpudl

HERE = Path(__file__).parent / "typing"


@pytest.fixture(scope="session")
def mypy(tmp_path_factory):
    """Runs mypy --strict on a script, with gpudl found as a user's mypy finds it."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: pip install 'gpudl[test]'")
    # A folder of links, so that gpudl.kernels is there for editable installations too.
    view = tmp_path_factory.mktemp("view")
    package = Path(gpudl.__file__).parent
    (view / "gpudl").mkdir()
    for entry in package.iterdir():
        (view / "gpudl" / entry.name).symlink_to(entry)
    if not (package / "kernels").exists():
        (view / "gpudl" / "kernels").symlink_to(Path(gpudl.kernels.__file__).parent)

    def run(script: Path) -> list[str]:
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
        command += ["--follow-imports=silent", "--cache-dir", str(view / ".cache"), str(script)]
        done = subprocess.run(command, cwd=view, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run


def test_a_users_script_passes(mypy):
    assert mypy(HERE / "user_script.py") == []


def test_mistakes_are_found(mypy):
    path = HERE / "wrong_script.py"
    marked = {
        i for i, line in enumerate(path.read_text().splitlines(), start=1) if "# wrong:" in line
    }
    found = {int(m[1]) for line in mypy(path) if (m := re.search(r"\.py:(\d+): error", line))}
    assert found == marked
    assert len(marked) == 6


def test_the_script_runs():
    runpy.run_path(str(HERE / "user_script.py"), run_name="__main__")
