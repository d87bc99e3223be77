"""`Callback`: who is told about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._history import Row

if TYPE_CHECKING:
    from ._trainer import Trainer


class Callback:
    """Who is told about a run: a subclass defines what it wants to know.

    Every method is given the trainer, whose `history`, `task`, `step` and `epoch` say the rest, and
    whose `stop()` ends the run after this step.
    """

    def on_begin(self, trainer: Trainer) -> None:
        """A run begins, or goes on where a checkpoint stands."""

    def on_step(self, trainer: Trainer, row: Row) -> None:
        """A step is done; the gradients of its last batch are still there."""

    def on_validation(self, trainer: Trainer, row: Row) -> None:
        """A validation is done."""

    def on_epoch(self, trainer: Trainer, row: Row) -> None:
        """An epoch is done, after its validation."""

    def on_end(self, trainer: Trainer) -> None:
        """The run ends: done, stopped, interrupted or broken by an error."""
