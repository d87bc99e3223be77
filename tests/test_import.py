"""What `import gpudl` costs and brings in."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "cupy",
    "numba",
    "matplotlib",
    "scipy",
    "rich",
    "torch",
    "pandas",
    "sklearn",
    "tensorboardX",
    "multiprocessing.pool",
    "concurrent.futures.process",
    "urllib.request",
    "unittest",
)


def fresh(code: str) -> str:
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_no_optional_package_is_imported():
    listed = fresh("import sys, gpudl; print(' '.join(sys.modules))").split()
    assert "gpudl.tensor" in listed
    assert [name for name in HEAVY if name in listed] == []


def test_import_time(count):
    """The least of several processes; the bound is ten times the goal, for loaded machines."""
    code = (
        "import time, numpy; a = time.perf_counter(); import gpudl; print(time.perf_counter() - a)"
    )
    milliseconds = min(1000 * float(fresh(code)) for _ in range(5))
    count("import gpudl after numpy, ms", round(milliseconds))
    assert milliseconds < 1500


def test_importing_changes_nothing_of_numpys():
    code = "import numpy as np; a = np.geterr(); import gpudl; print(a == np.geterr())"
    assert fresh(code) == "True"


def test_importing_prints_nothing_and_warns_of_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import gpudl"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_the_source_folder_says_that_it_is_not_installed():
    code = "import sys; sys.modules['gpudl.kernels'] = None; import gpudl"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "pip install -e ." in done.stderr
