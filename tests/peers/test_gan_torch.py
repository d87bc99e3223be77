"""The GAN of `gpudl train gan` and its twin in PyTorch: the same losses and gradients."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from gpudl import tolerances

torch = pytest.importorskip(
    "torch", reason="compares with PyTorch's CPU wheel", exc_type=ImportError
)
ROOT = Path(__file__).parents[2]
if not (ROOT / "bench" / "gan_vs_torch.py").is_file():
    pytest.skip(
        "the twin is in the repository, and this is not a checkout", allow_module_level=True
    )

sys.path.append(str(ROOT))

from bench import gan_vs_torch as twin  # noqa: E402


def pair(steps):
    family = twin.family_of("digits", steps, seed=3)
    return twin.Ours(family), twin.Theirs(family), twin.batches(family)


def test_a_step_gives_the_same_losses_and_gradients():
    ours, theirs, batches = pair(steps=10)
    # Adam's first update has the size of the learning rate whatever the gradient: without it, the
    # gradients of the generator are those of the same critic.
    for optimizer in (*ours.task.optimizers.values(), *theirs.optimizers.values()):
        optimizer.param_groups[0]["lr"] = 0.0
    images = next(batches)
    want, got = theirs.step(images), ours.step(images)
    assert want.keys() == got.keys() == {"distance", "penalty", "generator_loss"}
    assert want["penalty"] > 0
    for name, value in want.items():
        assert got[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    for name, model in theirs.models.items():
        ours_by_name = dict(ours.task.models[name].named_parameters())
        for key, parameter in model.named_parameters():
            want = parameter.grad.numpy()
            assert np.abs(want).max() > 0
            assert tolerances.error(ours_by_name[key].grad.numpy(), want) <= 1e-5, key
    want, got = theirs.generator(), ours.generator()
    assert want.keys() == got.keys()
    for name, value in want.items():  # the statistics of batch norm among them
        assert tolerances.error(got[name].numpy(), value.numpy()) <= 1e-5, name


def test_the_losses_agree_step_by_step():
    ours, theirs, batches = pair(steps=4)
    rates = []
    for _ in range(4):
        images = next(batches)
        want, got = theirs.step(images), ours.step(images)
        for name, value in want.items():
            assert got[name] == pytest.approx(value, rel=2e-3, abs=1e-4), name
        rates.append(
            (
                ours.task.optimizers["critic"].param_groups[0]["lr"],
                theirs.optimizers["critic"].param_groups[0]["lr"],
            )
        )
    assert [a for a, _ in rates] == pytest.approx([b for _, b in rates], abs=1e-12)
    assert rates[-1][0] == 0


def test_a_run_ends_with_figures_and_goes_on_where_it_ended(tmp_path, capsys):
    out, found = tmp_path / "runs", tmp_path / "found.json"
    options = ["--data", "digits", "--steps", "2", "--threads", "1", "--out", str(out)]
    twin.main([*options, "--seeds", "1", "--json", str(found)])
    first = json.loads(found.read_text())
    (kept,) = out.iterdir()
    written = kept.stat().st_mtime_ns
    picture = tmp_path / "both.png"
    twin.main([*options, "--seeds", "2", "--json", str(found), "--picture", str(picture)])
    second = json.loads(found.read_text())
    assert kept.stat().st_mtime_ns == written
    assert second["rows"][:2] == first["rows"]
    assert [(r["seed"], r["library"]) for r in second["rows"]] == [
        (seed, library) for seed in (0, 1) for library in ("gpudl", "torch")
    ]
    assert second["ratios"]["frechet"] == pytest.approx(
        second["medians"]["gpudl"]["frechet"] / second["medians"]["torch"]["frechet"]
    )
    assert picture.stat().st_size > 1000
    assert "medians, gpudl / torch" in capsys.readouterr().out
