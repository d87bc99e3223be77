"""The parts of a report about a classifier of images: confusion, mistakes, filters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..metrics import confusion_matrix
from . import _pictures as pictures
from ._classifier import Predictions
from ._sections import Section

Array = np.ndarray[Any, Any]
MISTAKES = 40
FILTERS = 64


def confusion(predictions: Predictions, labels: Array, classes: int) -> Section:
    """The confusion matrix of `predictions` for `labels`, int (N,)."""
    counts = np.asarray(confusion_matrix(predictions.labels, labels, classes).data)
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    # A single mistake must show, so the shade of mistakes grows with their root.
    shares = np.where(np.eye(classes, dtype=bool), counts / totals, np.sqrt(counts / totals))
    head = "".join(f'<th scope="col">{c}</th>' for c in range(classes))
    rows = [f"<tr><th></th>{head}</tr>"]
    for label in range(classes):
        cells = []
        for guess in range(classes):
            n = int(counts[label, guess])
            shade = "var(--good)" if label == guess else "var(--bad)"
            style = f"--v: {shares[label, guess]:.3f}; --shade: {shade}"
            cells.append(f'<td class="{"some" if n else "zero"}" style="{style}">{n}</td>')
        rows.append(f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>')
    matrix = f'<table class="confusion">\n{chr(10).join(rows)}\n</table>'
    note = "Rows are labels, columns the answers of the network."
    html = f'<div class="scroll">\n{matrix}\n</div>'
    return Section("Confusion matrix", html, note, half=True)


def mistakes(predictions: Predictions, images: Array, labels: Array) -> Section:
    """The `images` (N, C, H, W), from 0 to 1, that were classified wrongly, the surest first."""
    wrong = np.flatnonzero(predictions.labels != labels)
    wrong = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    note = f"{len(wrong)} of {len(labels):,} test images"
    if len(wrong) > MISTAKES:
        note += f"; the {MISTAKES} that the network was surest of"
    note += ", the surest first: label, then the answer and its probability."
    if not len(wrong):
        note = "None: every test image was classified correctly."
    out = []
    for i in wrong[:MISTAKES]:
        label, guess = int(labels[i]), int(predictions.labels[i])
        picture = pictures.png(pictures.ink(images[i].mean(0)))
        out.append(
            f'<figure><img src="{picture}" alt="a {label} taken for a {guess}"><figcaption>'
            f"<b>{label}</b> as <i>{guess}</i><br>{predictions.confidence[i]:.0%}"
            "</figcaption></figure>"
        )
    html = f'<div class="images frame ink">\n{chr(10).join(out)}\n</div>'
    return Section("Misclassified images", html, note, half=True)


def filters(weight: Array) -> Section:
    """The filters (O, C, H, W) of a convolution."""
    # Colour images have one filter per channel; their mean keeps the shape.
    shown = weight[:FILTERS].mean(1)
    largest = float(np.abs(shown).max(initial=0.0))
    drawn = [pictures.png(pictures.weights(w, largest)) for w in shown]
    figures = "\n".join(
        f'<figure><img src="{uri}" alt="filter {i}"></figure>' for i, uri in enumerate(drawn)
    )
    note = (
        "The weights of each filter of the first convolution: blue adds, orange subtracts, and "
        "what fades into the page is near zero."
    )
    return Section("First-layer filters", f'<div class="images frame">\n{figures}\n</div>', note)
