"""The lesson on recurrent networks: what its script measures, and that it goes on after a kill."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "rnn_remedies.py"
if not SCRIPT.is_file():
    pytest.skip(
        "the script is in the repository, and this is not a checkout", allow_module_level=True
    )
spec = importlib.util.spec_from_file_location("rnn_remedies", SCRIPT)
remedies = importlib.util.module_from_spec(spec)
sys.modules["rnn_remedies"] = remedies
spec.loader.exec_module(remedies)


def test_the_task_is_the_sum_of_the_marked_numbers():
    x, y = (t.numpy() for t in remedies.sequences(500, 37, np.random.default_rng(0)))
    assert x.shape == (37, 500, 2)
    assert (x[:18, :, 1].sum(0) == 1).all()
    assert (x[18:, :, 1].sum(0) == 1).all()
    np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(0), y, rtol=1e-6)
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, abs=0.03)


def test_steps_in_python_are_those_of_the_layer():
    gd.manual_seed(0)
    model = remedies.Plain(start="orthogonal", gain=0.9)
    x, _ = remedies.sequences(5, 11, np.random.default_rng(0))
    want = model(x).detach().numpy()
    model.by_steps = True
    np.testing.assert_allclose(model(x).detach().numpy(), want, rtol=1e-5, atol=1e-6)


def test_truncation_changes_the_gradient_alone():
    x, _ = remedies.sequences(3, 20, np.random.default_rng(0))
    x.requires_grad = True
    outputs, gradients = [], []
    for truncate in (None, 5):
        gd.manual_seed(0)
        y = remedies.Plain(start="orthogonal", truncate=truncate)(x)
        (gradient,) = gd.autograd.grad(y.sum(), [x])
        outputs.append(y.detach().numpy())
        gradients.append(gradient.numpy())
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradients[0][15:], gradients[1][15:], rtol=1e-4, atol=1e-6)
    assert not gradients[1][:15].any()
    assert np.abs(gradients[0][:15]).max() > 0


def test_forget_gates_begin_open_for_times_up_to_the_length():
    model = remedies.LongShortTerm(100)
    bias = model.lstm.bias_ih_l0.detach().numpy()
    forget = bias[64:128]
    assert forget.min() >= 0
    assert 2 < forget.max() <= math.log(99)
    np.testing.assert_array_equal(bias[:64], -forget)
    assert not model.lstm.bias_hh_l0.detach().numpy().any()


def test_a_gradient_that_is_not_finite_changes_nothing():
    lost = remedies.Setup("lost", lambda _: Lost())
    run = remedies.train(lost, 10, 3, seed=0)
    assert (run.lost, run.largest) == (3, math.inf)
    assert math.isfinite(run.error)


class Lost(nn.Module):
    """Its gradients overflow at zero, its answers do not."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(gd.zeros(1))

    def forward(self, x):
        return gd.sqrt(gd.abs(self.weight)) + x[-1, :, 0]


def test_a_killed_run_goes_on_with_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(remedies, "SAVE_EVERY", 2)
    whole = remedies.train(remedies.BY_LENGTH, 12, 5, seed=1)
    kept = tmp_path / "run.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(remedies, "error_of", killed)
        with pytest.raises(KeyboardInterrupt):
            remedies.train(remedies.BY_LENGTH, 12, 5, 1, kept)
    assert gd.load(kept)["step"] == 4
    again = remedies.train(remedies.BY_LENGTH, 12, 5, 1, kept)
    assert (again.first, again.largest, again.error) == (whole.first, whole.largest, whole.error)


def killed(*_):
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_the_table_is_written_and_resumed(tmp_path):
    pytest.importorskip("matplotlib", reason="draws the picture")
    runs = remedies.all_runs(8, 2, 1, tmp_path / "runs")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir()}
    assert len(times) == len(runs) == 11
    assert remedies.all_runs(8, 2, 1, tmp_path / "runs") == runs
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir()}
    remedies.write(runs, 8, 2, tmp_path)
    found = json.loads((tmp_path / "remedies.json").read_text())
    assert found["remedies"].keys() == {r.name for r in remedies.REMEDIES}
    assert "<svg" in (tmp_path / "remedies.svg").read_text()


def test_the_lesson_has_the_table_that_was_measured():
    found = json.loads((ROOT / "docs" / "results" / "remedies.json").read_text())
    runs = {
        name: [
            remedies.Run(**{k: math.inf if v is None else v for k, v in run.items()})
            for run in rows
        ]
        for name, rows in found["runs"].items()
    }
    assert all(
        remedies.better(r, runs) == found["remedies"][r.name]["better"] for r in remedies.REMEDIES
    )
    assert remedies.table(runs) in (ROOT / "docs" / "families.md").read_text()
