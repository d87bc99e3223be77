"""GPT-2, with the parameter names of the files that people have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import nn
from .._namespace.creation import arange, zeros
from .._namespace.manipulation import concat
from ..errors import ArgumentError, ShapeError, StateDictError
from ..nn import functional as F
from ..shapes import as_int
from ..tensor import Tensor
from ._gpt import GPTState, heads_of, joined, visible


class Conv1D(nn.Module):
    """x @ weight + bias with a weight (inputs, outputs), the transpose of `Linear`'s."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(zeros((inputs, outputs)))
        self.bias = nn.Parameter(zeros(outputs))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.mT, self.bias)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Causal self-attention over the keys so far."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(3 * width, width)
        self.c_proj = Conv1D(width, width)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v = heads_of(self.c_attn(x), self.heads)
        before = 0
        if past is not None:
            before = past[0].shape[2]
            k, v = concat([past[0], k], axis=2), concat([past[1], v], axis=2)
        y = F.scaled_dot_product_attention(q, k, v, **visible(q, before))
        return self.c_proj(joined(y)), (k, v)


class Mlp(nn.Module):
    """Two layers with a GELU (its tanh form) between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Conv1D(4 * width, width)
        self.c_proj = Conv1D(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and a two-layer network, each behind a layer norm, added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Attention(width, heads)
        self.ln_2, self.mlp = nn.LayerNorm(width), Mlp(width)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, present = self.attn(self.ln_1(x), past)
        x = x + y
        return x + self.mlp(self.ln_2(x)), present


class GPT2(nn.Module):
    """GPT-2: tokens (B, T) and a state to logits (B, T, vocabulary) and the new state, as `GPT`.

    The parameters have the names of the files that Hugging Face serves for "gpt2", whose head is
    the embedding; `GPT2.from_weights` makes the network that fits a file. Source: Radford et al.,
    "Language models are unsupervised multitask learners" (2019).

    >>> import gpudl as gd
    >>> model = gd.models.GPT2(50, context=16, layers=2, heads=2, width=8)
    >>> model(gd.zeros((3, 5), dtype=gd.int64))[0].shape
    (3, 5, 50)
    """

    def __init__(
        self,
        vocabulary: int = 50257,
        *,
        context: int = 1024,
        layers: int = 12,
        heads: int = 12,
        width: int = 768,
    ) -> None:
        super().__init__()
        numbers = {"vocabulary": vocabulary, "context": context, "layers": layers, "heads": heads}
        for name, value in (numbers | {"width": width}).items():
            if as_int("GPT2", name, value) < 1:
                raise ArgumentError("GPT2", f"{name} is {value}", remedy="at least 1")
        if width % heads:
            raise ArgumentError("GPT2", f"width {width} is no multiple of {heads} heads")
        self.context = context
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.h = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.01)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):  # these are added up, two a layer
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers))

    @classmethod
    def from_weights(cls, weights: Mapping[str, Any], *, heads: int | None = None) -> GPT2:
        """The network that fits `weights`, as `gd.load` reads them from a file, holding them.

        `heads` defaults to width / 64, as in all of GPT-2's sizes. Names may start with
        `transformer.`; masks (`attn.bias`) and the head, which is the embedding, are left out.
        Raises `StateDictError` where they are no GPT-2.
        """
        left = {name.removeprefix("transformer."): w for name, w in weights.items()}
        for name in list(left):
            if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
                del left[name]
        try:
            (vocabulary, width), context = left["wte.weight"].shape, left["wpe.weight"].shape[0]
        except (KeyError, ValueError):
            raise StateDictError(
                "GPT2.from_weights", "wte.weight and wpe.weight are missing or no matrices",
                remedy="the weights of a GPT-2",
            ) from None  # fmt: skip
        layers = 1 + max((int(n.split(".")[1]) for n in left if n.startswith("h.")), default=0)
        model = cls(
            vocabulary,
            context=context,
            layers=layers,
            heads=heads or max(1, width // 64),
            width=width,
        )
        first = left["wte.weight"]
        model.to(device=first.device, dtype=first.dtype)
        model.load_state_dict(left)
        return model

    def forward(self, tokens: Tensor, state: GPTState | None = None) -> tuple[Tensor, GPTState]:
        position = 0 if state is None else state.position
        if tokens.ndim != 2 or position + tokens.shape[1] > self.context:
            raise ShapeError(
                "GPT2", f"tokens are (B, T), at most {self.context} with the {position} before",
                tokens=tokens,
            )  # fmt: skip
        places = arange(position, position + tokens.shape[1], device=tokens.device)
        x = self.wte(tokens) + self.wpe(places)
        presents = []
        for i, block in enumerate(self.h):
            x, present = block(x, None if state is None else state.layers[i])
            presents.append(present)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return logits, GPTState(position + tokens.shape[1], tuple(presents))
