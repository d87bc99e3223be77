"""A vision transformer."""

from __future__ import annotations

from .. import nn
from .._namespace.creation import zeros
from .._namespace.manipulation import broadcast_to, concat
from ..errors import ArgumentError
from ..nn import functional as F
from ..shapes import as_int
from ..tensor import Tensor
from ._gpt import heads_of, joined


class Encoder(nn.Module):
    """Attention between all patches and a two-layer network, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = heads_of(self.qkv(self.norm1(x)), self.heads)
        x = x + self.dropout(self.out(joined(F.scaled_dot_product_attention(q, k, v))))
        return x + self.dropout(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class ViT(nn.Module):
    """The vision transformer: images (N, C, H, W), cut into patches, to logits (N, classes).

    `shape`: of an image, (C, H, W); `patch`: side of a patch, which divides H and W.
    Source: Dosovitskiy et al., arXiv:2010.11929.

    >>> import gpudl as gd
    >>> gd.models.ViT((1, 28, 28), patch=7, layers=1, width=32)(gd.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int = 10,
        *,
        patch: int = 4,
        layers: int = 6,
        heads: int = 4,
        width: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        C, H, W = shape
        if as_int("ViT", "patch", patch) < 1 or H % patch or W % patch or width % heads:
            raise ArgumentError(
                "ViT", f"image {shape}, patch {patch}, width {width}, {heads} heads",
                remedy="a patch that divides height and width, heads that divide the width",
            )  # fmt: skip
        count = (H // patch) * (W // patch)
        self.patches = nn.Conv2d(C, width, patch, patch)
        self.token = nn.Parameter(zeros((1, 1, width)))
        self.places = nn.Parameter(zeros((1, count + 1, width)))
        self.blocks = nn.Sequential(*[Encoder(width, heads, dropout) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)
        nn.init.normal_(self.places, std=0.02)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        first = broadcast_to(self.token, (x.shape[0], 1, x.shape[2]))
        x = self.blocks(concat([first, x], axis=1) + self.places)
        return self.head(self.norm(x[:, 0]))  # type: ignore[no-any-return]
