"""What a training run leaves: the metrics of every step, epoch and validation, by name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import CheckpointError

Row = dict[str, float]
Array = np.ndarray[Any, Any]
KEYS = ("step", "epoch", "samples", "seconds")  # what a row has beside its metrics


class Table:
    """Rows of named numbers: `table["loss"]` is a column, NaN where a row has no such number.

    >>> import gpudl as gd
    >>> table = gd.train.Table()
    >>> table.add({"step": 1, "loss": 0.5})
    >>> table.add({"step": 2, "loss": 0.25, "accuracy": 1.0})
    >>> table["accuracy"]
    [nan, 1.0]
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> list[float]:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @property
    def metrics(self) -> list[str]:
        """The names of the columns that a step or a validation measured."""
        return [name for name in self.columns if name not in KEYS]

    def add(self, row: Row) -> None:
        """Add a row."""
        for name in row:
            if name not in self.columns:
                self.columns[name] = [math.nan] * self._length
        for name, column in self.columns.items():
            column.append(float(row.get(name, math.nan)))
        self._length += 1

    def drop_last(self) -> None:
        """Forget the last row."""
        for column in self.columns.values():
            column.pop()
        self._length -= 1

    def row(self, index: int) -> Row:
        """A row, without what it has no number for."""
        row = {name: column[index] for name, column in self.columns.items()}
        return {name: value for name, value in row.items() if not math.isnan(value)}

    def __iter__(self) -> Iterator[Row]:
        return (self.row(i) for i in range(self._length))

    def mean(self, since: int) -> Row:
        """The metrics from row `since` on, means weighted by `samples`."""
        weights = np.asarray(self.columns["samples"][since:])
        means = {}
        for name in self.metrics:
            values = np.asarray(self.columns[name][since:])
            known = ~np.isnan(values)
            if known.any():
                means[name] = float(np.average(values[known], weights=weights[known]))
        return means


class History:
    """A run: the tables `steps`, `epochs` and `validation`.

    A row has `step`, `epoch` (from 1), and the metrics by the names that the task gave them; rows
    of `steps` and `epochs` also have `samples` and `seconds` of training.
    """

    def __init__(self) -> None:
        self.steps, self.epochs, self.validation = Table(), Table(), Table()
        self.seconds = 0.0  # the whole run, validation included
        self.interrupted = False

    @property
    def samples(self) -> int:
        """How many samples were trained on, repetitions counted."""
        return int(sum(self.steps.columns.get("samples", ())))

    @property
    def samples_per_second(self) -> float:
        """Training samples per second of training."""
        spent = sum(self.steps.columns.get("seconds", ()))
        return self.samples / spent if spent else 0.0

    def close_epoch(self, number: int) -> Row:
        """Add the row of an epoch, from the rows of its steps, and return it. A row that stands for
        the same epoch, which had not come to its end, is replaced."""
        if len(self.epochs) and self.epochs["epoch"][-1] == number:
            self.epochs.drop_last()
        steps = self.steps
        since = int(np.searchsorted(steps["epoch"], number))
        row = {
            "step": steps["step"][-1],
            "epoch": float(number),
            "samples": sum(steps["samples"][since:]),
            "seconds": sum(steps["seconds"][since:]),
            **steps.mean(since),
        }
        self.epochs.add(row)
        return row

    def _tables(self) -> dict[str, Table]:
        return {"steps": self.steps, "epochs": self.epochs, "validation": self.validation}

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON; null where a row has no number."""
        tables = {
            name: {
                key: [v if math.isfinite(v) else None for v in column]
                for key, column in table.columns.items()
            }
            for name, table in self._tables().items()
        }
        return {
            **tables,
            "samples": self.samples,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
        }

    def state_dict(self) -> dict[str, Any]:
        """The tables as arrays, for a checkpoint."""
        tables = {
            name: {key: np.asarray(column, np.float64) for key, column in table.columns.items()}
            for name, table in self._tables().items()
        }
        return {**tables, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises `CheckpointError`, before anything changes."""
        made: dict[str, Table] = {}
        try:
            for name in self._tables():
                table = made[name] = Table()
                table.columns = {key: np.asarray(a).tolist() for key, a in state[name].items()}
                lengths = {len(column) for column in table.columns.values()} or {0}
                (table._length,) = lengths
            seconds = float(state["seconds"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError("History", f"not the state of a history: {error!r}") from None
        self.steps, self.epochs, self.validation = made.values()
        self.seconds, self.interrupted = seconds, False
