"""Batches prepared ahead by threads, delivered in order."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import WorkerError
from ._seed import WorkerInfo, set_worker
from ._source import Abandoned, Job, Source

JOIN_SECONDS = 5.0


def timed_out(number: int, seconds: float) -> WorkerError:
    """The error for a batch that did not come in time."""
    return WorkerError(
        "DataLoader",
        f"batch {number} did not come within {seconds:g} s",
        remedy="a larger timeout, more workers, or a faster data set",
    )


class _Pending:
    """The place where a worker puts a batch."""

    __slots__ = ("done", "error", "job", "trace", "value", "worker")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self.trace = ""
        self.worker = -1


class _Shared:
    """What the threads hold: never the runner, so that dropping it ends them."""

    def __init__(self, source: Source, init: Callable[[int], object] | None, count: int) -> None:
        self.source, self.init, self.count = source, init, count
        self.tasks: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self.run = 0

    def work(self, worker: int) -> None:
        set_worker(WorkerInfo(worker, self.count))
        failed: BaseException | None = None
        try:
            if self.init is not None:
                self.init(worker)
        except BaseException as error:  # it is raised where the batch is asked for
            failed = error
        while (pending := self.tasks.get()) is not None:
            pending.worker = worker
            try:
                if failed is not None:
                    raise failed
                job = pending.job
                pending.value = self.source.load(job, lambda: self.run == job.run)  # noqa: B023
            except Abandoned:
                pass
            except BaseException as error:  # as above
                pending.error, pending.trace = error, traceback.format_exc()
            pending.done.set()
            del pending


class ThreadRunner:
    """Runs jobs on `count` threads."""

    def __init__(
        self, source: Source, init: Callable[[int], object] | None, count: int, timeout: float
    ) -> None:
        self._shared = _Shared(source, init, count)
        self._pending: deque[_Pending] = deque()
        self._timeout = timeout
        self._threads: list[threading.Thread] = []
        for worker in range(count):
            # Daemons, so that a data set that hangs cannot keep the interpreter from leaving.
            thread = threading.Thread(
                target=self._shared.work, args=(worker,), name=f"gpudl-data-{worker}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def begin(self, run: int) -> None:
        """Start a pass; what is left of earlier ones is dropped."""
        self._shared.run = run
        self._pending.clear()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        pending = _Pending(job)
        self._pending.append(pending)
        self._shared.tasks.put(pending)

    def result(self) -> Any:
        """The batch of the oldest job; raises `WorkerError` for what went wrong in it."""
        pending = self._pending.popleft()
        if not pending.done.wait(self._timeout or None):
            raise timed_out(pending.job.number, self._timeout)
        if pending.error is not None:
            raise WorkerError(
                "DataLoader",
                f"worker {pending.worker} raised {type(pending.error).__name__} while preparing "
                f"batch {pending.job.number}: {pending.error}\n\n{pending.trace}",
            ) from pending.error
        return pending.value

    def close(self) -> None:
        """Stop the threads after the samples they are at."""
        self._shared.run = -1
        self._pending.clear()
        for _ in self._threads:
            self._shared.tasks.put(None)
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()
