"""Pictures for the report: curves as SVG, small images as PNG, both as data URIs."""

from __future__ import annotations

import base64
import importlib.util
import io
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ShapeError, missing
from ._history import History

Array = np.ndarray[Any, Any]
POINTS = 2000  # of a curve, so that a page stays small
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


def pixels_of(image: Array) -> Array:
    """An image as RGBA: grey (H, W) or (H, W, 1) as ink, colours (H, W, 3 or 4); uint8, or from 0
    to 1."""
    x = np.asarray(image)
    if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] not in (1, 3, 4)):
        raise ShapeError("report", "an image is (H, W) or (H, W, 1, 3 or 4)", image=image)
    scaled = x.astype(np.float64) / 255 if x.dtype == np.uint8 else x
    if x.ndim == 2 or x.shape[2] == 1:
        return ink(scaled.reshape(x.shape[:2]))
    pixels = np.full((*x.shape[:2], 4), 255, np.uint8)
    pixels[..., : x.shape[2]] = np.clip(np.rint(scaled * 255), 0, 255)
    return pixels


def picture(drawn: Any) -> str:
    """A picture as a data URI: the bytes of a PNG, an image, or a figure of matplotlib."""
    if isinstance(drawn, bytes):
        return _uri("png", drawn)
    if hasattr(drawn, "savefig"):
        out = io.BytesIO()
        drawn.savefig(out, format="png", dpi=144)
        return _uri("png", out.getvalue())
    return png(pixels_of(drawn))


def write_image(image: Array, path: str | os.PathLike[str]) -> Path:
    """Write an image, (H, W) or (H, W, 1, 3 or 4), uint8 or from 0 to 1, as a PNG; 0 is black.

    Returns the absolute path. Raises `MissingDependencyError` without matplotlib, `ArgumentError`
    if the file cannot be written.
    """
    require_matplotlib("write_image")
    from matplotlib.image import imsave

    pixels = pixels_of(image)
    if image.ndim == 2 or image.shape[2] == 1:
        pixels[..., :3], pixels[..., 3] = pixels[..., 3:], 255
    target = Path(path).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        imsave(target, np.ascontiguousarray(pixels), format="png")
    except OSError as error:
        raise ArgumentError("write_image", f"cannot write {str(target)!r}: {error}") from None
    return target


def weights(w: Array, largest: float) -> Array:
    """Weights (H, W) as colour: the sign is the hue, the size the strength."""
    pixels = np.empty((*w.shape, 4), np.uint8)
    good, bad = np.array(GOOD, np.uint8), np.array(BAD, np.uint8)
    pixels[..., :3] = np.where((w >= 0)[..., None], good, bad)
    pixels[..., 3] = np.rint(np.minimum(np.abs(w) / largest, 1.0) * 255) if largest else 0
    return pixels


def _axes(figure: Any, palette: Palette, label: str, x: str) -> Any:
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.line)
    axes.tick_params(colors=palette.ink, length=0, labelsize=9)
    axes.grid(axis="y", color=palette.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(label, loc="left", color=palette.ink, fontsize=10)
    axes.set_xlabel(x, color=palette.ink, fontsize=9)
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


def smooth(losses: Array, window: int) -> Array:
    """Running means over up to `window` losses that came before."""
    total = np.concatenate([[0.0], np.cumsum(losses)])
    i = np.arange(1, len(losses) + 1)
    first = np.maximum(i - window, 0)
    return np.asarray((total[i] - total[first]) / (i - first))


def thinned(length: int) -> Array:
    """The indices of at most `POINTS` of so many values, first and last among them."""
    return np.linspace(0, length - 1, min(length, POINTS)).round().astype(np.int64)


def curve(history: History, name: str, palette: Palette) -> str:
    """A metric over the run as SVG: the value of every step, faint, its running mean, and the
    value of every validation."""
    figure = _figure()
    epochs = len(history.epochs) > 1
    axes = _axes(figure, palette, name.replace("_", " "), "epoch" if epochs else "step")
    scale = len(history.steps) / len(history.epochs) if epochs else 1.0
    shown = []
    if name in history.steps:
        values = np.asarray(history.steps[name])
        known = np.flatnonzero(np.isfinite(values))
        chosen = thinned(len(known))
        at = (known[chosen] + 1) / scale
        mean = smooth(values[known], max(len(known) // 40, 1))[chosen]
        axes.plot(at, values[known[chosen]], color=palette.train, linewidth=0.6, alpha=0.25)
        axes.plot(at, mean, color=palette.train, linewidth=1.6, label="training")
        shown.append(mean)
    if name in history.validation:
        table = history.validation
        values = np.asarray(table[name])
        at = np.asarray(table["step"]) / scale
        style: dict[str, Any] = {"linewidth": 1.6, "marker": "o", "markersize": 3}
        axes.plot(at, values, color=palette.test, label="validation", **style)
        shown.append(values[np.isfinite(values)])
    _scale(axes, name, np.concatenate(shown) if shown else np.zeros(0))
    if len(shown) > 1:
        axes.legend(frameon=False, fontsize=9, labelcolor=palette.ink)
    return _svg(figure)


def _scale(axes: Any, name: str, values: Array) -> None:
    """Shares from where they matter up to 1; logarithms for what spans a range of sizes."""
    if not len(values):
        return
    if name.endswith("accuracy"):
        # The beginning would flatten the rest.
        low = max(0.0, float(np.sort(values)[len(values) // 10]) - 0.02)
        axes.set_ylim(low, 1.0 + 0.02 * (1.0 - low))
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:.1%}" if 1 - low < 0.1 else f"{v:.0%}")
    elif values.min() > 0 and values.max() > 5 * values.min():
        axes.set_yscale("log")
