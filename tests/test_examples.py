"""The files in examples/ run, for a few steps, on the data that ships with gpudl."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(p.stem for p in EXAMPLES.glob("[a-z]*.py"))


def test_there_is_one_for_each_family():
    assert {"cnn", "rnn", "gan", "autoencoder", "vae", "gpt", "resnet1001"} <= set(NAMES)
    assert all(len((EXAMPLES / f"{n}.py").read_text().splitlines()) < 100 for n in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, tmp_path):
    # A proxy that is not there: what would be downloaded is left out, and the shipped data is used.
    unreachable = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    env = os.environ | unreachable | {"GPUDL_CACHE_DIR": str(tmp_path), "PYTHONWARNINGS": "error"}
    env.pop("GPUDL_DATA", None)
    steps = "1" if name == "resnet1001" else "3"
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), steps],
        env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
