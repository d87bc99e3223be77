"""Matrices with orthonormal columns (or rows) as functions of free matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import linalg, random
from ..._namespace.creation import asarray, eye, tril, triu, zeros
from ..._namespace.elementwise import sign, trunc
from ..._namespace.manipulation import concat
from ...autograd import no_grad
from ...dtypes import kind
from ...errors import ArgumentError, NotSupportedError, ShapeError
from ...ops.linalg import adjoint
from ...ops.matmul import swap
from .._module import Module

MAPS = ("matrix_exp", "cayley", "householder")
_TERMS = 18  # of the series: with a norm up to 1/2 the rest is below the roundoff of float64


def _eye(x: Any, rows: int, columns: int) -> Any:
    return eye(rows, columns, dtype=x.dtype, device=x.device)


def matrix_exp(A: Any) -> Any:
    """exp(A) of square matrices by scaling and squaring (Moler, Van Loan 2003), of any order of
    derivative."""
    n = A.shape[-1]
    with no_grad():
        norm = float(abs(A).sum(axis=-1).max()) if A.size else 0.0
    if not math.isfinite(norm):
        raise ArgumentError("matrix_exp", "the matrix has infinities or NaN", x=A)
    squarings = max(0, math.ceil(math.log2(norm)) + 1) if norm > 0 else 0
    scaled = A * 0.5**squarings
    one = _eye(A, n, n)
    y = one + scaled * (1 / _TERMS)
    for i in range(_TERMS - 1, 0, -1):
        y = one + (scaled @ y) * (1 / i)
    for _ in range(squarings):
        y = y @ y
    return y


def cayley(A: Any) -> Any:
    """(I - A/2)^-1 (I + A/2)."""
    one = _eye(A, A.shape[-1], A.shape[-1])
    return linalg.solve(one - A * 0.5, one + A * 0.5)


def householder(X: Any) -> Any:
    """The first columns of the product of the reflections at the columns of `X` (..., n, k), which
    count below the diagonal and have a 1 on it.

    The product is I - V T V^T with T^-1 = triu(V^T V, 1) + diag(V^T V) / 2 (Joffrain et al. 2006).
    """
    n, k = X.shape[-2:]
    V = tril(X, k=-1) + _eye(X, n, k)
    inner = swap(V) @ V
    inverse = triu(inner, k=1) + inner * _eye(X, k, k) * 0.5
    return _eye(X, n, k) - V @ linalg.solve(inverse, swap(V[..., :k, :]))


def _diagonal(X: Any) -> Any:
    """The diagonal as a row, to scale columns by."""
    return linalg.diagonal(X)[..., None, :]


def _orthogonalized(A: Any) -> Any:
    """Q of A = Q R with a positive diagonal of R."""
    q, r = linalg.qr(A)
    return q * sign(_diagonal(r))


def _is_orthogonal(Q: Any) -> bool:
    n, k = Q.shape[-2:]
    one = np.eye(k)
    error = np.abs((adjoint(Q) @ Q).numpy() - one)
    return bool((error <= 10.0 * n * np.finfo(Q.dtype).eps + 1e-5 * one).all())


class Orthogonal(Module):
    """The parametrization of `orthogonal`."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if kind(weight.dtype) == 3 and orthogonal_map == "householder":
            raise NotSupportedError(
                "orthogonal",
                "complex matrices as products of reflections",
                remedy='orthogonal_map="matrix_exp"',
            )
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.trivialized = bool(use_trivialization)
        if self.trivialized:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.shape[-2] < X.shape[-1]
        X = swap(X) if wide else X
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            # The diagonal has signs, which are no function of a loss.
            Q = householder(X) * trunc(_diagonal(X.detach()))
        else:
            A = tril(X)
            if n != k:
                rest = zeros((*X.shape[:-1], n - k), dtype=X.dtype, device=X.device)
                A = concat([A, rest], axis=-1)
            A = A - adjoint(A)
            Q = (matrix_exp(A) if self.orthogonal_map == "matrix_exp" else cayley(A))[..., :k]
        if self.trivialized:
            Q = self.base @ Q
        return swap(Q) if wide else Q

    def right_inverse(self, Q: Any) -> Any:
        if Q.shape != self.shape:
            raise ShapeError("orthogonal", f"the matrix is {self.shape}", value=Q)
        with no_grad():
            wide = Q.shape[-2] < Q.shape[-1]
            tall = swap(Q.detach()) if wide else Q.detach()
            if not self.trivialized:
                X = self._reflections(tall)
                return swap(X) if wide else X
            self.base = self._completed(tall)
            return _eye(Q, *Q.shape[-2:]) * -1.0 + zeros(Q.shape, dtype=Q.dtype, device=Q.device)

    def _completed(self, Q: Any) -> Any:
        """A square orthogonal matrix that begins with the columns of `Q`."""
        n, k = Q.shape[-2:]
        if n == k:
            return Q.clone() if _is_orthogonal(Q) else _orthogonalized(Q)
        drawn = random.normal((*Q.shape[:-1], n - k))
        drawn = drawn.to_device(Q.device).astype(Q.dtype, copy=False)
        return _orthogonalized(concat([Q, drawn], axis=-1))

    def _reflections(self, Q: Any) -> Any:
        """The reflections of LAPACK's factorization, with the signs of R on the diagonal."""
        if self.orthogonal_map != "householder":
            raise NotSupportedError(
                "orthogonal",
                f"assigning through {self.orthogonal_map} without use_trivialization",
                remedy="use_trivialization=True",
            )
        h, tau = np.linalg.qr(Q.numpy(), mode="raw")
        A = np.array(h.swapaxes(-1, -2))
        n = min(A.shape[-2:])
        at = np.arange(n)
        # LAPACK gives exactly 0 where it does not reflect.
        A[..., at, at] = np.sign(A[..., at, at]) * np.where(tau == 0, -1, 1)
        return asarray(A, dtype=Q.dtype, device=Q.device)
