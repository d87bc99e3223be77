"""A run as one HTML page that holds everything it shows."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from .adapters import FRAMEWORKS
from .results import OURS, Run
from .tables import LEGEND, Table, head, summary, tables

TEMPLATE = Path(__file__).with_name("page.html")
COLORS = {
    "gpudl": "#2f6fdb",
    "gpudl_channels_last": "#7fa6ea",
    "torch": "#e2622f",
    "torch_tuned": "#b5871f",
    "numpy": "#3d9a6b",
}
GRAY = "#808080"  # readable on light and on dark


def page(run: Run) -> str:
    """The page. Needs matplotlib."""
    lines = summary(run)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        head="\n".join(f"<p>{escape(line)}</p>" for line in [*head(run), *lines[: _means(lines)]]),
        problems="\n".join(f'<p class="problem">{escape(p)}</p>' for p in lines[_means(lines) :]),
        chart=chart(run),
        legend=escape(LEGEND),
        tables="\n".join(map(_table, tables(run))),
    )


def _means(lines: list[str]) -> int:
    return sum(not line.startswith("problem:") for line in lines)


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = []
    for line in table.lines:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in line)
        kind = ' class="mean"' if line[0] == "geometric mean" else ""
        rows.append(f"<tr{kind}>{cells}</tr>")
    body = "\n".join([f"<tr>{header}</tr>", *rows])
    return f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table>\n{body}\n</table></div>'


def chart(run: Run) -> str:
    """Bars for every workload, as SVG: left the ratios, right the shares of the limit."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    colors = {f"{what}color": GRAY for what in ("axes.edge", "axes.label", "xtick.", "ytick.")}
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "gpudl", "text.color": GRAY, **colors}
    peers = [name for name in run.frameworks if name != OURS]
    with rc_context(style):
        figure = Figure(figsize=(11, 1.2 + 0.3 * len(run.rows)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        left.set_xscale("log")
        left.axvline(1, color=GRAY, linewidth=1)
        # On the logarithmic axis a bar starts at 1, where both are as fast.
        _bars(left, {name: [row.ratio(name) for row in run.rows] for name in peers}, start=1)
        left.xaxis.set_major_formatter("{x:g}")
        left.set_xlabel("time / gpudl's time (right of 1: gpudl is faster)")
        left.set_yticks(range(len(run.rows)), [row.workload for row in run.rows])
        left.set_ylim(len(run.rows) - 0.5, -0.5)
        shares = {name: [run.of_limit(row, name) for row in run.rows] for name in run.frameworks}
        _bars(right, shares)
        right.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        right.set_xlabel("share of the machine's limit")
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        figure.patch.set_alpha(0)
        out = io.StringIO()
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(out, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _bars(axes: Any, values: dict[str, list[float | None]], start: float = 0) -> None:
    """Horizontal bars from `start` to the values: a colour per framework, a place per workload."""
    thick = 0.8 / max(len(values), 1)
    for k, (name, listed) in enumerate(values.items()):
        shift = (k - (len(values) - 1) / 2) * thick
        found = [(place + shift, v) for place, v in enumerate(listed) if v is not None]
        axes.barh(
            [place for place, _ in found],
            [v - start for _, v in found],
            height=thick,
            left=start,
            color=COLORS[name],
            label=FRAMEWORKS[name].title,
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
