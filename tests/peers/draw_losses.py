"""Drawn arguments of losses and distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from random_layers import Array, Case, Draw, Fixed, rounded

Drawn = Callable[[Draw], Case]


def reduction(d: Draw, *more: str) -> dict[str, Any]:
    return d.some(reduction=d.pick("mean", "sum", "none", *more))


def log_softmax(x: Array, axis: int) -> Array:
    return rounded(x - np.log(np.exp(x).sum(axis, keepdims=True)))


def classes(d: Draw) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The shapes of scores and of labels, and the number of classes."""
    C = d.size()
    if d.flag(0.2):
        return (C,), (), C
    N, rest = d.pick(1, 2, 7), d.shape(d.pick(0, 0, 1, 2))
    return (N, C, *rest), (N, *rest), C


def labels(d: Draw, C: int, shape: tuple[int, ...], ignored: int | None) -> Array:
    t = d.ints(0, C, *shape)
    if ignored is not None and t.ndim and t.size > 1:
        t.reshape(-1)[1::3] = ignored
    return t


def cross_entropy(d: Draw, scores: str) -> Case:
    shape, short, C = classes(d)
    if scores == "log_2d":
        shape = (d.pick(1, 3), C, d.small(), d.small())
        short = (shape[0], *shape[2:])
    ignored = d.pick(None, None, -100, 0)
    options = reduction(d) | d.some(weight=d.uniform(0.1, 3, C))
    if ignored is not None:
        options["ignore_index"] = ignored
    axis = 1 if len(shape) > 1 else 0
    x = d.normal(*shape)
    if scores != "logits":
        return Case((), options, (log_softmax(x, axis), labels(d, C, short, ignored)))
    options |= d.some(label_smoothing=d.pick(0.0, 0.1, 0.5))
    if d.flag(0.3):
        options.pop("ignore_index", None)
        return Case((), options, (x, rounded(np.exp(log_softmax(d.normal(*shape), axis)))))
    return Case((), options, (x, labels(d, C, short, ignored)))


def pointwise(d: Draw, **choices: tuple[Any, ...]) -> Case:
    shape = d.shape(d.pick(0, 1, 2, 3))
    options = d.some(**{name: d.pick(*values) for name, values in choices.items()})
    return Case((), options | reduction(d), (d.normal(*shape), d.normal(*shape)))


def binary(d: Draw, logits: bool) -> Case:
    shape = d.shape(d.pick(1, 2, 3))
    last = shape[d.pick(0, len(shape) - 1) :] if d.flag() else shape
    options = reduction(d) | d.some(weight=d.uniform(0.1, 3, *last))
    if logits:
        options |= d.some(pos_weight=d.uniform(0.1, 3, shape[-1]))
    x = d.normal(*shape) * d.pick(1.0, 30.0) if logits else d.uniform(0.02, 0.98, *shape)
    return Case((), options, (rounded(x), d.uniform(0, 1, *shape)))


def divergence(d: Draw) -> Case:
    shape = d.shape(d.pick(1, 2, 3))
    options = reduction(d, "batchmean") | {"log_target": d.flag()}
    x, t = log_softmax(d.normal(*shape), -1), log_softmax(d.normal(*shape), -1)
    return Case((), options, (x, t if options["log_target"] else rounded(np.exp(t))))


def poisson(d: Draw) -> Case:
    shape, log = d.shape(d.pick(0, 1, 2)), d.flag()
    options = reduction(d) | d.some(full=d.flag(), eps=d.pick(1e-8, 1e-3)) | {"log_input": log}
    x = d.normal(*shape) if log else d.uniform(0.2, 4, *shape)
    return Case((), options, (x, Fixed(d.ints(0, 6, *shape).astype(np.float64))))


def gaussian(d: Draw) -> Case:
    shape = (d.pick(1, 2, 7), *d.shape(d.pick(0, 1)), d.size())
    spread = d.pick(shape, (*shape[:-1], 1), shape[:-1])
    options = reduction(d) | d.some(full=d.flag(), eps=d.pick(1e-6, 0.5))
    return Case((), options, (d.normal(*shape), d.normal(*shape), d.uniform(0.1, 3, *spread)))


def signs(d: Draw, *shape: int) -> Fixed:
    return Fixed(np.where(d.rng.random(shape) < 0.5, -1.0, 1.0))


def cosine_embedding(d: Draw) -> Case:
    batch = () if d.flag(0.3) else (d.pick(1, 2, 7),)
    shape = (*batch, d.size())
    options = reduction(d) | d.some(margin=d.pick(0.0, 0.3, -0.2))
    return Case((), options, (d.normal(*shape), d.normal(*shape), signs(d, *batch)))


def ranking(d: Draw) -> Case:
    shape = d.shape(d.pick(0, 1, 2))
    options = reduction(d) | d.some(margin=d.pick(0.0, 0.4))
    return Case((), options, (d.normal(*shape), d.normal(*shape), signs(d, *shape)))


def one_with_signs(d: Draw, **choices: tuple[Any, ...]) -> Case:
    shape = d.shape(d.pick(0, 1, 2, 3))
    options = d.some(**{name: d.pick(*values) for name, values in choices.items()})
    return Case((), options | reduction(d), (d.normal(*shape), signs(d, *shape)))


def triplet(d: Draw, distance: bool) -> Case:
    shape = (*(() if d.flag(0.3) else (d.pick(1, 2, 7),)), d.size())
    options = reduction(d) | d.some(margin=d.pick(0.5, 1.0, 3.0), swap=d.flag())
    if not distance:
        options |= d.some(p=d.pick(1.0, 2.0, 3.0), eps=d.pick(1e-6, 1e-3))
    return Case((), options, tuple(d.normal(*shape) for _ in range(3)))


def multi_margin(d: Draw) -> Case:
    C, batch = d.size(), () if d.flag(0.3) else (d.pick(1, 2, 7),)
    options = reduction(d) | d.some(
        p=d.pick(1, 2), margin=d.pick(0.5, 1.0), weight=d.uniform(0.1, 3, C)
    )
    return Case((), options, (d.normal(*batch, C), d.ints(0, C, *batch)))


def label_margin(d: Draw) -> Case:
    C, batch = d.size(), () if d.flag(0.3) else (d.pick(1, 2, 7),)
    t = d.rng.random((*batch, C)).argsort(-1)
    cut = d.ints(0, C + 1, *batch, 1)
    t = np.where(np.arange(C) < cut, t, -1)
    return Case((), reduction(d), (d.normal(*batch, C), t))


def label_soft_margin(d: Draw) -> Case:
    shape = (*d.shape(d.pick(0, 1, 2)), d.size())
    options = reduction(d) | d.some(weight=d.uniform(0.1, 3, shape[-1]))
    return Case((), options, (d.normal(*shape), Fixed(d.ints(0, 2, *shape).astype(np.float64))))


def ctc(d: Draw) -> Case:
    """Of logits, for PyTorch's gradient is that before log_softmax. Targets that fit into no path
    have an infinite loss, whose gradient is NaN there and 0 here: with zero_infinity only."""
    T, N, C = d.pick(5, 9, 15), d.pick(1, 2, 3), d.pick(2, 3, 7)
    blank = d.pick(0, C - 1)
    S = d.pick(1, 2, 4)
    t = d.ints(0, C - 1, N, S)
    t = t + (t >= blank)
    lengths, sizes = d.ints(T - 2, T + 1, N), d.ints(0, S + 1, N)
    options = reduction(d) | {"blank": blank, "zero_infinity": T == 5 or d.flag()}
    return Case((), options, (d.normal(T, N, C), t, lengths, sizes), before="log_softmax")


def adaptive_softmax(d: Draw) -> Case:
    n = d.pick(7, 20, 37)
    cutoffs = sorted(set(d.ints(1, n - 1, d.pick(1, 2, 3)).tolist()))
    features = d.pick(5, 16, 37)
    options = d.some(div_value=d.pick(1.5, 2.0, 4.0), head_bias=d.flag())
    batch = () if d.flag(0.2) else (d.pick(1, 2, 7),)
    return Case((features, n, cutoffs), options, (d.normal(*batch, features), d.ints(0, n, *batch)))


def linear_cross_entropy(d: Draw) -> Case:
    features, C, N = d.size(), d.pick(2, 5, 37), d.pick(1, 2, 7)
    options = d.some(
        bias=d.flag(), weight=d.uniform(0.1, 3, C), label_smoothing=d.pick(0.0, 0.2)
    ) | reduction(d)
    return Case((features, C), options, (d.normal(N, features), d.ints(0, C, N)))


def cosine_similarity(d: Draw) -> Case:
    # The gradient of a vector of one number is zero, and what is computed is rounding alone.
    shape = tuple(d.pick(2, 3, 7, 37) for _ in range(d.pick(2, 3)))
    options = d.some(dim=d.pick(-1, 0, 1), eps=d.pick(1e-8, 0.1))
    return Case((), options, (d.normal(*shape), d.normal(*shape)))


def pairwise(d: Draw) -> Case:
    shape = (*(() if d.flag(0.3) else (d.pick(1, 2, 7),)), d.size())
    options = d.some(p=d.pick(1.0, 2.0, 3.0, float("inf")), eps=d.pick(1e-6, 0.1), keepdim=d.flag())
    return Case((), options, (d.normal(*shape), d.normal(*shape)))


LOSSES: dict[str, Drawn] = {
    "CrossEntropyLoss": partial(cross_entropy, scores="logits"),
    "NLLLoss": partial(cross_entropy, scores="log"),
    "NLLLoss2d": partial(cross_entropy, scores="log_2d"),
    "LinearCrossEntropyLoss": linear_cross_entropy,
    "L1Loss": pointwise,
    "MSELoss": pointwise,
    "SmoothL1Loss": partial(pointwise, beta=(0.0, 0.3, 1.0, 2.0)),
    "HuberLoss": partial(pointwise, delta=(0.3, 1.0, 2.0)),
    "BCELoss": partial(binary, logits=False),
    "BCEWithLogitsLoss": partial(binary, logits=True),
    "KLDivLoss": divergence,
    "PoissonNLLLoss": poisson,
    "GaussianNLLLoss": gaussian,
    "CosineEmbeddingLoss": cosine_embedding,
    "MarginRankingLoss": ranking,
    "HingeEmbeddingLoss": partial(one_with_signs, margin=(0.5, 1.0, 3.0)),
    "SoftMarginLoss": one_with_signs,
    "TripletMarginLoss": partial(triplet, distance=False),
    "TripletMarginWithDistanceLoss": partial(triplet, distance=True),
    "MultiMarginLoss": multi_margin,
    "MultiLabelMarginLoss": label_margin,
    "MultiLabelSoftMarginLoss": label_soft_margin,
    "CTCLoss": ctc,
    "AdaptiveLogSoftmaxWithLoss": adaptive_softmax,
    "CosineSimilarity": cosine_similarity,
    "PairwiseDistance": pairwise,
}
