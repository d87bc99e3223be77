"""Autoencoders: plain and sparse, convolutional, variational."""

from __future__ import annotations

from typing import NamedTuple

from .. import nn, random
from .._namespace.transcendental import exp
from ..errors import ArgumentError
from ..nn import functional as F
from ..shapes import as_int
from ..tensor import Tensor


def _check(op: str, **numbers: int) -> None:
    for name, value in numbers.items():
        if as_int(op, name, value) < 1:
            raise ArgumentError(op, f"{name} is {value}", remedy="at least 1")


class Autoencoder(nn.Module):
    """Two layers down to a code, two layers up: (N, features) to logits (N, features).

    `encode` gives codes (N, latent), in [0, 1) with `sparse`, whose mean a penalty can then push
    down (`sparsity`). Sigmoid of the logits are the pixels.

    >>> import gpudl as gd
    >>> model = gd.models.Autoencoder(784, latent=16)
    >>> model(gd.zeros((2, 784))).shape, model.encode(gd.zeros((2, 784))).shape
    ((2, 784), (2, 16))
    """

    def __init__(
        self, features: int = 784, *, latent: int = 32, hidden: int = 256, sparse: bool = False
    ) -> None:
        super().__init__()
        _check("Autoencoder", features=features, latent=latent, hidden=hidden)
        self.encoder = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, features)
        )
        self.sparse = sparse

    def encode(self, x: Tensor) -> Tensor:
        """The codes (N, latent) of x (N, features)."""
        code: Tensor = self.encoder(x)
        return F.sigmoid(code) if self.sparse else code

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x))  # type: ignore[no-any-return]


def sparsity(code: Tensor, target: float = 0.05) -> Tensor:
    """The divergence, in nats, of units that are on with probability `target` from units that are
    on as often as the mean of `code` (N, latent) over the batch says; summed over units.

    Source: Ng, "Sparse autoencoder", CS294A lecture notes (2011).

    >>> import gpudl as gd
    >>> float(gd.models.sparsity(gd.full((8, 3), 0.05)).item().__round__(6)) + 0.0
    0.0
    """
    if not 0 < target < 1:
        raise ArgumentError("sparsity", f"target is {target}", remedy="in (0, 1)")
    on = code.mean(axis=0).clip(1e-6, 1 - 1e-6)
    parts = target * (target / on).log() + (1 - target) * ((1 - target) / (1 - on)).log()
    return parts.sum()


class ConvAutoencoder(nn.Module):
    """Convolutions of stride 2 down, transposed ones up: images (N, channels, 28, 28) to the same,
    in (0, 1).

    With noise on its input and clean images as targets it learns to denoise. Source: Vincent et
    al., "Extracting and composing robust features with denoising autoencoders" (ICML 2008).

    >>> import gpudl as gd
    >>> gd.models.ConvAutoencoder(width=8)(gd.zeros((2, 1, 28, 28))).shape
    (2, 1, 28, 28)
    """

    def __init__(self, *, channels: int = 1, width: int = 32) -> None:
        super().__init__()
        _check("ConvAutoencoder", channels=channels, width=width)
        wide = 2 * width
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, wide, 4, 2, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.Conv2d(wide, wide, 4, 2, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(wide, wide, 4, 2, padding=1), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.ConvTranspose2d(wide, width, 4, 2, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(self.decoder(self.encoder(x)))  # type: ignore[no-any-return]


class Elbo(NamedTuple):
    """The two parts of the negative evidence lower bound, in nats an image, means over a batch."""

    reconstruction: Tensor  # scalar
    divergence: Tensor  # (latent,): of each unit

    @property
    def loss(self) -> Tensor:
        """What is minimised."""
        return self.reconstruction + self.divergence.sum()


class VAE(nn.Module):
    """The variational autoencoder with Gaussian codes and Bernoulli pixels.

    `encode` gives mean and log-variance (N, latent), `decode` the logits (N, features) of pixels;
    `forward` draws one code for each of x (N, features), 0 or 1, and gives the parts of the bound.
    Source: Kingma and Welling, arXiv:1312.6114.

    >>> import gpudl as gd
    >>> bound = gd.models.VAE(784, latent=4, hidden=16)(gd.zeros((2, 784)))
    >>> bound.loss.shape, bound.divergence.shape
    ((), (4,))
    """

    def __init__(self, features: int = 784, *, latent: int = 20, hidden: int = 512) -> None:
        super().__init__()
        _check("VAE", features=features, latent=latent, hidden=hidden)
        self.features, self.latent = features, latent
        self.encoder = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, features),
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the codes, each (N, latent)."""
        both = self.encoder(x)
        return both[:, : self.latent], both[:, self.latent :]

    def decode(self, z: Tensor) -> Tensor:
        """The logits (N, features) of the pixels, given codes (N, latent)."""
        return self.decoder(z)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Elbo:
        mean, log_variance = self.encode(x)
        noise = random.normal(mean.shape, dtype=mean.dtype, device=mean.device)
        logits = self.decode(mean + exp(0.5 * log_variance) * noise)
        count = x.shape[0]
        pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / count
        divergence = 0.5 * (mean * mean + exp(log_variance) - log_variance - 1)
        return Elbo(pixels, divergence.sum(axis=0) / count)
