"""The report of a run: one page that holds everything and loads nothing."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, MissingDependencyError, ShapeError
from gpudl.profiler import Summary
from gpudl.train import _pictures as pictures
from gpudl.train import sections

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib draws the report"
)


def history_of(epochs: int = 5, each: int = 4, interrupted: bool = False) -> gd.train.History:
    history = gd.train.History()
    history.interrupted, history.seconds = interrupted, 3.25
    for epoch in range(1, epochs + 1):
        for i in range(each):
            step = (epoch - 1) * each + i + 1
            row = {"loss": 2.0 / step, "accuracy": 1 - 1 / step, "critic": -float(step), "lr": 0.1}
            base = {"step": step, "epoch": epoch, "samples": 25, "seconds": 0.125}
            history.steps.add({**base, **row})
        history.validation.add({"step": step, "epoch": epoch, "loss": 3 / step, "units": step})
        history.close_epoch(epoch)
    return history


def report_of(wrong: int = 3, **changes: Any) -> gd.train.Report:
    rng = np.random.default_rng(0)
    labels = np.arange(50) % 10
    answers = labels.copy()
    answers[:wrong] = (answers[:wrong] + 1) % 10
    found = gd.train.Predictions(answers, np.full(50, 0.75), 0.1, 1 - wrong / 50)
    images = rng.random((50, 1, 8, 8)).astype(np.float32)
    options: dict[str, Any] = {
        "title": "A <title> & more",
        "subtitle": "nothing",
        "history": history_of(),
        "tiles": {"test accuracy": "94.00%", "<b>": "1,234"},
        "sections": [
            sections.confusion(found, labels, 10),
            sections.mistakes(found, images, labels),
            sections.filters(rng.normal(size=(6, 1, 3, 3))),
            sections.operations(
                [
                    Summary("matmul", "forward", "kernel", 2, 2_000_000, 4_000_000),
                    Summary("add", "backward", "numpy", 1, 1_000_000, None),
                ]
            ),
            sections.table("Layers", ["layer", "shape", "parameters"], [["<fc>", "(1, 2)", 1234]]),
            sections.gallery("Samples", list(images[:4, 0]), ["first <one>"]),
            sections.texts("Verses", ["To be,\n<or> not"]),
            sections.picture("Heat", rng.random((5, 7, 3)), half=True),
            sections.facts({"name": "<b>value</b>"}),
        ],
    }
    return gd.train.Report(**(options | changes))


def page(report: gd.train.Report, folder: Path) -> str:
    return gd.train.write_report(report, folder / "report.html").read_text()


@needs_matplotlib
def test_report_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    path = gd.train.write_report(report_of(), tmp_path / "a" / "report.html")
    text = path.read_text()
    assert path.is_absolute()
    plain = re.sub(r"data:[^\"]*", "", text)
    for part in (
        "94.00%", "<dt>&lt;b&gt;</dt><dd>1,234</dd>", "A &lt;title&gt; &amp; more",
        "20 steps in 5 epochs.", "&lt;b&gt;value&lt;/b&gt;", "<th>&lt;fc&gt;</th>",
        "<td class=n>1,234</td>", "first &lt;one&gt;", "To be,\n&lt;or&gt; not", "1.0",
        "1 operations computed by the array library, 33% of the time", 'alt="Samples 3"',
    ):  # fmt: skip
        assert part in plain
    assert text.count('alt="filter ') == 6
    assert text.count(" taken for a ") == 3
    for name in ("loss", "accuracy", "critic", "units"):
        assert f'alt="{name} over the run"' in text
    assert 'alt="lr over the run"' not in text, "what stays the same needs no chart"
    assert not re.findall(r'(?:src|href|srcset)="(?!data:)', text)
    assert "http" not in plain
    assert "$" not in plain


@needs_matplotlib
def test_report_of_a_run_without_mistakes_or_epochs(tmp_path: Path) -> None:
    empty = gd.train.History()
    empty.interrupted = True
    text = page(report_of(0, history=empty), tmp_path)
    assert "None: every test image was classified correctly." in text
    assert "0 steps in 0 epochs. The run was interrupted." in text
    assert "nothing" in page(gd.train.Report("t", "nothing", history_of(1)), tmp_path)


@needs_matplotlib
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_curves_of_runs_that_went_wrong(tmp_path: Path, bad: float) -> None:
    history = history_of()
    history.steps.columns["loss"][7:] = [bad] * 13
    assert 'alt="loss over the run"' in page(gd.train.Report("t", "s", history), tmp_path)


@needs_matplotlib
def test_long_runs_make_small_pages(tmp_path: Path) -> None:
    text = page(gd.train.Report("t", "s", history_of(20, 1000)), tmp_path)
    assert len(text) < 3_000_000
    assert pictures.thinned(20_000)[[0, -1]].tolist() == [0, 19_999]
    assert len(pictures.thinned(20_000)) == pictures.POINTS
    assert pictures.thinned(3).tolist() == [0, 1, 2]


@needs_matplotlib
def test_halves_stand_side_by_side(tmp_path: Path) -> None:
    def part(name: str, half: bool) -> sections.Section:
        return sections.Section(name, "<i></i>", half=half)

    parts = [part("a", True), part("b", True), part("c", True), part("d", False)]
    text = page(gd.train.Report("t", "s", gd.train.History(), sections=parts), tmp_path)
    shape = re.findall(r"<h2>\w+</h2>|<div class=\"pair\">|</div>", text.split("<main>")[1])
    assert shape[3:] == [
        '<div class="pair">', "<h2>a</h2>", "<h2>b</h2>", "</div>", "<h2>c</h2>", "<h2>d</h2>",
    ]  # fmt: skip


@needs_matplotlib
def test_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot write"):
        gd.train.write_report(report_of(), tmp_path / "file" / "report.html")
    with pytest.raises(ArgumentError, match="cannot write"):
        gd.train.write_image(np.zeros((2, 2)), tmp_path / "file" / "x.png")


def test_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    report = gd.train.Report("t", "s", gd.train.History())
    for write in (
        lambda: gd.train.write_report(report, tmp_path / "r.html"),
        lambda: gd.train.write_image(np.zeros((2, 2)), tmp_path / "x.png"),
    ):
        with pytest.raises(MissingDependencyError, match="matplotlib") as caught:
            write()
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
    assert np.array_equal(pictures.pixels_of(np.array([[0, 255]], np.uint8))[0, :, 3], [0, 255])
    three = pictures.pixels_of(np.array([[[0.0, 0.5, 2.0]]]))
    assert three.tolist() == [[[0, 128, 255, 255]]]
    for wrong in (np.zeros(3), np.zeros((2, 2, 2)), np.zeros((1, 2, 2, 3))):
        with pytest.raises(ShapeError):
            pictures.pixels_of(wrong)


@needs_matplotlib
def test_images_in_files(tmp_path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    grey = np.array([[0.0, 1.0, 0.2]])
    path = gd.train.write_image(grey, tmp_path / "deep" / "x.png")
    assert np.allclose(imread(path)[..., :3], grey[..., None], atol=1 / 255)
    assert (imread(path)[..., 3] == 1).all()
    coloured = np.random.default_rng(0).random((4, 5, 3))
    path = gd.train.write_image(coloured, tmp_path / "y.png")
    assert np.allclose(imread(path)[..., :3], coloured, atol=1 / 255)
    figure = Figure(figsize=(1, 1))
    out = io.BytesIO()
    figure.savefig(out, format="png")
    for drawn in (figure, out.getvalue(), coloured):
        assert 'src="data:image/png;base64,iVBORw0KGgo' in sections.picture("p", drawn).html
