"""Logs of a run: CSV, JSON lines, TensorBoard. Each begins with the rows that a resumed run has."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import ArgumentError, missing
from ._callback import Callback
from ._checkpoint import folder
from ._history import KEYS, History, Row

if TYPE_CHECKING:
    from ._trainer import Trainer


def _open(path: Path) -> TextIO:
    folder(path.parent)
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ArgumentError("Trainer", f"cannot write {path}: {error}") from None


class CSVLogger(Callback):
    """Writes `steps.csv`, `epochs.csv` and `validation.csv` into a folder: a column a metric."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._files: dict[str, TextIO] = {}
        self._writers: dict[str, csv.DictWriter[str]] = {}

    def on_begin(self, trainer: Trainer) -> None:
        for name in ("steps", "epochs", "validation"):
            self._rewrite(trainer.history, name)

    def _rewrite(self, history: History, name: str) -> None:
        """Begin a file with the rows there are; again, when a new metric needs its column."""
        if name in self._files:
            self._files[name].close()
        table = getattr(history, name)
        file = self._files[name] = _open(self.path / f"{name}.csv")
        writer = self._writers[name] = csv.DictWriter(file, list(table.columns))
        if table.columns:
            writer.writeheader()
        for row in table:
            writer.writerow(_whole(row))

    def _add(self, trainer: Trainer, name: str, row: Row) -> None:
        if set(row) - set(self._writers[name].fieldnames):
            self._rewrite(trainer.history, name)
        else:
            self._writers[name].writerow(_whole(row))

    def on_step(self, trainer: Trainer, row: Row) -> None:
        self._add(trainer, "steps", row)

    def on_validation(self, trainer: Trainer, row: Row) -> None:
        self._add(trainer, "validation", row)
        self._flush()

    def on_epoch(self, trainer: Trainer, row: Row) -> None:
        self._rewrite(trainer.history, "epochs")  # the row of an unfinished epoch is replaced
        self._flush()

    def _flush(self) -> None:
        for file in self._files.values():
            file.flush()

    def on_end(self, trainer: Trainer) -> None:
        for file in self._files.values():
            file.close()
        self._files, self._writers = {}, {}


def _whole(row: Row) -> dict[str, Any]:
    """The row with counts as integers, and None for what JSON has no number for."""
    whole = ("step", "epoch", "samples")
    return {
        name: int(value) if name in whole else value if math.isfinite(value) else None
        for name, value in row.items()
    }


class JSONLogger(Callback):
    """Writes a line of JSON for every step, validation and epoch: `{"kind": "step", "step": 1,
    "epoch": 1, "loss": 0.7, ...}`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: TextIO | None = None

    def on_begin(self, trainer: Trainer) -> None:
        self._file = _open(self.path)
        for kind, row in _in_order(trainer.history):
            self._write(kind, row)

    def _write(self, kind: str, row: Row) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"kind": kind, **_whole(row)}) + "\n")
            if kind != "step":
                self._file.flush()

    def on_step(self, trainer: Trainer, row: Row) -> None:
        self._write("step", row)

    def on_validation(self, trainer: Trainer, row: Row) -> None:
        self._write("validation", row)

    def on_epoch(self, trainer: Trainer, row: Row) -> None:
        self._write("epoch", row)

    def on_end(self, trainer: Trainer) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _in_order(history: History) -> Iterator[tuple[str, Row]]:
    """All rows, as they were told."""
    kinds = (("step", history.steps), ("validation", history.validation), ("epoch", history.epochs))
    rows = [(row["step"], i, kind, row) for i, (kind, t) in enumerate(kinds) for row in t]
    return ((kind, row) for _, _, kind, row in sorted(rows, key=lambda found: found[:2]))


class TensorBoardLogger(Callback):
    """Writes scalars for TensorBoard into a folder, through the package tensorboardX.

    Raises `MissingDependencyError` where it is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if importlib.util.find_spec("tensorboardX") is None:
            raise missing("tensorboardX", "tensorboard", "TensorBoardLogger")
        self.path = Path(path)
        self._writer: Any = None

    def on_begin(self, trainer: Trainer) -> None:
        from tensorboardX import SummaryWriter

        # What a killed run wrote after its checkpoint is not shown.
        self._writer = SummaryWriter(str(self.path), purge_step=trainer.step + 1)

    def _write(self, kind: str, row: Row) -> None:
        for name, value in row.items():
            if name not in KEYS:
                self._writer.add_scalar(f"{kind}/{name}", value, int(row["step"]))

    def on_step(self, trainer: Trainer, row: Row) -> None:
        self._write("train", row)

    def on_validation(self, trainer: Trainer, row: Row) -> None:
        self._write("validation", row)
        self._writer.flush()

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
