"""Runs the threads of a block: warp after warp until each waits, then lets them go on together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, EmulatorError
from .body import END, POLL
from .layout import GIVEN, MASK, PRESENT, SEEN, WARP
from .module import Site, line_of

# States of a thread are what it yielded last; a positive one is the number of its site.
RUNNING, EXITED = POLL, END
PATIENCE = 30_000_000  # steps of threads that poll, while nothing else happens: about ten seconds

Order = Callable[[int], Sequence[int]]  # a permutation of range(n)
Raise = Callable[[str, str, int, int], EmulatorError]  # kind, message, thread, place or 0


def order_of(name: str) -> Order:
    """Blocks, warps and lanes in the order `name`: forward, reverse, or the seed of a random one.

    `eager`, an order of the other emulator, is forward here: there are no asynchronous copies.
    """
    if name in ("forward", "eager"):
        return lambda n: range(n)
    if name == "reverse":
        return lambda n: range(n - 1, -1, -1)
    if not name.isdigit():
        raise ArgumentError(
            "numba simulator", f"order is {name!r}", remedy='"forward", "reverse" or a number'
        )
    rng = random.Random(int(name))

    def shuffled(n: int) -> Sequence[int]:
        return rng.sample(range(n), n)

    return shuffled


class Block:
    """One thread block as it runs."""

    def __init__(
        self,
        threads: list[Iterator[int]],
        lanes: np.ndarray[Any, np.dtype[np.int64]],
        sites: Sequence[Site],
        order: Order,
        error: Raise,
    ) -> None:
        self.threads, self.lanes, self.sites = threads, lanes, sites
        self.order, self.error = order, error
        self.states = [RUNNING] * len(threads)
        self.warps = [
            range(first, min(first + WARP, len(threads))) for first in range(0, len(threads), WARP)
        ]
        self.warps_meet = any(site.kind == "warp" for site in sites)

    def run(self) -> None:
        """Run all threads to their end. Raises `EmulatorError`."""
        polled = 0
        while any(self.states):
            arrived = False
            for w in self.order(len(self.warps)):
                arrived |= self._run_warp(self.warps[w])
            if RUNNING in self.states:
                polled = 0 if arrived else polled + self.states.count(RUNNING)
                if polled > PATIENCE:
                    raise self._deadlock()
            elif any(self.states):
                self._open_barrier()
                polled = 0

    def _run_warp(self, warp: range) -> bool:
        """Run a warp until all lanes have exited, wait, or poll; whether one got to a wait or its
        end.
        """
        arrived = False
        for i in self.order(len(warp)):
            if self.states[warp[i]] == RUNNING:
                self._step(warp[i])
                arrived |= self.states[warp[i]] != RUNNING
        while self.warps_meet and self._release(warp):
            arrived = True
        return arrived

    def _step(self, thread: int) -> None:
        """Run a thread to its next wait."""
        try:
            self.states[thread] = next(self.threads[thread])
        except IndexError:
            raise self.error("bounds", "an index is outside its array", thread, 0) from None
        except Exception as error:
            # A class that only the generated code imports: it needs Numba.
            lane = type(error).__name__ == "LaneError"
            text = str(error) if lane else f"{type(error).__name__}: {error}"
            raise self.error("divergence" if lane else "exception", text, thread, 0) from None

    # ----- warps -----
    def _release(self, warp: range) -> bool:
        """Run lanes on whose partners have all arrived; whether there were some."""
        waiting = [t for t in warp if self.states[t] > 0 and self._site(t).kind == "warp"]
        released = False
        pending = waiting
        while pending:
            group = self._group(pending[0], warp)
            if all(self._together(pending[0], other) for other in group):
                self._exchange(group, warp)
                released = True
            pending = [t for t in pending[1:] if t not in group]
        if waiting and not released:
            self._check_partners(waiting[0], warp)
        return released

    def _group(self, thread: int, warp: range) -> list[int]:
        """The threads that the mask of a waiting one names, as far as the block has them."""
        mask = int(self.lanes[MASK, thread])
        group = [other for other in warp if mask >> (other % WARP) & 1]
        if thread not in group:
            text = f"the mask {mask:#x} leaves the calling lane out"
            raise self.error("divergence", text, thread, self._site(thread).place)
        return group

    def _together(self, thread: int, other: int) -> bool:
        return (
            self.states[other] == self.states[thread]
            and self.lanes[MASK, other] == self.lanes[MASK, thread]
        )

    def _exchange(self, group: list[int], warp: range) -> None:
        """Show the group what it gave, and run it: it reads before another group exchanges."""
        self.lanes[SEEN, group] = self.lanes[GIVEN, group]
        self.lanes[PRESENT, warp[0] : warp[-1] + 1] = 0
        self.lanes[PRESENT, group] = 1
        for i in self.order(len(group)):
            self._step(group[i])

    def _check_partners(self, thread: int, warp: range) -> None:
        """Raise for a lane whose partners never come; one that polls may come."""
        site = self._site(thread)
        for other in self._group(thread, warp):
            if self._together(thread, other) or self.states[other] == RUNNING:
                continue
            what = "has exited"
            if self.states[other] != EXITED:
                what = f"waits at {self._described(other)}, or with another mask"
            text = f"{site.operation} names lane {other % WARP}, which {what}"
            raise self.error("divergence", text, thread, site.place)

    # ----- the block -----
    def _open_barrier(self) -> None:
        """All threads wait for the block, or have exited: go on if that is the same barrier."""
        first = next(t for t, state in enumerate(self.states) if state != EXITED)
        for thread, state in enumerate(self.states):
            if state == self.states[first]:
                continue
            what = "has exited" if state == EXITED else f"waits at {self._described(thread)}"
            text = f"thread {first} waits at {self._described(first)}, thread {thread} {what}"
            raise self.error("divergence", text, first, self._site(first).place)
        self.lanes[SEEN] = self.lanes[GIVEN]
        self.lanes[PRESENT] = 1
        self.states = [RUNNING] * len(self.states)

    def _deadlock(self) -> EmulatorError:
        thread = self.states.index(RUNNING)
        self._step(thread)  # so that the place is where this thread polls
        waiting = len(self.states) - self.states.count(RUNNING) - self.states.count(EXITED)
        text = (
            f"{self.states.count(RUNNING)} threads poll memory that nobody changes, {waiting} wait "
            "for them; the blocks of a grid run one after the other here"
        )
        return self.error("deadlock", text, thread, 0)

    def _site(self, thread: int) -> Site:
        return self.sites[self.states[thread] - 1]

    def _described(self, thread: int) -> str:
        site = self._site(thread)
        return f"{site.operation} in line {line_of(site.place)}"
