"""Runs the threads of a block: warp after warp until each waits, then lets them go on together."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, EmulatorError
from .translate import Site

GIVEN, MASK, SEEN, PRESENT = range(4)  # rows of the lanes, as library.py has them
WARP = 32
RUNNING, EXITED = -1, 0  # states of a thread; a positive one is the number of its site

Order = Callable[[int], Sequence[int]]  # a permutation of range(n)
Raise = Callable[[str, str, int, int], EmulatorError]  # kind, message, thread, line


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

    def run(self) -> None:
        """Run all threads to their end. Raises `EmulatorError`."""
        while True:
            for w in self.order(len(self.warps)):
                self._run_warp(self.warps[w])
            if not any(self.states):
                return
            self._open_barrier()

    def _run_warp(self, warp: range) -> None:
        """Run a warp until all its lanes have exited or wait for the block."""
        for i in self.order(len(warp)):
            if self.states[warp[i]] == RUNNING:
                self._step(warp[i])
        while self._release(warp):
            pass

    def _step(self, thread: int) -> None:
        """Run a thread to its next wait."""
        try:
            self.states[thread] = next(self.threads[thread])
        except Exception as error:
            raise self._failed(error, thread) from None

    def _failed(self, error: Exception, thread: int) -> EmulatorError:
        if isinstance(error, IndexError):
            return self.error("bounds", "an index is outside its array", thread, 0)
        if type(error).__name__ == "LaneError":
            return self.error("divergence", str(error), thread, 0)
        return self.error("exception", f"{type(error).__name__}: {error}", thread, 0)

    def _waits_for_warp(self, thread: int) -> bool:
        state = self.states[thread]
        return state > 0 and self.sites[state - 1].kind == "warp"

    def _release(self, warp: range) -> bool:
        """Run lanes on whose partners have all arrived; False if no lane waits for its warp."""
        waiting = [thread for thread in warp if self._waits_for_warp(thread)]
        if not waiting:
            return False
        released = False
        while waiting:
            thread = waiting[0]
            group = self._group(thread, warp)
            if all(self._together(thread, other) for other in group):
                self._exchange(group, warp)
                released = True
            waiting = [other for other in waiting if other not in group and other != thread]
        if not released:
            self._explain(next(t for t in warp if self._waits_for_warp(t)), warp)
        return True

    def _group(self, thread: int, warp: range) -> list[int]:
        """The threads that the mask of a waiting one names. Lanes that no block has do not count."""
        mask = int(self.lanes[MASK, thread])
        group = [other for other in warp if mask >> (other % WARP) & 1]
        if thread not in group:
            raise self.error(
                "divergence", f"the mask {mask:#x} leaves the calling lane out", thread, 0
            )
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

    def _explain(self, thread: int, warp: range) -> None:
        """Raise for a lane whose partners never come."""
        site = self.sites[self.states[thread] - 1]
        for other in self._group(thread, warp):
            if self.states[other] == EXITED:
                text = f"{site.operation} names lane {other % WARP}, which has exited"
                raise self.error("exited", text, thread, site.line)
            if not self._together(thread, other):
                there = self.sites[self.states[other] - 1]
                text = (
                    f"{site.operation} names lane {other % WARP}, which waits at {there.operation} "
                    f"in line {there.line}, or with another mask"
                )
                raise self.error("divergence", text, thread, site.line)

    def _open_barrier(self) -> None:
        """All threads wait for the block, or have exited: go on if that is the same barrier."""
        waiting = [thread for thread, state in enumerate(self.states) if state != EXITED]
        first = waiting[0]
        site = self.sites[self.states[first] - 1]
        if len(waiting) < len(self.states):
            gone = self.states.index(EXITED)
            text = f"{site.operation}, while thread {gone} of the block has exited"
            raise self.error("exited", text, first, site.line)
        for thread in waiting:
            if self.states[thread] != self.states[first]:
                there = self.sites[self.states[thread] - 1]
                text = (
                    f"thread {first} waits at {site.operation} in line {site.line}, "
                    f"thread {thread} at {there.operation} in line {there.line}"
                )
                raise self.error("divergence", text, first, site.line)
        self.lanes[SEEN] = self.lanes[GIVEN]
        self.lanes[PRESENT] = 1
        self.states = [RUNNING] * len(self.states)
