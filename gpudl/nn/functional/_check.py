"""What the functions of this package check before they compute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import devices, shapes
from ..._namespace.convert import cast, floating, scalar
from ...autograd import Variable, make
from ...dtypes import kind
from ...errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from ...ops import elementwise as ew
from ...ops.shape import permute, reshape


def tensor(op: str, x: Any, name: str = "input") -> Any:
    """`x`, which must be a tensor: functions of networks do not convert lists unasked."""
    if isinstance(x, Variable):
        return x
    raise ArgumentTypeError(
        op, f"{name} must be a tensor, not {type(x).__name__}", remedy="gd.asarray(...)"
    )


def same_dtype(op: str, x: Any, **weights: Any) -> None:
    """Raise `DTypeError` unless every weight that is not None has the dtype of `x`."""
    dtype = x.data.dtype
    for name, w in weights.items():
        if w is not None and not isinstance(w, Variable):
            tensor(op, w, name)
        if w is not None and w.data.dtype is not dtype and w.data.dtype != dtype:
            raise DTypeError(
                op,
                f"the input is {dtype.name}, {name} is {w.data.dtype.name}",
                remedy=f"x.astype(gd.{w.data.dtype.name}), or model.to(gd.{dtype.name})",
                input=x,
                **{name: w},
            )


def real_float(op: str, x: Any, name: str = "input") -> Any:
    """`x`, a tensor of a real floating dtype."""
    x = tensor(op, x, name)
    if kind(x.data.dtype) != 2:
        raise DTypeError(
            op,
            f"{name} is {x.data.dtype.name}",
            remedy="a floating dtype: x.astype(gd.float32)",
            x=x,
        )
    return x


def number(op: str, name: str, value: Any) -> float:
    """`value` as a float; anything but a Python number raises."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentTypeError(op, f"{name} must be a number, not {value!r}")
    return float(value)


def constant(op: str, like: Any, value: float) -> Any:
    """A number as a 0-d tensor of the dtype and device of `like`."""
    return scalar(op, value, like.data.dtype, like)


def placed(array: Any, like: Any) -> Any:
    """A constant computed on the host, on the device of `like`."""
    return make(devices.of(like.data).from_host(np.asarray(array), copy=False))


def on_host(x: Any) -> np.ndarray[Any, Any]:
    """The values of a tensor of any device, as NumPy's."""
    array: np.ndarray[Any, Any] = devices.of(x.data).to_host(x.data)
    return array


def axis(op: str, dim: Any, x: Any) -> int:
    """`dim` of PyTorch counted from 0; a 0-d tensor has an axis 0 for this purpose."""
    return shapes.normalize_axis(op, dim, max(x.ndim, 1))


def ints(op: str, name: str, value: Any, rank: int, low: int) -> tuple[int, ...]:
    """An int or a sequence of `rank` ints."""
    return shapes.pair(op, name, value, rank, low=low)


def batched(op: str, x: Any, rank: int) -> tuple[Any, bool]:
    """(N, C, *S) from (N, C, *S) or (C, *S), and whether a batch axis was added."""
    if x.ndim == rank + 2:
        return x, False
    if x.ndim == rank + 1:
        return reshape(x, shape=(1, *x.shape)), True
    raise ShapeError(
        op, f"needs {rank + 2} axes (N, C, *spatial), or {rank + 1} without the batch", input=x
    )


def unbatched(y: Any, added: bool) -> Any:
    """`y` without the batch axis that `batched` added."""
    return reshape(y, shape=y.shape[1:]) if added else y


def channel_shape(x: Any) -> tuple[int, ...]:
    """The shape in which a (C,) tensor broadcasts over `x` (N, C, *S)."""
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


def axis_last(x: Any, at: int) -> tuple[Any, tuple[int, ...] | None]:
    """`x` with axis `at` last, and the permutation that undoes it."""
    if at == x.ndim - 1:
        return x, None
    order = (*(i for i in range(x.ndim) if i != at), at)
    undo = [0] * x.ndim
    for i, a in enumerate(order):
        undo[a] = i
    return permute(x, axes=order), tuple(undo)


def undone(y: Any, undo: tuple[int, ...] | None) -> Any:
    """`y` with its axes as they were before `axis_last`."""
    return y if undo is None else permute(y, axes=undo)


def same_shape(op: str, **operands: Any) -> None:
    """Raise `ShapeError` unless all operands have one shape: losses do not broadcast silently."""
    shapes_seen = {x.shape for x in operands.values()}
    if len(shapes_seen) > 1:
        raise ShapeError(
            op,
            "the shapes differ",
            remedy="reshape or broadcast_to one of them; a loss does not broadcast",
            **operands,
        )


def common(op: str, *xs: Any) -> tuple[Any, ...]:
    """Floating tensors of one dtype: integers take the float's, two different floats raise."""
    first = next((x for x in xs if kind(x.data.dtype) >= 2), None)
    if first is None:
        return tuple(floating(op, x) for x in xs)
    for x in xs:
        if kind(x.data.dtype) >= 2:
            same_dtype(op, first, other=x)
    return tuple(cast(x, first.data.dtype) for x in xs)


def reduced(op: str, loss: Any, reduction: str) -> Any:
    """`loss` as it is, its sum, or its mean."""
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return loss.mean()
    raise bad_reduction(op, reduction)


def bad_reduction(op: str, reduction: Any) -> ArgumentError:
    """The error for a reduction that does not exist."""
    return ArgumentError(op, f"reduction={reduction!r}", remedy='"mean", "sum" or "none"')


def clamp_min(op: str, x: Any, low: float) -> Any:
    """max(x, low) whose gradient passes at equality, PyTorch's `clamp_min`."""
    bound = constant(op, x, low)
    return ew.where(ew.less(x, bound), bound, x)


def as_ints(op: str, values: Any) -> tuple[int, ...]:
    """An iterable of integers as a tuple."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ArgumentTypeError(op, f"{values!r} is no sequence of integers")
    return tuple(shapes.as_int(op, "an entry", v) for v in values)
