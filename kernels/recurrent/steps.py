"""The steps of a packed batch, and where each row's earlier state lies.

The rows of step t, one for each sequence that is at least t + 1 long, follow those of step t - 1.
`batch_sizes` has their numbers, which never rise, so the state of the first `batch_sizes[t]`
sequences moves at step t and the rest stays: at its end going forward, at its beginning in reverse.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

Sizes = tuple[int, ...]


def steps(batch_sizes: Sizes, reverse: bool) -> list[tuple[int, int]]:
    """(first row, number of rows) of each step, in the order of computation."""
    starts = [0, *accumulate(batch_sizes[:-1])]
    found = list(zip(starts, batch_sizes, strict=True))
    return found[::-1] if reverse else found


class Run(NamedTuple):
    """Rows `start` to `stop` come after those from `first` on: of the results, or (`initial`) of
    the initial state."""

    start: int
    stop: int
    initial: bool
    first: int


def runs(batch_sizes: Sizes, reverse: bool) -> list[Run]:
    """The rows of all steps in as few runs as they make, in the order of memory."""
    order = steps(batch_sizes, reverse)
    found = [Run(order[0][0], order[0][0] + order[0][1], True, 0)]
    for (before, known), (at, n) in pairwise(order):
        both = min(n, known)
        found.append(Run(at, at + both, False, before))
        found.append(Run(at + both, at + n, True, both))
    merged: list[Run] = []
    for run in sorted(r for r in found if r.stop > r.start):
        last = merged[-1] if merged else None
        if (
            last is not None
            and not run.initial
            and not last.initial
            and last.stop == run.start
            and last.first + last.stop - last.start == run.first
        ):
            merged[-1] = last._replace(stop=run.stop)
        else:
            merged.append(run)
    return merged


def previous(xp: Any, y: Any, h0: Any, batch_sizes: Sizes, reverse: bool) -> Any:
    """For each row of the results `y` the state before it, as one array."""
    parts = [
        (h0 if run.initial else y)[run.first : run.first + run.stop - run.start]
        for run in runs(batch_sizes, reverse)
    ]
    return xp.concatenate(parts) if parts else y
