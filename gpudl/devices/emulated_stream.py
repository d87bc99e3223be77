"""Streams of the emulated device: queues of work, run at synchronisation.

Work of one stream runs in order; a stream that waits for an event stands still until the stream
that recorded it gets there. What else may happen in any order happens in an order that a seed
gives, so that host code that misses an event is found.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import EmulatorError

Work = Callable[[], None]


class EmulatedEvent:
    """A mark on a stream of the emulated device."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.recorded = 0  # how often record() was called, and how often a stream got there
        self.reached = 0
        self.at = 0.0

    def record(self, stream: Any = None) -> None:
        """Put the mark at the end of what is queued on `stream`."""
        self.recorded += 1
        (stream or self.scheduler.current()).enqueue(self._reach)

    def _reach(self) -> None:
        self.reached += 1
        self.at = time.perf_counter()

    def passed(self, record: int) -> bool:
        """Whether the mark of that `record` was reached; a wait is for the latest before it."""
        return self.reached >= record

    def synchronize(self) -> None:
        """Run queued work until the mark is reached."""
        goal = self.recorded
        self.scheduler.run_until(lambda: self.passed(goal))

    def elapsed_ms(self, later: Any) -> float:
        """Milliseconds between this mark and a `later` one."""
        self.synchronize()
        later.synchronize()
        return float(later.at - self.at) * 1e3


class EmulatedStream:
    """A queue of work of the emulated device."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.queue: deque[tuple[Work | None, EmulatedEvent | None, int]] = deque()
        scheduler.streams.append(self)

    def enqueue(self, work: Work) -> None:
        """Run `work` after all that is queued here, at the next synchronisation."""
        self.scheduler.check()
        self.queue.append((work, None, 0))

    def defer(self, work: Work) -> None:
        """As `enqueue`, at once where nothing is queued; it never raises."""
        if self.queue or self.scheduler.busy:
            self.queue.append((work, None, 0))
        else:
            work()

    def wait_event(self, event: EmulatedEvent) -> None:
        """Let what is queued from now on wait for the latest record of `event`."""
        if event.recorded:
            self.queue.append((None, event, event.recorded))

    def ready(self) -> bool:
        """Whether the first work of the queue may run now."""
        if not self.queue:
            return False
        _, event, record = self.queue[0]
        return event is None or event.passed(record)

    def synchronize(self) -> None:
        """Run queued work until this stream has none."""
        self.scheduler.check()
        self.scheduler.run_until(lambda: not self.queue)


class Scheduler:
    """Runs the queues of one device.

    `order` is "forward" (streams in the order of their creation), "reverse", or the seed of a
    random interleaving. `check` raises once the device is lost.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self.lock = threading.RLock()
        self.streams: list[EmulatedStream] = []
        self.busy = False
        self._current = threading.local()
        self.default = EmulatedStream(self)
        self.reorder(0)

    def reorder(self, order: str | int) -> None:
        """Choose the order of interleaving, from its beginning."""
        self.order = order
        self._random = random.Random(order if isinstance(order, int) else 0)

    def current(self) -> EmulatedStream:
        """The stream of this thread that new work goes to."""
        return getattr(self._current, "stream", self.default)

    def use(self, stream: EmulatedStream) -> None:
        """Make `stream` the current one of this thread."""
        self._current.stream = stream

    def drain(self) -> None:
        """Run everything that is queued."""
        self.run_until(lambda: not any(stream.queue for stream in self.streams))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run queued work, a piece at a time, until `done`.

        What a piece raises is raised here; the rest stays queued. Raises `EmulatorError` if the
        streams wait for each other.
        """
        with self.lock:
            if self.busy:  # a piece of work that synchronizes: the queues are at its place already
                return
            self.busy = True
            try:
                while not done():
                    ready = [stream for stream in self.streams if stream.ready()]
                    if not ready:
                        raise EmulatorError(
                            "synchronize",
                            "streams wait for events that no stream can reach",
                            kind="deadlock",
                            remedy="record an event before another stream waits for it",
                        )
                    work = self._choose(ready).queue.popleft()[0]
                    if work is not None:
                        work()
            finally:
                self.busy = False

    def _choose(self, ready: list[EmulatedStream]) -> EmulatedStream:
        if self.order == "forward":
            return ready[0]
        if self.order == "reverse":
            return ready[-1]
        return self._random.choice(ready)
