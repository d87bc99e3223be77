"""`fit` and `predict`: the training loop of a classifier, and its answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..data import DataLoader
from ..errors import ArgumentError
from ..nn import Module
from ..nn.functional import cross_entropy
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from ..shapes import as_int
from ._history import Epoch, History
from ._progress import Progress, progress

Array = np.ndarray[Any, Any]
Batches = Iterable[tuple[Any, Any]]


class Predictions(NamedTuple):
    """What a classifier says: labels (N,), their probabilities (N,), loss and accuracy."""

    labels: Array
    confidence: Array
    loss: float
    accuracy: float


def _moved(batches: Batches, model: Module) -> Iterator[Any]:
    """The batches, on the device of the model's parameters."""
    device = next((p.device for p in model.parameters()), None)
    for images, labels in batches:
        yield images.to(device=device), labels.to(device=device)


def predict(model: Module, batches: Batches) -> Predictions:
    """The predictions of `model`, in evaluation mode, for batches of (images, labels), which are
    moved to its device.

    Raises `ArgumentError` if there are none.
    """
    training = model.training
    model.eval()
    found, confidence, total, correct = [], [], 0.0, 0
    try:
        with no_grad():
            for images, labels in _moved(batches, model):
                logits = model(images)
                total += cross_entropy(logits, labels, reduction="sum").item()
                scores = logits.cpu().data
                best = scores.argmax(1)
                shifted = np.exp(scores - scores.max(1, keepdims=True))
                found.append(best)
                confidence.append(1 / shifted.sum(1))
                correct += int((best == labels.cpu().data).sum())
    finally:
        model.train(training)
    if not found:
        raise ArgumentError("predict", "there are no batches")
    n = sum(len(part) for part in found)
    return Predictions(np.concatenate(found), np.concatenate(confidence), total / n, correct / n)


class _Run:
    """A run under way."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        test: Batches | None,
        schedule: LRScheduler | None,
        limit: int,
    ) -> None:
        self.model, self.optimizer, self.test, self.schedule = model, optimizer, test, schedule
        self.limit = limit
        self.history = History()

    @property
    def over(self) -> bool:
        return len(self.history.losses) >= self.limit

    def step(self, images: Any, labels: Any) -> tuple[float, int]:
        """One step; the mean loss of the batch, and how many labels were right."""
        logits = self.model(images)
        loss = cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.history.losses.append(loss.item())
        self.history.samples += len(labels)
        if self.schedule is not None and not self.over:
            self.schedule.step()
        return loss.item(), int((logits.detach().argmax(axis=1) == labels).sum())

    def epoch(self, number: int, loader: DataLoader, show: Progress) -> Epoch:
        """One pass over the data, or what is left of the steps."""
        begun = time.perf_counter()
        total, correct, seen = 0.0, 0, 0
        for images, labels in _moved(loader, self.model):
            loss, right = self.step(images, labels)
            show.step(number, loss)
            total, correct, seen = total + loss * len(labels), correct + right, seen + len(labels)
            if self.over:
                break
        seconds = time.perf_counter() - begun
        measured = None if self.test is None else predict(self.model, self.test)
        return Epoch(
            number,
            total / seen,
            correct / seen,
            None if measured is None else measured.loss,
            None if measured is None else measured.accuracy,
            seconds,
        )


def fit(
    model: Module,
    optimizer: Optimizer,
    loader: DataLoader,
    *,
    epochs: int,
    steps: int | None = None,
    test: Batches | None = None,
    schedule: LRScheduler | None = None,
    show: Progress | None = None,
) -> History:
    """Train a classifier with cross-entropy, and return what happened.

    `loader` gives batches of (images, labels), moved to the model's device, `epochs` times, but no
    more than `steps` in all; `test`: batches to measure after every epoch; `schedule`: stepped
    after every batch; `show`: who is told. Ctrl-C ends the run cleanly: the history says
    `interrupted`, and holds what there is.
    Raises `ArgumentError` where there is nothing to do.

    >>> import gpudl as gd
    >>> x, y = gd.data.load_digits("test")
    >>> model = gd.nn.Sequential(gd.nn.Flatten(), gd.nn.Linear(64, 10))
    >>> opt = gd.optim.Adam(model.parameters(), lr=0.05)
    >>> loader = gd.data.DataLoader(gd.data.TensorDataset(x, y), batch_size=64)
    >>> history = gd.train.fit(model, opt, loader, epochs=3, show=gd.train.progress(quiet=True))
    >>> history.epochs[-1].train_loss < history.epochs[0].train_loss
    True
    """
    for name, value in (("epochs", epochs), ("steps", 1 if steps is None else steps)):
        if as_int("fit", name, value) < 1:
            raise ArgumentError("fit", f"{name} is {value}", remedy="at least 1")
    whole = epochs * len(loader)
    if not whole:
        raise ArgumentError("fit", "the loader has no batches")
    run = _Run(model, optimizer, test, schedule, whole if steps is None else min(steps, whole))
    history = run.history
    begun = time.perf_counter()
    model.train()
    with progress() if show is None else show as shown:
        shown.begin(run.limit)
        try:
            for number in range(1, epochs + 1):
                done = run.epoch(number, loader, shown)
                history.epochs.append(done)
                shown.epoch(done)
                if run.over:
                    break
        except KeyboardInterrupt:
            history.interrupted = True
    history.seconds = time.perf_counter() - begun
    return history
