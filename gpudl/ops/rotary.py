"""Rotary positions: pairs of features turned by an angle that grows with the place.

Source: Su et al., "RoFormer", arXiv:2104.09864, in the form with halves instead of neighbours.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Row, Spec, row
from ..dtypes import check_kind
from ..errors import ShapeError
from ._rules import same_dtype
from .create import device_of, full
from .reduce import sum_
from .shape import broadcast_to, concat, reshape


def _rotary_rule(x: Spec, turns: Spec) -> Spec:
    check_kind("rotary", same_dtype("rotary", x, turns), "f")
    if x.ndim < 2 or x.shape[-1] % 2 or turns.shape != (2, x.shape[-2], x.shape[-1] // 2):
        raise ShapeError(
            "rotary", "x is (..., T, D) with an even D, turns are (2, T, D / 2)", x=x, turns=turns
        )
    return x


def _rotary_ref(xp: Any, x: Any, turns: Any) -> Any:
    half = x.shape[-1] // 2
    (cos, sin), a, b = turns, x[..., :half], x[..., half:]
    return xp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def _x_vjp(g: Any, y: Any, x: Any, turns: Any) -> Any:
    """Turned back."""
    flips = concat(_filled(turns, 1), _filled(turns, -1), axis=0, sizes=(1, 1))
    return rotary(g, turns * flips)


def _turns_vjp(g: Any, y: Any, x: Any, turns: Any) -> Any:
    """What each pair of g has along x, and across it."""
    right_angle = concat(_filled(turns, 0), _filled(turns, 1), axis=0, sizes=(1, 1))
    right_angle = broadcast_to(right_angle, shape=turns.shape)
    along, across = _over_pairs(g * x), _over_pairs(g * rotary(x, right_angle))
    return concat(along, across, axis=0, sizes=(1, 1))


def _over_pairs(product: Any) -> Any:
    """(1, T, D / 2): the halves of (..., T, D) added, and all before them."""
    lead, (T, D) = product.shape[:-2], product.shape[-2:]
    pairs = reshape(product, shape=(*lead, T, 2, D // 2))
    total = sum_(pairs, axis=(*range(len(lead)), len(lead) + 1), keepdims=False)
    return reshape(total, shape=(1, T, D // 2))


def _filled(like: Any, value: float) -> Any:
    return full(shape=(1, 1, 1), value=value, dtype=like.dtype, device=device_of(like))


# Cosines and sines are one operand, (2, T, D / 2), so that the row is a product of two.
rotary: Row = row(
    "rotary",
    _rotary_ref,
    _rotary_rule,
    vjp=(_x_vjp, _turns_vjp),
    saves=(0, 1),
    crossed=True,
    kernel="rotary",
)
