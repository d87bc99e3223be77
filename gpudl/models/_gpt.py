"""A small generative transformer, with a cache of keys and values for sampling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import nn
from .._namespace.creation import asarray
from .._namespace.manipulation import concat
from ..errors import ArgumentError, ShapeError
from ..nn import functional as F
from ..shapes import as_int
from ..tensor import Tensor


class GPTState(NamedTuple):
    """What a GPT has read: how many tokens, and each layer's keys and values (B, H, T, D)."""

    position: int
    layers: tuple[tuple[Tensor, Tensor], ...]


def heads_of(qkv: Tensor, heads: int) -> Tensor:
    """Queries, keys and values (3, B, H, T, D) in (B, T, 3 H D)."""
    B, T, wide = qkv.shape
    return qkv.reshape(B, T, 3, heads, wide // (3 * heads)).permute((2, 0, 3, 1, 4))


def joined(y: Tensor) -> Tensor:
    """The heads (B, H, T, D) side by side: (B, T, H D)."""
    B, H, T, D = y.shape
    return y.permute((0, 2, 1, 3)).reshape(B, T, H * D)


def visible(q: Tensor, before: int) -> dict[str, Any]:
    """What attention is told where queries (B, H, T, D) come after `before` keys: each sees those,
    and of its own only what is not later."""
    T = q.shape[2]
    if before and T > 1:
        seen = np.tri(T, before + T, before, dtype=bool)
        return {"attn_mask": asarray(seen, device=q.device)}
    return {"is_causal": T > 1}


class SelfAttention(nn.Module):
    """Causal attention over the keys so far; queries and keys are normalised, then turned."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.norm_q, self.norm_k = nn.RMSNorm(self.size), nn.RMSNorm(self.size)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = heads_of(self.qkv(x), self.heads)
        q = F.rotary_embedding(self.norm_q(q), *angles)
        k = F.rotary_embedding(self.norm_k(k), *angles)
        before = 0
        if past is not None:
            before = past[0].shape[2]
            k, v = concat([past[0], k], axis=2), concat([past[1], v], axis=2)
        y = F.scaled_dot_product_attention(q, k, v, **visible(q, before))
        return self.out(joined(y)), (k, v)


class GPTBlock(nn.Module):
    """Attention and a two-layer network with a squared ReLU, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.RMSNorm(width), SelfAttention(width, heads)
        self.norm2 = nn.RMSNorm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, present = self.attention(self.norm1(x), angles, past)
        x = x + self.dropout(y)
        hidden = F.relu(self.up(self.norm2(x)))
        return x + self.dropout(self.down(hidden * hidden)), present


class GPT(nn.Module):
    """A causal transformer over tokens: rotary positions, RMSNorm, no biases.

    `vocabulary`: how many tokens there are; `context`: how many it sees; `layers`, `heads`,
    `width`: of the network, where width is a multiple of 2 heads; `dropout`: of the embedding and
    of what a block adds. `forward` takes tokens (B, T) and
    the state of what was read before, and gives logits (B, T, vocabulary) and the new state; with
    the state, only new tokens are computed. Without it T may not exceed `context`.

    Sources: Radford et al. (2019) for the form; rotary positions arXiv:2104.09864, RMSNorm
    arXiv:1910.07467, squared ReLU arXiv:2109.08668, normalised queries and keys arXiv:2302.05442.

    >>> import gpudl as gd
    >>> model = gd.models.GPT(65, context=16, layers=2, heads=2, width=32)
    >>> logits, state = model(gd.zeros((3, 5), dtype=gd.int64))
    >>> logits.shape, state.position
    ((3, 5, 65), 5)
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        context: int = 256,
        layers: int = 6,
        heads: int = 6,
        width: int = 192,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        numbers = {"vocabulary": vocabulary, "context": context, "layers": layers, "heads": heads}
        for name, value in (numbers | {"width": width}).items():
            if as_int("GPT", name, value) < 1:
                raise ArgumentError("GPT", f"{name} is {value}", remedy="at least 1")
        if width % (2 * heads):
            raise ArgumentError(
                "GPT", f"width {width}, {heads} heads", remedy="a width that 2 * heads divides"
            )
        self.context, self.size = context, width // heads
        self.embedding = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList([GPTBlock(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: what is added to the residual stream starts at zero."""
        nn.init.normal_(self.embedding.weight, std=0.5)
        nn.init.zeros_(self.head.weight)
        for block in self.blocks:
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.down.weight)

    def _angles(self, start: int, count: int, device: object) -> tuple[Tensor, Tensor]:
        """Cosines and sines of `count` places from `start` on, (count, D / 2)."""
        rates = 10000.0 ** (-np.arange(0, self.size, 2) / self.size)
        angles = np.arange(start, start + count)[:, None] * rates
        dtype = self.head.weight.dtype
        cos, sin = np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)
        return asarray(cos, device=device), asarray(sin, device=device)

    def forward(self, tokens: Tensor, state: GPTState | None = None) -> tuple[Tensor, GPTState]:
        if tokens.ndim != 2:
            raise ShapeError("GPT", "tokens are (B, T)", tokens=tokens)
        if state is None and tokens.shape[1] > self.context:
            raise ShapeError("GPT", f"it sees {self.context} tokens", tokens=tokens)
        position = 0 if state is None else state.position
        angles = self._angles(position, tokens.shape[1], tokens.device)
        x = self.dropout(self.embedding(tokens))
        presents = []
        for i, block in enumerate(self.blocks):
            past = None if state is None else state.layers[i]
            x, (k, v) = block(x, angles, past)
            presents.append((k[:, :, -self.context :], v[:, :, -self.context :]))
        logits = self.head(self.norm(x))
        return logits, GPTState(position + tokens.shape[1], tuple(presents))
