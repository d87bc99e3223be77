"""What a training run leaves: the loss of every step, and the figures of every epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One pass over the training data. The test figures are None where nothing was tested."""

    number: int
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    seconds: float  # of training, without the test


@dataclass
class History:
    """A run: `losses` has one number per step, `epochs` one entry per epoch that was begun."""

    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0  # the whole run, tests included
    interrupted: bool = False

    @property
    def samples_per_second(self) -> float:
        """Training samples per second of training."""
        spent = sum(epoch.seconds for epoch in self.epochs)
        return self.samples / spent if spent else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return asdict(self)
