"""Products of vectors and matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import shapes
from ..errors import ShapeError
from ..ops import elementwise as ew
from ..ops import matmul as ops
from ..ops import reduce as reduce_ops
from ..ops.shape import permute, reshape
from .convert import pair

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["matmul", "outer", "tensordot", "vecdot"]


def matmul(x1: Any, x2: Any, /) -> Tensor:
    """The matrix product of the last two axes, the others broadcast; a vector is a row on the left,
    a column on the right.

    >>> import gpudl as gd
    >>> gd.matmul(gd.ones(2, 3), gd.ones(3)).shape
    (2,)
    """
    a, b = pair("matmul", x1, x2)
    if a.ndim >= 2 and b.ndim >= 2:
        return ops.matmul(a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            "matmul", "needs at least one axis on each side", remedy="x * y", x1=a, x2=b
        )
    left = reshape(a, shape=(1, a.shape[0])) if a.ndim == 1 else a
    right = reshape(b, shape=(b.shape[0], 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError("matmul", f"{a.shape} @ {b.shape}: inner extents differ", x1=a, x2=b)
    out = ops.matmul(left, right)
    drop = (out.ndim - 2 if a.ndim == 1 else -1, out.ndim - 1 if b.ndim == 1 else -1)
    return reshape(out, shape=tuple(n for i, n in enumerate(out.shape) if i not in drop))


def outer(x1: Any, x2: Any, /) -> Tensor:
    """The products of every element of one vector with every element of the other.

    >>> import gpudl as gd
    >>> gd.outer(gd.tensor([1, 2]), gd.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    a, b = pair("outer", x1, x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError("outer", "needs vectors", x1=a, x2=b)
    return ew.multiply(reshape(a, shape=(a.shape[0], 1)), b)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """sum(conj(x1) * x2) along `axis`, the other axes broadcast.

    >>> import gpudl as gd
    >>> gd.vecdot(gd.tensor([1, 2]), gd.tensor([3, 4]))
    tensor(11)
    """
    a, b = pair("vecdot", x1, x2)
    rank = min(a.ndim, b.ndim)
    at = shapes.normalize_axis("vecdot", axis, rank) - rank
    if a.shape[at] != b.shape[at]:
        raise ShapeError("vecdot", f"extents {a.shape[at]} and {b.shape[at]} differ", x1=a, x2=b)
    product = ew.multiply(ew.conj_of(a), b)
    return reduce_ops.sum_(product, axis=(product.ndim + at,), keepdims=False)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over `axes`: a number of trailing and leading axes, or two sequences of
    axes.

    >>> import gpudl as gd
    >>> gd.tensordot(gd.ones(2, 3), gd.ones(3, 4), axes=1).shape
    (2, 4)
    """
    a, b = pair("tensordot", x1, x2)
    if hasattr(axes, "__index__"):
        n = shapes.as_int("tensordot", "axes", axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ShapeError("tensordot", f"axes={n} for {a.ndim} and {b.ndim} axes", x1=a, x2=b)
        left, right = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    else:
        if not isinstance(axes, (tuple, list)) or len(axes) != 2:
            raise ShapeError("tensordot", f"axes={axes!r}", remedy="an integer or two sequences")
        sides = [side if isinstance(side, (tuple, list)) else (side,) for side in axes]
        left = tuple(shapes.normalize_axis("tensordot", i, a.ndim) for i in sides[0])
        right = tuple(shapes.normalize_axis("tensordot", i, b.ndim) for i in sides[1])
    summed = [a.shape[i] for i in left]
    if (
        summed != [b.shape[i] for i in right]
        or len(set(left)) != len(left)
        or len(set(right)) != len(right)
    ):
        raise ShapeError("tensordot", f"axes {left} and {right} do not match", x1=a, x2=b)
    keep_a = tuple(i for i in range(a.ndim) if i not in left)
    keep_b = tuple(i for i in range(b.ndim) if i not in right)
    K = shapes.count("tensordot", summed)
    M = shapes.count("tensordot", [a.shape[i] for i in keep_a])
    N = shapes.count("tensordot", [b.shape[i] for i in keep_b])
    a2 = reshape(permute(a, axes=keep_a + left), shape=(M, K))
    b2 = reshape(permute(b, axes=right + keep_b), shape=(K, N))
    out_shape = tuple(a.shape[i] for i in keep_a) + tuple(b.shape[i] for i in keep_b)
    return reshape(ops.matmul(a2, b2), shape=out_shape)
