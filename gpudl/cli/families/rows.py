"""`gpudl train rows`: a recurrent network that reads an image a row at a time."""

from __future__ import annotations

import argparse
from functools import cached_property
from typing import ClassVar

from ...data import DataLoader, TensorDataset, random_split
from ...models import SequenceClassifier
from ...optim import AdamW
from ...optim.lr_scheduler import OneCycleLR
from ...train import Classifier, History, Predictions, predict, sections
from ...train.sections import Section
from .._data import images_of
from .._options import at_least_one
from ._family import Defaults, Family, Options, Results
from .cnn import HELD_OUT, TITLES


class RowReader(Family):
    """`gpudl.models.SequenceClassifier`, trained with AdamW over one cycle, gradients clipped."""

    datasets: ClassVar = {
        "mnist": Defaults(epochs=8, batch_size=128, lr=5e-3),
        "digits": Defaults(epochs=30, batch_size=64, lr=5e-3),
    }
    unit = "images"
    subtitle = "A recurrent network that reads images a row at a time."

    @classmethod
    def add_options(cls, parser: Options) -> None:
        add = parser.add_argument
        add("--cell", choices=["lstm", "gru", "rnn"], default="lstm", help="kind")
        add("--width", type=at_least_one, default=128, help="of the state")
        add("--layers", type=at_least_one, default=1, help="recurrent layers")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, train, self.test = images_of(options.data)
        self.use(data)
        self.title = TITLES[options.data]
        rows = TensorDataset(train[0][:, 0], train[1])
        chosen, held_out = random_split(rows, [1 - HELD_OUT, HELD_OUT], seed=0)
        self.loader = DataLoader(
            chosen, batch_size=options.batch_size, shuffle=True, seed=options.seed
        )
        self.validation = DataLoader(held_out, batch_size=500)
        self.tester = DataLoader(TensorDataset(self.test[0][:, 0], self.test[1]), batch_size=500)
        self.model = SequenceClassifier(
            train[0].shape[-1], 10, cell=options.cell, width=options.width, layers=options.layers
        ).to(options.device)
        optimizer = AdamW(self.model.parameters(), weight_decay=0.01)
        schedule = OneCycleLR(
            optimizer,
            max_lr=options.lr,
            total_steps=self.steps_of(self.loader),
            pct_start=0.15,
            cycle_momentum=False,
        )
        self.task = Classifier(self.model, optimizer, schedule)
        self.training["clip_norm"] = 1.0

    @cached_property
    def predictions(self) -> Predictions:
        """The answers of the trained network to the test images."""
        return predict(self.model, self.tester)

    def results(self, history: History) -> Results:
        found = self.predictions
        return Results(
            {"test_accuracy": found.accuracy, "test_loss": found.loss},
            [f"test      {found.accuracy:.2%} of {len(found.labels):,} images"],
            {"test accuracy": f"{found.accuracy:.2%}"},
        )

    def sections(self) -> list[Section]:
        images, labels = (x.numpy() for x in self.test)
        return [
            sections.confusion(self.predictions, labels, 10),
            sections.mistakes(self.predictions, images, labels),
        ]

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"{o.layers} x {o.cell.upper()}, width {o.width}, one row a step",
            "optimizer": f"AdamW, one cycle up to {o.lr}, gradients clipped at 1",
        }
