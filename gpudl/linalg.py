"""Linear algebra on stacks of matrices: the `linalg` part of the array standard, differentiable.

Functions take float or complex tensors of shape (..., M, N) and work on the last two axes; integers
become the default float, and half precisions are computed in float32. A matrix that has no inverse
or no factorization raises `ArgumentError`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from . import devices, shapes
from ._namespace.convert import cast, floating, pair, tensor_of
from ._namespace.datatypes import finfo
from ._namespace.linear import matmul, outer, tensordot, vecdot
from ._namespace.manipulation import matrix_transpose
from ._namespace.reductions import max as _max
from ._namespace.reductions import min as _min
from ._namespace.reductions import sum as _sum
from .dtypes import as_dtype, int64, kind, real_of
from .errors import ArgumentError, ArgumentTypeError, ShapeError
from .ops import create
from .ops import elementwise as ew
from .ops import index as index_ops
from .ops import linalg as ops
from .ops import matmul as matmul_ops
from .ops.reduce import sum_
from .ops.shape import broadcast_to, expand, join, permute, reshape

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    """Result of `eigh`: real eigenvalues in increasing order (..., M), eigenvectors in columns
    (..., M, M).
    """

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """Result of `eig`: complex eigenvalues (..., M), eigenvectors of length 1 in columns (...,
    M, M).
    """

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Result of `qr`: orthonormal columns Q (..., M, K), upper triangular R (..., K, N)."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """Result of `slogdet`: the sign (a phase, if complex) and the logarithm of the modulus, each
    (...).
    """

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Result of `svd`: U (..., M, K), singular values in decreasing order (..., K), Vh (..., K,
    N).
    """

    U: Any
    S: Any
    Vh: Any


def _matrices(op: str, x: Any) -> Any:
    x = floating(op, x)
    if x.ndim < 2:
        raise ShapeError(op, "needs matrices: at least two axes", x=x)
    return x


# ----- factorizations -----
def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The triangular L with `L @ L^H` equal to the positive definite `x`, lower, or its adjoint if
    `upper`.

    Reads the Hermitian part of `x`. Raises `ArgumentError` if `x` is not positive definite.

    >>> import gpudl as gd
    >>> gd.linalg.cholesky(gd.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    lower = ops.cholesky(_matrices("cholesky", x))
    return ops.adjoint(lower) if upper else lower


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Orthonormal columns Q (M, K) and upper triangular R (K, N) with Q @ R = x; K = min(M, N), or
    M if `mode="complete"`.

    Gradients need `mode="reduced"` and, of the leading K columns, full rank.

    >>> import gpudl as gd
    >>> q, r = gd.linalg.qr(gd.ones(3, 2))
    >>> q.shape, r.shape
    ((3, 2), (2, 2))
    """
    x = _matrices("qr", x)
    if mode not in ("reduced", "complete"):
        raise ArgumentError("qr", f"mode={mode!r}", remedy='"reduced" or "complete"')
    m, n = x.shape[-2:]
    if n <= m or not x.requires_grad:
        return QRResult(*ops.qr(x, mode=mode))
    # A wide matrix is its leading square part, whose Q also turns the rest.
    q, r = ops.qr(x[..., :m], mode="reduced")
    rest = matmul_ops.matmul(ops.adjoint(q), x[..., m:])
    return QRResult(q, join((r, rest), r.ndim - 1))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """U, S, Vh with `U @ diag(S) @ Vh = x`: orthonormal U (M, K), decreasing S (K), Vh (K, N), K =
    min(M, N).

    With `full_matrices`, U is (M, M) and Vh (N, N), and only square `x` has a gradient.

    >>> import gpudl as gd
    >>> gd.linalg.svd(gd.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    return SVDResult(*ops.svd(_matrices("svd", x), full_matrices=bool(full_matrices)))


def svdvals(x: Any, /) -> Tensor:
    """The singular values in decreasing order, (..., min(M, N)).

    >>> import gpudl as gd
    >>> gd.linalg.svdvals(gd.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    return ops.svdvals(_matrices("svdvals", x))


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues (..., M), increasing, and eigenvectors (..., M, M), in columns, of the Hermitian
    part of `x`.

    Gradients of the vectors need distinct eigenvalues.

    >>> import gpudl as gd
    >>> gd.linalg.eigh(gd.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return EighResult(*ops.eigh(_matrices("eigh", x)))


def eigvalsh(x: Any, /) -> Tensor:
    """The eigenvalues of the Hermitian part of `x`, increasing, (..., M).

    >>> import gpudl as gd
    >>> gd.linalg.eigvalsh(gd.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return ops.eigvalsh(_matrices("eigvalsh", x))


def eig(x: Any, /) -> EigResult:
    """Complex eigenvalues (..., M) and eigenvectors of length 1, in columns, (..., M, M), of square
    matrices.

    >>> import gpudl as gd
    >>> gd.linalg.eig(gd.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([2.+0.j, 1.+0.j], dtype=complex64)
    """
    return EigResult(*ops.eig(_matrices("eig", x)))


def eigvals(x: Any, /) -> Tensor:
    """The complex eigenvalues of square matrices, (..., M).

    >>> import gpudl as gd
    >>> gd.linalg.eigvals(gd.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([2.+0.j, 1.+0.j], dtype=complex64)
    """
    return ops.eig(_matrices("eigvals", x))[0]


# ----- inverses and determinants -----
def inv(x: Any, /) -> Tensor:
    """The inverse of square matrices, (..., M, M).

    >>> import gpudl as gd
    >>> gd.linalg.inv(gd.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return ops.inv(_matrices("inv", x))


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The y with `x1 @ y = x2`, for x1 (..., M, M) and x2 (M,) or (..., M, K).

    >>> import gpudl as gd
    >>> gd.linalg.solve(gd.tensor([[2.0, 0.0], [0.0, 4.0]]), gd.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    a, b = pair("solve", x1, x2)
    a, b = floating("solve", a), floating("solve", b)
    if b.ndim == 1:
        out = ops.solve(a, reshape(b, shape=(b.shape[0], 1)))
        return reshape(out, shape=out.shape[:-1])
    return ops.solve(a, b)


def det(x: Any, /) -> Tensor:
    """The determinant of square matrices, (...). Its gradient needs an invertible matrix.

    >>> import gpudl as gd
    >>> gd.linalg.det(gd.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return ops.det(_matrices("det", x))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign and the logarithm of the absolute value of the determinant, (...) each.

    >>> import gpudl as gd
    >>> gd.linalg.slogdet(gd.tensor([[-1.0, 0.0], [0.0, 1.0]])).sign
    tensor(-1.)
    """
    return SlogdetResult(*ops.slogdet(_matrices("slogdet", x)))


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse, (..., N, M); singular values up to `rtol` times the largest count
    as 0.

    `rtol` is max(M, N) times the epsilon of the dtype by default. The gradient is that of changes
    that keep the rank.

    >>> import gpudl as gd
    >>> gd.linalg.pinv(gd.tensor([[2.0], [0.0]]))
    tensor([[0.5, 0. ]])
    """
    x = _matrices("pinv", x)
    return ops.pinv(x, _relative("pinv", x, rtol))


def _relative(op: str, x: Any, rtol: Any) -> Any:
    """A tolerance relative to the largest singular value, as a tensor."""
    dtype = real_of(x.dtype)
    if rtol is None:
        rtol = max(x.shape[-2:], default=0) * finfo(dtype).eps
    return cast(tensor_of(op, rtol), dtype)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values exceed `rtol` times the largest, (...), int64; `rtol` as in `pinv`.

    >>> import gpudl as gd
    >>> gd.linalg.matrix_rank(gd.ones(3, 3))
    tensor(1)
    """
    x = _matrices("matrix_rank", x)
    s = ops.svdvals(x.detach())
    if 0 in x.shape[-2:]:
        return create.full(shape=x.shape[:-2], value=0, dtype=int64, device=devices.of(x.data))
    limit = _relative("matrix_rank", x, rtol)
    return _sum(s > _max(s, axis=-1, keepdims=True) * expand(limit, axis=(limit.ndim,)), axis=-1)


def matrix_power(x: Any, n: int, /) -> Tensor:
    """The `n`-th power of square matrices, of the inverse if `n` is negative.

    >>> import gpudl as gd
    >>> gd.linalg.matrix_power(gd.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    x, n = tensor_of("matrix_power", x), shapes.as_int("matrix_power", "n", n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError("matrix_power", "needs square matrices", x=x)
    if n < 0:
        x, n = inv(x), -n
    out = None
    while n:
        if n & 1:
            out = x if out is None else matmul_ops.matmul(out, x)
        n >>= 1
        if n:
            x = matmul_ops.matmul(x, x)
    if out is None:
        i = create.arange(
            start=0, step=1, length=x.shape[-1], dtype=int64, device=devices.of(x.data)
        )
        one = cast(expand(i, axis=(1,)) == i, x.dtype)
        return ew.add(broadcast_to(one, shape=x.shape), ew.zero(x))
    return out


# ----- diagonals and products -----
def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """Diagonal `offset` of the last two axes, as the last axis.

    >>> import gpudl as gd
    >>> gd.linalg.diagonal(gd.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    x = tensor_of("diagonal", x)
    if x.ndim < 2:
        raise ShapeError("diagonal", "needs at least two axes", x=x)
    k = shapes.as_int("diagonal", "offset", offset)
    m, n = x.shape[-2:]
    length = max(0, min(m, n - k) if k >= 0 else min(m + k, n))
    device = devices.of(x.data)
    i = create.arange(
        start=max(-k, 0) if length else 0, step=1, length=length, dtype=int64, device=device
    )
    j = create.arange(
        start=max(k, 0) if length else 0, step=1, length=length, dtype=int64, device=device
    )
    return index_ops.take_items(x, i, j, key=(Ellipsis, index_ops.HOLE, index_ops.HOLE))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum along diagonal `offset` of the last two axes.

    >>> import gpudl as gd
    >>> gd.linalg.trace(gd.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    x = tensor_of("trace", x)
    if dtype is not None:
        x = cast(x, as_dtype(dtype, "trace"))
    return _sum(diagonal(x, offset=offset), axis=-1)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 along `axis`, the other axes broadcast.

    >>> import gpudl as gd
    >>> gd.linalg.cross(gd.tensor([1, 0, 0]), gd.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    a, b = pair("cross", x1, x2)
    rank = max(a.ndim, b.ndim)
    a, b = (reshape(x, shape=(1,) * (rank - x.ndim) + x.shape) for x in (a, b))
    at = shapes.normalize_axis("cross", axis, rank)
    if a.shape[at] != 3 or b.shape[at] != 3:
        raise ShapeError("cross", f"axis {axis} does not have extent 3 in both", x1=a, x2=b)
    lead = (slice(None),) * at

    def part(i: int) -> Any:
        j, k = (slice((i + s) % 3, (i + s) % 3 + 1) for s in (1, 2))
        return a[(*lead, j)] * b[(*lead, k)] - a[(*lead, k)] * b[(*lead, j)]

    return join((part(0), part(1), part(2)), at)


# ----- norms -----
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """The `ord`-norm over `axis` (all by default), a real: 2, 1, any other number, inf, -inf, or 0
    (how many are not 0).

    The gradient of the 2-norm at 0 is 0.

    >>> import gpudl as gd
    >>> gd.linalg.vector_norm(gd.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = floating("vector_norm", x)
    if isinstance(ord, bool) or not isinstance(ord, (int, float)) or math.isnan(ord):
        raise ArgumentError("vector_norm", f"ord={ord!r}", remedy="a number, inf or -inf")
    axes = shapes.normalize_axes("vector_norm", axis, x.ndim)
    keep = bool(keepdims)
    if ord == 2:
        size = ew.absolute(x) if kind(x.dtype) == 3 else x
        total = sum_(ew.square(size), axis=axes, keepdims=keep)
        none = ew.equal(total, ew.zero(total))
        root = ew.sqrt(ew.where(none, ew.zero(total) + 1, total))
        return ew.where(none, total, root)
    size = ew.absolute(x)
    if ord == 0:
        return sum_(cast(ew.not_equal(size, ew.zero(size)), size.dtype), axis=axes, keepdims=keep)
    if ord == math.inf:
        return _max(size, axis=axes, keepdims=keep)
    if ord == -math.inf:
        return _min(size, axis=axes, keepdims=keep)
    if ord == 1:
        return sum_(size, axis=axes, keepdims=keep)
    return sum_(size**ord, axis=axes, keepdims=keep) ** (1.0 / ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of matrices, a real: "fro", "nuc" (the sum of singular values), 2 or -2 (the largest,
    the smallest), 1, -1, inf or -inf.

    >>> import gpudl as gd
    >>> gd.linalg.matrix_norm(gd.tensor([[3.0, 0.0], [0.0, 4.0]]), ord=2)
    tensor(4.)
    """
    x = _matrices("matrix_norm", x)
    keep = bool(keepdims)
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keep)
    if not isinstance(ord, (int, float, str)):
        raise ArgumentTypeError(
            "matrix_norm", f"ord is {ord!r:.80}", remedy='"fro", "nuc", 1, 2 or inf'
        )
    if ord in ("nuc", 2, -2):
        s = ops.svdvals(x)
        function = {"nuc": _sum, 2: _max, -2: _min}[ord]
        out = function(s, axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = _sum(ew.absolute(x), axis=-2 if abs(ord) == 1 else -1)
        out = (_max if ord > 0 else _min)(sums, axis=-1)
    else:
        raise ArgumentError(
            "matrix_norm", f"ord={ord!r}", remedy='"fro", "nuc", 1, -1, 2, -2, inf or -inf'
        )
    return expand(out, axis=(out.ndim, out.ndim + 1)) if keep else out


def norm(x: Any, /, ord: Any = None, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """NumPy's norm: of vectors along an axis, of matrices along two with `ord`, of all elements
    without either.

    >>> import gpudl as gd
    >>> gd.linalg.norm(gd.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = floating("norm", x)
    if axis is None and ord is not None:
        axis = (0, 1) if x.ndim == 2 else 0
    if not isinstance(axis, (tuple, list)) or len(axis) == 1 or ord is None:
        return vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axis) != 2:
        raise ShapeError("norm", f"axis={axis!r}", remedy="one axis or two")
    rows, cols = (shapes.normalize_axis("norm", i, x.ndim) for i in axis)
    rest = tuple(i for i in range(x.ndim) if i not in (rows, cols))
    out = matrix_norm(permute(x, axes=(*rest, rows, cols)), ord=ord)
    return expand(out, axis=tuple(sorted((rows, cols)))) if keepdims else out
