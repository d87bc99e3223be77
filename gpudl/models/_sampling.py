"""Text from a language model, a token at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from .._namespace.creation import asarray
from ..autograd import no_grad
from ..errors import ArgumentError
from ..nn import Module
from ..shapes import as_int
from ..tensor import Tensor

Array = np.ndarray[Any, Any]


def probabilities(
    logits: Array, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """The distribution (..., V) that is drawn from, in float64, given logits (..., V).

    `temperature`: logits are divided by it; 0 leaves the largest alone. `top_k`: only the k most
    probable tokens stay. `top_p`: of these, only the most probable that together have `top_p` or
    more (nucleus sampling, arXiv:1904.09751).

    >>> import numpy as np
    >>> from gpudl.models import probabilities
    >>> probabilities(np.log([0.5, 0.25, 0.15, 0.1]), top_p=0.7).round(3).tolist()
    [0.667, 0.333, 0.0, 0.0]
    """
    if not temperature >= 0:
        raise ArgumentError("probabilities", f"temperature is {temperature}", remedy="0 or above")
    if top_k is not None and as_int("probabilities", "top_k", top_k) < 1:
        raise ArgumentError("probabilities", f"top_k is {top_k}", remedy="at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ArgumentError("probabilities", f"top_p is {top_p}", remedy="in (0, 1]")
    order = np.argsort(-logits, axis=-1, kind="stable")
    scores = np.take_along_axis(logits, order, -1).astype(np.float64)
    scores -= scores[..., :1]
    if temperature == 0:
        top_k, temperature = 1, 1.0
    p = np.exp(scores / temperature)
    if top_k is not None:
        p[..., top_k:] = 0.0
    p /= p.sum(-1, keepdims=True)
    if top_p is not None:
        p[np.cumsum(p, -1) - p >= top_p] = 0.0
        p /= p.sum(-1, keepdims=True)
    out = np.empty_like(p)
    np.put_along_axis(out, order, p, -1)
    return out


def generate(
    model: Module,
    tokens: Tensor,
    count: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: random.Generator | None = None,
) -> Tensor:
    """`count` tokens that follow `tokens` (B, T), drawn one after the other: (B, count) int64.

    `model(tokens, state)` gives logits (B, T, V) and a state, which goes into the next call, so
    that each token is computed once. The options are those of `probabilities`; `generator` is
    gpudl's own where none is given. Raises `ArgumentError` where there is nothing to start from.

    >>> import gpudl as gd
    >>> model = gd.models.GPT(10, context=8, layers=1, heads=1, width=8)
    >>> gd.models.generate(model, gd.tensor([[1, 2]]), 20, top_k=3).shape
    (1, 20)
    """
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise ArgumentError(
            "generate", f"tokens has the shape {tokens.shape}", remedy="(B, T), T at least 1"
        )
    training = model.training
    model.eval()
    found = []
    state: Any = None
    try:
        with no_grad():
            for _ in range(as_int("generate", "count", count)):
                logits, state = model(tokens, state)
                last = logits[:, -1].cpu().numpy()
                heights = probabilities(last, temperature, top_k, top_p).cumsum(-1)
                drawn = random.uniform((len(last), 1), generator=generator).cpu().numpy()
                chosen = (heights < drawn * heights[:, -1:]).sum(-1)
                found.append(chosen)
                tokens = asarray(chosen[:, None], device=tokens.device)
    finally:
        model.train(training)
    text = np.stack(found, 1) if found else np.zeros((tokens.shape[0], 0), np.int64)
    return asarray(text, device=tokens.device)
