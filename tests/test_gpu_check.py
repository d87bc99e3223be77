"""`make gpu-check`, dry: the same program on the emulated GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gpudl.kernels.conformance.wrappers import WRAPPERS
from gpudl.testing.conformance import decoded

SCRIPT = Path(__file__).parents[1] / "scripts" / "gpu_check.py"


def check(tmp_path, *options):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--device", "emu", "--out", str(tmp_path), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    (report,) = tmp_path.glob("gpu-check-emu-*.json")
    return done, json.loads(report.read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="the emulator is for Linux")
def test_a_dry_run_passes_and_reports(tmp_path):
    options = ("--families", "softmax", "random", "--smallest", "--steps", "1", "--minutes", "30")
    done, report = check(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert {row["kernel"] for row in report["cases"]} >= {"softmax_fwd", "philox_uniform"}
    assert all(row["passed"] == row["cases"] == 1 for row in report["cases"])
    assert report["demo"]["status"] == "passed"
    assert "not run" in report["sanitizer"]["all"]
    assert report["wrappers"]["failures"] == []
    recorded = json.loads((tmp_path / report["wrappers"]["file"]).read_text())
    assert recorded["date"] == report["date"]
    assert set(recorded["outputs"]) == {wrapper.kernel for wrapper in WRAPPERS}
    for wrapper in WRAPPERS:
        out = decoded(wrapper, recorded["outputs"][wrapper.kernel])
        assert out.shape == (wrapper.size,)


@pytest.mark.skipif(sys.platform != "linux", reason="the emulator is for Linux")
def test_a_family_that_does_not_run_fails_the_check(tmp_path):
    done, report = check(tmp_path, "--families", "nothing", "--stages", "cases")
    assert done.returncode == 1
    assert report["cases"][0]["failures"] == ["no kernel ran"]
