"""Exponential averages of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..autograd import no_grad
from ..checks import real
from ..dtypes import is_float
from ..errors import ArgumentError, StateDictError
from ..tensor import Tensor
from ._task import Task


class Average:
    """The exponential moving average of the weights of a task.

    Numbers that are no floats, such as counts of batches, are taken over as they are. The decay
    begins at 0.1 and grows to `decay` as (1 + n) / (10 + n), so that the first weights are
    forgotten (TensorFlow's rule).
    """

    def __init__(self, task: Task, decay: float) -> None:
        self.decay = real("Trainer", "ema", decay)
        if not 0 <= self.decay < 1:
            raise ArgumentError("Trainer", f"ema is {decay}", remedy="a decay in [0, 1)")
        self.task, self.count = task, 0
        self.weights: dict[str, Tensor] = task.weights()

    def update(self) -> None:
        """Take the weights of now into the average."""
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        self.count += 1
        with no_grad():
            for name, now in self.task.weights().items():
                if is_float(now.dtype):
                    now = self.weights[name] * decay + now * (1 - decay)
                self.weights[name] = now

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The models have the averaged weights meanwhile."""
        before = self.task.weights()
        self.task.load_weights(self.weights)
        try:
            yield
        finally:
            self.task.load_weights(before)

    def state_dict(self) -> dict[str, Any]:
        """The average, and how many weights it has seen."""
        return {"count": self.count, "weights": dict(self.weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        weights = state["weights"]
        if {k: v.shape for k, v in weights.items()} != {
            k: v.shape for k, v in self.weights.items()
        }:
            raise StateDictError("Trainer", "the averaged weights are those of other models")
        device = self.task.device
        self.weights = {name: value.to(device) for name, value in weights.items()}
        self.count = int(state["count"])
