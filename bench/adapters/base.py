"""What an adapter does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..workloads import Workload

Array = np.ndarray[Any, Any]
# One run of a workload, finished when it returns; gives the results that are compared.
Step = Callable[[], Sequence[Any]]


class Unsupported(Exception):
    """The framework has no natural way to run this workload."""


class Adapter(Protocol):
    """A framework."""

    version: str

    def set_threads(self, n: int) -> None:
        """Use `n` threads from now on."""
        ...

    def build(self, workload: Workload) -> Step:
        """The workload on its inputs; raises `Unsupported`."""
        ...

    def to_numpy(self, x: Any) -> Array:
        """A result as a NumPy array."""
        ...
