"""`gpudl train gan`: images from noise, by WGAN-GP or DCGAN."""

from __future__ import annotations

import argparse
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ... import random
from ..._namespace.manipulation import concat
from ..._namespace.transcendental import sqrt
from ...autograd import grad, no_grad
from ...data import DataLoader, TensorDataset
from ...models import Critic, Generator
from ...nn.functional import softplus
from ...optim import Adam
from ...optim.lr_scheduler import LambdaLR
from ...tensor import Tensor
from ...train import Callback, History, Task, Trainer, sections
from ...train.sections import Section
from .._options import at_least_one
from ._family import Defaults, Family, Options, Results, Samples
from ._judge import Judge
from ._pixels import grid, pictures_of

Array = np.ndarray[Any, Any]

PENALTY = 10.0
ROWS = 16  # images of each class, or in all, that are followed over the run


def penalty(critic: Critic, real: Tensor, made: Tensor, labels: tuple[Tensor, ...]) -> Tensor:
    """How far the gradient's norm is from one, on the way from made images to real ones.

    Its own gradient is a second derivative. Source: Gulrajani et al., arXiv:1704.00028.
    """
    share = random.uniform((real.shape[0], 1, 1, 1), device=real.device)
    between = (real * share + made * (1 - share)).detach()
    between.requires_grad = True
    (slope,) = grad(critic(between, *labels).sum(), [between], create_graph=True)
    norm = sqrt((slope * slope).sum(axis=(1, 2, 3)) + 1e-12)
    return ((norm - 1) * (norm - 1)).mean()


class Adversaries(Task):
    """A batch trains the critic on each of its parts, then the generator once.

    "wgan": the critic's mean score tells real from made images, its slope held near one.
    "dcgan": the critic's score is a logit, and the generator's loss does not saturate (Goodfellow
    et al., arXiv:1406.2661).
    """

    models: dict[str, Any]

    def __init__(self, options: argparse.Namespace, steps: int) -> None:
        classes = 10 if options.conditional else 0
        generator = Generator(options.latent, width=options.width, classes=classes)
        critic = Critic(width=options.width, classes=classes, spectral=options.spectral)
        generator.to(options.device)
        critic.to(options.device)
        betas = (0.0, 0.9) if options.kind == "wgan" else (0.5, 0.999)
        optimizers = {
            "critic": Adam(critic.parameters(), lr=options.lr, betas=betas),
            "generator": Adam(generator.parameters(), lr=options.lr, betas=betas),
        }
        schedules = {
            name: LambdaLR(opt, lambda step: max(0.0, 1 - step / steps))
            for name, opt in optimizers.items()
        }
        super().__init__({"critic": critic, "generator": generator}, optimizers, schedules)
        self.kind, self.parts, self.classes = options.kind, options.critic_steps, classes

    def _noise(self, like: Tensor) -> Tensor:
        latent = self.models["generator"].latent
        return random.normal((like.shape[0], latent), device=like.device)

    def training_step(self, batch: Any) -> dict[str, Any]:
        images, labels = batch
        critic, generator = self.models["critic"], self.models["generator"]
        size = images.shape[0] // self.parts
        metrics: dict[str, Any] = {}
        known: tuple[Tensor, ...] = ()
        for i in range(self.parts):
            part = slice(i * size, (i + 1) * size)
            real, known = images[part], (labels[part],) if self.classes else ()
            with no_grad():
                made = generator(self._noise(real), *known)
            scores = critic(concat([real, made], axis=0), *(concat([k, k], axis=0) for k in known))
            up, down = scores[:size], scores[size:]
            if self.kind == "wgan":
                distance = up.mean() - down.mean()
                excess = penalty(critic, real, made, known)
                loss = PENALTY * excess - distance
                metrics = {"distance": distance.item(), "penalty": excess.item()}
            else:
                loss = (softplus(-up) + softplus(down)).mean()
                metrics = {"critic_loss": loss.item()}
            self.optimizers["critic"].zero_grad()
            loss.backward()
            self.optimizers["critic"].step()
        score = critic(generator(self._noise(real), *known), *known)
        loss = -score.mean() if self.kind == "wgan" else softplus(-score).mean()
        self.optimizers["generator"].zero_grad()
        loss.backward()
        self.optimizers["generator"].step()
        return metrics | {"generator_loss": loss.item()}


class Follow(Callback):
    """What the generator makes of the same noise, over the run."""

    def __init__(self, family: Adversarial, every: int) -> None:
        self.family, self.every = family, every
        self.steps: list[int] = []
        self.rows: list[Array] = []

    def on_step(self, trainer: Trainer, row: dict[str, float]) -> None:
        if trainer.step == 1 or trainer.step % self.every == 0:
            self.steps.append(trainer.step)
            self.rows.append(self.family.made(self.family.fixed[:ROWS]))


class Adversarial(Family):
    """`gpudl.models.Generator` against `gpudl.models.Critic`, trained with Adam."""

    datasets: ClassVar = {
        "mnist": Defaults(steps=3000, batch_size=192, lr=5e-4),
        "digits": Defaults(steps=600, batch_size=192, lr=5e-4),
    }
    unit = "images"
    task: Adversaries

    @classmethod
    def add_options(cls, parser: Options) -> None:
        add = parser.add_argument
        add("--kind", choices=["wgan", "dcgan"], default="wgan", help="WGAN-GP, or DCGAN's loss")
        add("--conditional", action="store_true", help="digits that one can ask for")
        add("--spectral", action="store_true", help="spectral normalization of the critic")
        add("--latent", type=at_least_one, default=64, help="numbers of noise")
        add("--width", type=at_least_one, default=32, help="channels at full size")
        add(
            "--critic-steps",
            type=at_least_one,
            default=3,
            help="steps of the critic for each of the generator, in a batch",
        )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, (images, labels), self.test = pictures_of(options.data)
        self.use(data)
        self.title = f"{options.data} from noise"
        self.subtitle = "Images made by a generator that a critic taught."
        self.train = images, labels
        self.loader = DataLoader(
            TensorDataset(Tensor(images), Tensor(labels)),
            batch_size=options.batch_size,
            shuffle=True,
            seed=options.seed,
            drop_last=True,
        )
        steps = self.steps_of(self.loader)
        self.task = Adversaries(options, steps)
        self.fixed = np.random.default_rng(0).standard_normal((100, options.latent), np.float32)
        self.follow = Follow(self, max(1, steps // 10))
        self.callbacks = [self.follow]
        self.training["save_every"] = max(1, steps // 20)
        self.untrained = self._many(2000)

    def made(self, z: Array, labels: Array | None = None) -> Array:
        """Images (N, 28, 28) of noise (N, latent); where labels count, of the digits in turn."""
        generator = self.task.models["generator"]
        training = generator.training
        generator.eval()
        if labels is None:
            labels = np.arange(len(z)) % 10
        device = self.options.device
        try:
            with no_grad():
                known = (Tensor(labels).to(device=device),) if self.task.classes else ()
                found = generator(Tensor(z).to(device=device), *known)
        finally:
            generator.train(training)
        return found.cpu().numpy()[:, 0]  # type: ignore[no-any-return]

    def _many(self, count: int) -> Array:
        rng = np.random.default_rng(1)
        shape = (500, self.options.latent)
        return np.concatenate(
            [self.made(rng.standard_normal(shape, np.float32)) for _ in range(count // 500)]
        )

    @cached_property
    def judge(self) -> Judge:
        """A classifier, trained now, that the images are judged by."""
        return Judge(*self.train, self.test[0])

    def results(self, history: History) -> Results:
        judged, before = self.judge.judge(self._many(10_000)), self.judge.judge(self.untrained)
        figures = {
            "frechet": judged.frechet,
            "frechet_untrained": before.frechet,
            "frechet_ratio": judged.frechet / before.frechet,
            "class_shares": [round(float(s), 4) for s in judged.shares],
            "confidence": judged.confidence,
            "collapse": judged.collapse,
        }
        lines = [
            f"quality   Fréchet distance {judged.frechet:.4f}, "
            f"{judged.frechet / before.frechet:.2%} of the untrained generator's",
            f"classes   {judged.shares.min():.1%} to {judged.shares.max():.1%} of the images each, "
            f"median confidence {judged.confidence:.3f}",
            f"collapse  {judged.collapse or 'none'}",
        ]
        return Results(figures, lines, {"Fréchet distance": f"{judged.frechet:.3f}"})

    def sections(self) -> list[Section]:
        parts = [sections.picture("Made from noise", grid(self.made(self.fixed), 20))]
        if self.follow.rows:
            over = grid(np.concatenate(self.follow.rows), ROWS)
            steps = ", ".join(map(str, self.follow.steps))
            note = f"The same noise in every row, after {steps} steps."
            parts.append(sections.picture("Over the run", over, note=note))
        parts.append(sections.picture("From one image to another", self._between()))
        return parts

    def _between(self) -> Array:
        """Eight rows that lead from one noise to another along a great circle."""
        rows: list[Array] = []
        for a, b in zip(self.fixed[:8], self.fixed[8:16], strict=True):
            t = np.linspace(0, np.pi / 2, ROWS, dtype=np.float32)[:, None]
            rows.append(self.made(np.cos(t) * a + np.sin(t) * b, np.full(ROWS, len(rows))))
        return grid(np.concatenate(rows), ROWS)

    @classmethod
    def add_sample_options(cls, parser: Options) -> None:
        parser.add_argument("--digit", type=int, choices=range(10), help="of a conditional network")

    def sample(self, number: int, options: argparse.Namespace) -> Samples:
        z = random.normal((number, self.options.latent)).numpy()
        labels = None if options.digit is None else np.full(number, options.digit)
        return Samples(images=self.made(z, labels))

    def facts(self) -> dict[str, str]:
        o = self.options
        loss = "WGAN with gradient penalty" if o.kind == "wgan" else "DCGAN"
        return {
            "network": f"{loss}, {o.latent} numbers of noise, width {o.width}"
            f"{', conditional' if o.conditional else ''}{', spectral norm' if o.spectral else ''}",
            "optimizer": f"Adam, {o.lr} falling to 0, {o.critic_steps} critic steps for one",
        }
