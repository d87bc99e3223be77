"""`gpudl report`: write the report of a run again, from its folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "write the report of a run that gpudl train --out kept (HTML)"
    parser = subparsers.add_parser("report", help=text, description=text)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of the run")
    parser.add_argument("--report", type=Path, metavar="PATH", help="where (DIR/report.html)")
    parser.add_argument("--device", default="cpu", help="where to compute")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the network of the run as it is now, and write the page."""
    from ..train import require_matplotlib
    from . import _run

    require_matplotlib("gpudl report")
    family, history = _run.reopen(args.folder, args.device)
    page = args.report or args.folder / _run.PAGE
    written = _run.write_page(family, history, family.results(history), page)
    sys.stdout.write(f"report    {written}\n")
    return 0
