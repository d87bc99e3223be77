"""Pictures for the report: curves as SVG, small images as PNG, both as data URIs."""

from __future__ import annotations

import base64
import importlib.util
import io
from typing import Any, NamedTuple

import numpy as np

from ..errors import missing
from ._history import History

Array = np.ndarray[Any, Any]
GOOD, BAD = (0x2F, 0x6F, 0xB0), (0xC2, 0x57, 0x1A)


class Palette(NamedTuple):
    """The colours of a chart: text and axes, and the two series."""

    ink: str
    line: str
    train: str
    test: str


LIGHT = Palette("#66707a", "#d9dce0", "#2f6fb0", "#c2571a")
DARK = Palette("#8d97a1", "#343b42", "#6aa9e9", "#ee9154")


def require_matplotlib(op: str) -> None:
    """Raise `MissingDependencyError` where the package matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise missing("matplotlib", "train", op)


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def png(pixels: Array) -> str:
    """An RGBA image, uint8 (H, W, 4), as a data URI."""
    from matplotlib.image import imsave

    out = io.BytesIO()
    imsave(out, np.ascontiguousarray(pixels), format="png")
    return _uri("png", out.getvalue())


def ink(image: Array) -> Array:
    """A greyscale image (H, W) from 0 to 1 as black ink of that strength."""
    pixels = np.zeros((*image.shape, 4), np.uint8)
    pixels[..., 3] = np.clip(np.rint(image * 255), 0, 255)
    return pixels


def weights(w: Array, largest: float) -> Array:
    """Weights (H, W) as colour: the sign is the hue, the size the strength."""
    pixels = np.empty((*w.shape, 4), np.uint8)
    good, bad = np.array(GOOD, np.uint8), np.array(BAD, np.uint8)
    pixels[..., :3] = np.where((w >= 0)[..., None], good, bad)
    pixels[..., 3] = np.rint(np.minimum(np.abs(w) / largest, 1.0) * 255) if largest else 0
    return pixels


def _axes(figure: Any, palette: Palette, label: str) -> Any:
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.line)
    axes.tick_params(colors=palette.ink, length=0, labelsize=9)
    axes.grid(axis="y", color=palette.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(label, loc="left", color=palette.ink, fontsize=10)
    axes.set_xlabel("epoch", color=palette.ink, fontsize=9)
    return axes


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "gpudl", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _uri("svg+xml", out.getvalue())


def _figure() -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(4.8, 3.1), layout="constrained")


def _legend(axes: Any, palette: Palette) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, labelcolor=palette.ink)


def smooth(losses: Array, window: int) -> Array:
    """Running means over up to `window` losses that came before."""
    total = np.concatenate([[0.0], np.cumsum(losses)])
    i = np.arange(1, len(losses) + 1)
    first = np.maximum(i - window, 0)
    return np.asarray((total[i] - total[first]) / (i - first))


def loss_curve(history: History, palette: Palette) -> str:
    """The loss of every step, smoothed, and the test loss of every epoch, on a log scale."""
    figure = _figure()
    axes = _axes(figure, palette, "loss")
    losses = np.asarray(history.losses)
    if len(losses):
        per_epoch = len(losses) / max(len(history.epochs), 1)
        at = np.arange(1, len(losses) + 1) / per_epoch
        axes.plot(at, losses, color=palette.train, linewidth=0.6, alpha=0.25)
        mean = smooth(losses, max(int(per_epoch) // 2, 1))
        axes.plot(at, mean, color=palette.train, linewidth=1.6, label="training")
    tested = [e for e in history.epochs if e.test_loss is not None]
    if tested:
        axes.plot(
            [e.number for e in tested], [e.test_loss for e in tested], color=palette.test,
            linewidth=1.6, marker="o", markersize=3, label="test",
        )  # fmt: skip
    if np.isfinite(losses).all() and (losses > 0).all() and len(losses):
        axes.set_yscale("log")
    _legend(axes, palette)
    return _svg(figure)


def accuracy_curve(history: History, palette: Palette) -> str:
    """Training and test accuracy of every epoch."""
    figure = _figure()
    axes = _axes(figure, palette, "accuracy")
    numbers = [e.number for e in history.epochs]
    style: dict[str, Any] = {"linewidth": 1.6, "marker": "o", "markersize": 3}
    values = [e.train_accuracy for e in history.epochs]
    axes.plot(numbers, values, color=palette.train, label="training", **style)
    tested = [e for e in history.epochs if e.test_accuracy is not None]
    shown = [float(e.test_accuracy) for e in tested if e.test_accuracy is not None]
    if tested:
        axes.plot([e.number for e in tested], shown, color=palette.test, label="test", **style)
    # The first epoch would flatten the rest.
    rest = sorted(values[1:] + shown[1:]) or values + shown or [0.0]
    low = max(0.0, rest[len(rest) // 10] - 0.02)
    axes.set_ylim(low, 1.0 + 0.02 * (1.0 - low))
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:.1%}" if 1 - low < 0.1 else f"{v:.0%}")
    _legend(axes, palette)
    return _svg(figure)
