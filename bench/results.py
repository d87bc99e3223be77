"""What a run found: a value that is written as JSON and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpudl.errors import ArgumentError

from .adapters import FRAMEWORKS

OURS = "gpudl"


@dataclass(frozen=True)
class Measurement:
    """One workload in one framework.

    `median` and `least` are seconds a call, None where it failed; `quiet` of the `turns` were
    undisturbed, and `other` is the median over the turns of the cores that other programs used.
    `error` is that of the results against the reference's, by the measure of `gpudl.tolerances`,
    None where there is nothing to compare with.
    """

    framework: str
    median: float | None = None
    least: float | None = None
    turns: int = 0
    quiet: int = 0
    other: float = 0.0
    error: float | None = None
    agrees: bool = True
    failure: str = ""


@dataclass(frozen=True)
class Row:
    """A workload, its essential work, and who was measured on it."""

    workload: str
    group: str
    flops: float
    bytes: float
    measured: dict[str, Measurement]

    def ratio(self, peer: str) -> float | None:
        """The peer's median time over gpudl's: above 1, gpudl is faster."""
        ours, theirs = self.median(OURS), self.median(peer)
        return None if ours is None or theirs is None else theirs / ours

    def median(self, framework: str) -> float | None:
        """The median seconds of a framework, if it was measured."""
        found = self.measured.get(framework)
        return found.median if found else None


@dataclass(frozen=True)
class Run:
    """A whole run: where, when, how, and its rows."""

    date: str
    machine: dict[str, Any]
    limits: dict[str, Any]
    versions: dict[str, str]
    plan: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def frameworks(self) -> list[str]:
        """Those that were measured, in the order of the tables."""
        return [name for name in FRAMEWORKS if name in self.versions]

    @property
    def groups(self) -> list[str]:
        """The groups of its rows, in order."""
        return list(dict.fromkeys(row.group for row in self.rows))

    def of_limit(self, row: Row, framework: str = OURS) -> float | None:
        """The share of the machine's limit: 1 is as fast as the essential work can be done."""
        median = row.median(framework)
        ideal = max(row.flops / self.limits["flops"], row.bytes / self.limits["bytes"])
        return ideal / median if median and ideal else None

    def mean_ratio(self, peer: str, group: str | None = None) -> float | None:
        """The geometric mean of the ratios to a peer, in a group or in all."""
        rows = [row for row in self.rows if group in (None, row.group)]
        return geometric_mean(r for row in rows if (r := row.ratio(peer)) is not None)

    @property
    def problems(self) -> list[str]:
        """A line for each failure, and for each result that disagrees."""
        out = []
        for row in self.rows:
            for name, m in row.measured.items():
                if m.failure:
                    out.append(f"{row.workload}, {FRAMEWORKS[name].title}: {m.failure}")
                elif not m.agrees:
                    out.append(f"{row.workload}, {FRAMEWORKS[name].title}: error {m.error:.1e}")
        return out

    def write(self, path: Path) -> None:
        """As JSON."""
        write(path, json.dumps(asdict(self), indent=1) + "\n")


def geometric_mean(values: Iterable[float]) -> float | None:
    """None of no values."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def read(path: Path) -> Run:
    """A run that `Run.write` wrote; raises `ArgumentError` for another file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            Row(**{**row, "measured": {k: Measurement(**m) for k, m in row["measured"].items()}})
            for row in found["rows"]
        ]
        return Run(**{**found, "rows": rows})
    except OSError as error:
        raise ArgumentError("gpudl bench", f"cannot read {str(path)!r}: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ArgumentError(
            "gpudl bench",
            f"{str(path)!r} holds no run of the suite",
            remedy="give a file that `gpudl bench --json` wrote",
        ) from None


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it; raises `ArgumentError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArgumentError("gpudl bench", f"cannot write {str(path)!r}: {error}") from None
