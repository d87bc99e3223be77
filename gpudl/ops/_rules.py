"""Shape and dtype rules that many rows share. They raise the typed error of a wrong call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import shapes
from ..autograd import Spec
from ..dtypes import DType, bool_, check_kind, promote
from ..errors import DTypeError

Rule = Callable[..., Any]
SpecRule = Callable[..., Spec]


def same_dtype(op: str, *specs: Spec) -> DType:
    """The common dtype of operands; rows take equal dtypes, promotion happens above them."""
    first = specs[0].dtype
    for spec in specs[1:]:
        if spec.dtype != first:
            raise DTypeError(
                op,
                f"operands of dtypes {first.name} and {spec.dtype.name}",
                remedy=f"cast one: x.astype(gd.{promote(first, spec.dtype, op).name})",
            )
    return first


def elementwise(op: str, kinds: str, out: Callable[[DType], DType] | None = None) -> SpecRule:
    """Broadcast operands of one dtype whose kind is in `kinds` (letters of `bifc`)."""

    def rule(*specs: Spec) -> Spec:
        dtype = same_dtype(op, *specs)
        check_kind(op, dtype, kinds)
        shape = shapes.broadcast(op, *[spec.shape for spec in specs])
        shapes.count(op, shape, dtype.itemsize)
        return Spec(shape, out(dtype) if out is not None else dtype)

    return rule


def to_bool(dtype: DType) -> DType:
    """The dtype rule of comparisons and tests."""
    return bool_


def reduction(op: str, kinds: str, out: Callable[[DType], DType] | None = None) -> Rule:
    """Reduce over `axis` (a tuple, normalized) with or without `keepdims`."""

    def rule(x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
        check_kind(op, x.dtype, kinds)
        axis = shapes.normalize_axes(op, axis, x.ndim)
        shape = shapes.reduced(x.shape, axis, keepdims)
        return Spec(shape, out(x.dtype) if out is not None else x.dtype)

    return rule


def like_second(op: str, kinds: str = "f") -> Rule:
    """The second operand's shape and dtype: an input beside its upstream gradient."""

    def rule(g: Spec, x: Spec, *_: Spec, **__: Any) -> Spec:
        check_kind(op, x.dtype, kinds)
        return x

    return rule


def like(op: str, kinds: str = "fc") -> Rule:
    """The first operand's shape and dtype."""

    def rule(x: Spec, *_: Spec, **__: Any) -> Spec:
        check_kind(op, x.dtype, kinds)
        return x

    return rule
