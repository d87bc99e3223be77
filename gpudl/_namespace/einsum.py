"""Einstein summation, made of axis permutations and matrix products."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from .. import devices, shapes
from ..dtypes import int64
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..ops import create
from ..ops import index as index_ops
from ..ops import matmul as matmul_ops
from ..ops.reduce import sum_
from ..ops.shape import broadcast_to, permute, reshape
from .convert import several

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["einsum"]


def einsum(subscripts: str, /, *operands: Any) -> Tensor:
    """Products of `operands`, summed over the letters that the result does not name.

    `subscripts` is `"ij,jk->ik"`: letters for axes, `...` for axes that broadcast; without `->` the
    result has the letters that occur once, in order. Operands are multiplied from left to right,
    each pair as one matrix product.

    >>> import gpudl as gd
    >>> gd.einsum("ij,j->i", gd.tensor([[1, 2], [3, 4]]), gd.tensor([1, 1]))
    tensor([3, 7])
    """
    if not isinstance(subscripts, str):
        raise ArgumentTypeError("einsum", f"subscripts are a string, not {subscripts!r}")
    if not operands:
        raise ArgumentError("einsum", "needs at least one operand")
    xs = several("einsum", *operands)
    terms, result = _parse(subscripts, xs)
    extents = _extents(terms, xs)
    parts = [_without_repeats(term, x) for term, x in zip(terms, xs, strict=True)]
    parts = [(term, _spread(x, tuple(extents[c] for c in term))) for term, x in parts]
    while len(parts) > 1:
        (a, x), (b, y), *rest = parts
        later = set(result).union(*[set(term) for term, _ in rest])
        parts = [_multiply(a, x, b, y, later, extents), *rest]
    term, x = parts[0]
    dropped = tuple(i for i, c in enumerate(term) if c not in result)
    if dropped:
        x = sum_(x, axis=dropped, keepdims=False)
        term = "".join(c for c in term if c in result)
    return permute(x, axes=tuple(term.index(c) for c in result)) if term != result else x


def _parse(subscripts: str, xs: tuple[Any, ...]) -> tuple[list[str], str]:
    """A string of letters for each operand and for the result; `...` becomes letters that are
    not in use.
    """
    text = "".join(subscripts.split())
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(xs):
        raise ArgumentError(
            "einsum", f"{subscripts!r} has {len(terms)} terms for {len(xs)} operands"
        )
    free = [c for c in string.ascii_letters if c not in text]
    for term in [*terms, right]:
        letters = term.replace("...", "", 1)
        if not all(c in string.ascii_letters for c in letters):
            raise ArgumentError(
                "einsum",
                f"{term!r} in {subscripts!r}",
                remedy="ASCII letters, and ... at most once",
            )
    ranks = [x.ndim - len(term.replace("...", "")) for term, x in zip(terms, xs, strict=True)]
    for term, x, rank in zip(terms, xs, ranks, strict=True):
        if rank < 0 or (rank and "..." not in term):
            raise ShapeError(
                "einsum", f"{term!r} does not fit an operand of {x.ndim} axes", operand=x
            )
    most = max((rank for term, rank in zip(terms, ranks, strict=True) if "..." in term), default=0)
    if most > len(free):
        raise ArgumentError("einsum", f"more axes than letters in {subscripts!r}")
    dots = "".join(free[:most])
    terms = [
        term.replace("...", dots[most - rank :] if rank else "")
        for term, rank in zip(terms, ranks, strict=True)
    ]
    if not arrow:
        joined = "".join(terms)
        once = sorted(c for c in set(joined) if c not in dots and joined.count(c) == 1)
        return terms, dots + "".join(once)
    if most and "..." not in right:
        raise ArgumentError(
            "einsum", f"the result of {subscripts!r} drops ...", remedy="... in the result"
        )
    result = right.replace("...", dots)
    if len(set(result)) != len(result):
        raise ArgumentError("einsum", f"a letter occurs twice in the result of {subscripts!r}")
    unknown = set(result) - set("".join(terms))
    if unknown:
        raise ArgumentError("einsum", f"the result names {sorted(unknown)}, which no operand has")
    return terms, result


def _extents(terms: list[str], xs: tuple[Any, ...]) -> dict[str, int]:
    """The extent of each letter; extents of 1 broadcast."""
    extents: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for c, n in zip(term, x.shape, strict=True):
            known = extents.get(c, 1)
            if 1 not in (n, known) and n != known:
                raise ShapeError("einsum", f"axis {c!r} has extents {known} and {n}", operand=x)
            extents[c] = n if known == 1 else known
    return extents


def _without_repeats(term: str, x: Any) -> tuple[str, Any]:
    """The diagonal where a letter occurs twice in one term."""
    for c in term:
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(
                    "einsum", f"axis {c!r} has extents {x.shape[i]} and {x.shape[j]}", operand=x
                )
            order = (*[k for k in range(x.ndim) if k not in (i, j)], i, j)
            at = create.arange(
                start=0, step=1, length=x.shape[i], dtype=int64, device=devices.of(x.data)
            )
            key = (Ellipsis, index_ops.HOLE, index_ops.HOLE)
            x = index_ops.take_items(permute(x, axes=order), at, at, key=key)
            term = "".join(d for k, d in enumerate(term) if k not in (i, j)) + c
    return term, x


def _spread(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else broadcast_to(x, shape=shape)


def _multiply(
    a: str, x: Any, b: str, y: Any, later: set[str], extents: dict[str, int]
) -> tuple[str, Any]:
    """One product, summed over the letters that nothing later needs."""
    a, x = _summed(a, x, later | set(b))
    b, y = _summed(b, y, later | set(a))
    batch = [c for c in a if c in b and c in later]
    summed = [c for c in a if c in b and c not in later]
    rows = [c for c in a if c not in b]
    cols = [c for c in b if c not in a]

    def size(letters: list[str]) -> int:
        return shapes.count("einsum", [extents[c] for c in letters])

    def arranged(term: str, z: Any, *groups: list[str]) -> Any:
        order = [c for group in groups for c in group]
        moved = permute(z, axes=tuple(term.index(c) for c in order))
        return reshape(moved, shape=tuple(size(group) for group in groups))

    product = matmul_ops.matmul(
        arranged(a, x, batch, rows, summed), arranged(b, y, batch, summed, cols)
    )
    letters = batch + rows + cols
    return "".join(letters), reshape(product, shape=tuple(extents[c] for c in letters))


def _summed(term: str, x: Any, needed: set[str]) -> tuple[str, Any]:
    axes = tuple(i for i, c in enumerate(term) if c not in needed)
    if not axes:
        return term, x
    return "".join(c for c in term if c in needed), sum_(x, axis=axes, keepdims=False)
