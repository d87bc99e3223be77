"""The report of a run: one HTML page that holds everything it shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from .._version import __version__
from ..errors import ArgumentError
from ..metrics import confusion_matrix
from ..profiler import Summary
from . import _pictures as pictures
from ._history import History
from ._loop import Predictions

Array = np.ndarray[Any, Any]
TEMPLATE = Path(__file__).with_name("report.html")
MISTAKES = 40
FILTERS = 64


@dataclass
class Report:
    """What the page shows.

    `images` (N, C, H, W) from 0 to 1 and `labels` (N,) of the test, `predictions` for them;
    `filters` (O, C, H, W); `kernels`: the operations of one step; `facts`: names and values for the
    table at the end.
    """

    title: str
    subtitle: str
    history: History
    predictions: Predictions
    images: Array
    labels: Array
    classes: int
    filters: Array
    parameters: int
    kernels: Sequence[Summary] = ()
    facts: dict[str, str] = field(default_factory=dict)


def _tiles(report: Report) -> str:
    history = report.history
    tiles = {
        "test accuracy": f"{report.predictions.accuracy:.2%}",
        "wall time": f"{history.seconds:.1f} s",
        "images per second": f"{history.samples_per_second:,.0f}",
        "parameters": f"{report.parameters:,}",
    }
    return "\n".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles.items())


def _picture(draw: Callable[[History, pictures.Palette], str], history: History, alt: str) -> str:
    dark, light = draw(history, pictures.DARK), draw(history, pictures.LIGHT)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}"></picture>'
    )


def _confusion(report: Report) -> str:
    counts = np.asarray(
        confusion_matrix(report.predictions.labels, report.labels, report.classes).data
    )
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    # A single mistake must show, so the shade of mistakes grows with their root.
    shares = np.where(np.eye(report.classes, dtype=bool), counts / totals, np.sqrt(counts / totals))
    head = "".join(f'<th scope="col">{c}</th>' for c in range(report.classes))
    rows = [f"<tr><th></th>{head}</tr>"]
    for label in range(report.classes):
        cells = []
        for guess in range(report.classes):
            n = int(counts[label, guess])
            shade = "var(--good)" if label == guess else "var(--bad)"
            style = f"--v: {shares[label, guess]:.3f}; --shade: {shade}"
            cells.append(f'<td class="{"some" if n else "zero"}" style="{style}">{n}</td>')
        rows.append(f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>')
    return f'<table class="confusion">\n{chr(10).join(rows)}\n</table>'


def _mistakes(report: Report) -> tuple[str, str]:
    wrong = np.flatnonzero(report.predictions.labels != report.labels)
    wrong = wrong[np.argsort(-report.predictions.confidence[wrong], kind="stable")]
    note = f"{len(wrong)} of {len(report.labels):,} test images"
    if len(wrong) > MISTAKES:
        note += f"; the {MISTAKES} that the network was surest of"
    note += ", the surest first: label, then the answer and its probability."
    out = []
    for i in wrong[:MISTAKES]:
        label, guess = int(report.labels[i]), int(report.predictions.labels[i])
        picture = pictures.png(pictures.ink(report.images[i].mean(0)))
        out.append(
            f'<figure><img src="{picture}" alt="a {label} taken for a {guess}"><figcaption>'
            f"<b>{label}</b> as <i>{guess}</i><br>{report.predictions.confidence[i]:.0%}"
            "</figcaption></figure>"
        )
    return note if len(wrong) else "None: every test image was classified correctly.", "\n".join(
        out
    )


def _filters(report: Report) -> str:
    # Colour images have one filter per channel; their mean keeps the shape.
    shown = report.filters[:FILTERS].mean(1)
    largest = float(np.abs(shown).max(initial=0.0))
    drawn = [pictures.png(pictures.weights(w, largest)) for w in shown]
    return "\n".join(
        f'<figure><img src="{uri}" alt="filter {i}"></figure>' for i, uri in enumerate(drawn)
    )


def _operations(rows: Sequence[Summary]) -> str:
    head = (
        "<tr><th>operation</th><th>pass</th><th>computed by</th>"
        '<th class="n">calls</th><th class="n">time</th><th class="n">GFLOP/s</th></tr>'
    )
    body = []
    for row in rows:
        speed = f"{row.flops / row.total_ns:.1f}" if row.flops and row.total_ns else ""
        by = "gpudl kernel" if row.by == "kernel" else row.by
        body.append(
            f'<tr><th scope="row"><code>{escape(row.name)}</code></th><td>{row.phase}</td>'
            f'<td>{escape(by)}</td><td class="n">{row.count}</td>'
            f'<td class="n">{row.total_ns / 1e6:.3f} ms</td><td class="n">{speed}</td></tr>'
        )
    lines = "\n".join(body)
    return f'<table class="list"><thead>{head}</thead><tbody>\n{lines}\n</tbody></table>'


def _kernels(report: Report) -> str:
    rows = sorted(report.kernels, key=lambda row: -row.total_ns)
    ours = [row for row in rows if row.by == "kernel"]
    rest = [row for row in rows if row.by != "kernel"]
    if not ours or not rest:
        return _operations(rows)
    spent = sum(row.total_ns for row in rest) / sum(row.total_ns for row in rows)
    calls = sum(row.count for row in rest)
    return (
        f"{_operations(ours)}\n<details><summary>{calls} operations computed by the array library, "
        f"{spent:.0%} of the time</summary>\n{_operations(rest)}\n</details>"
    )


def _facts(report: Report) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in report.facts.items()
    )
    return f'<table class="list"><tbody>\n{rows}\n</tbody></table>'


def _training_note(history: History) -> str:
    text = f"{len(history.losses):,} steps in {len(history.epochs)} epochs."
    return f"{text} The run was interrupted." if history.interrupted else text


def page(report: Report) -> str:
    """The report as HTML. Raises `MissingDependencyError` without matplotlib."""
    pictures.require_matplotlib("write_report")
    mistakes_note, mistakes = _mistakes(report)
    curves = [
        _picture(pictures.loss_curve, report.history, "loss by epoch"),
        _picture(pictures.accuracy_curve, report.history, "accuracy by epoch"),
    ]
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(report.title),
        subtitle=escape(report.subtitle),
        tiles=_tiles(report),
        training=_training_note(report.history),
        curves="\n".join(curves),
        confusion_note="Rows are labels, columns the answers of the network.",
        confusion=_confusion(report),
        mistakes_note=mistakes_note,
        mistakes=mistakes,
        filters=_filters(report),
        kernels_note="The operations of one training step, the slowest first.",
        kernels=_kernels(report),
        facts=_facts(report),
        version=__version__,
    )


def write_report(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write `report` as one HTML page to `path`, and return the absolute path.

    Folders are made. Raises `MissingDependencyError` without matplotlib, `ArgumentError` if the
    file cannot be written.
    """
    text = page(report)
    target = Path(path).absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArgumentError("write_report", f"cannot write {str(target)!r}: {error}") from None
    return target
