"""Data sets for the tests of the loader, in a module that worker processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl import data


class Noisy(data.Dataset[Any]):
    """Samples with noise from the sample's own generator."""

    def __init__(self, n: int = 23) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        noise = data.sample_rng().random(5, dtype=np.float32)
        return {
            "x": noise + index,
            "y": index,
            "name": f"sample {index}",
            "seed": str(data.sample_seed()),
        }


class Stream(data.IterableDataset[Any]):
    """A noisy stream that differs by epoch."""

    def __init__(self, n: int = 23) -> None:
        self.n, self.epoch = n, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        for i in range(self.n):
            yield data.sample_rng().random(3) + i + 100 * self.epoch, i


class Broken(data.Dataset[int]):
    """Sample 5 does something bad."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        if index == 5:
            if self.how == "raise":
                raise KeyError("no such sample")
            if self.how == "network":
                raise ConnectionResetError("the store went away")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                os._exit(7)
            if self.how == "leave":
                raise SystemExit(3)
            if self.how == "hang":
                time.sleep(60)
        return index


class Large(data.Dataset[Any]):
    """Samples of growing size, so that shared memory has to grow."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return np.full((index * 40_000,), index, np.float64)


class Who(data.Dataset[Any]):
    """Which process and worker prepared a sample."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        info = data.get_worker_info()
        assert info is not None
        return os.getpid(), info.id, info.num_workers


class Slow(data.Dataset[int]):
    """Samples that take a tenth of a second."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> int:
        time.sleep(0.1)
        return index


def mixed(samples: list[Any]) -> Any:
    """A collation that draws random numbers and returns arrays in a tuple."""
    return data.sample_rng().random(2), np.array([sample["y"] for sample in samples]), len(samples)


def refuse(worker: int) -> None:
    """A worker_init_fn that fails."""
    raise ValueError(f"not worker {worker}")


def mark(worker: int) -> None:
    """A worker_init_fn that leaves a trace."""
    os.environ["LOADER_TEST_MARK"] = f"worker {worker}"


class Marked(data.Dataset[str]):
    """What `mark` left."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> str:
        return os.environ.get("LOADER_TEST_MARK", "none")
