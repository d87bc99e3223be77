"""What `gpudl bench` does: measure, print, write."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gpudl.errors import ArgumentError

from . import machine, results, tables
from .adapters import FRAMEWORKS, installed
from .results import OURS, Row, Run
from .turns import DRY, FULL, QUICK, Plan, Workers, measure
from .workloads import GROUPS, Workload, table

Report = Callable[[Row], None]


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 if something failed or disagreed, else 0."""
    if args.list:
        for workload in table():
            note = "" if workload.quick else "  (not in the quick selection)"
            print(f"{workload.group:<11} {workload.name}{note}")
        return 0
    if args.html:
        from gpudl.train import require_matplotlib

        require_matplotlib("gpudl bench --html")
    if args.read:
        found = results.read(Path(args.read))
    else:
        plan = DRY if args.dry else QUICK if args.quick else FULL
        threads = args.threads or len(os.sched_getaffinity(0))
        found = bench(select(args.groups, args.quick, args.dry), plan, threads)
    tables.show(found)
    if args.json:
        found.write(Path(args.json))
    if args.html:
        from .page import page

        results.write(Path(args.html), page(found))
    return 1 if found.problems else 0


def select(names: list[str], quick: bool = False, dry: bool = False) -> list[Workload]:
    """The workloads of groups or by name; all if none is named. Raises `ArgumentError`.

    `quick` leaves the long ones out, unless they are named themselves.
    """
    known = table(dry)
    for name in names:
        if name not in GROUPS and all(workload.name != name for workload in known):
            raise ArgumentError(
                "gpudl bench",
                f"there is no group or workload {name!r}",
                remedy=f"a group ({', '.join(GROUPS)}) or a name that `gpudl bench --list` prints",
            )
    return [
        workload
        for workload in known
        if workload.name in names
        or ((not names or workload.group in names) and (workload.quick or not quick))
    ]


def bench(workloads: list[Workload], plan: Plan, threads: int) -> Run:
    """Measure the machine, then the workloads with every framework that is installed."""
    names = [name for name in FRAMEWORKS if installed(name)]
    notes = []
    if "torch" not in names:
        notes.append("PyTorch is not installed: only gpudl and NumPy are measured")
    probe = partial(machine.limits, threads, seconds=0.05 if plan.dry else 1.0)
    before = probe()
    facts = machine.facts(threads)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    rows: list[Row] = []
    with Workers(names, threads, plan.dry) as workers, progress(len(workloads)) as report:
        for workload in workloads:
            rows.append(measure(workload, workers, plan))
            report(rows[-1])
        versions = workers.versions
    # Others may have slowed one of the probes.
    after = probe()
    limits = {**before, **{kind: max(before[kind], after[kind]) for kind in ("flops", "bytes")}}
    return Run(date, facts, limits, versions, asdict(plan), notes, rows)


def progress(total: int) -> AbstractContextManager[Report]:
    """What tells how far it is: a bar on a terminal with rich, else a line per workload."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
        return _bar(total)
    return _lines(total)


@contextmanager
def _bar(total: int) -> Iterator[Report]:
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task("measuring", total=total)
        yield lambda row: bar.update(task, advance=1, description=f"{row.workload:<32}")


@contextmanager
def _lines(total: int) -> Iterator[Report]:
    done = 0

    def report(row: Row) -> None:
        nonlocal done
        done += 1
        ours = row.median(OURS)
        text = "failed" if ours is None else tables.seconds(ours)
        print(f"{done:>3}/{total}  {row.workload:<32}{text:>10}", file=sys.stderr, flush=True)

    yield report
