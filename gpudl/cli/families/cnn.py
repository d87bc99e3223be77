"""`gpudl train cnn`: a small convolutional network that reads digits."""

from __future__ import annotations

import argparse
from copy import deepcopy
from functools import cached_property
from textwrap import fill
from typing import ClassVar

from ...kernels import find
from ...models import CNN
from ...nn.functional import cross_entropy
from ...optim import AdamW
from ...profiler import Summary, profile, record
from ...system import config_facts
from ...train import Classifier, History, sections
from ...train.sections import Section
from ._classifier import ImageClassifier
from ._family import Defaults, Results
from ._recipe import one_cycle

WEIGHT_DECAY = 0.01
WARM_UP = 0.15  # of the steps
WIDTH = 16


class ConvolutionalNetwork(ImageClassifier):
    """`gpudl.models.CNN`, trained with AdamW over one cycle of the learning rate."""

    datasets: ClassVar = {
        "digits": Defaults(epochs=25, batch_size=64, lr=1e-2),
        "mnist": Defaults(epochs=5, batch_size=128, lr=4e-3),
    }
    augmented = ("digits",)
    subtitle = "A small convolutional network, trained by gpudl."

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        C, H, W = self.shape
        self.model: CNN = CNN((C, H, W), width=WIDTH).to(options.device)
        optimizer = AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        schedule = one_cycle(optimizer, options.lr, self.steps_of(self.loader), WARM_UP)
        self.task = Classifier(self.model, optimizer, schedule)

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
        found = super().results(history)
        by: dict[str, dict[str, int]] = {}
        for row in self.kernels:
            counted = by.setdefault(row.by, {})
            counted[row.name] = counted.get(row.name, 0) + row.count
        for source in sorted(by):
            name = "kernels" if source == "kernel" else source
            names = ", ".join(f"{op} x{n}" for op, n in sorted(by[source].items()))
            found.lines.append(fill(f"{name:<10}{names}", 100, subsequent_indent=" " * 10))
        return found

    def sections(self) -> list[Section]:
        return [
            *super().sections(),
            sections.filters(self.model.block1[0].weight.detach().cpu().numpy()),
            sections.operations(self.kernels),
        ]

    def facts(self) -> dict[str, str]:
        return {
            "network": f"three convolutions ({WIDTH}, {2 * WIDTH} and {4 * WIDTH} filters of 3 by "
            "3), batch norm, one linear layer",
            **super().facts(),
            "optimizer": f"AdamW, weight decay {WEIGHT_DECAY}, one cycle up to {self.options.lr}",
        }
