"""The networks of gpudl.models, and the metrics of their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, IndexRangeError, ShapeError


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 37, 5)])
def test_cnn_takes_its_sizes_from_the_image(shape: Any) -> None:
    model = gd.models.CNN(shape, classes=7, width=3)
    assert model(gd.zeros((2, *shape))).shape == (2, 7)
    with pytest.raises(ArgumentError, match="shape of an image"):
        gd.models.CNN((1, 3, 8))
    with pytest.raises(ArgumentError, match="classes is 0"):
        gd.models.CNN(shape, classes=0)


def test_metrics() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 100), rng.integers(0, 4, 100)
    counts = gd.metrics.confusion_matrix(a, gd.asarray(b), 4).numpy()
    for i in range(4):
        for j in range(4):
            assert counts[i, j] == np.sum((b == i) & (a == j))
    assert gd.metrics.accuracy(a, b) == np.trace(counts) / 100
    with pytest.raises(ShapeError):
        gd.metrics.accuracy(a, b[:-1])
    with pytest.raises(IndexRangeError, match=r"0\.\.2"):
        gd.metrics.confusion_matrix(a, b, 3)
    with pytest.raises(ArgumentError, match="no predictions"):
        gd.metrics.accuracy(a[:0], b[:0])
    with pytest.raises(gd.errors.DTypeError, match="integers"):
        gd.metrics.accuracy(a.astype(float), b)
