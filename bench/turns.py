"""How a number is made: processes in turn, A B A B, and the median over the quiet turns.

On a machine that others use too, a turn is quiet if they took less than `QUIET` of a core in it.
Where fewer turns were quiet than wanted, more are run; where none was, the two least disturbed
count. The minimum is over all turns.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.errors import WorkerError
from gpudl.tolerances import error, largest, tolerance

from .adapters import FRAMEWORKS
from .results import OURS, Measurement, Row
from .workloads import Workload

ROOT = Path(__file__).parents[1]
QUIET = 0.15
# Long sums in float32 differ between orders of summation by more than one operation may.
SLACK = 10.0
TIMEOUT = 180.0
THREAD_VARIABLES = ("OMP", "OPENBLAS", "MKL", "GPUDL")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Plan:
    """How much is measured: turns of `seconds`, at least `turns` of them, at most `most`."""

    seconds: float
    turns: int
    most: int
    dry: bool = False


FULL = Plan(seconds=0.25, turns=5, most=10)
QUICK = Plan(seconds=0.1, turns=3, most=5)
DRY = Plan(seconds=0.0, turns=1, most=1, dry=True)


class Worker:
    """A framework's process."""

    def __init__(self, name: str, threads: int, dry: bool) -> None:
        self.name = name
        env = {**os.environ, **FRAMEWORKS[name].env}
        env.update({f"{prefix}_NUM_THREADS": str(threads) for prefix in THREAD_VARIABLES})
        # Nothing reads it before the end, so what a library prints goes to a file.
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        command = [sys.executable, "-m", "bench.worker", name, str(threads)]
        self.process = subprocess.Popen(
            [*command, "dry" if dry else "full"], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
        )  # fmt: skip
        try:
            self.version = str(self._reply()["version"])
        except WorkerError:
            self.close()
            raise

    def ask(self, **request: Any) -> dict[str, Any]:
        """The reply to a request; raises `WorkerError` if the process is gone or silent."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], TIMEOUT)[0]:
            self.process.kill()
            raise WorkerError("gpudl bench", f"{self.name} gave no answer in {TIMEOUT:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise self._gone()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _gone(self) -> WorkerError:
        status = self.process.wait()
        self.log.seek(0)
        said = self.log.read().strip().splitlines()[-1:]
        text = f"the process of {self.name} ended with status {status}"
        return WorkerError("gpudl bench", ": ".join([text, *said]))

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a request that nobody will read
                    pipe.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Workers:
    """One process per framework; a process that ends is started again for the next workload."""

    def __init__(self, names: Iterable[str], threads: int, dry: bool) -> None:
        self.threads, self.dry = threads, dry
        self.open: dict[str, Worker] = {}
        try:
            for name in names:
                self.open[name] = Worker(name, threads, dry)
        except WorkerError:
            self.close()
            raise

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def versions(self) -> dict[str, str]:
        """Framework -> version."""
        return {name: worker.version for name, worker in self.open.items()}

    def again(self, name: str) -> None:
        """Start a process that ended."""
        self.open[name].close()
        self.open[name] = Worker(name, self.threads, self.dry)

    def close(self) -> None:
        """End all of them."""
        for worker in self.open.values():
            worker.close()


def measure(workload: Workload, workers: Workers, plan: Plan) -> Row:
    """Run a workload everywhere, in turns."""
    done: dict[str, Measurement] = {}
    errors: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="gpudl-bench-") as folder:
        for name in list(workers.open):
            saved = Path(folder) / name
            saved.mkdir()
            reply = _ask(workers, name, do="build", workload=workload.name, save=str(saved))
            if "failure" in reply:
                done[name] = Measurement(name, failure=reply["failure"])
            elif "unsupported" not in reply:
                errors[name] = None
        if len(errors) > 1:
            reference = next((n for n in ("torch", "numpy", OURS) if n in errors), None)
            for name in errors:
                if reference not in (None, name):
                    errors[name] = compare(Path(folder) / name, Path(folder) / str(reference))
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in errors}
    for turn in range(plan.most):
        for name in list(turns):
            if turn >= plan.turns and _quiet(turns[name]) >= plan.turns:
                continue
            reply = _ask(workers, name, do="sample", seconds=plan.seconds)
            if "failure" in reply:
                done[name] = Measurement(name, failure=reply["failure"])
                del turns[name]
            else:
                turns[name].append(reply)
    for name, made in turns.items():
        done[name] = _summary(name, made, errors[name])
        _ask(workers, name, do="drop")
    measured = {name: done[name] for name in FRAMEWORKS if name in done}
    return Row(workload.name, workload.group, workload.flops, workload.bytes, measured)


def _ask(workers: Workers, name: str, **request: Any) -> dict[str, Any]:
    """A reply, or a failure if the process ended."""
    try:
        return workers.open[name].ask(**request)
    except WorkerError as ended:
        workers.again(name)
        return {"failure": str(ended)}


def _quiet(turns: list[dict[str, float]]) -> int:
    return sum(turn["other"] < QUIET for turn in turns)


def _summary(name: str, turns: list[dict[str, float]], found: float | None) -> Measurement:
    by_noise = sorted(turns, key=lambda turn: turn["other"])
    used = [turn for turn in turns if turn["other"] < QUIET] or by_noise[:2]
    return Measurement(
        framework=name,
        median=statistics.median(turn["median"] for turn in used),
        least=min(turn["least"] for turn in turns),
        turns=len(turns),
        quiet=_quiet(turns),
        other=statistics.median(turn["other"] for turn in turns),
        error=found,
        agrees=found is None or found <= SLACK * tolerance(np.dtype(np.float32)),
    )


def compare(folder: Path, reference: Path) -> float:
    """The largest error of the results in a folder, element by element."""
    count = len(list(reference.iterdir()))
    if len(list(folder.iterdir())) != count:
        return float("inf")
    pairs = [(np.load(folder / f"{i}.npy"), np.load(reference / f"{i}.npy")) for i in range(count)]
    scale = largest(*(theirs for _, theirs in pairs))
    return max(_error(ours, theirs, scale) for ours, theirs in pairs)


def _error(ours: Array, theirs: Array, scale: float) -> float:
    return error(ours, theirs, scale) if ours.shape == theirs.shape else float("inf")
