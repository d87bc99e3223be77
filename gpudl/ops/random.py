"""Random numbers by counter (Philox 4x32-10): the same bits on every device and for any launch
shape.

Each row draws `n` numbers of the stream (seed, stream) from block `offset` on. Dropout draws one
uniform number an element, and draws them again for the gradient instead of keeping a mask.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import shapes
from ..autograd import Row, Spec, row
from ..dtypes import DType, float32, int64, uint32, uint64
from . import _philox
from ._rules import like

_WHY = "random numbers have no input"


def _rule(op: str, fixed: DType | None = None) -> Any:
    def rule(*, n: int, dtype: DType | None = None, **_: Any) -> Spec:
        shapes.count(op, (n,), 16)
        made = fixed or dtype
        assert made is not None
        return Spec((n,), made)

    return rule


def _ref(name: str) -> Any:
    def ref(xp: Any, **options: Any) -> Any:
        return getattr(_philox, name)(xp, **options)

    return ref


bits: Row = row(
    "random_bits", _ref("bits"), _rule("random_bits", uint32), kernel="philox_bits", why=_WHY
)
bits64: Row = row(
    "random_bits64",
    _ref("bits64"),
    _rule("random_bits64", uint64),
    kernel="philox_bits64",
    why=_WHY,
)
uniform: Row = row(
    "random_uniform", _ref("uniform"), _rule("random_uniform"), kernel="philox_uniform", why=_WHY
)
normal: Row = row(
    "random_normal", _ref("normal"), _rule("random_normal"), kernel="philox_normal", why=_WHY
)
randint: Row = row(
    "random_integers",
    _ref("randint"),
    _rule("random_integers", int64),
    kernel="philox_randint",
    why=_WHY,
)
permutation: Row = row(
    "random_permutation",
    _ref("permutation"),
    _rule("random_permutation", int64),
    why=_WHY,
)


# ----- dropout -----
def _dropout_ref(xp: Any, x: Any, *, p: float, seed: int, stream: int, offset: int) -> Any:
    drawn = _philox.uniform(xp, seed, stream, offset, x.size, float32).reshape(x.shape)
    keep = (drawn >= np.float32(p)).astype(x.dtype)
    return x * (keep * x.dtype.type(1 / (1 - p)))


dropout: Row = row(
    "dropout",
    _dropout_ref,
    like("dropout", "f"),
    vjp=(lambda g, y, x, **options: dropout(g, **options),),
    kernel="dropout",
    linear=True,
)
