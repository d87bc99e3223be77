"""Classifiers: how they are trained, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..errors import ArgumentError
from ..nn import Module
from ..nn.functional import cross_entropy
from ..tensor import Tensor
from ._batch import moved
from ._task import Task

Array = np.ndarray[Any, Any]


class Predictions(NamedTuple):
    """What a classifier says: labels (N,), their probabilities (N,), loss and accuracy."""

    labels: Array
    confidence: Array
    loss: float
    accuracy: float


class Classifier(Task):
    """A model that gives logits (N, classes), trained with cross-entropy on batches of (inputs,
    labels), labels int64 (N,). Its metrics are `loss` and `accuracy`."""

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        x, y = batch
        (model,) = self.models.values()
        logits = model(x)
        right = logits.detach().argmax(axis=1) == y
        return {"loss": cross_entropy(logits, y), "accuracy": right.float().mean()}


def predict(model: Module, batches: Iterable[tuple[Any, Any]]) -> Predictions:
    """The predictions of `model`, in evaluation mode, for batches of (images, labels), which are
    moved to its device.

    Raises `ArgumentError` if there are none.
    """
    device = next((p.device for p in model.parameters()), None)
    training = model.training
    model.eval()
    found, confidence, total, correct = [], [], 0.0, 0
    try:
        with no_grad():
            for batch in batches:
                images, labels = moved(batch, device)
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
