"""Threads for compiled loops that let go of the interpreter: chunks of tasks, taken in turn.

Numba's own threads are not used: their layers abort the process after a fork, or if two Python
threads run kernels at once, and its parallel pass makes every compilation several times longer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from ..devices.cpu import _C
from ..settings import settings

CHUNKS = 4  # per thread: a thread that starts late, or is slowed by others, takes fewer


class _Threads:
    """The threads of the process; ended before a fork, started again at the next use."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool: ThreadPoolExecutor | None = None
        self.size = 0
        # The lock is held across a fork, so that nobody starts a thread in between.
        os.register_at_fork(
            before=self._stop, after_in_parent=self.lock.release, after_in_child=self.lock.release
        )

    def _stop(self) -> None:
        self.lock.acquire()
        self._end()

    def _end(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()
        self.pool, self.size = None, 0

    def run(self, work: Callable[[], None], helpers: int) -> None:
        """Run `work` on this thread and on `helpers` more, and wait for all of them."""
        with self.lock:
            if self.pool is None or self.size < helpers:
                self._end()
                self.pool, self.size = ThreadPoolExecutor(helpers, "gpudl-numba"), helpers
            others = [self.pool.submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            wait(others)
        for other in others:
            other.result()


_threads = _Threads()


def count() -> int:
    """The threads that a loop may use: as many as the kernels of the extension."""
    if _C is not None:
        return int(_C.get_num_threads())
    return settings.num_threads or len(os.sched_getaffinity(0))


def run(body: Callable[[int, int], object], tasks: int) -> None:
    """Call `body(begin, end)` until all of `range(tasks)` is done, on several threads.

    Which thread does what is not fixed; a task must not depend on that.
    """
    threads = min(count(), tasks)
    if threads <= 1:
        body(0, tasks)
        return
    step = -(-tasks // (threads * CHUNKS))
    starts = iter(range(0, tasks, step))

    def work() -> None:
        for start in starts:
            body(start, min(start + step, tasks))

    _threads.run(work, threads - 1)
