"""Progress on the terminal: a bar where the package rich is there, lines of text elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from types import TracebackType
from typing import Any, Protocol, TextIO

from ._history import Epoch


class Progress(Protocol):
    """Who is told about a run."""

    def __enter__(self) -> Progress: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def begin(self, steps: int) -> None:
        """A run of so many steps begins."""
        ...

    def step(self, epoch: int, loss: float) -> None:
        """A step of an epoch is done."""
        ...

    def epoch(self, done: Epoch) -> None:
        """An epoch is done."""
        ...


def line(done: Epoch) -> str:
    """One line about an epoch."""
    text = f"epoch {done.number:3d}  loss {done.train_loss:.4f}  train {done.train_accuracy:7.2%}"
    if done.test_accuracy is not None:
        text += f"  test {done.test_accuracy:7.2%}"
    return f"{text}  {done.seconds:6.2f} s"


class _Quiet:
    """Says nothing."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def begin(self, steps: int) -> None:
        """Says nothing."""

    def step(self, epoch: int, loss: float) -> None:
        """Says nothing."""

    def epoch(self, done: Epoch) -> None:
        """Says nothing."""


class _Lines(_Quiet):
    """A line per epoch."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def epoch(self, done: Epoch) -> None:
        print(line(done), file=self.stream, flush=True)


class _Bar(_Quiet):
    """A line per epoch above a bar of steps, through rich."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self.bar: Any = RichProgress(
            TextColumn("training"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            refresh_per_second=8,
        )

    def __enter__(self) -> _Bar:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def begin(self, steps: int) -> None:
        self.task = self.bar.add_task("train", total=steps, note="")

    def step(self, epoch: int, loss: float) -> None:
        self.bar.update(self.task, advance=1, note=f"epoch {epoch}  loss {loss:.3f}")

    def epoch(self, done: Epoch) -> None:
        self.bar.console.print(line(done), highlight=False)


def progress(quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """How to show a run: a bar on a terminal with rich, a line per epoch elsewhere, or nothing.

    `stream`: where the lines go, the standard output if None.
    """
    if quiet:
        return _Quiet()
    out = sys.stdout if stream is None else stream
    if stream is None and out.isatty() and importlib.util.find_spec("rich") is not None:
        return _Bar()
    return _Lines(out)
