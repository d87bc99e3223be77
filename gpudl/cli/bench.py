"""`gpudl bench`: measure gpudl beside other libraries, with the suite of the repository."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "measure gpudl beside PyTorch and NumPy (in a checkout of the repository)"
    parser = subparsers.add_parser("bench", help=text, description=text)
    parser.add_argument("groups", nargs="*", metavar="group", help="groups or names of workloads")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="few turns, without the longest ones")
    how.add_argument("--dry", action="store_true", help="tiny sizes, one turn: does it run?")
    parser.add_argument("--threads", type=_at_least_one, help="CPU threads (default: all)")
    parser.add_argument("--list", action="store_true", help="print the workloads and end")
    parser.add_argument("--json", metavar="PATH", help="write the figures (JSON)")
    parser.add_argument("--html", metavar="PATH", help="write a page with charts (HTML)")
    parser.add_argument("--read", metavar="PATH", help="measure nothing: show the JSON of a run")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the suite; 1 if a workload failed or libraries disagree, else 0."""
    from ..errors import MissingDependencyError

    root = Path(__file__).parents[2]
    if not (root / "bench" / "workloads.py").is_file():
        raise MissingDependencyError(
            "gpudl bench",
            "the benchmark suite is not part of the installed package",
            remedy="run it in a checkout of the repository, installed with pip install -e .",
        )
    if str(root) not in sys.path:
        sys.path.append(str(root))
    return int(importlib.import_module("bench.command").run(args))
