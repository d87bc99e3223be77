"""One framework in a process of its own. It answers requests, a line of JSON each.

{"do": "build", "workload": name, "save": folder}  -> results: how many .npy files
{"do": "sample", "seconds": s}                     -> median, least, other
{"do": "drop"}                                     -> nothing; the workload is freed
"""

from __future__ import annotations

import gc
import json
import os
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from .adapters import Adapter, Step, Unsupported, load
from .machine import busy_seconds
from .workloads import Workload, table

GROUP_SECONDS = 0.02  # calls are timed in groups that last about so long
MOST_CALLS = 20_000
UPDATES = 4  # steps of an optimizer before its results are compared


class Worker:
    """The workload that is built now, and how it is timed."""

    def __init__(self, adapter: Adapter, dry: bool) -> None:
        self.adapter, self.dry = adapter, dry
        self.workloads = {workload.name: workload for workload in table(dry)}
        self.step: Step | None = None
        self.calls = 1

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request."""
        if request["do"] == "build":
            return self.build(self.workloads[request["workload"]], Path(request["save"]))
        if request["do"] == "sample":
            return self.sample(request["seconds"])
        self.step = None
        gc.collect()
        return {}

    def build(self, workload: Workload, folder: Path) -> dict[str, Any]:
        try:
            self.step = step = self.adapter.build(workload)
        except Unsupported:
            return {"unsupported": True}
        kept = [np.array(self.adapter.to_numpy(x)) for x in step()]
        if workload.mode in ("train", "adam"):  # then later updates are compared too
            for _ in range(UPDATES - 1):
                last = [np.array(self.adapter.to_numpy(x)) for x in step()]
                kept = [*kept, *last] if workload.mode == "train" else last
        for i, x in enumerate(kept):
            np.save(folder / f"{i}.npy", x)
        del kept
        start = time.perf_counter()
        step()
        once = time.perf_counter() - start
        wanted = 1 if self.dry else int(GROUP_SECONDS / max(once, 1e-7))
        self.calls = max(1, min(MOST_CALLS, wanted))
        return {"results": len(list(folder.iterdir()))}

    def sample(self, seconds: float) -> dict[str, Any]:
        """A turn. `other`: the cores that other processes used meanwhile."""
        step, calls = self.step, self.calls
        assert step is not None
        times: list[float] = []
        busy, own, begun = busy_seconds(), time.process_time(), time.perf_counter()
        while not times or time.perf_counter() - begun < seconds:
            start = time.perf_counter()
            for _ in range(calls):
                step()
            times.append((time.perf_counter() - start) / calls)
        wall = time.perf_counter() - begun
        other = (busy_seconds() - busy - (time.process_time() - own)) / wall
        return {
            "median": statistics.median(times),
            "least": min(times),
            # The clock of /proc/stat ticks every 10 ms, so a short turn may come out below nothing.
            "other": round(max(0.0, other), 3),
        }


def main(name: str, threads: int, dry: bool) -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    # Libraries may print: only replies go to the pipe.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter = load(name)
    adapter.set_threads(threads)
    worker = Worker(adapter, dry)
    gc.freeze()  # a collection need not look through the library
    replies.write(json.dumps({"version": adapter.version}) + "\n")
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except Exception as error:
            reply = {"failure": f"{type(error).__name__}: {error}"[:500]}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "dry")
