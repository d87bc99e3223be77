"""The parts of a report that any network can have: each function makes one `Section`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..profiler import Summary
from . import _pictures as pictures
from ._history import History


@dataclass(frozen=True)
class Section:
    """A part of a report: `html` under a heading and a `note`. Two `half` ones stand side by
    side."""

    title: str
    html: str
    note: str = ""
    half: bool = False


def curves(history: History) -> Section:
    """A chart for every metric that was measured more than once and did not stay the same."""
    tables = (history.steps, history.validation)
    names = list(dict.fromkeys(name for table in tables for name in table.metrics))
    moving = [n for n in names if len({v for t in tables if n in t for v in t[n]}) > 1]
    charts = []
    for name in moving:
        dark, light = (pictures.curve(history, name, p) for p in (pictures.DARK, pictures.LIGHT))
        charts.append(
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            f'<img class="chart" src="{light}" alt="{escape(name)} over the run"></picture>'
        )
    epochs = len(history.epochs)
    note = f"{len(history.steps):,} steps in {epochs} {'epoch' if epochs == 1 else 'epochs'}."
    if history.interrupted:
        note += " The run was interrupted."
    return Section("Training", f'<div class="pair">\n{chr(10).join(charts)}\n</div>', note)


def table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    note: str = "",
    half: bool = False,
) -> Section:
    """A table: the first column names the rows; columns of numbers are set to the right."""
    numeric = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        for i in range(len(header))
    ]

    def cell(tag: str, i: int, text: Any) -> str:
        shown = f"{text:,}" if isinstance(text, int) and not isinstance(text, bool) else str(text)
        return f"<{tag}{' class=n' if numeric[i] else ''}>{escape(shown)}</{tag}>"

    head = "".join(cell("th", i, name) for i, name in enumerate(header))
    body = "\n".join(
        f"<tr>{''.join(cell('th' if i == 0 else 'td', i, v) for i, v in enumerate(row))}</tr>"
        for row in rows
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody>" if header else body
    html = f'<div class="scroll">\n<table class="list">{inner}</table>\n</div>'
    return Section(title, html, note, half)


def facts(named: Mapping[str, str], title: str = "The run") -> Section:
    """Names and values."""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in named.items()
    )
    html = f'<div class="scroll">\n<table class="list"><tbody>\n{rows}\n</tbody></table>\n</div>'
    return Section(title, html)


def gallery(
    title: str,
    images: Sequence[Any],
    captions: Sequence[str] = (),
    *,
    note: str = "",
    half: bool = False,
) -> Section:
    """Small images, (H, W) or (H, W, C), uint8 or from 0 to 1, with their captions."""
    uris = [pictures.png(pictures.pixels_of(image)) for image in images]
    return _figures(title, uris, [escape(c) for c in captions], "images frame ink", note, half)


def _figures(
    title: str, uris: Sequence[str], captions: Sequence[str], style: str, note: str, half: bool
) -> Section:
    out = []
    for i, uri in enumerate(uris):
        under = f"<figcaption>{captions[i]}</figcaption>" if i < len(captions) else ""
        out.append(f'<figure><img src="{uri}" alt="{escape(title)} {i}">{under}</figure>')
    return Section(title, f'<div class="{style}">\n{chr(10).join(out)}\n</div>', note, half)


def picture(title: str, drawn: Any, *, note: str = "", half: bool = False) -> Section:
    """One picture: a figure of matplotlib, an image, or the bytes of a PNG."""
    uri = pictures.picture(drawn)
    return Section(title, f'<img class="picture" src="{uri}" alt="{escape(title)}">', note, half)


def texts(title: str, samples: Sequence[str], *, note: str = "", half: bool = False) -> Section:
    """Samples of text, each in a box."""
    return Section(title, "\n".join(f"<pre>{escape(s)}</pre>" for s in samples), note, half)


def operations(rows: Sequence[Summary]) -> Section:
    """What the profiler saw in one training step, the slowest first."""
    found = sorted(rows, key=lambda row: -row.total_ns)
    ours = [row for row in found if row.by == "kernel"]
    rest = [row for row in found if row.by != "kernel"]
    html = _operations(found)
    if ours and rest:
        spent = sum(row.total_ns for row in rest) / sum(row.total_ns for row in found)
        calls = sum(row.count for row in rest)
        html = (
            f"{_operations(ours)}\n<details><summary>{calls} operations computed by the array "
            f"library, {spent:.0%} of the time</summary>\n{_operations(rest)}\n</details>"
        )
    note = "The operations of one training step, the slowest first."
    return Section("What ran", f'<div class="scroll">\n{html}\n</div>', note)


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
