"""What a family of networks gives to `gpudl train`, `gpudl sample` and `gpudl report`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from ...data import DataLoader
from ...errors import NotSupportedError
from ...train import Callback, History, Task
from ...train.sections import Section

Array = np.ndarray[Any, Any]


class Options(Protocol):
    """Where a family adds options: `add_argument` of argparse."""

    def add_argument(self, *flags: str, **how: Any) -> Any: ...


@dataclass(frozen=True)
class Defaults:
    """The common options of a data set, where the command line gives none."""

    batch_size: int
    lr: float
    epochs: int | None = None
    steps: int | None = None


@dataclass
class Results:
    """What a trained network is worth: `figures` for JSON, `lines` to print, `tiles` for the head
    of the report."""

    figures: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    tiles: dict[str, str] = field(default_factory=dict)


@dataclass
class Samples:
    """What a network makes: `texts`, or `images` (N, H, W) or (N, H, W, 3) from 0 to 1."""

    texts: Sequence[str] = ()
    images: Array | None = None


class Family:
    """A family: a subclass sets `datasets`, builds what is trained in `__init__`, and says what it
    shows. The command line does the rest: the loop, checkpoints, logs, report, resuming.

    `options` has the common options (`data`, `epochs`, `steps`, `batch_size`, `lr`, `seed`,
    `device`), filled from `datasets`, and those that `add_options` added: numbers, strings and
    flags, which a run's folder keeps as JSON. The default generator is seeded with `options.seed`
    before `__init__` runs.
    """

    datasets: ClassVar[dict[str, Defaults]]  # the choices of --data; the first is the default
    unit: ClassVar[str] = "samples"  # what a batch has
    number: ClassVar[int] = 1  # of samples that gpudl sample makes where nobody says how many

    task: Task
    loader: DataLoader
    validation: DataLoader | None = None

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.training: dict[str, Any] = {}  # options of the Trainer, such as clip_norm
        self.callbacks: list[Callback] = []  # who else is told

    @classmethod
    def add_options(cls, parser: Options) -> None:
        """Add options of its own to `gpudl train`."""

    def steps_of(self, loader: Any) -> int:
        """How many steps the run will have, for a schedule. `training` is set before."""
        epochs, steps = self.options.epochs, self.options.steps
        if epochs is None:
            return int(steps)
        whole = epochs * -(-len(loader) // self.training.get("accumulate", 1))
        return int(whole if steps is None else min(steps, whole))

    def use(self, data: str) -> None:
        """Train on `data`, with its defaults for what was left out, where what was asked for could
        not be had."""
        if data == self.options.data:
            return
        self.options.data = data
        for name in self.options.left_out:
            setattr(self.options, name, getattr(self.datasets[data], name))

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.size for p in self.task.parameters)

    # ----- what it shows, with the best weights, or the last where there is no best -----
    title: str
    subtitle: str

    def results(self, history: History) -> Results:
        """What the trained network is worth."""
        return Results()

    def sections(self) -> list[Section]:
        """The parts of the report that come after the curves."""
        return []

    def facts(self) -> dict[str, str]:
        """Names and values for the table at the end of the report."""
        return {}

    # ----- what it makes -----
    @property
    def makes_samples(self) -> bool:
        """Whether `sample` is defined."""
        return type(self).sample is not Family.sample

    @classmethod
    def add_sample_options(cls, parser: Options) -> None:
        """Add options of its own to `gpudl sample`."""

    def sample(self, number: int, options: argparse.Namespace) -> Samples:
        """`number` samples. Raises `NotSupportedError` where the family makes none."""
        raise NotSupportedError(
            "gpudl sample",
            f"{type(self).__name__} makes no samples",
            remedy="gpudl report shows what it learned",
        )
