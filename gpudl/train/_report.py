"""The report of a run: one HTML page that holds everything it shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template

from .._version import __version__
from ..errors import ArgumentError
from . import _pictures as pictures
from ._history import History
from ._sections import Section, curves

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass
class Report:
    """What the page shows: `tiles`, names and values at the top; the curves of `history`; and the
    `sections`, which the functions of `gd.train.sections` make."""

    title: str
    subtitle: str
    history: History
    tiles: dict[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()


def _section(section: Section) -> str:
    note = f'<p class="quiet">{escape(section.note)}</p>\n' if section.note else ""
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{note}{section.html}\n</section>"


def _body(sections: Sequence[Section]) -> str:
    out: list[str] = []
    beside = False  # whether the last one is the left half of a pair
    for section in sections:
        text = _section(section)
        if beside and section.half:
            out[-1] = f'<div class="pair">\n{out[-1]}\n{text}\n</div>'
            beside = False
        else:
            out.append(text)
            beside = section.half
    return "\n".join(out)


def page(report: Report) -> str:
    """The report as HTML. Raises `MissingDependencyError` without matplotlib."""
    pictures.require_matplotlib("write_report")
    tiles = "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in report.tiles.items()
    )
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(report.title),
        subtitle=escape(report.subtitle),
        tiles=tiles,
        sections=_body([curves(report.history), *report.sections]),
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
