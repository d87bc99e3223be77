"""How the convolutional network is trained on each data set: data, options, one run."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from ..data import DataLoader, Dataset, TensorDataset, load_digits, load_mnist
from ..data.transforms import RandomAffine
from ..kernels import find
from ..models import CNN
from ..nn.functional import cross_entropy
from ..optim import AdamW
from ..optim.lr_scheduler import OneCycleLR
from ..profiler import Summary, profile, record
from ..system import config_facts
from ..tensor import Tensor
from ..train import History, Predictions, Progress, fit, predict

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """The options of a data set, chosen on its training part."""

    data: str
    epochs: int
    batch_size: int
    lr: float
    width: int = 16
    weight_decay: float = 0.01
    warm_up: float = 0.15  # of the steps
    augment: bool = False


RECIPES = {
    "digits": Recipe("digits", epochs=25, batch_size=64, lr=1e-2, augment=True),
    "mnist": Recipe("mnist", epochs=5, batch_size=128, lr=4e-3),
}


class Augmented(Dataset[tuple[Array, Array]]):
    """Images turned, shifted and scaled a little, differently in every epoch."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images.numpy(), labels.numpy()
        self.transform = RandomAffine(10, translate=(0.05, 0.05), scale=(0.9, 1.1))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        return self.transform(self.images[index]), self.labels[index]


class Training:
    """One run of a recipe: data, network, optimizer and schedule, made from a seed."""

    def __init__(self, recipe: Recipe, *, seed: int, device: str, steps: int | None = None) -> None:
        load: Any = {"digits": load_digits, "mnist": load_mnist}[recipe.data]
        train, self.test = load("train"), load("test")
        self.recipe, self.steps = recipe, steps
        random.manual_seed(seed)
        dataset = Augmented(*train) if recipe.augment else TensorDataset(*train)
        self.loader = DataLoader(dataset, batch_size=recipe.batch_size, shuffle=True, seed=seed)
        self.tester = DataLoader(TensorDataset(*self.test), batch_size=500)
        self.model = CNN(train[0].shape[1:], width=recipe.width).to(device)
        self.optimizer = AdamW(self.model.parameters(), weight_decay=recipe.weight_decay)
        whole = recipe.epochs * len(self.loader)
        self.schedule = OneCycleLR(
            self.optimizer,
            max_lr=recipe.lr,
            total_steps=whole if steps is None else min(steps, whole),
            pct_start=recipe.warm_up,
            cycle_momentum=False,
        )

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.size for p in self.model.parameters())

    def run(self, show: Progress) -> History:
        """Train. The test figures of the epochs are for the eye: nothing is chosen by them."""
        return fit(
            self.model,
            self.optimizer,
            self.loader,
            epochs=self.recipe.epochs,
            steps=self.steps,
            test=self.tester,
            schedule=self.schedule,
            show=show,
        )

    def predict(self) -> Predictions:
        """The answers of the network to the test images."""
        return predict(self.model, self.tester)

    def kernels(self) -> list[Summary]:
        """The operations of one training step, on a copy of the network."""
        device = next(self.model.parameters()).device
        images, labels = (x[: self.recipe.batch_size].to(device) for x in self.test)
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
