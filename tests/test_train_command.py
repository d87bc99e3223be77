"""`gpudl train`, `gpudl sample` and `gpudl report`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import gpudl as gd
from gpudl.cli import _data, _terminal, families, main
from gpudl.cli.families._family import Defaults, Family, Results, Samples
from gpudl.errors import ArgumentError, DataError

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib draws the report"
)
Capture = pytest.CaptureFixture[str]


# ----- train -----
@needs_matplotlib
def test_command_trains_and_tells(tmp_path: Path, capsys: Capture) -> None:
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
    assert run["family"] == "cnn"
    assert run["epochs"]["epoch"] == [1, 2, 3]
    assert run["validation"]["accuracy"][-1] > 0.5
    assert run["test_accuracy"] > 0.5
    text = page.read_text()
    for part in (
        "Handwritten digits", "Confusion matrix", "Misclassified images", "First-layer filters",
        "What ran", "The run", 'alt="loss over the run"', 'alt="accuracy over the run"',
        "<dt>test accuracy</dt>", "<dt>images per second</dt>", "<dt>parameters</dt>",
        "<dt>wall time</dt>",
    ):  # fmt: skip
        assert part in text


def test_command_repeats_itself(tmp_path: Path) -> None:
    runs = []
    for i, seed in enumerate(("1", "1", "2")):
        path = tmp_path / f"{i}.json"
        arguments = ["train", "cnn", "--steps", "12", "--seed", seed, "--json", str(path)]
        assert main([*arguments, "--quiet"]) == 0
        runs.append(json.loads(path.read_text())["steps"]["loss"])
    assert len(runs[0]) == 12
    assert runs[0] == runs[1] != runs[2]


def test_a_run_keeps_itself_in_a_folder(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "run"
    train = ["train", "cnn", "--steps", "6", "--out", str(out), "--quiet"]
    assert main([*train, "--resume"]) == 0, "resuming what is not there begins"
    kept = {p.name for p in out.iterdir()}
    assert kept - {"report.html"} == {
        "run.json", "last.safetensors", "best.safetensors", "steps.csv", "epochs.csv",
        "validation.csv", "log.jsonl", "figures.json",
    }  # fmt: skip
    began = json.loads((out / "run.json").read_text())
    assert began["family"] == "cnn"
    assert began["options"] == {
        "data": "digits", "epochs": None, "steps": 6, "batch_size": 64, "lr": 0.01, "seed": 0,
        "left_out": ["batch_size", "lr"],
    }  # fmt: skip
    figures = json.loads((out / "figures.json").read_text())
    assert figures["steps"]["step"] == [1, 2, 3, 4, 5, 6]
    assert main(train) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert main(["train", "cnn", "--out", str(out), "--resume", "--quiet"]) == 0
    assert json.loads((out / "figures.json").read_text())["steps"] == figures["steps"]
    assert main([*train, "--resume", "--lr", "0.5"]) == 2
    assert "--lr is 0.5, the run" in capsys.readouterr().err
    assert main([*train, "--resume", "--seed", "3"]) == 2
    assert main(["train", "cnn", "--resume"]) == 2
    assert "remedy: --out DIR" in capsys.readouterr().err


def test_command_refuses(capsys: Capture, tmp_path: Path) -> None:
    for wrong in (["--epochs", "0"], ["--lr", "nan"], ["--data", "cats"], ["--batch-size", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(["train", "cnn", *wrong])
        assert caught.value.code == 2
    with pytest.raises(SystemExit):
        main(["train", "cat"])
    assert main(["train", "cnn", "--device", "gpu"]) == 2
    assert "ArgumentError: device: 'gpu' is no device" in capsys.readouterr().err


def test_help_imports_no_family() -> None:
    code = (
        "import sys; from gpudl.cli import parser; text = parser().format_help();"
        "names = [n for n in sys.modules if n.startswith('gpudl.cli.families.') or "
        "n in ('gpudl.train', 'gpudl.models')]; print(names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_family_of_the_table(capsys: Capture) -> None:
    for name in families.FAMILIES:
        cls = families.load(name)
        assert issubclass(cls, Family)
        assert all(d.epochs or d.steps for d in cls.datasets.values())
        with pytest.raises(SystemExit) as stop:
            main(["train", name, "--help"])
        assert stop.value.code == 0
        out = capsys.readouterr().out
        assert "--resume" in out
        assert next(iter(cls.datasets)) in out
    with pytest.raises(ArgumentError, match="no family 'cat'"):
        families.load("cat")


def test_ctrl_c_ends_a_run_that_goes_on(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, ctrl_c: None
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "run"
    train = ["train", "cnn", "--steps", "8", "--quiet", "--out"]
    assert main([*train, str(whole)]) == 0
    step, asked = gd.train.Classifier.training_step, []

    def impatient(task: Any, batch: Any) -> Any:
        asked.append(1)
        if len(asked) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(task, batch)

    monkeypatch.setattr(gd.train.Classifier, "training_step", impatient)
    capsys.readouterr()
    assert main([*train, str(out)]) == 130
    assert "interrupted: this is what there is so far" in capsys.readouterr().out
    assert gd.load(out / "last.safetensors")["step"] == 3
    assert main(["train", "cnn", "--quiet", "--out", str(out), "--resume"]) == 0
    a, b = (gd.load(folder / "best.safetensors") for folder in (whole, out))
    assert all(np.array_equal(a[name].numpy(), b[name].numpy()) for name in a)


# ----- a family in one file, as docs/training.md describes it -----
class Tell(gd.train.Callback):
    """Notes how many steps a run had."""

    def on_end(self, trainer: gd.train.Trainer) -> None:
        Line.told.append(trainer.step)


class Line(Family):
    """y = 2 x, learned."""

    datasets = {"line": Defaults(batch_size=10, lr=0.1, epochs=2)}  # noqa: RUF012
    title, subtitle = "A line", "Nothing but a line."
    told: ClassVar[list[int]] = []

    @classmethod
    def add_options(cls, parser: Any) -> None:
        parser.add_argument("--slope", type=float, default=2.0)

    @classmethod
    def add_sample_options(cls, parser: Any) -> None:
        parser.add_argument("--words", default="y")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.model = gd.nn.Linear(1, 1)
        opt = gd.optim.SGD(self.model.parameters(), lr=options.lr)
        x = gd.random.normal((40, 1))
        dataset = gd.data.TensorDataset(x, options.slope * x)
        self.loader = gd.data.DataLoader(dataset, options.batch_size, shuffle=True, seed=0)
        self.task = gd.train.Task(self.model, opt, step=self.step)
        self.training = {"clip_norm": 5.0}
        self.callbacks = [Tell()]

    def step(self, batch: Any) -> Any:
        return ((self.model(batch[0]) - batch[1]) ** 2).mean()

    def results(self, history: gd.train.History) -> Results:
        slope = self.model.weight.item()
        return Results({"slope": slope}, [f"slope     {slope:.2f}"], {"slope": f"{slope:.2f}"})

    def sections(self) -> list[Any]:
        return [gd.train.sections.texts("Words", ["a line"])]

    def sample(self, number: int, options: argparse.Namespace) -> Samples:
        drawn = gd.random.uniform((number, 3, 4)).numpy()
        return Samples([f"{options.words} = {self.model.weight.item():.3f} x"] * number, drawn)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "line", ("line:Line", "a line"))
    module = type(sys)("gpudl.cli.families.line")
    module.Line = Line  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gpudl.cli.families.line", module)


@needs_matplotlib
def test_a_family_from_training_to_samples(line: None, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "run"
    assert main(["train", "line", "--out", str(out), "--slope", "3", "--epochs", "20"]) == 0
    told = capsys.readouterr().out
    assert "slope     3.0" in told
    assert f"kept      in {out} (gpudl sample {out})" in told
    assert Line.told == [20 * 4]
    figures = json.loads((out / "figures.json").read_text())
    assert figures["slope"] == pytest.approx(3.0, abs=0.05)
    assert "gradient_norm" in figures["steps"]
    assert json.loads((out / "run.json").read_text())["options"]["slope"] == 3.0
    assert main(["train", "line", "--out", str(out), "--resume"]) == 0, "the slope is the run's"
    assert main(["train", "line", "--out", str(out), "--resume", "--slope", "4"]) == 2
    assert "--slope is 4.0" in capsys.readouterr().err
    page = out / "report.html"
    text = page.read_text()
    assert "<pre>a line</pre>" in text
    page.unlink()
    assert main(["report", str(out)]) == 0
    assert page.exists()
    assert main(["report", str(out), "--report", str(tmp_path / "other.html")]) == 0
    capsys.readouterr()
    assert main(["sample", str(out), "--number", "2", "--words", "z"]) == 0
    first = capsys.readouterr().out
    assert re.search(r"^z = (3\.0|2\.9)\d+ x$", first, re.MULTILINE)
    assert (out / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert main(["sample", str(out), "--number", "2", "--words", "z"]) == 0
    assert capsys.readouterr().out == first, "the same seed, the same samples"
    assert main(["sample", str(out), "--number", "2", "--words", "z", "--seed", "1"]) == 0
    assert capsys.readouterr().out != first
    with pytest.raises(SystemExit):
        main(["sample", str(out), "--help"])
    assert "--words" in capsys.readouterr().out


def test_folders_that_hold_no_run(tmp_path: Path, capsys: Capture) -> None:
    assert main(["sample", str(tmp_path / "nothing")]) == 2
    assert "holds no run" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("{}")
    assert main(["sample", str(tmp_path)]) == 2
    assert "cannot read" in capsys.readouterr().err
    (tmp_path / "run.json").write_text('{"family": "cat", "options": {}}')
    assert main(["sample", str(tmp_path)]) == 2
    assert "there is no family 'cat'" in capsys.readouterr().err
    assert main(["train", "cnn", "--steps", "1", "--quiet", "--out", str(tmp_path / "c")]) == 0
    assert main(["sample", str(tmp_path / "c")]) == 2
    assert "makes no samples" in capsys.readouterr().err
    (tmp_path / "c" / "last.safetensors").unlink()
    assert main(["sample", str(tmp_path / "c")]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


# ----- data, and images on a terminal -----
def test_what_ships_stands_in_for_data_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*args: Any) -> Any:
        raise DataError("load", "no network", remedy="set GPUDL_DATA")

    real = gd.data.load_text
    monkeypatch.setattr(_data, "load_mnist", fail)
    monkeypatch.setattr(_data, "load_text", lambda n: real(n) if n == "sonnets" else fail())
    name, train, test = _data.images_of("mnist")
    assert name == "digits"
    assert len(train[1]) + len(test[1]) == 1797
    err = capsys.readouterr().err
    assert "no network" in err
    assert "GPUDL_DATA" in err
    assert "training on the digits that come with gpudl" in err
    name, text = _data.text_of("tinyshakespeare")
    assert (name, text[:4]) == ("sonnets", "From")
    assert "training on sonnets that come with gpudl" in capsys.readouterr().err


def test_images_on_a_terminal() -> None:
    images = np.zeros((3, 4, 5))
    images[1] = 1.0
    sheet = _terminal.grid(images, 100)
    assert sheet.shape == (10, 12)
    assert sheet[:4, 7:].min() == 1
    assert sheet[6:, :5].max() == 0
    assert _terminal.grid(images, 1).shape == (16, 5), "at least one column"
    assert _terminal.grid(np.zeros((2, 4, 5, 3)), 100).shape == (4, 12, 3)
    assert _terminal.drawn(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), False) == " @\n@"
    text = _terminal.drawn(np.array([[0.0], [1.0]]), True)
    assert text == "\x1b[38;2;0;0;0;48;2;255;255;255m▀\x1b[0m"
    assert _terminal.drawn(np.ones((1, 1, 3)), False) == "@"
    assert "48;2;255;0;0" in _terminal.drawn(np.array([[[1.0, 0, 0]]]), True)


@pytest.mark.full
def test_digits_reach_98_percent(tmp_path: Path) -> None:
    found = []
    for seed in range(5):
        path = tmp_path / f"{seed}.json"
        assert main(["train", "cnn", "--seed", str(seed), "--quiet", "--json", str(path)]) == 0
        found.append(json.loads(path.read_text())["test_accuracy"])
    assert statistics.median(found) >= 0.98, found
