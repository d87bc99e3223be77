"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np

from .base import CASES, Case, Operand, normal


def _weights(q, k, *mask, scale, causal):
    s = np.einsum("...le,...se->...ls", q, k) * scale
    for m in mask:
        s = s + m
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    e = np.exp(s - np.max(s, -1, keepdims=True, initial=-1e300))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _attention(q, k, v, *mask, scale, causal):
    p = _weights(q, k, *mask, scale=scale, causal=causal)
    y = np.einsum("...ls,...sv->...lv", p, v)
    batch = y.shape[:-2]
    return y, np.broadcast_to(p, batch + p.shape[-2:])


def _attention_bwd(g, q, k, v, p, scale):
    """The gradient term by term, with given weights."""
    gp = np.einsum("...lv,...sv->...ls", g, v)
    gs = p * (gp - np.einsum("...ls,...ls->...l", gp, p)[..., None]) * scale
    return (
        np.einsum("...ls,...se->...le", gs, k),
        np.einsum("...ls,...le->...se", gs, q),
        np.einsum("...ls,...lv->...sv", p, g),
    )


def _hidden(rng, shape, dtype):
    """Numbers to add, some -inf, the first row all -inf where there are several."""
    values = np.where(rng.random(shape) < 0.3, -np.inf, rng.standard_normal(shape))
    if len(shape) > 1 and shape[-2] > 1:
        values[..., 0, :] = -np.inf
    return values.astype(dtype)


def _probable(rng, shape, dtype):
    e = np.exp(rng.standard_normal(shape))
    return (e / np.maximum(e.sum(-1, keepdims=True), 1e-6)).astype(dtype)


CASES["attention"] = [
    Case(
        (
            Operand((*batch, L, E)),
            Operand((*(keys or batch), S, E)),
            Operand((*(keys or batch), S, V)),
            *([Operand(mask, sample)] if mask is not None else []),
        ),
        _attention,
        "f",
        {"scale": scale, "causal": causal},
        smooth=sample is normal,
    )
    for batch, keys, L, S, E, V, mask, sample, scale, causal in [
        ((), None, 3, 4, 2, 5, None, normal, 0.7, False),
        ((2, 3), None, 5, 5, 4, 4, None, normal, 0.5, True),
        ((2,), None, 3, 7, 3, 2, (3, 7), normal, 1.0, False),
        ((2, 2), None, 4, 3, 2, 3, (2, 1, 1, 3), normal, 0.5, True),
        ((2, 2), None, 4, 3, 2, 3, (2, 4, 3), _hidden, 0.5, False),
        ((2, 3), (2, 1), 2, 3, 4, 4, None, normal, 0.5, False),
        ((1, 2, 2), (2, 1, 2), 2, 3, 4, 1, None, normal, 0.5, True),
        ((2, 1), None, 37, 37, 5, 3, None, normal, 0.4, True),
        ((0, 2), None, 3, 3, 2, 2, None, normal, 1.0, False),
        ((2,), None, 0, 3, 2, 2, None, normal, 1.0, False),
        ((2,), None, 3, 0, 2, 2, None, normal, 1.0, False),
        ((2,), None, 3, 2, 0, 2, None, normal, 1.0, False),
    ]
]
CASES["attention_bwd"] = [
    Case(
        (
            Operand((*batch, L, V)),
            Operand((*batch, L, E)),
            Operand((*batch, S, E)),
            Operand((*batch, S, V)),
            Operand((*batch, L, S), _probable),
        ),
        _attention_bwd,
        "f",
        {"scale": scale},
    )
    for batch, L, S, E, V, scale in [
        ((), 3, 4, 2, 5, 0.7),
        ((2, 3), 5, 5, 4, 4, 0.5),
        ((2, 2, 2), 3, 2, 1, 3, 1.0),
        ((2,), 37, 5, 3, 2, 0.5),
        ((2,), 3, 0, 2, 2, 1.0),
    ]
]
