"""`gpudl train resnet1001`: 1,001 layers, with skip connections and without."""

from __future__ import annotations

import argparse
import math
from typing import Any, ClassVar

import numpy as np

from ...models import PreActResNet
from ...nn import Conv2d
from ...nn.utils import clip_grad_norm_
from ...optim import SGD
from ...train import Callback, Classifier, History, Trainer, sections
from ...train.sections import Section
from .._options import at_least_one
from ._classifier import ImageClassifier
from ._family import Defaults, Options, Results
from ._recipe import one_cycle

Array = np.ndarray[Any, Any]


class GradientNorms(Callback):
    """The norm of the gradient of every convolution's weight, every `every` steps."""

    def __init__(self, every: int) -> None:
        self.every, self.steps = every, []
        self.norms: list[Array] = []

    steps: list[int]

    def on_step(self, trainer: Trainer, row: dict[str, float]) -> None:
        if trainer.step % self.every and trainer.step != 1:
            return
        found = [
            float(np.linalg.norm(m.weight.grad.cpu().numpy().astype(np.float64).ravel()))
            for m in trainer.task.models["model"].modules()
            if isinstance(m, Conv2d) and m.weight.grad is not None
        ]
        self.steps.append(trainer.step)
        self.norms.append(np.array(found))

    @property
    def ratios(self) -> list[float]:
        """The largest norm over the smallest, at each of the steps; infinite where one overflowed
        or is zero."""
        good = [bool(np.isfinite(n).all() and n.min() > 0) for n in self.norms]
        return [
            float(n.max() / n.min()) if ok else math.inf
            for n, ok in zip(self.norms, good, strict=True)
        ]


class PlainTask(Classifier):
    """Without skip connections gradients grow from layer to layer until they overflow: those are
    left out, and the rest is clipped, so that there is a step to make at all."""

    def training_step(self, batch: Any) -> dict[str, Any]:
        found = super().training_step(batch)
        found["loss"].backward()
        lost = 0.0
        for p in self.parameters:
            if p.grad is not None and not np.isfinite(p.grad.cpu().numpy()).all():
                p.grad, lost = None, lost + 1.0
        clip_grad_norm_(self.parameters, 1.0)
        self.optimizers["optimizer"].step()
        return {
            "cross_entropy": found["loss"].item(),
            "accuracy": found["accuracy"],
            "overflowed": lost,
        }

    def validation_step(self, batch: Any) -> dict[str, Any]:
        """Loss and accuracy."""
        return super().training_step(batch)


class DeepResidualNetwork(ImageClassifier):
    """`gpudl.models.PreActResNet`, trained with SGD over one cycle of the learning rate."""

    datasets: ClassVar = {
        "digits": Defaults(epochs=24, batch_size=64, lr=0.1),
        "mnist": Defaults(epochs=1, batch_size=128, lr=0.1),
    }
    augmented = ("digits", "mnist")
    drop_last = True

    @classmethod
    def add_options(cls, parser: Options) -> None:
        parser.add_argument("--depth", type=at_least_one, default=1001, help="9 n + 2 layers")
        parser.add_argument("--width", type=at_least_one, default=16, help="of the first stage")
        parser.add_argument(
            "--plain", action="store_true", help="leave the skip connections out: it cannot learn"
        )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        kind = "plain network" if options.plain else "residual network"
        self.subtitle = f"A {kind} of {options.depth:,} layers."
        self.model = PreActResNet(
            options.depth, channels=self.shape[0], width=options.width, skip=not options.plain
        ).to(options.device)
        optimizer = SGD(
            self.model.parameters(), lr=options.lr, momentum=0.9, weight_decay=1e-4, nesterov=True
        )
        steps = self.steps_of(self.loader)
        schedule = one_cycle(optimizer, options.lr, steps, 0.2)
        task = PlainTask if options.plain else Classifier
        self.task = task(self.model, optimizer, schedule)
        self.norms = GradientNorms(every=max(1, steps // 50))
        self.callbacks = [self.norms]

    def results(self, history: History) -> Results:
        found = super().results(history)
        found.figures["depth"] = self.options.depth
        found.figures["seconds_per_step"] = float(np.median(history.steps["seconds"]))
        if ratios := self.norms.ratios:
            if math.isfinite(max(ratios)):
                found.figures["gradient_ratio"] = max(ratios)
            found.lines.append(
                f"gradients largest over smallest norm of a layer: {max(ratios):.3g} at most"
            )
        return found

    def sections(self) -> list[Section]:
        heat = [self._heat()] if self.norms.norms else []
        return [*heat, *super().sections()]

    def _heat(self) -> Section:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3.5), layout="constrained")
        axes = figure.add_subplot()
        with np.errstate(divide="ignore", invalid="ignore"):
            heat = np.log10(
                np.stack([n for n in self.norms.norms if len(n) == len(self.norms.norms[0])], 1)
            )
        heat[~np.isfinite(heat)] = np.nan
        image = axes.imshow(
            heat, aspect="auto", origin="lower", interpolation="nearest",
            extent=(0.0, float(self.norms.steps[-1]), 0.0, float(len(heat))),
        )  # fmt: skip
        axes.set_xlabel("step")
        axes.set_ylabel("convolution, first to last")
        figure.colorbar(image, label="log10 of the gradient's norm")
        note = "An even picture: the gradient reaches the first layer as it leaves the last."
        return sections.picture("Gradients through the depth", figure, note=note)

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"pre-activation bottlenecks, {o.depth:,} layers, width {o.width}, "
            f"{'no skip connections' if o.plain else 'identity skip connections'}",
            **super().facts(),
            "optimizer": f"SGD, Nesterov momentum 0.9, one cycle up to {o.lr}",
        }
