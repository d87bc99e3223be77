"""A process that has imported all of `gpudl train` and forks a run of it for each line of its
input, for imports take longer than the runs.

A line is JSON: {"argv": [...], "log": FILE, "after": seconds or null, "write": number or null}. The
run is killed (SIGKILL) `after` so many seconds, or at its fsync number `write`, of which a
checkpoint has two: when its bytes are written and its name is still the old file's, and when it is
renamed and the folder is not on the disk yet. The answer is a line {"status": ...,
"seconds": ...}, the status negative for a signal.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from typing import Any

import gpudl.train
from gpudl.cli import _run, main  # noqa: F401 - what a run would import
from gpudl.cli.families import FAMILIES, load

for name in FAMILIES:
    load(name)
for name in ("matplotlib.pyplot", "gpudl.train.sections", "gpudl.system", "gpudl.data"):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)


def run(order: dict[str, Any]) -> None:
    """What the child does: `gpudl train`, with a checkpoint every two steps."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    began = gpudl.train.Trainer.__init__

    def often(self: Any, *args: Any, **options: Any) -> None:
        began(self, *args, **{**options, "save_every": 2})

    gpudl.train.Trainer.__init__ = often  # type: ignore[method-assign]
    if order["write"] is not None:
        flush, left = os.fsync, [order["write"]]

        def fatal(file: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            flush(file)

        os.fsync = fatal
    status = main(order["argv"])
    sys.stdout.flush()
    os._exit(status)


def killed(pid: int, after: float | None) -> int:
    """Wait for a child, killing it in time; its status."""
    end = float("inf") if after is None else time.monotonic() + after
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end = float("inf")
        time.sleep(0.002)


if __name__ == "__main__":
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        pid = os.fork()
        if not pid:
            try:
                run(order)
            finally:
                os._exit(70)
        status = killed(pid, order["after"])
        print(json.dumps({"status": status, "seconds": time.monotonic() - began}), flush=True)
