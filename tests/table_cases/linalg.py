"""Linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpudl as gd

from .base import CASES, Case, Operand, kind, normal


def _matrices(shift: float, *, square: bool = False) -> Callable:
    """Full rank, with well separated singular values and eigenvalues."""

    def sample(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
        x = 0.3 * normal(
            rng, shape, np.dtype("complex128") if kind(dtype) == "c" else np.dtype("float64")
        )
        n = min(shape[-2:])
        x[..., np.arange(n), np.arange(n)] += shift * np.arange(1, n + 1)
        if square:
            x = x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(n)
        return x.astype(dtype)

    return sample


def _hermitian(x):
    return (x + np.conj(np.swapaxes(x, -1, -2))) / 2


def _wide_rtol(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.full(
        shape,
        1e-2,
        {"c": f"f{dtype.itemsize // 2}"}.get(dtype.kind, dtype if dtype.itemsize >= 4 else "f4"),
    )


def _gauge(v):
    """Columns times the conjugate of their first element: what does not depend on their phases."""
    return v * gd.conj(v[..., :1, :])


def _spectral(values, vectors):
    """Sums over the eigenvalues: independent of their order and of the phases of the vectors."""
    weights = [values**0, values, values * values]
    gauged = _gauge(vectors)
    return (
        *[gd.sum(w, axis=-1) for w in weights],
        *[gd.sum(gauged * gd.expand_dims(w, axis=-2), axis=-1) for w in weights],
    )


def _pinv(x, rtol):
    xh = np.conj(np.swapaxes(x, -1, -2))
    return np.linalg.inv(xh @ x) @ xh if x.shape[-2] >= x.shape[-1] else xh @ np.linalg.inv(x @ xh)


def _determinant(x):
    if x.shape[-1] == 0:
        return np.ones(x.shape[:-2], x.dtype)
    minors = [np.delete(np.delete(x, 0, -2), j, -1) for j in range(x.shape[-1])]
    return sum((-1) ** j * x[..., 0, j] * _determinant(minor) for j, minor in enumerate(minors))


def _slogdet(x):
    d = _determinant(x)
    return d / np.abs(d), np.log(np.abs(d))


def _lin(operands: tuple[Operand, ...], formula: Callable, **options: Any) -> Case:
    return Case(operands, formula, repeats=False, **options)


STACKS = [(1, 1), (3, 3), (2, 3, 3), (0, 3, 3)]
for _name, _f in {
    "cholesky": lambda x: np.linalg.cholesky(_hermitian(x)),
    "inv": np.linalg.inv,
    "det": _determinant,
    "slogdet": _slogdet,
}.items():
    CASES[_name] = [
        _lin((Operand(s, _matrices(1.0, square=_name == "cholesky")),), _f) for s in STACKS
    ]
CASES["solve"] = [
    _lin((Operand(a, _matrices(1.0)), Operand(b)), lambda a, b: np.linalg.inv(a) @ b)
    for a, b in [
        ((1, 1), (1, 1)),
        ((3, 3), (3, 2)),
        ((2, 3, 3), (3, 2)),
        ((3, 3), (2, 3, 1)),
        ((3, 3), (3, 0)),
        ((0, 3, 3), (3, 1)),
    ]
]
CASES["eigh"] = [
    _lin(
        (Operand(s, _matrices(1.0)),),
        lambda x: np.linalg.eigh(_hermitian(x)),
        seen=lambda w, v: (w, _gauge(v)),
    )
    for s in STACKS
]
CASES["eigvalsh"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x: np.linalg.eigh(_hermitian(x))[0]) for s in STACKS
]
CASES["eig"] = [_lin((Operand(s, _matrices(1.0)),), np.linalg.eig, seen=_spectral) for s in STACKS]
TALL = [(1, 1), (3, 3), (5, 3), (2, 4, 2), (0, 3, 2)]
WIDE = [(2, 4), (2, 1, 3)]
CASES["qr"] = [
    _lin(
        (Operand(s, _matrices(1.0)),),
        lambda x, mode: tuple(np.linalg.qr(x, mode)),
        params={"mode": mode},
        smooth=s in TALL and (mode == "reduced" or s[-1] == s[-2]),
    )
    for s in TALL + WIDE
    for mode in ("reduced", "complete")
]


def _svd_seen(u, s, vh):
    k = s.shape[-1]
    both = u[..., :k] @ (vh[..., :k, :] * gd.expand_dims(s, axis=-1) ** 2)
    return both, s, u @ gd.conj(gd.matrix_transpose(u)), gd.conj(gd.matrix_transpose(vh)) @ vh


CASES["svd"] = [
    _lin(
        (Operand(s, _matrices(1.0)),),
        lambda x, full_matrices: tuple(np.linalg.svd(x, full_matrices)),
        params={"full_matrices": full},
        seen=_svd_seen,
        smooth=not full,
    )
    for s in TALL + WIDE
    for full in (False, True)
]
CASES["svdvals"] = [
    _lin((Operand(s, _matrices(1.0)),), lambda x: np.linalg.svd(x)[1]) for s in TALL + WIDE
]
CASES["pinv"] = [
    _lin((Operand(s, _matrices(1.0)), Operand((), _wide_rtol)), _pinv) for s in TALL + WIDE
]
