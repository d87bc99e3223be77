"""Batches prepared ahead by processes, through shared memory, delivered in order.

Each worker owns a few arenas, one per batch that may be under way. A job names the arena its batch
goes to, so a message is always small and neither side can block the other. The workers come from a
fork server: they are clean processes, whatever threads the parent has.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

import numpy as np

from ..devices import CPU
from ..dtypes import uint8
from ..errors import ArgumentTypeError, NotSupportedError, WorkerError
from ._arena import Arena, read, write
from ._seed import WorkerInfo, set_worker
from ._source import Abandoned, Job, Source
from ._threads import timed_out

_RUN = struct.Struct("<q")
_JOIN_SECONDS = 2.0
_DONE, _FAILED, _ABANDONED, _BROKEN = "done", "failed", "abandoned", "broken"


def _own(view: memoryview) -> Any:
    """A copy of `view` in memory of this process."""
    copy = CPU.empty((len(view),), uint8)
    copy[...] = np.frombuffer(view, dtype=np.uint8)
    view.release()
    return copy


# ----- the worker -----


def _worker(
    worker: int, count: int, jobs: Any, control: Arena, payload: Arena, slots: list[Arena]
) -> None:
    # Ctrl-C reaches the whole terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_worker(WorkerInfo(worker, count))
    with contextlib.suppress(EOFError, OSError):  # the parent is gone, and nobody is left to tell
        try:
            _one_thread()
            source, init = read(payload.private(), lambda view: view)
            if init is not None:
                init(worker)
        except BaseException as error:  # the parent raises it
            jobs.send((-1, -1, _BROKEN, _write_error(slots[0], error)))
            return
        _serve(jobs, control.view(), slots, source)


def _serve(jobs: Any, control: memoryview, slots: list[Arena], source: Source) -> None:
    while True:
        slot, job = jobs.recv()
        try:
            batch = source.load(job, lambda: _RUN.unpack_from(control)[0] == job.run)  # noqa: B023
            kind, size = _DONE, write(slots[slot], batch)
        except Abandoned:
            kind, size = _ABANDONED, 0
        except BaseException as error:  # the parent raises it
            kind, size = _FAILED, _write_error(slots[slot], error)
        batch = None
        # Outside of the try: an error here means that the parent is gone.
        jobs.send((job.run, job.number, kind, size))


def _write_error(slot: Arena, error: BaseException) -> int:
    return write(slot, (type(error).__name__, str(error), traceback.format_exc()))


def _one_thread() -> None:
    # A pool of threads in each worker would fight over the same cores.
    try:
        from .. import _C
    except ImportError:
        return
    _C.set_num_threads(1)


# ----- the parent -----


class _Worker:
    """A worker process as the parent sees it."""

    def __init__(self, process: Any, jobs: Any, slots: list[Arena]) -> None:
        self.process, self.jobs, self.slots = process, jobs, slots
        self.heard = False


class ProcessRunner:
    """Runs jobs on `count` processes, `depth` jobs under way on each."""

    def __init__(
        self,
        source: Source,
        init: Callable[[int], object] | None,
        count: int,
        timeout: float,
        depth: int,
    ) -> None:
        self._pid = os.getpid()
        self._timeout, self._depth = timeout, depth
        self._workers: list[_Worker] = []
        self._jobs: deque[tuple[_Worker, int, Job]] = deque()
        self._arrived: dict[tuple[int, int], tuple[str, int]] = {}
        self._count = 0
        self._run = 0
        self._control = Arena()
        payload = Arena()
        try:
            context = _context()
            _RUN.pack_into(self._control.reserve(_RUN.size), 0, 0)
            _pack(payload, source, init)
            for worker in range(count):
                self._start(context, worker, count, payload)
        except BaseException:
            self.close()
            raise
        finally:
            payload.close()

    def _start(self, context: Any, worker: int, count: int, payload: Arena) -> None:
        ours, theirs = context.Pipe()
        slots = [Arena() for _ in range(self._depth)]
        process = context.Process(
            target=_worker,
            args=(worker, count, theirs, self._control, payload, slots),
            name=f"gpudl-data-{worker}",
            daemon=True,
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            for slot in slots:
                slot.close()
            raise
        finally:
            theirs.close()
        self._workers.append(_Worker(process, ours, slots))

    def begin(self, run: int) -> None:
        """Start a pass; what is left of earlier ones is waited for and dropped."""
        self._run = run
        _RUN.pack_into(self._control.view(), 0, run)
        while self._jobs:
            _, _, job = self._jobs.popleft()
            self._wait(job)
        self._count = 0

    def submit(self, job: Job) -> None:
        """Send a job to the next worker in turn."""
        turn, self._count = self._count, self._count + 1
        worker = self._workers[turn % len(self._workers)]
        slot = turn // len(self._workers) % self._depth
        self._jobs.append((worker, slot, job))
        try:
            worker.jobs.send((slot, job))
        except OSError:  # the pipe is broken, or was closed when its end was seen
            self._listen(0.0)  # it may have said why before it went
            raise self._death(worker, job.number) from None

    def result(self) -> Any:
        """The batch of the oldest job; raises `WorkerError` for what went wrong in it."""
        worker, slot, job = self._jobs.popleft()
        kind, _ = self._wait(job)
        with worker.slots[slot].view() as view:
            value = read(view, _own)
        if kind == _FAILED:
            raise self._failure(worker, value, f"while preparing batch {job.number}")
        return value

    def _wait(self, job: Job) -> tuple[str, int]:
        key = (job.run, job.number)
        deadline = time.monotonic() + self._timeout if self._timeout else None
        while key not in self._arrived:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._listen(left):
                raise timed_out(job.number, self._timeout)
            if key in self._arrived:
                break
            for other in self._workers:
                if not other.process.is_alive():
                    self._listen(0.0)
                    if key not in self._arrived:
                        raise self._death(other, job.number)
        return self._arrived.pop(key)

    def _listen(self, seconds: float | None) -> bool:
        """Take in every message that is there; False if nothing came within `seconds`."""
        places: dict[Any, _Worker] = {}
        for worker in self._workers:
            places[worker.process.sentinel] = worker
            if not worker.jobs.closed:
                places[worker.jobs] = worker
        ready = connection.wait(list(places), seconds)
        for place in ready:
            worker = places[place]
            if place is worker.jobs:
                self._receive(worker)
        return bool(ready)

    def _receive(self, worker: _Worker) -> None:
        try:
            while worker.jobs.poll():
                run, number, kind, size = worker.jobs.recv()
                worker.heard = True
                if kind == _BROKEN:
                    with worker.slots[0].view() as view:
                        raise self._failure(worker, read(view, _own), "while it started")
                self._arrived[run, number] = kind, size
        except (EOFError, ConnectionError):
            worker.jobs.close()
            worker.process.join(_JOIN_SECONDS)

    def _failure(self, worker: _Worker, summary: tuple[str, str, str], when: str) -> WorkerError:
        name, text, trace = summary
        number = self._workers.index(worker)
        return WorkerError("DataLoader", f"worker {number} raised {name} {when}: {text}\n\n{trace}")

    def _death(self, worker: _Worker, number: int) -> WorkerError:
        worker.process.join(_JOIN_SECONDS)
        code = worker.process.exitcode
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        remedy = "look for what it printed; a kill often means that the machine ran out of memory"
        if not worker.heard:
            remedy = (
                'a script that uses worker="process" must start its work under '
                'if __name__ == "__main__":, because the workers import it'
            )
        return WorkerError(
            "DataLoader",
            f"worker {self._workers.index(worker)} (process {worker.process.pid}) {how} "
            f"before batch {number} was there",
            remedy=remedy,
        )

    def close(self) -> None:
        """Stop the workers: between two samples, or by force after two seconds."""
        if os.getpid() != self._pid:  # a forked copy of the parent does not own them
            return
        with contextlib.suppress(ValueError, OSError):
            _RUN.pack_into(self._control.view(), 0, -1)
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.jobs.close()
        deadline = time.monotonic() + _JOIN_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()
            for slot in worker.slots:
                slot.close()
        self._workers.clear()
        self._jobs.clear()
        self._arrived.clear()
        self._control.close()


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise NotSupportedError(
            "DataLoader", 'worker="process" needs a POSIX system', remedy='use worker="thread"'
        )
    context = multiprocessing.get_context("forkserver")
    # The server imports once what every worker needs. It has no effect on a server that runs
    # already.
    context.set_forkserver_preload(["__main__", "gpudl.data"])
    return context


def _pack(payload: Arena, source: Source, init: Callable[[int], object] | None) -> None:
    try:
        write(payload, (source, init))
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise ArgumentTypeError(
            "DataLoader",
            f'worker="process" pickles the data set, collate_fn and worker_init_fn: {error}',
            remedy='define them at the top of a module, or use worker="thread"',
        ) from error
