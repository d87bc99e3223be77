"""Metrics of images: how near two are, and how alike two sets are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._namespace.creation import asarray
from ..checks import real
from ..devices import allocating
from ..dtypes import kind
from ..errors import ArgumentError, DTypeError, ShapeError

Array = np.ndarray[Any, Any]


def _real(op: str, name: str, x: Any) -> Array:
    tensor = asarray(x)
    if kind(tensor.dtype) > 2:
        raise DTypeError(op, f"{name} is real", **{name: x})
    with allocating(op, tensor.shape, np.dtype(np.float64)):
        values = np.asarray(tensor.cpu().data).astype(np.float64)
    if not np.isfinite(values).all():
        raise ArgumentError(op, f"some of {name} is NaN or infinite", **{name: x})
    return values


def psnr(images: Any, reference: Any, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels: 10 log10(data_range^2 / mean squared error).

    `images`, `reference`: real, of one shape; `data_range`: the largest value less the smallest
    that a pixel may have, 255 for bytes. Equal images give infinity. Raises `ShapeError` or
    `DTypeError`, `ArgumentError` for no pixels, for what is not finite, or a range that is not
    positive.

    >>> import gpudl as gd
    >>> round(gd.metrics.psnr(gd.full((4, 4), 0.6), gd.full((4, 4), 0.5)), 3)
    20.0
    """
    a, b = _real("psnr", "images", images), _real("psnr", "reference", reference)
    if a.shape != b.shape:
        raise ShapeError(
            "psnr", "images and reference differ in shape", images=images, reference=reference
        )
    peak = real("psnr", "data_range", data_range)
    if not a.size or not 0 < peak < math.inf:
        raise ArgumentError("psnr", f"{a.size} pixels, data_range {peak}", remedy="more than 0")
    error = float(np.mean((a - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)


def _moments(op: str, name: str, x: Any) -> tuple[Array, Array]:
    samples = _real(op, name, x)
    if samples.ndim != 2 or not samples.shape[1]:
        raise ShapeError(op, f"{name} needs the shape (samples, features)", **{name: x})
    if len(samples) < 2:
        raise ArgumentError(op, f"{name} needs two samples or more", **{name: x})
    centred = samples - samples.mean(axis=0)
    return samples.mean(axis=0), centred.T @ centred / (len(samples) - 1)


def _root(matrix: Array) -> Array:
    """The square root of a symmetric matrix with no negative eigenvalue but by rounding."""
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def frechet_distance(x: Any, y: Any) -> float:
    """The squared Frechet distance between normal distributions that fit two sets of features:
    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    `x`, `y`: real, (samples, features), two samples or more each; the covariances divide by the
    number of samples less one. Computed in float64; the trace of the root is that of the symmetric
    S1^(1/2) S2 S1^(1/2). Raises `ShapeError`, `DTypeError`, or `ArgumentError` for too few samples
    and values that are not finite.

    Source: D. Dowson and B. Landau, The Frechet distance between multivariate normal distributions
    (1982); M. Heusel et al., GANs trained by a two time-scale update rule (2017), as FID.

    >>> import gpudl as gd
    >>> x = gd.asarray([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
    >>> round(gd.metrics.frechet_distance(x, x + gd.asarray([3.0, 4.0])), 6)
    25.0
    """
    op = "frechet_distance"
    (m1, s1), (m2, s2) = _moments(op, "x", x), _moments(op, "y", y)
    if m1.shape != m2.shape:
        raise ShapeError(op, "x and y differ in their number of features", x=x, y=y)
    half = _root(s1)
    product = half @ s2 @ half
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh((product + product.T) / 2), 0.0)).sum()
    return float(max(0.0, (m1 - m2) @ (m1 - m2) + np.trace(s1) + np.trace(s2) - 2 * cross))
