"""`gpudl train cnn`: a small convolutional network that reads digits."""

from __future__ import annotations

import argparse
from copy import deepcopy
from functools import cached_property
from textwrap import fill
from typing import Any, ClassVar

import numpy as np

from ...data import DataLoader, Dataset, Subset, TensorDataset, random_split
from ...data.transforms import RandomAffine
from ...kernels import find
from ...models import CNN
from ...nn.functional import cross_entropy
from ...optim import AdamW
from ...optim.lr_scheduler import OneCycleLR
from ...profiler import Summary, profile, record
from ...system import config_facts
from ...tensor import Tensor
from ...train import Classifier, History, Predictions, predict, sections
from ...train.sections import Section
from .._data import images_of
from ._family import Defaults, Family, Results

Array = np.ndarray[Any, Any]

WEIGHT_DECAY = 0.01
WARM_UP = 0.15  # of the steps
WIDTH = 16
HELD_OUT = 0.05  # of the training images, to choose the epoch by
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


class ConvolutionalNetwork(Family):
    """`gpudl.models.CNN`, trained with AdamW over one cycle of the learning rate."""

    datasets: ClassVar = {
        "digits": Defaults(epochs=25, batch_size=64, lr=1e-2),
        "mnist": Defaults(epochs=5, batch_size=128, lr=4e-3),
    }
    unit = "images"
    subtitle = "A small convolutional network, trained by gpudl."

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, train, self.test = images_of(options.data)
        self.use(data)
        self.title, self.augment = TITLES[options.data], options.data == "digits"
        plain = TensorDataset(*train)
        chosen, held_out = random_split(plain, [1 - HELD_OUT, HELD_OUT], seed=0)
        dataset = Augmented(*train) if self.augment else plain
        self.loader = DataLoader(
            Subset(dataset, chosen.indices),
            batch_size=options.batch_size,
            shuffle=True,
            seed=options.seed,
        )
        self.held_out = len(held_out)
        self.validation = DataLoader(held_out, batch_size=500)
        self.tester = DataLoader(TensorDataset(*self.test), batch_size=500)
        _, C, H, W = train[0].shape
        self.model = CNN((C, H, W), width=WIDTH).to(options.device)
        optimizer = AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        schedule = OneCycleLR(
            optimizer,
            max_lr=options.lr,
            total_steps=self.steps_of(self.loader),
            pct_start=WARM_UP,
            cycle_momentum=False,
        )
        self.task = Classifier(self.model, optimizer, schedule)

    @cached_property
    def predictions(self) -> Predictions:
        """The answers of the trained network to the test images."""
        return predict(self.model, self.tester)

    @cached_property
    def kernels(self) -> list[Summary]:
        """The operations of one training step, on a copy of the network."""
        device = next(self.model.parameters()).device
        images, labels = (x[: self.options.batch_size].to(device) for x in self.test)
        model = deepcopy(self.model).train()
        optimizer = AdamW(model.parameters())
        for _ in range(2):  # the first step allocates and packs
            optimizer.zero_grad()
            with profile() as p:
                cross_entropy(model(images), labels).backward()
                with record("adam"):
                    optimizer.step()
        update = p.events[-1]
        kernel = config_facts()["extension"] if device.kind == "cpu" else find("adam", device.kind)
        by = "kernel" if kernel else device.xp.__name__
        return [*p.summary(), Summary(update.name, "update", by, 1, update.duration_ns, None)]

    def results(self, history: History) -> Results:
        found = self.predictions
        lines = [
            f"test      {found.accuracy:.2%} of {len(found.labels):,} images, loss {found.loss:.4f}"
        ]
        by: dict[str, dict[str, int]] = {}
        for row in self.kernels:
            counted = by.setdefault(row.by, {})
            counted[row.name] = counted.get(row.name, 0) + row.count
        for source in sorted(by):
            name = "kernels" if source == "kernel" else source
            names = ", ".join(f"{op} x{n}" for op, n in sorted(by[source].items()))
            lines.append(fill(f"{name:<10}{names}", 100, subsequent_indent=" " * 10))
        return Results(
            {"test_accuracy": found.accuracy, "test_loss": found.loss},
            lines,
            {"test accuracy": f"{found.accuracy:.2%}"},
        )

    def sections(self) -> list[Section]:
        images, labels = (x.numpy() for x in self.test)
        return [
            sections.confusion(self.predictions, labels, 10),
            sections.mistakes(self.predictions, images, labels),
            sections.filters(self.model.block1[0].weight.detach().cpu().numpy()),
            sections.operations(self.kernels),
        ]

    def facts(self) -> dict[str, str]:
        return {
            "network": f"three convolutions ({WIDTH}, {2 * WIDTH} and {4 * WIDTH} filters of 3 by "
            "3), batch norm, one linear layer",
            "data": f"{len(self.loader.dataset):,} images to train, {self.held_out:,} to choose "
            f"the epoch, {len(self.test[1]):,} to test",
            "augmentation": "small rotations, shifts and scalings" if self.augment else "none",
            "optimizer": f"AdamW, weight decay {WEIGHT_DECAY}, one cycle up to {self.options.lr}",
        }
