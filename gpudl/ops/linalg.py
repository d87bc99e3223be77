"""Decompositions and solvers of stacks of matrices.

References call the device's own library; gradients are in tensor ops. For complex matrices the
decompositions have a free phase: gradients are those of functions that do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import COMPLEX, check_kind, complex_of, real_of
from ..errors import ArgumentError, GradError, ShapeError
from ._rules import same_dtype
from .create import arange, device_of, zeros_like
from .elementwise import cast, conj_of, imag, real, where, widen
from .index import HOLE, take_items
from .matmul import matmul, swap
from .shape import expand, tril

_FAILED = {
    "cholesky": "the matrix is not positive definite",
    "inv": "the matrix is singular",
    "solve": "the matrix is singular",
}


def _library(op: str, function: Callable[..., Any], *arrays: Any) -> Any:
    """Call the library in a precision it has, and turn its failure into ours."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError as error:
        _matrix(op, arrays[0], square=op not in ("svd", "svdvals", "pinv"))
        raise ArgumentError(
            op,
            _FAILED.get(op, str(error)),
            remedy="check the input for zeros, infinities and NaN",
            x=arrays[0],
        ) from None


def _matrix(op: str, x: Spec, *, square: bool = False) -> None:
    check_kind(op, x.dtype, "fc")
    if x.ndim < 2:
        raise ShapeError(op, "needs matrices: at least two axes", x=x)
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(op, "needs square matrices", x=x)


def _square(op: str) -> Any:
    def rule(x: Spec) -> Spec:
        _matrix(op, x, square=True)
        return x

    return rule


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    return conj_of(swap(x))


def _hermitian(xp: Any, x: Any) -> Any:
    wide = widen(xp, x)
    return (wide + wide.conj().swapaxes(-1, -2)) * wide.dtype.type(0.5)


def _half_sum(x: Any) -> Any:
    return (x + adjoint(x)) * 0.5


def _diagonal(x: Any) -> Any:
    n = x.shape[-1]
    at = _range(x, n)
    return take_items(x, at, at, key=(Ellipsis, HOLE, HOLE))


def _range(x: Any, n: int) -> Any:
    return arange(start=0, step=1, length=n, dtype=np.dtype("int64"), device=device_of(x))


def _eye(x: Any, n: int) -> Any:
    """The identity as bools, n x n."""
    i = _range(x, n)
    return expand(i, axis=(1,)) == i


def _columns(x: Any, d: Any) -> Any:
    """x @ diag(d)."""
    return x * _as(expand(d, axis=(d.ndim - 1,)), x)


def _as(x: Any, like: Any) -> Any:
    return x if x.dtype == like.dtype else cast(x, dtype=like.dtype)


def _gaps(values: Any) -> Any:
    """values_j - values_i off the diagonal, 1 on it."""
    gap = expand(values, axis=(values.ndim - 1,)) - expand(values, axis=(values.ndim,))
    return where(_eye(values, values.shape[-1]), gap * 0 + 1, gap)


def _given(g: Any, ys: Any) -> list[Any]:
    """The gradients of several results, zeros for those that nothing came from."""
    return [zeros_like(y) if part is None else part for part, y in zip(g, ys, strict=True)]


# ----- Cholesky, inverse, solve -----
def _cholesky_ref(xp: Any, x: Any) -> Any:
    out = _library("cholesky", xp.linalg.cholesky, _hermitian(xp, x))
    return out.astype(x.dtype, copy=False)


def _lower_half(x: Any) -> Any:
    """The lower triangle with the diagonal halved, and made real."""
    low = tril(x, k=0)
    return where(_eye(x, x.shape[-1]), (low + conj_of(low)) * 0.25, low)


def _cholesky_vjp(g: Any, y: Any, x: Any) -> Any:
    inner = _lower_half(matmul(adjoint(y), tril(g, k=0)))
    right = solve(adjoint(y), adjoint(solve(adjoint(y), inner)))
    return _half_sum(right)


cholesky = row("cholesky", _cholesky_ref, _square("cholesky"), vjp=(_cholesky_vjp,), saves=("y",))

inv: Row = row(
    "inv",
    lambda xp, x: _library("inv", xp.linalg.inv, widen(xp, x)).astype(x.dtype, copy=False),
    _square("inv"),
    vjp=(lambda g, y, x: -matmul(adjoint(y), matmul(g, adjoint(y))),),
    saves=("y",),
)


def _solve_rule(a: Spec, b: Spec) -> Spec:
    dtype = same_dtype("solve", a, b)
    _matrix("solve", a, square=True)
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            "solve", "the right side does not fit", remedy="(..., M, M) and (..., M, K)", a=a, b=b
        )
    batch = shapes.broadcast("solve", a.shape[:-2], b.shape[:-2])
    return Spec((*batch, *b.shape[-2:]), dtype)


solve: Row = row(
    "solve",
    lambda xp, a, b: _library("solve", xp.linalg.solve, widen(xp, a), widen(xp, b)).astype(
        a.dtype, copy=False
    ),
    _solve_rule,
    vjp=(
        lambda g, y, a, b: -matmul(solve(adjoint(a), g), adjoint(y)),
        lambda g, y, a, b: solve(adjoint(a), g),
    ),
    saves=(0, "y"),
    broadcasts=True,
)


# ----- determinants -----
def _stack_of_numbers(op: str, out: Callable[[Any], Any] | None = None) -> Any:
    def rule(x: Spec) -> Spec:
        _matrix(op, x, square=True)
        return Spec(x.shape[:-2], out(x.dtype) if out else x.dtype)

    return rule


def _as_matrix(x: Any) -> Any:
    return expand(x, axis=(x.ndim, x.ndim + 1))


det: Row = row(
    "det",
    lambda xp, x: xp.linalg.det(widen(xp, x)).astype(x.dtype),
    _stack_of_numbers("det"),
    vjp=(lambda g, y, x: _as_matrix(g * conj_of(y)) * adjoint(inv(x)),),
    saves=(0, "y"),
)


def _slogdet_rule(x: Spec) -> tuple[Spec, Spec]:
    _matrix("slogdet", x, square=True)
    return Spec(x.shape[:-2], x.dtype), Spec(x.shape[:-2], real_of(x.dtype))


def _slogdet_ref(xp: Any, x: Any) -> tuple[Any, Any]:
    sign, log = xp.linalg.slogdet(widen(xp, x))
    return xp.asarray(sign).astype(x.dtype), xp.asarray(log).astype(real_of(x.dtype))


def _slogdet_vjp(g: Any, ys: Any, needs: Any, x: Any) -> tuple[Any]:
    g = _given(g, ys)
    scale = _as(g[1], x)
    if x.dtype in COMPLEX:
        scale = scale + cast(imag(conj_of(ys[0]) * g[0]), dtype=x.dtype) * 1j
    return (_as_matrix(scale) * adjoint(inv(x)),)


slogdet: Row = row(
    "slogdet",
    _slogdet_ref,
    _slogdet_rule,
    vjp=_slogdet_vjp,
    joint=True,
    saves=(0, "y"),
    n_out=2,
    n_diff=2,
)


# ----- QR -----
def _qr_rule(x: Spec, *, mode: str) -> tuple[Spec, Spec]:
    _matrix("qr", x)
    m, n = x.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return Spec((*x.shape[:-2], m, k), x.dtype), Spec((*x.shape[:-2], k, n), x.dtype)


def _qr_ref(xp: Any, x: Any, *, mode: str) -> tuple[Any, Any]:
    q, r = xp.linalg.qr(widen(xp, x), mode=mode)
    return q.astype(x.dtype, copy=False), r.astype(x.dtype, copy=False)


def _qr_vjp(g: Any, ys: Any, needs: Any, x: Any, *, mode: str) -> tuple[Any]:
    (q, r), (gq, gr) = ys, _given(g, ys)
    m, n = x.shape[-2:]
    if n > m or (mode == "complete" and m > n):
        raise GradError(
            "qr",
            "only matrices with no more columns than rows, in mode 'reduced', have a gradient",
            x=x,
        )
    inner = matmul(r, adjoint(gr)) - matmul(adjoint(gq), q)
    low = _lower_half(inner)
    right = gq + matmul(q, low + adjoint(low))
    return (adjoint(solve(r, adjoint(right))),)


qr = row("qr", _qr_ref, _qr_rule, vjp=_qr_vjp, joint=True, saves=("y",), n_out=2, n_diff=2)


# ----- eigenvalues of Hermitian matrices -----
def _eigh_rule(x: Spec) -> tuple[Spec, Spec]:
    _matrix("eigh", x, square=True)
    return Spec(x.shape[:-1], real_of(x.dtype)), x


def _eigh_ref(xp: Any, x: Any) -> tuple[Any, Any]:
    values, vectors = _library("eigh", xp.linalg.eigh, _hermitian(xp, x))
    return values.astype(real_of(x.dtype), copy=False), vectors.astype(x.dtype, copy=False)


def _eigh_vjp(g: Any, ys: Any, needs: Any, x: Any) -> tuple[Any]:
    (values, v), (gl, gv) = ys, _given(g, ys)
    n = values.shape[-1]
    turn = matmul(adjoint(v), gv) / _as(_gaps(values), v)
    inner = where(_eye(values, n), _as(expand(gl, axis=(gl.ndim,)), v), turn)
    return (_half_sum(matmul(v, matmul(inner, adjoint(v)))),)


eigh: Row = row(
    "eigh", _eigh_ref, _eigh_rule, vjp=_eigh_vjp, joint=True, saves=("y",), n_out=2, n_diff=2
)


def _eigvalsh_vjp(g: Any, y: Any, x: Any) -> Any:
    v = eigh(x)[1]
    return matmul(_columns(v, g), adjoint(v))


def _values(op: str, *, square: bool) -> Any:
    def rule(x: Spec) -> Spec:
        _matrix(op, x, square=square)
        return Spec((*x.shape[:-2], min(x.shape[-2:])), real_of(x.dtype))

    return rule


eigvalsh: Row = row(
    "eigvalsh",
    lambda xp, x: _library("eigvalsh", xp.linalg.eigvalsh, _hermitian(xp, x)).astype(
        real_of(x.dtype), copy=False
    ),
    _values("eigvalsh", square=True),
    vjp=(_eigvalsh_vjp,),
    saves=(0,),
)


# ----- singular values -----
def _svd_rule(x: Spec, *, full_matrices: bool) -> tuple[Spec, Spec, Spec]:
    _matrix("svd", x)
    m, n = x.shape[-2:]
    k = min(m, n)
    batch = x.shape[:-2]
    rows, cols = (m, n) if full_matrices else (k, k)
    return (
        Spec((*batch, m, rows), x.dtype),
        Spec((*batch, k), real_of(x.dtype)),
        Spec((*batch, cols, n), x.dtype),
    )


def _svd_ref(xp: Any, x: Any, *, full_matrices: bool) -> tuple[Any, Any, Any]:
    u, s, vh = _library(
        "svd", lambda a: xp.linalg.svd(a, full_matrices=full_matrices), widen(xp, x)
    )
    dtype = x.dtype
    return (
        u.astype(dtype, copy=False),
        s.astype(real_of(dtype), copy=False),
        vh.astype(dtype, copy=False),
    )


def _svd_vjp(g: Any, ys: Any, needs: Any, x: Any, *, full_matrices: bool) -> tuple[Any]:
    (u, s, vh), (gu, gs, gvh) = ys, _given(g, ys)
    m, n = x.shape[-2:]
    if full_matrices and m != n:
        raise GradError("svd", "full_matrices has no gradient: its extra vectors are arbitrary",
                        remedy="full_matrices=False", x=x)  # fmt: skip
    k = s.shape[-1]
    eye = _eye(s, k)
    S = _as(s, x)
    v, gv = adjoint(vh), adjoint(gvh)
    uu, vv = matmul(adjoint(u), gu), matmul(vh, gv)
    gaps = _as(_gaps(s * s), x)
    turn_u, turn_v = (uu - adjoint(uu)) / gaps, (vv - adjoint(vv)) / gaps
    inner = _columns(turn_u, S) + expand(S, axis=(S.ndim,)) * turn_v
    on = expand(_as(gs, x), axis=(gs.ndim,))
    if x.dtype in COMPLEX:  # the phase that u and v share
        on = on + expand(cast(imag(_diagonal(uu)), dtype=x.dtype) * 1j / S, axis=(S.ndim,))
    inner = where(eye, on, inner)
    out = matmul(u, matmul(inner, vh))
    if m > k:
        out = out + matmul(_columns(gu - matmul(u, uu), 1 / S), vh)
    if n > k:
        rest = gv - matmul(v, vv)
        out = out + matmul(u, adjoint(_columns(rest, 1 / S)))
    return (out,)


svd = row("svd", _svd_ref, _svd_rule, vjp=_svd_vjp, joint=True, saves=("y",), n_out=3, n_diff=3)


def _svdvals_vjp(g: Any, y: Any, x: Any) -> Any:
    u, _, vh = svd(x, full_matrices=False)
    return matmul(_columns(u, g), vh)


svdvals: Row = row(
    "svdvals",
    lambda xp, x: _library(
        "svdvals", lambda a: xp.linalg.svd(a, compute_uv=False), widen(xp, x)
    ).astype(real_of(x.dtype), copy=False),
    _values("svdvals", square=False),
    vjp=(_svdvals_vjp,),
    saves=(0,),
)


# ----- pseudo-inverse -----
def _pinv_rule(x: Spec, rtol: Spec) -> Spec:
    _matrix("pinv", x)
    shapes.broadcast("pinv", x.shape[:-2], rtol.shape)
    return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)


def _pinv_vjp(g: Any, p: Any, x: Any, rtol: Any) -> Any:
    # Golub and Pereyra 1973, for changes that keep the rank.
    gh, ph = adjoint(g), adjoint(p)
    out = -matmul(ph, matmul(g, ph))
    out = out + matmul(gh - matmul(x, matmul(p, gh)), matmul(p, ph))
    return out + matmul(matmul(ph, p), gh - matmul(matmul(gh, p), x))


pinv: Row = row(
    "pinv",
    lambda xp, x, rtol: _library("pinv", xp.linalg.pinv, widen(xp, x), rtol).astype(
        x.dtype, copy=False
    ),
    _pinv_rule,
    vjp=(_pinv_vjp, None),
    saves=(0, "y"),
)


# ----- eigenvalues of any matrix -----
def _eig_rule(x: Spec) -> tuple[Spec, Spec]:
    _matrix("eig", x, square=True)
    dtype = complex_of(x.dtype)
    return Spec(x.shape[:-1], dtype), Spec(x.shape, dtype)


def _eig_ref(xp: Any, x: Any) -> tuple[Any, Any]:
    values, vectors = _library("eig", xp.linalg.eig, widen(xp, x))
    dtype = complex_of(x.dtype)
    return values.astype(dtype, copy=False), vectors.astype(dtype, copy=False)


def _eig_vjp(g: Any, ys: Any, needs: Any, x: Any) -> tuple[Any]:
    (values, v), (gl, gv) = ys, _given(g, ys)
    n = values.shape[-1]
    turn = matmul(adjoint(v), gv)
    size = cast(real(_diagonal(turn)), dtype=v.dtype)  # the vectors have length 1
    turn = (turn - _columns(matmul(adjoint(v), v), size)) / conj_of(_gaps(values))
    inner = where(_eye(values, n), expand(gl, axis=(gl.ndim,)), turn)
    out = solve(adjoint(v), matmul(inner, adjoint(v)))
    return (out if x.dtype in COMPLEX else cast(real(out), dtype=x.dtype),)


eig = row("eig", _eig_ref, _eig_rule, vjp=_eig_vjp, joint=True, saves=("y",), n_out=2, n_diff=2)
