"""`gpudl train autoencoder`: plain, sparse, convolutional and denoising autoencoders."""

from __future__ import annotations

import argparse
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ... import random
from ...autograd import no_grad
from ...data import TensorDataset
from ...metrics import psnr, roc_auc
from ...models import Autoencoder, ConvAutoencoder, sparsity
from ...nn.functional import binary_cross_entropy_with_logits, mse_loss, sigmoid
from ...optim import AdamW
from ...tensor import Tensor
from ...train import History, Task, sections
from ...train.sections import Section
from .._options import at_least_one
from ._family import Defaults, Family, Options, Results
from ._pixels import grid, pictures_of
from ._recipe import one_cycle, split

Array = np.ndarray[Any, Any]

KINDS = ("denoising", "conv", "plain", "sparse")
SPARSITY = 0.5  # weight of the penalty, nats a unit, against nats a pixel summed over an image


class Reconstruction(Task):
    """Images to themselves; a denoising network sees them with Gaussian noise of `sigma`."""

    def __init__(self, kind: str, sigma: float, model: Any, optimizer: Any, schedule: Any) -> None:
        super().__init__(model, optimizer, schedule)
        self.kind, self.sigma = kind, sigma

    def restored(self, x: Tensor) -> Tensor:
        """What the network makes of images (N, 1, 28, 28)."""
        model = self.models["model"]
        if self.kind in ("denoising", "conv"):
            return model(x)  # type: ignore[no-any-return]
        return sigmoid(model(x.flatten(1))).reshape(x.shape)  # type: ignore[no-any-return]

    def noisy(self, x: Tensor) -> Tensor:
        """The images as the network sees them."""
        if self.kind != "denoising":
            return x
        return x + self.sigma * random.normal(x.shape, device=x.device)

    def training_step(self, batch: Any) -> dict[str, Any]:
        (x,) = batch
        model: Any = self.models["model"]
        if self.kind in ("denoising", "conv"):
            return {"loss": mse_loss(model(self.noisy(x)), x)}
        flat = x.flatten(1)
        code = model.encode(flat)
        loss = binary_cross_entropy_with_logits(model.decoder(code), flat, reduction="sum")
        loss = loss / x.shape[0]
        if self.kind == "sparse":
            return {"loss": loss + SPARSITY * sparsity(code), "activity": code.detach().mean()}
        return {"loss": loss}


class AutoencoderFamily(Family):
    """`gpudl.models.Autoencoder` and `ConvAutoencoder`, trained with AdamW over one cycle."""

    datasets: ClassVar = {
        "mnist": Defaults(epochs=4, batch_size=128, lr=4e-3),
        "digits": Defaults(epochs=20, batch_size=64, lr=4e-3),
    }
    unit = "images"

    @classmethod
    def add_options(cls, parser: Options) -> None:
        add = parser.add_argument
        add("--kind", choices=KINDS, default="denoising", help="what it learns")
        add("--sigma", type=float, default=0.5, help="deviation of the noise, images from 0 to 1")
        add("--width", type=at_least_one, default=16, help="channels of the first convolution")
        add(
            "--latent",
            type=at_least_one,
            default=32,
            help="units of the code, without convolutions",
        )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, train, (test, self.labels) = pictures_of(options.data)
        self.use(data)
        self.title = f"{options.data}, restored" if options.kind == "denoising" else options.data
        self.subtitle = f"A {options.kind} autoencoder, trained by gpudl."
        images = TensorDataset(Tensor(train[0]))
        self.loader, self.validation = split(images, options, drop_last=True)
        self.test = Tensor(test)
        if options.kind in ("denoising", "conv"):
            self.model: Any = ConvAutoencoder(width=options.width)
        else:
            sparse = options.kind == "sparse"
            self.model = Autoencoder(784, latent=options.latent, sparse=sparse)
        self.model.to(options.device)
        optimizer = AdamW(self.model.parameters(), weight_decay=0.01)
        schedule = one_cycle(optimizer, options.lr, self.steps_of(self.loader), 0.2)
        self.task = Reconstruction(options.kind, options.sigma, self.model, optimizer, schedule)

    @cached_property
    def restored(self) -> tuple[Array, Array]:
        """The test images as the network saw them, and what it made of them."""
        state = random.default_generator().get_state()
        random.manual_seed(0)
        self.model.eval()
        seen, made = [], []
        try:
            with no_grad():
                for i in range(0, len(self.test), 500):
                    x = self.task.noisy(self.test[i : i + 500].to(device=self.options.device))
                    seen.append(x.cpu().numpy())
                    made.append(self.task.restored(x).cpu().numpy())
        finally:
            random.default_generator().set_state(state)
        return np.concatenate(seen), np.concatenate(made)

    task: Reconstruction

    @cached_property
    def anomaly(self) -> float:
        """How well the error of reconstruction tells test images from ones that are no digits,
        their own pixels in another order: the area under the curve."""
        if self.options.kind == "denoising":
            return float("nan")
        rng = np.random.default_rng(0)
        images = self.test.numpy()[:1000]
        order = rng.permutation(28 * 28)
        strange = images.reshape(len(images), -1)[:, order].reshape(images.shape)
        self.model.eval()
        with no_grad():
            errors = [
                (
                    (self.task.restored(Tensor(x).to(device=self.options.device)).cpu().numpy() - x)
                    ** 2
                )
                .reshape(len(x), -1)
                .mean(1)
                for x in (images, strange)
            ]
        truth = np.repeat([0, 1], [len(images), len(images)])
        return float(roc_auc(Tensor(np.concatenate(errors)), Tensor(truth)))

    def results(self, history: History) -> Results:
        clean = self.test.numpy()
        seen, made = self.restored
        after = psnr(made, clean)
        figures: dict[str, Any] = {"kind": self.options.kind, "test_psnr": after}
        lines = [f"test      {after:.2f} dB"]
        if self.options.kind == "denoising":
            before = psnr(seen, clean)
            figures |= {
                "sigma": self.options.sigma,
                "psnr_before": before,
                "gained": after - before,
            }
            lines = [
                f"test      {after:.2f} dB from {before:.2f} dB: {after - before:.2f} dB gained"
            ]
        else:
            figures["anomaly_auc"] = self.anomaly
            lines.append(f"anomalies {self.anomaly:.3f} of the area under the curve")
        return Results(figures, lines, {"PSNR": f"{after:.1f} dB"})

    def sections(self) -> list[Section]:
        seen, made = self.restored
        rows = [self.test.numpy()[:16, 0], np.clip(seen[:16, 0], 0, 1), made[:16, 0]]
        if self.options.kind != "denoising":
            del rows[1]
        note = "Test images, what the network saw, and what it made of it."
        return [sections.picture("Restored", grid(np.concatenate(rows), 16), note=note)]

    def facts(self) -> dict[str, str]:
        o = self.options
        deep = o.kind in ("denoising", "conv")
        layers = f"convolutions of {o.width} and {2 * o.width} channels" if deep else "two layers"
        return {
            "network": f"{o.kind}: {layers} each way",
            "optimizer": f"AdamW, cycle up to {o.lr}",
        }
