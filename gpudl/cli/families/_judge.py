"""How good made images are: by a classifier of our own, trained on the same data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import random
from ...autograd import no_grad
from ...data import DataLoader, TensorDataset
from ...metrics import frechet_distance
from ...models import CNN
from ...nn.functional import softmax
from ...optim import AdamW
from ...tensor import Tensor
from ...train import Classifier, Trainer, progress
from ._recipe import one_cycle

Array = np.ndarray[Any, Any]

# What counts as collapse, against real images of the same number.
LEAST_SHARE = 0.02  # of a class
LEAST_SPREAD = 0.25  # of the mean distance between two images' features


class Judged(NamedTuple):
    """The verdict on images: the Fréchet distance of their features to those of test images, each
    class's share, the median confidence, and what has collapsed ("" for nothing)."""

    frechet: float
    shares: Array
    confidence: float
    collapse: str


class Judge:
    """A classifier trained on `images` (N, 1, 28, 28) and `labels`, and the features of `test`."""

    def __init__(self, images: Array, labels: Array, test: Array, *, epochs: int = 2) -> None:
        generator = random.default_generator()
        state = generator.get_state()
        random.manual_seed(0)
        try:
            self.model = CNN((1, 28, 28))
            data = TensorDataset(Tensor(images), Tensor(labels))
            loader = DataLoader(data, batch_size=128, shuffle=True, seed=0)
            optimizer = AdamW(self.model.parameters())
            cycle = one_cycle(optimizer, 4e-3, epochs * len(loader), 0.3)
            task = Classifier(self.model, optimizer, cycle)
            Trainer(task, loader, epochs=epochs, show=progress(quiet=True)).fit()
        finally:
            generator.set_state(state)
        self.model.eval()
        self.features, _ = self.look(test)
        self.spread = spread(self.features)

    def look(self, images: Array) -> tuple[Array, Array]:
        """Features (N, F), float64, and probabilities (N, 10) of images (N, 1, 28, 28)."""
        features, probabilities = [], []
        model = self.model
        with no_grad():
            for i in range(0, len(images), 500):
                x = model.pool(model.block2(model.pool(model.block1(Tensor(images[i : i + 500])))))
                x = model.block3(x)
                features.append(x.mean(axis=(2, 3)).numpy())
                probabilities.append(softmax(model.head(model.flatten(x)), dim=1).numpy())
        return np.concatenate(features).astype(np.float64), np.concatenate(probabilities)

    def judge(self, images: Array) -> Judged:
        """The verdict on images (N, 28, 28)."""
        features, probabilities = self.look(images[:, None].astype(np.float32))
        shares = np.bincount(probabilities.argmax(1), minlength=10) / len(images)
        reasons = []
        if (rare := np.flatnonzero(shares < LEAST_SHARE)).size:
            reasons.append(f"hardly any {', '.join(map(str, rare))}")
        if spread(features) < LEAST_SPREAD * self.spread:
            reasons.append("nearly all images alike")
        return Judged(
            float(frechet_distance(features, self.features)),
            shares,
            float(np.median(probabilities.max(1))),
            "; ".join(reasons),
        )


def spread(features: Array) -> float:
    """The mean distance between two of up to 1,000 rows of features (N, F)."""
    x = features[:1000]
    squares = (x * x).sum(1)
    apart = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
    return float(np.sqrt(apart).sum() / max(1, len(x) * (len(x) - 1)))
