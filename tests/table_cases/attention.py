"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np

from .base import CASES, Case, Operand, normal


def _scores(q, k, *mask, scale, causal):
    s = np.einsum("...le,...se->...ls", q, k) * scale
    for m in mask:
        s = s + m
    return np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf) if causal else s


def _attention(q, k, v, *mask, scale, causal):
    s = _scores(q, k, *mask, scale=scale, causal=causal)
    top = np.max(s, -1, keepdims=True, initial=-1e300)
    e = np.exp(s - top)
    total = e.sum(-1, keepdims=True)
    blind = total == 0
    y = np.einsum("...ls,...sv->...lv", e / np.where(blind, 1, total), v)
    lse = np.where(blind, 0, top + np.log(np.where(blind, 1, total)))[..., 0]
    return y, np.broadcast_to(lse, y.shape[:-1])


def _attention_bwd(g, q, k, v, y, lse, *mask, scale, causal):
    """The gradient term by term, with weights from any lse."""
    p = np.exp(_scores(q, k, *mask, scale=scale, causal=causal) - lse[..., None])
    gp = np.einsum("...lv,...sv->...ls", g, v)
    gs = p * (gp - np.einsum("...lv,...lv->...l", g, y)[..., None]) * scale
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


def _sums(rng, shape, dtype):
    """Above the scores, so that no weight overflows."""
    return rng.uniform(2, 4, shape).astype(dtype)


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
            Operand((*batch, L, V)),
            Operand((*batch, L), _sums),
            *([Operand(mask, sample)] if mask is not None else []),
        ),
        _attention_bwd,
        "f",
        {"scale": scale, "causal": causal},
    )
    for batch, L, S, E, V, mask, sample, scale, causal in [
        ((), 3, 4, 2, 5, None, normal, 0.7, False),
        ((2, 3), 5, 5, 4, 4, None, normal, 0.5, True),
        ((2, 2, 2), 3, 2, 1, 3, (2, 1, 3, 2), normal, 1.0, False),
        ((2, 2), 4, 3, 2, 3, (2, 4, 3), _hidden, 0.5, False),
        ((2,), 37, 5, 3, 2, (5,), normal, 0.5, True),
        ((2,), 3, 0, 2, 2, None, normal, 1.0, False),
    ]
]


def _rotary(x, turns):
    """Each pair as a complex number, times that of its angle."""
    half = x.shape[-1] // 2
    turned = (x[..., :half] + 1j * x[..., half:]) * (turns[0] + 1j * turns[1])
    return np.concatenate([turned.real, turned.imag], -1)


CASES["rotary"] = [
    Case((Operand(s), Operand((2, s[-2], s[-1] // 2))), _rotary, "f")
    for s in [(3, 4), (1, 2), (5, 0), (0, 2), (2, 3, 6), (2, 3, 5, 4), (2, 1, 3, 2, 6)]
]
