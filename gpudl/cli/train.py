"""`gpudl train`: train a network, print how it goes, keep it, write a report."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path
from typing import Any

from ._options import FamilyParser
from .families import FAMILIES


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "train a network on a data set"
    parser = subparsers.add_parser("train", help=text, description=text)
    families = parser.add_subparsers(
        title="families", metavar="family", dest="family", required=True,
        parser_class=FamilyParser,
    )  # fmt: skip
    for name, (_, what) in FAMILIES.items():
        families.add_parser(name, help=what, description=f"train {what}").family = name
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; the status is 130 after Ctrl-C, with report and figures of what there is."""
    from . import _run

    if args.report:
        from ..train import require_matplotlib

        require_matplotlib("gpudl train --report")
    _run.fill(args)
    family = _run.build(args)
    trainer = _run.trainer_of(family, args)
    if args.out and not (Path(args.out) / _run.LAST).exists():
        _run.keep_options(args)
    history = trainer.fit(resume=args.resume)
    trainer.load_best()
    results = family.results(history)
    lines = [
        *(["interrupted: this is what there is so far"] if history.interrupted else []),
        *results.lines,
        f"time      {history.seconds:.1f} s, {history.samples_per_second:,.0f} {family.unit}/s",
        f"device    {args.device}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    figures = _run.figures_of(family, history, results)
    for path in [args.json, args.out and str(Path(args.out) / _run.FIGURES)]:
        if path:
            _run.write_json("gpudl train", Path(path), figures)
    pages = [Path(args.report)] if args.report else []
    if args.out and importlib.util.find_spec("matplotlib") is not None:
        pages.append(Path(args.out) / _run.PAGE)
    for page in pages:
        sys.stdout.write(f"report    {_run.write_page(family, history, results, page)}\n")
    if args.out:
        # The one thing a new user has to know next.
        then = f" (gpudl sample {shlex.quote(args.out)})" if family.makes_samples else ""
        sys.stdout.write(f"kept      in {args.out}{then}\n")
    return 130 if history.interrupted else 0
