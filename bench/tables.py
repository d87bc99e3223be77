"""The tables of a run, as cells, and how they look on a terminal."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import fill

from .adapters import FRAMEWORKS
from .results import OURS, Row, Run
from .workloads import GROUPS

LEGEND = (
    "Ratios are the peer's time over gpudl's, above 1 where gpudl is faster: of the medians, and "
    "in brackets of the minima. ~ marks a median without one undisturbed turn, ! a result that "
    "disagrees or a failure. gpudl NHWC takes images that are channels-last in memory already, as "
    "its layers leave them; so does PyTorch tuned. Of limit: the time that the essential work "
    "takes at the machine's measured limits, over gpudl's; above 100% the data stayed in a cache."
)


@dataclass(frozen=True)
class Table:
    """A title, a header, and lines of as many cells; the last line may be of means."""

    title: str
    header: list[str]
    lines: list[list[str]]


def seconds(value: float) -> str:
    """A time in the unit that suits it.

    >>> seconds(0.00123)
    '1.23 ms'
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1 or unit == "us":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError


def tables(run: Run) -> Iterator[Table]:
    """A table per group."""
    for group in run.groups:
        rows = [row for row in run.rows if row.group == group]
        names = [name for name in run.frameworks if any(name in row.measured for row in rows)]
        peers = [name for name in names if name != OURS]
        header = ["workload", FRAMEWORKS[OURS].title, "of limit"]
        header += [f"{FRAMEWORKS[name].title}" for name in peers]
        lines = [
            [row.workload, _time(row), percent(run.of_limit(row)), *(_ratio(row, p) for p in peers)]
            for row in rows
        ]
        if len(rows) > 1:
            means = [run.mean_ratio(peer, group) for peer in peers]
            shown = ["" if mean is None else f"{mean:.2f}" for mean in means]
            lines.append(["geometric mean", "", "", *shown])
        yield Table(GROUPS.get(group, group), header, lines)


def percent(share: float | None) -> str:
    """A share, or nothing."""
    return "" if share is None else f"{share:.0%}"


def _mark(row: Row, name: str) -> str:
    m = row.measured[name]
    return " !" if m.failure or not m.agrees else "" if m.quiet else " ~"


def _time(row: Row) -> str:
    m = row.measured.get(OURS)
    if m is None:
        return ""
    return ("failed" if m.median is None else seconds(m.median)) + _mark(row, OURS)


def _ratio(row: Row, peer: str) -> str:
    theirs, ours = row.measured.get(peer), row.measured.get(OURS)
    if theirs is None:
        return ""
    ratio = row.ratio(peer)
    if ratio is None or ours is None or not theirs.least or not ours.least:
        return "failed !" if theirs.median is None else seconds(theirs.median)
    return f"{ratio:.2f} ({theirs.least / ours.least:.2f}){_mark(row, peer)}"


def head(run: Run) -> list[str]:
    """What the numbers hold for, in a few lines."""
    machine, limits = run.machine, run.limits
    versions = ", ".join(f"{FRAMEWORKS[n].title} {run.versions[n]}" for n in run.frameworks)
    turns = [m for row in run.rows for m in row.measured.values()]
    quiet, total = sum(m.quiet for m in turns), sum(m.turns for m in turns)
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"gpudl with {machine['simd']}, Python {machine['python']}, {run.date}",
        versions,
        f"limits: {limits['flops'] / 1e9:.0f} GFLOP/s ({limits['flops_by']}), "
        f"{limits['bytes'] / 1e9:.1f} GB/s ({limits['bytes_by']})",
        f"{quiet} of {total} turns were undisturbed by other programs",
        *run.notes,
    ]


def summary(run: Run) -> list[str]:
    """The means over everything, and what went wrong."""
    out = []
    for peer in run.frameworks:
        mean = run.mean_ratio(peer) if peer != OURS else None
        if mean is not None:
            count = sum(row.ratio(peer) is not None for row in run.rows)
            title = FRAMEWORKS[peer].title
            out.append(f"{title} / gpudl, geometric mean of {count} workloads: {mean:.2f}")
    return [*out, *(f"problem: {line}" for line in run.problems)]


def show(run: Run) -> None:
    """Print everything, with the package rich where it is there and the output is a terminal."""
    rich = sys.stdout.isatty() and importlib.util.find_spec("rich") is not None
    print("\n".join(head(run)))
    for table in tables(run):
        if rich:
            _show_rich(table)
        else:
            print("\n" + plain(table))
    print("\n" + "\n".join([fill(LEGEND, 100), *summary(run)]))


def plain(table: Table) -> str:
    """A table in columns."""
    lines = [table.header, *table.lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    out = [table.title]
    for first, *rest in lines:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        out.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(out)


def _show_rich(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(title=table.title, title_justify="left")
    for i, name in enumerate(table.header):
        shown.add_column(name, justify="right" if i else "left", no_wrap=True)
    for line in table.lines:
        shown.add_row(*line, style="bold" if line[0] == "geometric mean" else None)
    Console().print(shown)
