"""Random numbers by counter (Philox 4x32-10): the same bits on every device and for any launch shape."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..autograd import Spec, row
from ..dtypes import DType, uint32
from ..shapes import Shape
from . import _philox

_WHY = "random numbers have no input"


def _rule(op: str) -> Any:
    def rule(*, shape: Shape, dtype: DType, device: Any = None, **_: Any) -> Spec:
        shape = shapes.as_shape(op, shape)
        shapes.count(op, shape, 4 * dtype.itemsize)
        return Spec(shape, dtype)

    return rule


def _bits_ref(xp: Any, *, shape: Shape, seed: int, stream: int, offset: int, dtype: DType) -> Any:
    n = shapes.count("random", shape)
    return _philox.bits(xp, seed, stream, offset, n).reshape(shape)


def _uniform_ref(xp: Any, *, shape: Shape, seed: int, stream: int, offset: int, dtype: DType) -> Any:
    n = shapes.count("random", shape)
    return _philox.uniform(xp, seed, stream, offset, n, dtype).reshape(shape)


def _normal_ref(xp: Any, *, shape: Shape, seed: int, stream: int, offset: int, dtype: DType) -> Any:
    n = shapes.count("random", shape)
    return _philox.normal(xp, seed, stream, offset, n, dtype).reshape(shape)


def _randint_ref(
    xp: Any, *, shape: Shape, seed: int, stream: int, offset: int, low: int, high: int, dtype: DType
) -> Any:
    n = shapes.count("random", shape)
    return _philox.randint(xp, seed, stream, offset, n, low, high).astype(dtype).reshape(shape)


bits = row("random_bits", _bits_ref, _rule("random_bits"), kernel="philox_bits", why=_WHY)
uniform = row("random_uniform", _uniform_ref, _rule("random_uniform"), kernel="philox_uniform", why=_WHY)
normal = row("random_normal", _normal_ref, _rule("random_normal"), kernel="philox_normal", why=_WHY)
randint = row("random_integers", _randint_ref, _rule("random_integers"), kernel="philox_randint", why=_WHY)

WORD = uint32
