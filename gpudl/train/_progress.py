"""Progress on the terminal: a bar where the package rich is there, lines of text elsewhere."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..cuda import memory_allocated
from ._callback import Callback
from ._history import KEYS, Row

if TYPE_CHECKING:
    from ._trainer import Trainer

SHARES = ("accuracy", "precision", "recall", "f1")  # shown as percentages


def figures(row: Row) -> str:
    """The metrics of a row, `loss 0.1234  accuracy 98.76%`."""
    shown = []
    for name, value in row.items():
        if name not in KEYS and not name.startswith("lr"):
            share = name.endswith(SHARES)
            shown.append(f"{name} {value:7.2%}" if share else f"{name} {value:.4f}")
    return "  ".join(shown)


def line(row: Row, validation: Row | None = None) -> str:
    """One line about an epoch, and about its validation."""
    text = f"epoch {int(row['epoch']):3d}  {figures(row)}"
    if validation is not None:
        text += f"  | validation  {figures(validation)}"
    return f"{text}  {row['seconds']:6.2f} s"


def validation_line(row: Row) -> str:
    """One line about a validation within an epoch."""
    return f"step {int(row['step']):6d}  | validation  {figures(row)}"


def memory(device: Any) -> int | None:
    """The bytes in use: of the GPU, or of this process; None where nobody knows."""
    if device is not None and device.kind == "cuda":
        return memory_allocated(device)
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


class _Quiet(Callback):
    """Says nothing."""


class _Lines(Callback):
    """A line per epoch, and per validation within one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)

    def on_validation(self, trainer: Trainer, row: Row) -> None:
        if trainer.validate_every is not None:
            self.say(validation_line(row))

    def on_epoch(self, trainer: Trainer, row: Row) -> None:
        table = trainer.history.validation
        there = trainer.validate_every is None and len(table) > 0
        self.say(line(row, table.row(-1) if there else None))


class _Bar(_Lines):
    """The lines above a bar of steps, through rich."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.bar: Any = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            refresh_per_second=8,
        )

    def say(self, text: str) -> None:
        self.bar.console.print(text, highlight=False)

    def on_begin(self, trainer: Trainer) -> None:
        self.device = trainer.task.device
        self.task = self.bar.add_task(
            "train", total=trainer.total, completed=trainer.step, note="", epoch=trainer.epoch + 1
        )
        self.bar.start()

    def on_step(self, trainer: Trainer, row: Row) -> None:
        loss = f"loss {row['loss']:.3f}  " if "loss" in row else ""
        rate = row["samples"] / row["seconds"] if row["seconds"] else 0.0
        used = memory(self.device)
        held = "" if used is None else f"  {used / 2**20:,.0f} MiB"
        note = f"{loss}{rate:,.0f}/s{held}"
        self.bar.update(self.task, advance=1, note=note, epoch=int(row["epoch"]))

    def on_end(self, trainer: Trainer) -> None:
        self.bar.stop()


def progress(quiet: bool = False, stream: TextIO | None = None) -> Callback:
    """How to show a run: a bar on a terminal with rich, a line per epoch elsewhere, or nothing.

    `stream`: where the lines go, the standard output if None.
    """
    if quiet:
        return _Quiet()
    out = sys.stdout if stream is None else stream
    if stream is None and out.isatty() and importlib.util.find_spec("rich") is not None:
        return _Bar()
    return _Lines(out)
