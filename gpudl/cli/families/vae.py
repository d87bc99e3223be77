"""`gpudl train vae`: a variational autoencoder."""

from __future__ import annotations

import argparse
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ... import random
from ...autograd import no_grad
from ...data import TensorDataset
from ...models import VAE
from ...nn.functional import sigmoid
from ...optim import Adam
from ...tensor import Tensor
from ...train import History, Task, sections
from ...train.sections import Section
from .._options import at_least_one
from ._family import Defaults, Family, Options, Results, Samples
from ._pixels import grid, pictures_of
from ._recipe import one_cycle, split

Array = np.ndarray[Any, Any]

TEST_SEED = 0  # of the pixels of the test images, which are drawn once
ACTIVE = 0.1  # nats above which a unit of the code says something


class VariationalTask(Task):
    """The bound of a batch whose pixels are drawn anew: 1 as probably as they are bright."""

    def training_step(self, batch: Any) -> dict[str, Any]:
        (grey,) = batch
        x = (random.uniform(grey.shape, device=grey.device) < grey).astype(grey.dtype)
        bound = self.models["model"](x)
        return {
            "loss": bound.loss,
            "reconstruction": bound.reconstruction,
            "divergence": bound.divergence.sum(),
        }


class Variational(Family):
    """`gpudl.models.VAE` with Bernoulli pixels, trained with Adam over one cycle."""

    datasets: ClassVar = {
        "mnist": Defaults(epochs=40, batch_size=128, lr=2e-3),
        "digits": Defaults(epochs=40, batch_size=64, lr=2e-3),
    }
    unit = "images"
    subtitle = "A variational autoencoder, trained by gpudl."

    @classmethod
    def add_options(cls, parser: Options) -> None:
        parser.add_argument("--latent", type=at_least_one, default=20, help="units of the code")
        parser.add_argument("--hidden", type=at_least_one, default=512, help="units of a layer")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, train, (test, self.labels) = pictures_of(options.data)
        self.use(data)
        self.title = f"What {options.data} are made of"
        grey = Tensor(train[0].reshape(len(train[0]), -1))
        self.loader, self.validation = split(TensorDataset(grey), options, drop_last=True)
        flat = test.reshape(len(test), -1)
        drawn = np.random.default_rng(TEST_SEED).random(flat.shape, dtype=np.float32) < flat
        self.test = Tensor(drawn.astype(np.float32))
        self.model = VAE(grey.shape[1], latent=options.latent, hidden=options.hidden)
        self.model.to(options.device)
        optimizer = Adam(self.model.parameters())
        schedule = one_cycle(optimizer, options.lr, self.steps_of(self.loader), 0.05)
        self.task = VariationalTask(self.model, optimizer, schedule)

    @cached_property
    def bound(self) -> tuple[float, Array]:
        """Reconstruction and divergences, in nats an image, of the test images, one code each."""
        self.model.eval()
        parts = []
        with no_grad():
            for i in range(0, len(self.test), 500):
                x = self.test[i : i + 500].to(device=self.options.device)
                found = self.model(x)
                both = [found.reconstruction.item(), *found.divergence.cpu().numpy()]
                parts.append(len(x) * np.array(both))
        mean = np.sum(parts, 0) / len(self.test)
        return float(mean[0]), mean[1:]

    def results(self, history: History) -> Results:
        reconstruction, divergence = self.bound
        loss = reconstruction + float(divergence.sum())
        active = int((divergence > ACTIVE).sum())
        figures = {
            "test_nats": loss,
            "test_reconstruction": reconstruction,
            "test_divergence": float(divergence.sum()),
            "active_units": active,
        }
        lines = [
            f"test      {loss:.2f} nats an image: {reconstruction:.2f} for the pixels, "
            f"{divergence.sum():.2f} for the code",
            f"code      {active} of {len(divergence)} units above {ACTIVE} nats",
        ]
        return Results(figures, lines, {"nats an image": f"{loss:.1f}"})

    def _decoded(self, z: Array) -> Array:
        self.model.eval()
        with no_grad():
            code = Tensor(z.astype(np.float32)).to(device=self.options.device)
            pixels = sigmoid(self.model.decode(code)).cpu().numpy()
        return pixels.reshape(-1, 28, 28)  # type: ignore[no-any-return]

    def sections(self) -> list[Section]:
        draws = np.random.default_rng(1).standard_normal((80, self.model.latent))
        with no_grad():
            some = self.test[:16].to(device=self.options.device)
            mean, _ = self.model.encode(some)
            all_means = self.model.encode(self.test.to(device=self.options.device))[0]
        rows = np.concatenate(
            [some.cpu().numpy().reshape(-1, 28, 28), self._decoded(mean.cpu().numpy())]
        )
        return [
            sections.picture("Drawn from the code", grid(self._decoded(draws), 16)),
            sections.picture("Test images, and what is left of them", grid(rows, 16)),
            sections.picture("A plane of the code", self._plane(all_means.cpu().numpy())),
            sections.picture("Where the digits are", self._map(all_means.cpu().numpy())),
        ]

    def _plane(self, means: Array) -> Array:
        """Pictures over the two units that vary most, from -2 to 2 deviations, others at 0."""
        first, second = np.argsort(-means.var(0))[:2]
        z = np.zeros((12, 12, means.shape[1]))
        z[..., first] = np.linspace(-2, 2, 12)
        z[..., second] = np.linspace(2, -2, 12)[:, None]
        return grid(self._decoded(z.reshape(144, -1)), 12)

    def _map(self, means: Array) -> Any:
        from matplotlib.figure import Figure

        first, second = np.argsort(-means.var(0))[:2]
        figure = Figure(figsize=(6, 5), layout="constrained")
        axes = figure.add_subplot()
        dots = axes.scatter(
            means[:3000, first], means[:3000, second], c=self.labels[:3000], cmap="tab10", s=4
        )
        figure.colorbar(dots, ticks=range(10), label="digit")
        axes.set_xlabel(f"unit {first}")
        axes.set_ylabel(f"unit {second}")
        return figure

    def sample(self, number: int, options: argparse.Namespace) -> Samples:
        z = random.normal((number, self.model.latent)).numpy()
        return Samples(images=self._decoded(z))

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"two layers of {o.hidden} each way, {o.latent} units of Gaussian code",
            "data": "pixels drawn anew in every epoch, the test's once; Bernoulli likelihood",
            "optimizer": f"Adam, one cycle up to {o.lr}",
        }
