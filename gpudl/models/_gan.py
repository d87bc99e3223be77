"""Generator and critic of images, for GANs on small pictures."""

from __future__ import annotations

from .. import nn
from .._namespace.activation import one_hot
from .._namespace.manipulation import broadcast_to, concat
from ..errors import ArgumentError
from ..nn import functional as F
from ..nn.utils.parametrizations import spectral_norm
from ..shapes import as_int
from ..tensor import Tensor


def _check(op: str, **numbers: int) -> None:
    for name, value in numbers.items():
        if as_int(op, name, value) < 1:
            raise ArgumentError(op, f"{name} is {value}", remedy="at least 1")


class Generator(nn.Module):
    """DCGAN's generator: noise (N, latent) to images (N, channels, 28, 28) in (0, 1).

    A linear layer to 7x7 pixels, two transposed convolutions of stride 2 with batch norm between.
    `classes`: labels (N,) are a second input where it is above 0. `width`: channels before the
    last layer. Source: Radford et al., arXiv:1511.06434; conditions arXiv:1411.1784.

    >>> import gpudl as gd
    >>> gd.models.Generator(latent=16, width=8)(gd.random.normal((2, 16))).shape
    (2, 1, 28, 28)
    """

    def __init__(
        self, latent: int = 64, *, channels: int = 1, width: int = 32, classes: int = 0
    ) -> None:
        super().__init__()
        _check("Generator", latent=latent, channels=channels, width=width)
        self.latent, self.width, self.classes = latent, width, classes
        self.project = nn.Linear(latent + classes, 2 * width * 49, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.up2 = nn.ConvTranspose2d(width, channels, 4, 2, padding=1)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            z = concat([z, _known(labels, self.classes, "Generator").astype(z.dtype)], axis=1)
        x = F.relu(self.bn1(self.project(z).reshape(-1, 2 * self.width, 7, 7)))
        return F.sigmoid(self.up2(F.relu(self.bn2(self.up1(x)))))  # type: ignore[no-any-return]


class Critic(nn.Module):
    """A score (N,) of images (N, channels, 28, 28): two convolutions of stride 2, a linear layer.

    Without batch norm, which would couple the images whose gradients the penalty of WGAN-GP takes
    one by one. `classes`: labels (N,), as planes beside the image, where it is above 0; `spectral`:
    every weight divided by its largest singular value (Miyato et al., arXiv:1802.05957).

    >>> import gpudl as gd
    >>> gd.models.Critic(width=8)(gd.zeros((2, 1, 28, 28))).shape
    (2,)
    """

    def __init__(
        self, *, channels: int = 1, width: int = 32, classes: int = 0, spectral: bool = False
    ) -> None:
        super().__init__()
        _check("Critic", channels=channels, width=width)
        self.classes = classes
        self.conv1 = nn.Conv2d(channels + classes, width, 4, 2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, 2, padding=1)
        self.score = nn.Linear(2 * width * 49, 1)
        if spectral:
            for layer in (self.conv1, self.conv2, self.score):
                spectral_norm(layer)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.classes:
            known = _known(labels, self.classes, "Critic").astype(x.dtype)
            planes = known[:, :, None, None]
            x = concat([x, broadcast_to(planes, (*known.shape, *x.shape[2:]))], axis=1)
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.conv2(x), 0.2)
        return self.score(x.flatten(1))[:, 0]  # type: ignore[no-any-return]


def _known(labels: Tensor | None, classes: int, op: str) -> Tensor:
    if labels is None:
        raise ArgumentError(op, "labels are missing", remedy=f"integers (N,) below {classes}")
    return one_hot(labels, classes)
