"""Profiles: which operations ran, how long, how fast, and how much memory their results held.

A profile is a hook around every operation of the thread that opened it, forward and backward.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .autograd import hooked
from .autograd.inspection import Ran, arrays_of, rate, timed
from .autograd.state import state
from .errors import ArgumentError, ArgumentTypeError

__all__ = ["Event", "Profile", "Summary", "profile", "record"]


@dataclass(frozen=True)
class Event:
    """One operation, or one range of `record`. Times are nanoseconds since the profile began."""

    name: str
    kind: str  # "op" or "range"
    start_ns: int
    end_ns: int
    by: str = ""  # "kernel", or the library that computed it
    backward_of: str | None = None
    flops: int | None = None
    bytes: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    live_bytes: int = 0  # held by results when it ended, with memory=True

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass
class Summary:
    """All runs of one operation in one phase by one implementation."""

    name: str
    phase: str  # "forward" or "backward"
    by: str
    count: int = 0
    total_ns: int = 0
    flops: int | None = 0
    bytes: int = 0

    @property
    def mean_ns(self) -> float:
        return self.total_ns / self.count


class _Memory:
    """Bytes held by arrays that operations made. A view keeps its base alive and counts once."""

    def __init__(self) -> None:
        self.live: dict[int, tuple[weakref.ref[Any], int]] = {}
        self.bytes = self.peak = 0

    def add(self, array: Any) -> None:
        while isinstance(array.base, type(array)):
            array = array.base
        key = id(array)
        if key in self.live:
            return
        self.live[key] = weakref.ref(array, lambda _: self._drop(key)), array.nbytes
        self.bytes += array.nbytes
        self.peak = max(self.peak, self.bytes)

    def _drop(self, key: int) -> None:
        self.bytes -= self.live.pop(key)[1]


class Profile:
    """What `profile` collects: `events` in the order in which they ended."""

    def __init__(self, *, memory: bool) -> None:
        self.events: list[Event] = []
        self._memory = _Memory() if memory else None
        self._start = time.perf_counter_ns()
        self._thread = threading.get_ident()

    def _note(
        self, prim: Any, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        ran: Ran = timed(prim, inputs, params, proceed)
        if self._memory is not None and not prim.view:
            for array in arrays_of(ran.result):
                self._memory.add(array)
        outer = state.backward_of
        self.events.append(
            Event(
                prim.name,
                "op",
                ran.start_ns - self._start,
                ran.end_ns - self._start,
                ran.by,
                None if outer is None else outer.name,
                ran.flops,
                ran.bytes,
                tuple(x.data.shape for x in inputs),
                0 if self._memory is None else self._memory.bytes,
            )
        )
        return ran.result

    def __repr__(self) -> str:
        return f"<{len(self.events)} events; .table() sums them up>"

    @property
    def peak_bytes(self) -> int:
        """The most bytes that results of operations in the block held at one time."""
        if self._memory is None:
            raise ArgumentError(
                "peak_bytes", "memory was not watched", remedy="gd.profiler.profile(memory=True)"
            )
        return self._memory.peak

    def summary(self) -> list[Summary]:
        """One row per operation, phase and implementation, the slowest first."""
        rows: dict[tuple[str, str, str], Summary] = {}
        for event in self.events:
            if event.kind != "op":
                continue
            key = (event.name, "backward" if event.backward_of else "forward", event.by)
            row = rows.setdefault(key, Summary(*key))
            row.count += 1
            row.total_ns += event.duration_ns
            row.bytes += event.bytes
            known = row.flops is not None and event.flops is not None
            row.flops = row.flops + event.flops if known else None  # type: ignore[operator]
        return sorted(rows.values(), key=lambda row: -row.total_ns)

    def table(self, limit: int | None = None) -> str:
        """The summary as text, `limit` rows of it (default: all).

        >>> import gpudl as gd
        >>> with gd.profiler.profile() as p:
        ...     y = gd.ones((64, 64)) @ gd.ones((64, 64))
        >>> print(p.table())  # doctest: +ELLIPSIS
        operation ...
        """
        rows = self.summary()
        total = sum(row.total_ns for row in rows)
        lines = [
            f"{'operation':<20}{'phase':<10}{'by':<8}{'count':>7}{'total ms':>11}{'mean us':>11}"
            f"{'share':>7}{'GFLOP/s':>9}{'GB/s':>7}"
        ]
        for row in rows[:limit]:
            share = row.total_ns / total if total else 0.0
            lines.append(
                f"{row.name:<20}{row.phase:<10}{row.by:<8}{row.count:>7}{row.total_ns / 1e6:>11.3f}"
                f"{row.mean_ns / 1e3:>11.1f}{share:>7.1%}{rate(row.flops, row.total_ns):>9}"
                f"{rate(row.bytes, row.total_ns):>7}"
            )
        lines.append(f"{len(self.events)} events, {total / 1e6:.3f} ms in operations")
        if self._memory is not None:
            lines[-1] += f", {self.peak_bytes / 2**20:.1f} MiB held by results at the peak"
        return "\n".join(lines)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the events as JSON for Perfetto (https://ui.perfetto.dev) or chrome://tracing.

        Raises `ArgumentError` if the file cannot be written.
        """
        import json

        common = {"pid": os.getpid(), "tid": self._thread}
        trace: list[dict[str, Any]] = [
            {"name": "process_name", "ph": "M", "args": {"name": "gpudl"}, **common}
        ]
        for event in self.events:
            args: dict[str, Any] = {}
            if event.kind == "op":
                args = {"by": event.by, "shapes": [list(s) for s in event.shapes]}
                args |= {"flops": event.flops, "bytes": event.bytes}
            if event.backward_of is not None:
                args["backward of"] = event.backward_of
            trace.append(
                {
                    "name": event.name,
                    "cat": "backward" if event.backward_of else event.kind,
                    "ph": "X",
                    "ts": event.start_ns / 1e3,
                    "dur": event.duration_ns / 1e3,
                    "args": args,
                    **common,
                }
            )
            if self._memory is not None and event.kind == "op":
                held = {"held": event.live_bytes}
                at = event.end_ns / 1e3
                trace.append({"name": "memory", "ph": "C", "ts": at, "args": held, **common})
        text = json.dumps({"traceEvents": trace, "displayTimeUnit": "ms"})
        try:
            Path(path).write_text(text)
        except OSError as error:
            raise ArgumentError(
                "export_chrome_trace", f"cannot write {os.fspath(path)!r}: {error}"
            ) from None


class _Open(threading.local):
    profiles: tuple[Profile, ...] = ()


_open = _Open()


@contextmanager
def profile(*, memory: bool = False) -> Iterator[Profile]:
    """Profile the operations of this thread inside the block.

    With `memory`, the bytes that results hold are followed too. Profiles may be nested. The
    device is synchronised around every operation, so that times are true; the sum is then longer
    than an unprofiled run.

    >>> import gpudl as gd
    >>> with gd.profiler.profile(memory=True) as p:
    ...     y = (gd.ones(1000) * 2).sum()
    >>> sorted(row.name for row in p.summary())
    ['full', 'multiply', 'sum']
    """
    made = Profile(memory=memory)
    before, _open.profiles = _open.profiles, (*_open.profiles, made)
    try:
        with hooked(made._note):
            yield made
    finally:
        _open.profiles = before


@contextmanager
def record(name: str) -> Iterator[None]:
    """Mark a range of the program in the profiles that are open on this thread.

    Ranges nest. Without an open profile this does nothing.

    >>> import gpudl as gd
    >>> with gd.profiler.profile() as p:
    ...     with gd.profiler.record("step"):
    ...         y = gd.ones(3) + 1
    >>> p.events[-1].name
    'step'
    """
    if not isinstance(name, str):
        raise ArgumentTypeError("record", f"the name of a range is a string, not {name!r}")
    opened = _open.profiles
    start = time.perf_counter_ns()
    try:
        yield
    finally:
        end = time.perf_counter_ns()
        for made in opened:
            if made in _open.profiles:
                made.events.append(Event(name, "range", start - made._start, end - made._start))
