"""Metrics against their definitions, written out slowly, and against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import metrics
from gpudl.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError

NONE = gd.zeros(0, dtype=gd.int64)


@pytest.mark.parametrize("seed", range(5))
def test_top_k_by_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, classes = int(rng.integers(1, 38)), int(rng.integers(1, 9))
    scores = rng.integers(0, 4, (n, classes)).astype(np.float32)  # many ties
    labels = rng.integers(0, classes, n)
    for k in range(1, classes + 1):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        wanted = np.mean([label in row for label, row in zip(labels, order, strict=True)])
        assert metrics.top_k_accuracy(gd.asarray(scores), gd.asarray(labels), k) == wanted
    assert metrics.top_k_accuracy(scores[:, ::-1].T.copy().T, labels, classes) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_f1_from_precision_and_recall(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = 6
    a, b = rng.integers(0, 5, (2, 7, 9))  # class 5 never occurs
    b[b == 4] = 0  # class 4 is only predicted
    each = []
    for c in range(classes):
        tp = int(((a == c) & (b == c)).sum())
        predicted, actual = int((a == c).sum()), int((b == c).sum())
        precision = tp / predicted if predicted else 0.0
        recall = tp / actual if actual else 0.0
        total = precision + recall
        each.append(2 * precision * recall / total if total else 0.0)
    assert np.allclose(metrics.f1_score(a, b, classes, None).numpy(), each, atol=1e-15)
    assert metrics.f1_score(a, b, classes) == pytest.approx(np.mean(each[:5]))
    assert metrics.f1_score(a, b, classes, "micro") == pytest.approx(metrics.accuracy(a, b))


@pytest.mark.parametrize("seed", range(5))
def test_auc_over_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, 37) / 3.0
    labels = rng.integers(0, 2, 37)
    labels[:2] = 0, 1
    pairs = [(p > q) + 0.5 * (p == q) for p in scores[labels == 1] for q in scores[labels == 0]]
    assert metrics.roc_auc(gd.asarray(scores), gd.asarray(labels)) == pytest.approx(np.mean(pairs))
    assert metrics.roc_auc(scores, labels == 1) == pytest.approx(np.mean(pairs))
    assert metrics.roc_auc(np.ones(37), labels) == 0.5


def test_auc_of_infinite_scores() -> None:
    assert metrics.roc_auc([-math.inf, 0.0, math.inf], [0, 0, 1]) == 1.0


def test_perplexity_is_the_exponential_of_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 5, 11)) * 4
    labels = rng.integers(0, 11, (4, 5))
    labels[1, 2:] = -100
    flat = gd.asarray(logits.reshape(-1, 11))
    loss = gd.nn.functional.cross_entropy(flat, gd.asarray(labels.reshape(-1)))
    wanted = math.exp(loss.item())
    assert metrics.perplexity(gd.asarray(logits), gd.asarray(labels)) == pytest.approx(wanted)
    assert metrics.perplexity(gd.asarray(logits + 1e4), labels) == pytest.approx(wanted)
    assert metrics.perplexity([[1e6, 0.0]], [1]) == math.inf


def test_psnr_of_known_noise() -> None:
    image = np.zeros((37, 5), np.uint8)
    noisy = image.copy()
    noisy[::2] = 10
    mse = 100 * 19 / 37
    wanted = 10 * math.log10(255**2 / mse)
    assert metrics.psnr(noisy, image, data_range=255) == pytest.approx(wanted)
    assert metrics.psnr(image, image) == math.inf
    assert metrics.psnr(gd.asarray(noisy).T, gd.asarray(image).T, 255) == pytest.approx(wanted)


def _with_moments(mean: Any, covariance: Any, n: int, rng: np.random.Generator) -> Any:
    """Samples with exactly this mean and covariance."""
    d = len(mean)
    white = rng.normal(size=(n, d))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / (n - 1)).T)
    return white @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_one_feature() -> None:
    rng = np.random.default_rng(0)
    x = _with_moments(np.array([1.0]), np.array([[4.0]]), 50, rng)
    y = _with_moments(np.array([-2.0]), np.array([[9.0]]), 60, rng)
    assert metrics.frechet_distance(x, y) == pytest.approx(9.0 + (2.0 - 3.0) ** 2)


def test_frechet_distance_of_covariances_that_commute() -> None:
    rng = np.random.default_rng(1)
    q = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    a, b = rng.uniform(0.1, 5, 7), rng.uniform(0.1, 5, 7)
    m1, m2 = rng.normal(size=(2, 7))
    x = _with_moments(m1, (q * a) @ q.T, 80, rng)
    y = _with_moments(m2, (q * b) @ q.T, 90, rng)
    wanted = ((m1 - m2) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert metrics.frechet_distance(gd.asarray(x), gd.asarray(y)) == pytest.approx(wanted)
    assert metrics.frechet_distance(y, x) == pytest.approx(wanted)


def test_frechet_distance_against_the_root_of_the_product() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 9)) @ rng.normal(size=(9, 9))
    y = rng.normal(size=(50, 9)) @ rng.normal(size=(9, 9)) + 1
    s1, s2 = np.cov(x.T), np.cov(y.T)
    values = np.linalg.eigvals(s1 @ s2)  # real and not negative: similar to a symmetric matrix
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1 + s2)
    wanted -= 2 * np.sqrt(np.maximum(values.real, 0)).sum()
    assert metrics.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_of_singular_covariances() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, 30))  # fewer samples than features
    assert metrics.frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    constant = np.ones((4, 3))
    assert metrics.frechet_distance(constant, constant + 2) == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: metrics.top_k_accuracy(gd.ones((2, 3)), gd.asarray([0, 3]), 1), IndexRangeError),
        (lambda: metrics.top_k_accuracy(gd.ones((2, 3)), gd.asarray([0, 1]), 4), ArgumentError),
        (
            lambda: metrics.top_k_accuracy(gd.ones((0, 3)), NONE, 1),
            ArgumentError,
        ),
        (lambda: metrics.top_k_accuracy(gd.ones(3), gd.asarray([0, 1, 0]), 1), ShapeError),
        (lambda: metrics.top_k_accuracy([[math.nan, 1.0]], [0], 1), ArgumentError),
        (lambda: metrics.f1_score([0, 1], [0, 2], 2), IndexRangeError),
        (lambda: metrics.f1_score([0, 1], [0, 1], 2, "weighted"), ArgumentError),
        (
            lambda: metrics.f1_score(NONE, NONE, 2),
            ArgumentError,
        ),
        (lambda: metrics.roc_auc([0.1, 0.2], [1, 1]), ArgumentError),
        (lambda: metrics.roc_auc([0.1, 0.2], [1, 2]), ArgumentError),
        (lambda: metrics.roc_auc([0.1, 0.2], [1.0, 0.0]), DTypeError),
        (lambda: metrics.roc_auc([0.1, 0.2, 0.3], [1, 0]), ShapeError),
        (lambda: metrics.perplexity(gd.ones((2, 3)), gd.asarray([0])), ShapeError),
        (lambda: metrics.perplexity(gd.ones((1, 3)), gd.asarray([-100])), ArgumentError),
        (lambda: metrics.perplexity(gd.ones((1, 3)), gd.asarray([3])), IndexRangeError),
        (lambda: metrics.psnr(gd.ones(3), gd.ones(4)), ShapeError),
        (lambda: metrics.psnr(gd.ones(3), gd.ones(3), 0.0), ArgumentError),
        (lambda: metrics.frechet_distance(gd.ones((1, 3)), gd.ones((4, 3))), ArgumentError),
        (lambda: metrics.frechet_distance(gd.ones((4, 2)), gd.ones((4, 3))), ShapeError),
        (lambda: metrics.frechet_distance(gd.ones(4), gd.ones((4, 3))), ShapeError),
        (lambda: metrics.frechet_distance([[math.inf], [1.0]], [[0.0], [1.0]]), ArgumentError),
    ],
)
def test_errors(call: Any, error: Any) -> None:
    with pytest.raises(error):
        call()
