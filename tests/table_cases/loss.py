"""Softmax and losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import CASES, INT, Case, Operand, distinct, one

ROWS = ((1,), (37,), (3, 5), (2, 3, 4), (0,), (0, 3), (3, 0))


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True, initial=-np.inf))
    return e / e.sum(-1, keepdims=True)


def _log_softmax(x):
    return x - np.logaddexp.reduce(x, -1, keepdims=True)


CASES["softmax"] = [one(s, _softmax, {}, "f") for s in ROWS]
CASES["log_softmax"] = [one(s, _log_softmax, {}, "f") for s in ROWS]


def _softmax_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return _softmax(rng.standard_normal(shape)).astype(dtype)


def _log_softmax_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return _log_softmax(rng.standard_normal(shape)).astype(dtype)


CASES["softmax_bwd"] = [
    Case(
        (Operand(s), Operand(s, _softmax_operand)),
        lambda g, y: y * g - y * (g * y).sum(-1, keepdims=True),
        "f",
    )
    for s in ROWS
]
CASES["log_softmax_bwd"] = [
    Case(
        (Operand(s), Operand(s, _log_softmax_operand)),
        lambda g, y: g - np.exp(y) * g.sum(-1, keepdims=True),
        "f",
    )
    for s in ROWS
]


def _labels(classes: int, ignore: int | None = None) -> Callable:
    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        labels = rng.integers(0, max(classes, 1), shape)
        if ignore is not None:
            labels[::3] = ignore
        return labels.astype(INT)

    return sample


def _cross_entropy(x, labels, ignore_index, label_smoothing):
    loss = np.zeros(len(labels))
    lse = np.logaddexp.reduce(x, 1)
    for n, label in enumerate(labels):
        if label != ignore_index:
            log_p = x[n] - lse[n]
            loss[n] = -(1 - label_smoothing) * log_p[label] - label_smoothing * log_p.mean()
    return loss, lse


def _cross_entropy_bwd(g, x, labels, lse, ignore_index, label_smoothing):
    out = np.zeros(x.shape)
    for n, label in enumerate(labels):
        if label != ignore_index:
            target = np.full(x.shape[1], label_smoothing / x.shape[1])
            target[label] += 1 - label_smoothing
            out[n] = g[n] * (np.exp(x[n] - lse[n]) - target)
    return out


for _n, _c in ((0, 3), (1, 1), (1, 10), (37, 10), (7, 37)):
    for _options in (
        {"ignore_index": -100, "label_smoothing": 0.0},
        {"ignore_index": 2, "label_smoothing": 0.2},
    ):
        _ignore = 2 if _options["ignore_index"] == 2 and _c > 2 else None
        CASES.setdefault("cross_entropy", []).append(
            Case(
                (Operand((_n, _c)), Operand((_n,), _labels(_c, _ignore), INT)),
                _cross_entropy,
                "f",
                _options,
            )
        )
        CASES.setdefault("cross_entropy_bwd", []).append(
            Case(
                (
                    Operand((_n,)),
                    Operand((_n, _c), distinct),
                    Operand((_n,), _labels(_c, _ignore), INT),
                    Operand(
                        (_n,),
                        lambda rng, s, d: (rng.uniform(2, 4, s)).astype(
                            np.float32 if d.itemsize < 4 else d
                        ),
                    ),
                ),
                _cross_entropy_bwd,
                "f",
                _options,
            )
        )
