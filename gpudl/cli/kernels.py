"""`gpudl kernels`: the CUDA kernels, what they take, and how they were checked."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from typing import Any

HEADER = ("kernel", "for", "registers", "spills", "shared", "SASS", "emulated", "mutants", "state")
NOTE = (
    "registers a thread and static shared memory a block: the largest over variants and "
    "architectures\n"
    "emulated: cases that agree with float64 in every order / all; "
    "mutants: planted faults that the cases find / all\n"
    'state: "changed" since scripts/make_kernel_table.py recorded the row; --run measures here'
)


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "list the CUDA kernels: resources, emulated cases, mutants"
    parser = subparsers.add_parser("kernels", help=text, description=text)
    parser.add_argument("names", nargs="*", metavar="kernel", help="only these")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--run",
        dest="measure",
        action="store_true",
        help="compile for every architecture and run the cases on the emulator, here and now",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; 1 if a case fails under --run."""
    from ..testing.kernel_table import rows

    found = rows(args.names, measure=args.measure)
    if args.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _print([_cells(row) for row in found])
    return int(any(row["state"] == "fails" for row in found))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    archs = row["architectures"]
    known = [used for used in archs.values() if used is not None]

    def most(name: str) -> str:
        return str(max(used[name] for used in known)) if known else "-"

    sass = {name: n for used in known for name, n in used["sass"].items()}
    mutants = row["mutants"]
    return (
        row["kernel"],
        " ".join(arch.removeprefix("sm_") for arch in archs),
        most("registers"),
        most("spills"),
        most("shared"),
        " ".join(f"{name} {n}" for name, n in sass.items()) or "-",
        f"{'-' if row['passed'] is None else row['passed']} / {row['cases']}",
        f"{mutants['caught']} / {mutants['planted']}" if mutants else "-",
        row["state"],
    )


def _print(lines: Sequence[tuple[str, ...]]) -> None:
    """As a table of rich on a terminal, where rich is; else in plain columns."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
        from rich.console import Console
        from rich.table import Table

        table = Table(*HEADER, caption=NOTE, caption_justify="left")
        for line in lines:
            table.add_row(*line)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(HEADER, *lines, strict=True)]
    for line in (HEADER, *lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.write(f"\n{NOTE}\n")
