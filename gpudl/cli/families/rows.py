"""`gpudl train rows`: a recurrent network that reads an image a row at a time."""

from __future__ import annotations

import argparse
from typing import ClassVar

from ...models import SequenceClassifier
from ...optim import AdamW
from ...tensor import Tensor
from ...train import Classifier
from .._options import at_least_one
from ._classifier import CLASSES, ImageClassifier
from ._family import Defaults, Options
from ._recipe import one_cycle


class RowReader(ImageClassifier):
    """`gpudl.models.SequenceClassifier`, trained with AdamW over one cycle, gradients clipped."""

    datasets: ClassVar = {
        "mnist": Defaults(epochs=8, batch_size=128, lr=5e-3),
        "digits": Defaults(epochs=30, batch_size=64, lr=5e-3),
    }
    subtitle = "A recurrent network that reads images a row at a time."

    @classmethod
    def add_options(cls, parser: Options) -> None:
        add = parser.add_argument
        add("--cell", choices=["lstm", "gru", "rnn"], default="lstm", help="kind")
        add("--width", type=at_least_one, default=128, help="of the state")
        add("--layers", type=at_least_one, default=1, help="recurrent layers")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.model = SequenceClassifier(
            self.shape[-1], CLASSES, cell=options.cell, width=options.width, layers=options.layers
        ).to(options.device)
        optimizer = AdamW(self.model.parameters(), weight_decay=0.01)
        schedule = one_cycle(optimizer, options.lr, self.steps_of(self.loader), 0.15)
        self.task = Classifier(self.model, optimizer, schedule)
        self.training["clip_norm"] = 1.0

    def seen(self, images: Tensor) -> Tensor:
        return images[:, 0]

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"{o.layers} x {o.cell.upper()}, width {o.width}, one row a step",
            **super().facts(),
            "optimizer": f"AdamW, one cycle up to {o.lr}, gradients clipped at 1",
        }
