"""Classifiers of images: what a convolutional, a recurrent and a very deep network share."""

from __future__ import annotations

import argparse
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...data import DataLoader, Dataset, TensorDataset
from ...data.transforms import RandomAffine
from ...nn import Module
from ...tensor import Tensor
from ...train import History, Predictions, predict, sections
from ...train.sections import Section
from .._data import images_of
from ._family import Defaults, Family, Results
from ._recipe import split

Array = np.ndarray[Any, Any]

CLASSES = 10
TITLES = {"digits": "Handwritten digits, 8 by 8 pixels", "mnist": "MNIST, handwritten digits"}


class Augmented(Dataset[tuple[Array, Array]]):
    """Images turned, shifted and scaled a little, differently in every epoch."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images.numpy(), labels.numpy()
        self.transform = RandomAffine(10, translate=(0.05, 0.05), scale=(0.9, 1.1))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        return self.transform(self.images[index]), self.labels[index]


class ImageClassifier(Family):
    """The images and their parts, how the network is judged, and what the report shows of it.

    A subclass sets `augmented`, the data sets that are small enough to need it, and in `__init__`
    `model` and `task`; `shape` (C, H, W) is that of an image.
    """

    datasets: ClassVar[dict[str, Defaults]]
    augmented: ClassVar[tuple[str, ...]] = ()
    drop_last: ClassVar[bool] = False  # whether batches that are not full are left out
    unit = "images"
    validation: DataLoader
    model: Module

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, train, self.test = images_of(options.data)
        self.use(data)
        self.title, self.augment = TITLES[options.data], options.data in self.augmented
        self.shape: tuple[int, ...] = train[0].shape[1:]
        plain = TensorDataset(self.seen(train[0]), train[1])
        changed = Augmented(*train) if self.augment else None
        self.loader, self.validation = split(
            plain, options, training=changed, drop_last=self.drop_last
        )
        self.tester = DataLoader(
            TensorDataset(self.seen(self.test[0]), self.test[1]), batch_size=500
        )

    def seen(self, images: Tensor) -> Tensor:
        """What the network is given of images (N, C, H, W)."""
        return images

    @cached_property
    def predictions(self) -> Predictions:
        """The answers of the trained network to the test images."""
        return predict(self.model, self.tester)

    def results(self, history: History) -> Results:
        found = self.predictions
        return Results(
            {"test_accuracy": found.accuracy, "test_loss": found.loss},
            [
                f"test      {found.accuracy:.2%} of {len(found.labels):,} images, "
                f"loss {found.loss:.4f}"
            ],
            {"test accuracy": f"{found.accuracy:.2%}"},
        )

    def sections(self) -> list[Section]:
        images, labels = (x.numpy() for x in self.test)
        return [
            sections.confusion(self.predictions, labels, CLASSES),
            sections.mistakes(self.predictions, images, labels),
        ]

    def facts(self) -> dict[str, str]:
        return {
            "data": f"{len(self.loader.dataset):,} images to train, "
            f"{len(self.validation.dataset):,} to choose the epoch, {len(self.test[1]):,} to test",
            "augmentation": "small rotations, shifts and scalings" if self.augment else "none",
        }
