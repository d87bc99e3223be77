"""`Trainer`: the loop that every network of this package is trained by."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import Any, Literal

from ..autograd import no_grad
from ..errors import ArgumentError, ArgumentTypeError
from ..nn.utils import clip_grad_norm_
from ..optim.lr_scheduler import ReduceLROnPlateau
from ..random import default_generator
from ..shapes import as_int
from ..tensor import Tensor
from . import _checkpoint as checkpoint
from ._average import Average
from ._batch import moved, numbers, samples
from ._callback import Callback
from ._history import KEYS, History, Row
from ._interrupt import Interrupt
from ._progress import progress
from ._task import Result, Task

MINUTE = 60.0  # between two checkpoints, where nobody says how often


def _at_least_one(name: str, value: int | None) -> int | None:
    if value is not None and as_int("Trainer", name, value) < 1:
        raise ArgumentError("Trainer", f"{name} is {value}", remedy="at least 1")
    return value


class Trainer:
    """Trains a `Task` on the batches of `loader`.

    * `epochs`, `steps`: how long, whichever ends first; at least one is given. A step is one update
      of the weights, from `accumulate` batches whose gradients are those of one large batch.
    * `validation`: batches to measure after every epoch, or every `validate_every` steps. Each
      validation draws the same random numbers, and leaves the stream of the training alone.
    * `clip_norm`: the largest norm of all gradients together. `ema`: the decay of an average of the
      weights (0.999, say), which is then what is validated and kept as the best.
    * `monitor`, `mode`: the metric of the validation that says what is best, and whether the least
      (`"min"`) or the largest (`"max"`) is. `patience`: the run stops after so many validations
      without a better one.
    * `out`: a folder for `last.safetensors`, from which `fit(resume=True)` goes on, and for
      `best.safetensors`, the weights that were best. `last` is written every `save_every` steps,
      or about once a minute; after every validation and epoch; and at the end. A writer that is
      killed leaves the one before.
    * `callbacks`: who is told; `show`: how it is shown, `gd.train.progress()` if None.

    A run that was killed at any moment and is resumed ends with the bits of a run that was not,
    if `loader` is a `DataLoader`, or something else with its `state_dict`. Ctrl-C ends the run
    after the step under way, with a checkpoint.

    >>> import gpudl as gd
    >>> x, y = gd.data.load_digits("test")
    >>> model = gd.nn.Sequential(gd.nn.Flatten(), gd.nn.Linear(64, 10))
    >>> task = gd.train.Classifier(model, gd.optim.Adam(model.parameters(), lr=0.05))
    >>> loader = gd.data.DataLoader(gd.data.TensorDataset(x, y), batch_size=64, shuffle=True)
    >>> quiet = gd.train.progress(quiet=True)
    >>> history = gd.train.Trainer(task, loader, epochs=3, show=quiet).fit()
    >>> history.epochs["loss"][-1] < history.epochs["loss"][0]
    True
    """

    def __init__(
        self,
        task: Task,
        loader: Iterable[Any],
        *,
        epochs: int | None = None,
        steps: int | None = None,
        validation: Iterable[Any] | None = None,
        validate_every: int | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        ema: float | None = None,
        monitor: str = "loss",
        mode: Literal["min", "max"] = "min",
        patience: int | None = None,
        out: str | os.PathLike[str] | None = None,
        save_every: int | None = None,
        callbacks: Sequence[Callback] = (),
        show: Callback | None = None,
    ) -> None:
        if not isinstance(task, Task):
            raise ArgumentTypeError(
                "Trainer", f"a task, not {type(task).__name__}",
                remedy="gd.train.Task(model, optimizer, step=function)",
            )  # fmt: skip
        if epochs is None and steps is None:
            raise ArgumentError("Trainer", "neither epochs nor steps", remedy="give one")
        if mode not in ("min", "max"):
            raise ArgumentError("Trainer", f"mode is {mode!r}", remedy='"min" or "max"')
        if clip_norm is not None and not 0 < clip_norm < math.inf:
            raise ArgumentError("Trainer", f"clip_norm is {clip_norm}", remedy="a positive number")
        self.task, self.loader, self.validation = task, loader, validation
        self.epochs, self.steps = _at_least_one("epochs", epochs), _at_least_one("steps", steps)
        self.validate_every = _at_least_one("validate_every", validate_every)
        self.save_every = _at_least_one("save_every", save_every)
        self.patience = _at_least_one("patience", patience)
        self.accumulate = _at_least_one("accumulate", accumulate) or 1
        self.clip_norm, self.monitor, self.mode = clip_norm, monitor, mode
        self.out = None if out is None else Path(out)
        self.average = None if ema is None else Average(task, ema)
        self.callbacks = [*callbacks, progress() if show is None else show]
        self.history = History()
        self.step = 0  # steps done
        self.epoch = 0  # epochs done, to their last batch
        self.stopped = False
        self.best: Row = {}  # the row of the best validation
        self.waited = 0  # validations since then
        self.best_weights: dict[str, Tensor] | None = None  # without `out`, which keeps them
        self._begun = 0.0  # when the run would have begun without a break
        self._saved = 0.0  # when it was saved last

    # ----- the run -----
    @property
    def total(self) -> int | None:
        """How many steps the run has; None for a stream of unknown length."""
        if self.epochs is None or not isinstance(self.loader, Sized):
            return self.steps
        whole = self.epochs * -(-len(self.loader) // self.accumulate)
        return whole if self.steps is None else min(self.steps, whole)

    @property
    def over(self) -> bool:
        """Whether the run is at its end."""
        stepped = self.steps is not None and self.step >= self.steps
        return stepped or self.stopped or (self.epochs is not None and self.epoch >= self.epochs)

    def stop(self) -> None:
        """End the run after the step under way."""
        self.stopped = True

    def fit(self, *, resume: bool = False) -> History:
        """Train to the end, and return what happened. `resume`: go on from `last.safetensors` in
        the folder `out`, where there is one; its weights, history and random state are taken over.

        Ctrl-C ends the run cleanly: the history says `interrupted`, and holds what there is.
        Raises `ArgumentError` where there is nothing to do, or where `out` holds another run.
        """
        if self.total == 0:
            raise ArgumentError("Trainer", "the loader has no batches")
        checkpoint.prepare(self, resume)
        history = self.history
        self._saved = time.perf_counter()
        history.interrupted, self._begun = False, self._saved - history.seconds
        self.task.train()
        try:
            for callback in self.callbacks:
                callback.on_begin(self)
            with Interrupt() as interrupt:
                while (self._unclosed or not self.over) and not interrupt.asked:
                    if not self._unclosed:
                        self._epoch(interrupt)
                    if self._unclosed and not interrupt.asked:
                        self._close()
                    self._save()
            history.interrupted = interrupt.asked
        except KeyboardInterrupt:  # a second Ctrl-C: within a step, so nothing is saved
            history.interrupted = True
        finally:
            history.seconds = time.perf_counter() - self._begun
            for callback in self.callbacks:
                callback.on_end(self)
        return history

    @property
    def _unclosed(self) -> bool:
        """Whether an epoch is done, or the run is, and its row is still to be written."""
        steps, epochs = self.history.steps, self.history.epochs
        if not len(steps) or (len(epochs) and epochs["step"][-1] == self.step):
            return False
        return self.over or steps["epoch"][-1] == self.epoch

    def _epoch(self, interrupt: Interrupt) -> None:
        """What is left of an epoch, or of the run."""
        number = self.epoch + 1
        batches = iter(self.loader)
        while not (self.epoch == number or self.over or interrupt.asked):
            begun = time.perf_counter()  # waiting for data is part of a step
            group = list(itertools.islice(batches, self.accumulate))
            if len(group) < self.accumulate:  # the loader's state is that of the next epoch now
                self.epoch = number
            if group:
                self._step(number, group, begun)
        steps = self.history.steps
        if self.epoch == number and (not len(steps) or steps["epoch"][-1] != number):
            raise ArgumentError("Trainer", "the loader has no batches")

    def _close(self) -> None:
        """Validate at the end of an epoch, and write its row."""
        number = int(self.history.steps["epoch"][-1])
        if self.validation is not None and self.validate_every is None:
            self._validate(number)
        self._tell("on_epoch", self.history.close_epoch(number))

    def _step(self, number: int, batches: list[Any], begun: float) -> None:
        """One update of the weights, from all `batches`."""
        if self.step:
            for schedule in self.task.schedules.values():
                if not isinstance(schedule, ReduceLROnPlateau):
                    schedule.step()
        sizes = [samples(batch) for batch in batches]
        metrics = self._update(batches, sizes)
        if self.average is not None:
            self.average.update()
        self.step += 1
        row = {"step": float(self.step), "epoch": float(number), "samples": float(sum(sizes))}
        row |= {"seconds": time.perf_counter() - begun, **self._rates(), **metrics}
        self.history.steps.add(row)
        self._tell("on_step", row)
        due = time.perf_counter() - self._saved > MINUTE
        if self.save_every is not None:
            due = self.step % self.save_every == 0
        if self.validate_every is not None and self.step % self.validate_every == 0:
            self._validate(number)
            due = True
        if due:
            self._save()

    def _update(self, batches: list[Any], sizes: list[int]) -> Row:
        """The metrics of a step, means over the samples of its batches."""
        task, total = self.task, sum(sizes)
        for optimizer in task.optimizers.values():
            optimizer.zero_grad()
        means: Row = {}
        device, own = task.device, False
        for batch, n in zip(batches, sizes, strict=True):
            loss, metrics = self._result(task.training_step(moved(batch, device)))
            share = n / total if total else 1 / len(batches)
            if loss is not None:
                (loss if len(batches) == 1 else loss * share).backward()
            own = own or loss is None
            for name, value in metrics.items():
                means[name] = means.get(name, 0.0) + value * share
        if own:
            if self.accumulate > 1 or self.clip_norm is not None:
                raise ArgumentError(
                    "Trainer", "accumulate and clip_norm need a training step that returns a loss"
                )
            return means
        if self.clip_norm is not None:
            norm = clip_grad_norm_(task.parameters, self.clip_norm)
            means["gradient_norm"] = float(norm.item())
        for optimizer in task.optimizers.values():
            optimizer.step()
        return means

    @staticmethod
    def _result(result: Result) -> tuple[Tensor | None, Row]:
        """The loss, if there is one, and all metrics as numbers."""
        named = result if isinstance(result, dict) else {"loss": result}
        strange = [name for name in named if name in KEYS]
        if strange:
            raise ArgumentError("Trainer", f"a metric cannot be called {strange[0]!r}")
        loss = named.get("loss")
        if loss is not None and not isinstance(loss, Tensor):
            raise ArgumentTypeError(
                "Trainer", "the loss is no tensor",
                remedy="a step that makes its own updates calls its metrics by other names",
                loss=loss,
            )  # fmt: skip
        return loss, numbers(named)

    def _rates(self) -> Row:
        rates = {}
        for name, optimizer in self.task.optimizers.items():
            key = "lr" if len(self.task.optimizers) == 1 else f"lr_{name}"
            rates[key] = float(optimizer.param_groups[0]["lr"])
        return rates

    # ----- validation -----
    def validate(self) -> Row:
        """The metrics of `validation` for the weights of now, or for their average where there is
        one: means over its samples. Raises `ArgumentError` where there is none."""
        if self.validation is None:
            raise ArgumentError("Trainer", "there is no validation", remedy="validation=batches")
        if self.average is None:
            return self._measure(self.validation)
        with self.average.applied():
            return self._measure(self.validation)

    def _measure(self, batches: Iterable[Any]) -> Row:
        generator = default_generator()
        state = generator.get_state()
        generator.set_state({"seed": 0, "stream": 0, "offset": 0})
        rewind = getattr(batches, "set_epoch", None)
        if callable(rewind):
            rewind(0)
        sums: Row = {}
        total, device = 0, self.task.device
        self.task.train(False)
        try:
            with no_grad():
                for batch in batches:
                    n = samples(batch)
                    result = self.task.validation_step(moved(batch, device))
                    named = result if isinstance(result, dict) else {"loss": result}
                    for name, value in numbers(named).items():
                        sums[name] = sums.get(name, 0.0) + value * n
                    total += n
        finally:
            self.task.train()
            generator.set_state(state)
        if not total:
            raise ArgumentError("Trainer", "the validation has no batches")
        return {name: value / total for name, value in sums.items()}

    def _validate(self, number: int) -> None:
        table = self.history.validation
        if len(table) and table["step"][-1] == self.step:
            return  # a run that was resumed with more steps than it had
        row = {"step": float(self.step), "epoch": float(number), **self.validate()}
        table.add(row)
        self._judge(row)
        self._tell("on_validation", row)

    def _judge(self, row: Row) -> None:
        """Keep the weights if they are the best, and stop if none were for too long."""
        value = row.get(self.monitor)
        if value is None:
            raise ArgumentError(
                "Trainer", f"the validation has no metric {self.monitor!r}",
                remedy=f"monitor= one of {', '.join(n for n in row if n not in KEYS)}",
            )  # fmt: skip
        for schedule in self.task.schedules.values():
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(value)
        known = self.best.get(self.monitor)
        sign = 1.0 if self.mode == "min" else -1.0
        if not math.isnan(value) and (known is None or sign * value < sign * known):
            self.best, self.waited = dict(row), 0
            checkpoint.save_best(self)
            return
        self.waited += 1
        if self.patience is not None and self.waited >= self.patience:
            self.stop()

    # ----- telling and saving -----
    def _tell(self, event: Literal["on_step", "on_epoch", "on_validation"], row: Row) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, row)

    def _save(self) -> None:
        self._saved = time.perf_counter()
        self.history.seconds = self._saved - self._begun
        if self.out is not None:
            checkpoint.save_last(self)

    def load_best(self) -> bool:
        """Give the models the weights of the best validation, or their average where nothing was
        validated; False where there is neither, and they keep the last."""
        return checkpoint.load_best(self)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, as values that `gd.save` takes."""
        return checkpoint.state_of(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises `CheckpointError` or `StateDictError`, with
        everything as before, for the state of another run."""
        checkpoint.load_into(self, state)
