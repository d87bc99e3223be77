"""What one eager operation costs, beside PyTorch in the same run.

`python -m bench.overhead [--json FILE]`: tensors of 8 elements, so that the arithmetic is nothing;
batches of calls of the two libraries in turn, and the median of the batches.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gpudl as gd

Task = Callable[[], Any]
BATCHES, CALLS = 61, 400
VALUES = np.linspace(0.1, 0.9, 8, dtype=np.float32)


def chain(x: Any) -> Any:
    """Ten operations, elementwise but for the last."""
    y = x * x
    y = y + x
    y = y * 0.5
    y = y.tanh()
    y = y - x
    y = y * y
    y = y.exp()
    y = y + 1.0
    y = y * x
    return y.sum()


def tasks(
    make: Callable[[np.ndarray[Any, Any]], Any], leaf: Callable[[Any], Any]
) -> dict[str, Task]:
    """The calls to time, for one library."""
    a, b = make(VALUES), make(VALUES[::-1].copy())
    x, y = leaf(make(VALUES)), leaf(make(VALUES))

    def forward_and_backward() -> None:
        chain(x).backward()
        x.grad = None

    return {
        "add, not recorded": lambda: a + b,
        "add, recorded": lambda: x + y,
        "10-op chain, forward": lambda: chain(a),
        "10-op chain, forward and backward": forward_and_backward,
    }


def libraries() -> dict[str, dict[str, Task]]:
    """The tasks of gpudl and, where it is installed, of PyTorch on one thread."""
    found = {"gpudl": tasks(lambda v: gd.asarray(v), lambda x: x.requires_grad_())}
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    found["torch"] = tasks(lambda v: torch.tensor(v), lambda x: x.requires_grad_())
    return found


def batch(task: Task, calls: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        task()
    return (time.perf_counter() - start) / calls


def measure(batches: int = BATCHES, calls: int = CALLS) -> dict[str, dict[str, float]]:
    """Task -> library -> median microseconds per call."""
    found = libraries()
    results: dict[str, dict[str, float]] = {}
    for name in found["gpudl"]:
        seconds: dict[str, list[float]] = {library: [] for library in found}
        n = calls if name.startswith("add") else calls // 10
        for _ in range(batches):
            for library, listed in found.items():
                seconds[library].append(batch(listed[name], n))
        results[name] = {lib: 1e6 * statistics.median(times) for lib, times in seconds.items()}
    return results


def main() -> None:
    """Print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    results = measure()
    names = list(next(iter(results.values())))
    print(f"{'microseconds a call (median)':36}" + "".join(f"{name:>10}" for name in names))
    for task, row in results.items():
        line = f"{task:36}" + "".join(f"{row[name]:10.2f}" for name in names)
        print(line + (f"  {row['gpudl'] / row['torch']:.2f} x" if "torch" in row else ""))
    if arguments.json:
        record = {
            "machine": platform.processor() or platform.machine(),
            "python": platform.python_version(),
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({**record, "microseconds": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
