"""Every family of `gpudl train`: a few steps on the data that ships, resumed, reported, sampled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gpudl as gd
from gpudl.cli import main
from gpudl.cli.families import FAMILIES, _language
from gpudl.cli.families._judge import Judge
from gpudl.cli.families._pixels import enlarged

SMALL = {
    "cnn": ["--data", "digits"],
    "rnn": ["--data", "sonnets", "--width", "16", "--context", "16"],
    "rows": ["--data", "digits", "--width", "16"],
    "gan": ["--data", "digits", "--width", "4", "--latent", "8", "--batch-size", "24"],
    "autoencoder": ["--data", "digits", "--width", "4"],
    "vae": ["--data", "digits", "--hidden", "16", "--latent", "3"],
    "gpt": ["--data", "sonnets", "--layers", "1", "--heads", "2", "--width", "16",
            "--context", "16", "--batch-size", "4"],
    "resnet1001": ["--data", "digits", "--depth", "11", "--width", "4"],
}  # fmt: skip
FIGURES = {
    "cnn": "test_accuracy",
    "rnn": "test_nats",
    "rows": "test_accuracy",
    "gan": "frechet_ratio",
    "autoencoder": "gained",
    "vae": "test_nats",
    "gpt": "test_nats",
    "resnet1001": "gradient_ratio",
}
SAMPLES = {"rnn", "gpt", "gan", "vae"}


def test_every_family_is_tested():
    assert set(SMALL) == set(FIGURES) == set(FAMILIES)


def test_data_that_cannot_be_had_brings_its_own_defaults(tmp_path, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    out = tmp_path / "run"
    with gd.config(cache_dir=str(tmp_path / "cache"), data_dir=""):
        options = ["--width", "8", "--context", "16", "--lr", "0.001", "--steps", "2", "--quiet"]
        assert main(["train", "rnn", *options, "--out", str(out)]) == 0
    assert "sonnets" in capsys.readouterr().err
    began = json.loads((out / "run.json").read_text())["options"]
    assert (began["data"], began["batch_size"], began["lr"]) == ("sonnets", 8, 0.001)


def weights(folder: Path):
    state = gd.load(folder / "last.safetensors")
    return {k: v for k, v in _flat(state) if isinstance(v, gd.Tensor)}


def _flat(tree, name=""):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _flat(value, f"{name}/{key}")
    elif isinstance(tree, list | tuple):
        for i, value in enumerate(tree):
            yield from _flat(value, f"{name}/{i}")
    else:
        yield name, tree


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run(family, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["train", family, *SMALL[family], "--steps", "4", "--quiet", "--out", str(out)]
    assert main(options) == 0
    capsys.readouterr()
    figures = json.loads((out / "figures.json").read_text())
    assert np.isfinite(figures[FIGURES[family]])
    assert figures["parameters"] > 0
    page = (out / "report.html").read_text()
    assert "http" not in page.split("<body")[1].replace("http://www.w3.org", "")
    if family in SAMPLES:
        more = ["--length", "20"] if family in ("rnn", "gpt") else []
        assert main(["sample", str(out), "--number", "2", *more]) == 0
        assert len(capsys.readouterr().out) > 20


@pytest.mark.parametrize("family", ["rnn", "gan", "gpt", "vae"])
def test_a_run_that_goes_on_is_the_run_that_never_stopped(family, tmp_path, monkeypatch):
    from gpudl.train import Trainer

    options = ["train", family, *SMALL[family], "--steps", "6", "--quiet"]
    assert main([*options, "--out", str(tmp_path / "whole")]) == 0
    step = Trainer._step

    def broken(self, number, batches, begun):
        step(self, number, batches, begun)
        if self.step == 3:
            self._save()
            raise RuntimeError("power cut")

    with monkeypatch.context() as m:
        m.setattr(Trainer, "_step", broken)
        with pytest.raises(RuntimeError, match="power cut"):
            main([*options, "--out", str(tmp_path / "broken")])
    assert main([*options, "--out", str(tmp_path / "broken"), "--resume"]) == 0
    whole, broken_one = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert whole.keys() == broken_one.keys()
    for name, value in whole.items():
        if "seconds" not in name:
            np.testing.assert_array_equal(value.numpy(), broken_one[name].numpy(), err_msg=name)


def test_nats_counts_every_character_but_the_first_once():
    class Shift(gd.nn.Module):
        """Scores that say how far a place is from its window's start."""

        def __init__(self):
            super().__init__()
            self.w = gd.nn.Parameter(gd.zeros(1))

        def forward(self, x):
            return gd.nn.functional.one_hot(x, 5).float() * 3.0, None

    rng = np.random.default_rng(0)
    for length, context in ((2, 8), (8, 8), (9, 8), (10, 8), (37, 8), (100, 7), (23, 1)):
        ids = rng.integers(0, 5, length)
        scores = 3.0 * np.eye(5)[ids[:-1]]
        logp = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        want = -logp[np.arange(length - 1), ids[1:]].mean()
        got, number = _language.nats(Shift(), ids, context, batch=3)
        assert number == length - 1
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_collapse_is_found_where_it_is_and_not_elsewhere():
    images, labels = (x.numpy() for x in gd.data.load_digits("train"))
    test = gd.data.load_digits("test")[0].numpy()
    judge = Judge(enlarged(images), labels, enlarged(test), epochs=6)
    real = enlarged(images)[:, 0]
    assert judge.judge(real).collapse == ""
    assert judge.judge(enlarged(test)[:, 0]).collapse == ""
    few = real[np.isin(labels, (0, 3, 7))]
    assert "hardly any" in judge.judge(few).collapse
    noise = np.random.default_rng(0).normal(0, 0.01, (200, 28, 28)).astype(np.float32)
    assert "alike" in judge.judge(real[:1] + noise).collapse
    assert judge.judge(real).frechet < judge.judge(few).frechet
