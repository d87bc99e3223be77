"""The training loop, its progress, the report, and `gpudl train`."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.cli import main
from gpudl.errors import ArgumentError, IndexRangeError, MissingDependencyError, ShapeError
from gpudl.train import _pictures as pictures
from gpudl.train._progress import line

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib draws the report"
)
QUIET = gd.train.progress(quiet=True)


def problem(seed: int = 0, n: int = 96) -> tuple[Any, Any, Any]:
    """Three classes of points, a linear classifier, and batches."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    points = (np.eye(3, 5)[labels] * 3 + rng.normal(size=(n, 5))).astype(np.float32)
    gd.manual_seed(seed)
    model = gd.nn.Linear(5, 3)
    dataset = gd.data.TensorDataset(gd.asarray(points), gd.asarray(labels))
    return model, gd.optim.Adam(model.parameters(), lr=0.05), dataset


def loader(dataset: Any, **options: Any) -> Any:
    return gd.data.DataLoader(dataset, batch_size=16, shuffle=True, seed=1, **options)


# ----- the loop -----
def test_fit_learns_and_records() -> None:
    model, opt, dataset = problem()
    tests = gd.data.DataLoader(dataset, batch_size=40)
    history = gd.train.fit(model, opt, loader(dataset), epochs=4, test=tests, show=QUIET)
    assert len(history.losses) == 24
    assert history.samples == 4 * 96
    assert [e.number for e in history.epochs] == [1, 2, 3, 4]
    first, last = history.epochs[0], history.epochs[-1]
    assert last.train_loss < first.train_loss
    assert np.isclose(first.train_loss, np.mean(history.losses[:6]))
    predictions = gd.train.predict(model, tests)
    assert predictions.accuracy == last.test_accuracy
    assert predictions.loss == last.test_loss
    assert predictions.accuracy > 0.9
    assert history.seconds >= sum(e.seconds for e in history.epochs) > 0
    assert json.loads(json.dumps(history.as_dict()))["losses"] == history.losses


def test_fit_is_the_plain_loop() -> None:
    model, opt, dataset = problem()
    gd.train.fit(model, opt, loader(dataset), epochs=2, show=QUIET)
    again, opt, dataset = problem()
    batches = loader(dataset)
    for _ in range(2):
        for x, y in batches:
            opt.zero_grad()
            gd.nn.functional.cross_entropy(again(x), y).backward()
            opt.step()
    assert np.array_equal(model.weight.detach().numpy(), again.weight.detach().numpy())


def test_steps_end_a_run_and_a_schedule_goes_along() -> None:
    model, opt, dataset = problem()
    schedule = gd.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=8)
    history = gd.train.fit(
        model, opt, loader(dataset), epochs=9, steps=8, schedule=schedule, show=QUIET
    )
    assert len(history.losses) == 8
    assert len(history.epochs) == 2
    assert schedule.last_epoch == 7
    assert opt.param_groups[0]["lr"] < 1e-6


def test_predictions() -> None:
    model, _, dataset = problem()
    x, y = (t.numpy() for t in dataset.tensors)
    model.train()
    found = gd.train.predict(model, gd.data.DataLoader(dataset, batch_size=37))
    assert model.training
    logits = x.astype(np.float64) @ model.weight.detach().numpy().T + model.bias.detach().numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert np.array_equal(found.labels, p.argmax(1))
    assert np.allclose(found.confidence, p.max(1), rtol=1e-5)
    assert np.isclose(found.loss, -np.log(p[np.arange(len(y)), y]).mean(), rtol=1e-5)
    assert found.accuracy == np.mean(p.argmax(1) == y)


def test_interrupt_keeps_what_there_is() -> None:
    model, opt, dataset = problem()

    class Impatient(type(QUIET)):  # type: ignore[misc]
        def step(self, epoch: int, loss: float) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    history = gd.train.fit(model, opt, loader(dataset), epochs=9, show=Impatient())
    assert history.interrupted
    assert len(history.epochs) == 2
    assert len(history.losses) == 13


def test_nothing_to_do_is_an_error() -> None:
    model, opt, dataset = problem()
    with pytest.raises(ArgumentError, match="epochs is 0"):
        gd.train.fit(model, opt, loader(dataset), epochs=0, show=QUIET)
    with pytest.raises(ArgumentError, match="steps is -1"):
        gd.train.fit(model, opt, loader(dataset), epochs=1, steps=-1, show=QUIET)
    empty = gd.data.DataLoader(gd.data.TensorDataset(gd.zeros((0, 5)), gd.arange(0)))
    with pytest.raises(ArgumentError, match="no batches"):
        gd.train.fit(model, opt, empty, epochs=1, show=QUIET)
    with pytest.raises(ArgumentError, match="no batches"):
        gd.train.predict(model, [])


def test_progress_prints_a_line_per_epoch() -> None:
    out = io.StringIO()
    model, opt, dataset = problem()
    show = gd.train.progress(stream=out)
    history = gd.train.fit(model, opt, loader(dataset), epochs=2, test=loader(dataset), show=show)
    assert out.getvalue().splitlines() == [line(epoch) for epoch in history.epochs]
    assert re.search(r"epoch   2  loss \d\.\d{4}  train +\d+\.\d\d%  test +\d", out.getvalue())


# ----- the network and the metrics -----
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 37, 5)])
def test_cnn_takes_its_sizes_from_the_image(shape: Any) -> None:
    model = gd.models.CNN(shape, classes=7, width=3)
    assert model(gd.zeros((2, *shape))).shape == (2, 7)
    with pytest.raises(ArgumentError, match="shape of an image"):
        gd.models.CNN((1, 3, 8))
    with pytest.raises(ArgumentError, match="classes is 0"):
        gd.models.CNN(shape, classes=0)


def test_metrics() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 100), rng.integers(0, 4, 100)
    counts = gd.metrics.confusion_matrix(a, gd.asarray(b), 4).numpy()
    for i in range(4):
        for j in range(4):
            assert counts[i, j] == np.sum((b == i) & (a == j))
    assert gd.metrics.accuracy(a, b) == np.trace(counts) / 100
    with pytest.raises(ShapeError):
        gd.metrics.accuracy(a, b[:-1])
    with pytest.raises(IndexRangeError, match=r"0\.\.2"):
        gd.metrics.confusion_matrix(a, b, 3)
    with pytest.raises(ArgumentError, match="no predictions"):
        gd.metrics.accuracy(a[:0], b[:0])
    with pytest.raises(gd.errors.DTypeError, match="integers"):
        gd.metrics.accuracy(a.astype(float), b)


# ----- the report -----
def report_of(wrong: int = 3, **changes: Any) -> gd.train.Report:
    rng = np.random.default_rng(0)
    labels = np.arange(50) % 10
    answers = labels.copy()
    answers[:wrong] = (answers[:wrong] + 1) % 10
    history = gd.train.History(
        losses=[2.0 / (i + 1) for i in range(20)],
        epochs=[gd.train.Epoch(i, 1 / i, 0.9, 1 / i, 0.8 + i / 100, 0.5) for i in range(1, 6)],
        samples=500,
        seconds=3.25,
    )
    found = gd.train.Predictions(answers, np.full(50, 0.75), 0.1, 1 - wrong / 50)
    options: dict[str, Any] = {
        "title": "A <title> & more",
        "subtitle": "nothing",
        "history": history,
        "predictions": found,
        "images": rng.random((50, 1, 8, 8)).astype(np.float32),
        "labels": labels,
        "classes": 10,
        "filters": rng.normal(size=(6, 1, 3, 3)),
        "parameters": 1234,
        "facts": {"name": "<b>value</b>"},
    }
    return gd.train.Report(**(options | changes))


@needs_matplotlib
def test_report_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    path = gd.train.write_report(report_of(), tmp_path / "a" / "report.html")
    text = path.read_text()
    assert path.is_absolute()
    assert "94.00%" in text
    assert "1,234" in text
    assert text.count('alt="filter ') == 6
    assert text.count(" taken for a ") == 3
    assert "A &lt;title&gt; &amp; more" in text
    assert "&lt;b&gt;value&lt;/b&gt;" in text
    assert not re.findall(r'(?:src|href|srcset)="(?!data:)', text)
    assert "http" not in re.sub(r"data:[^\"]*", "", text)
    assert "$" not in re.sub(r"data:[^\"]*", "", text)


@needs_matplotlib
def test_report_of_a_run_without_mistakes_or_epochs(tmp_path: Path) -> None:
    history = gd.train.History(interrupted=True)
    perfect = gd.train.write_report(report_of(0, history=history), tmp_path / "r.html").read_text()
    assert "None: every test image was classified correctly." in perfect
    assert "The run was interrupted." in perfect


@needs_matplotlib
def test_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot write"):
        gd.train.write_report(report_of(), tmp_path / "file" / "report.html")


def test_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="matplotlib") as caught:
        gd.train.write_report(report_of(), tmp_path / "r.html")
    assert caught.value.remedy == 'pip install "gpudl[train]"'
    assert not list(tmp_path.iterdir())


def test_pixels() -> None:
    grey = pictures.ink(np.array([[0.0, 0.5, 1.0]]))
    assert grey[0, :, 3].tolist() == [0, 128, 255]
    assert not grey[..., :3].any()
    colour = pictures.weights(np.array([[-2.0, 0.0, 1.0]]), 2.0)
    assert colour[0, :, 3].tolist() == [255, 0, 128]
    assert tuple(colour[0, 0, :3]) == pictures.BAD
    assert tuple(colour[0, 2, :3]) == pictures.GOOD
    assert not pictures.weights(np.zeros((1, 2)), 0.0)[..., 3].any()
    assert pictures.smooth(np.arange(5.0), 2).tolist() == [0.0, 0.5, 1.5, 2.5, 3.5]


# ----- the command -----
@needs_matplotlib
def test_command_trains_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, figures = tmp_path / "report.html", tmp_path / "run.json"
    arguments = ["train", "cnn", "--epochs", "3", "--report", str(page), "--json", str(figures)]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("epoch ") == 3
    assert f"report    {page}" in out
    assert "device    cpu" in out
    assert re.search(r"conv x3\b", out)
    assert re.search(r"adam x1\b", out)
    run = json.loads(figures.read_text())
    assert len(run["epochs"]) == 3
    assert run["test_accuracy"] == run["epochs"][-1]["test_accuracy"] > 0.5
    assert "Handwritten digits" in page.read_text()


def test_command_repeats_itself(tmp_path: Path) -> None:
    runs = []
    for i, seed in enumerate(("1", "1", "2")):
        path = tmp_path / f"{i}.json"
        arguments = ["train", "cnn", "--steps", "12", "--seed", seed, "--json", str(path)]
        assert main([*arguments, "--quiet"]) == 0
        runs.append(json.loads(path.read_text())["losses"])
    assert len(runs[0]) == 12
    assert runs[0] == runs[1] != runs[2]


def test_command_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for wrong in (["--epochs", "0"], ["--lr", "nan"], ["--data", "cats"], ["--batch-size", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(["train", "cnn", *wrong])
        assert caught.value.code == 2
    assert main(["train", "cnn", "--device", "gpu"]) == 2
    assert "ArgumentError: device: 'gpu' is no device" in capsys.readouterr().err


@pytest.mark.full
def test_digits_reach_98_percent(tmp_path: Path) -> None:
    found = []
    for seed in range(5):
        path = tmp_path / f"{seed}.json"
        assert main(["train", "cnn", "--seed", str(seed), "--quiet", "--json", str(path)]) == 0
        found.append(json.loads(path.read_text())["test_accuracy"])
    assert statistics.median(found) >= 0.98, found
