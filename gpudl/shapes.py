"""Size arithmetic, checked here and nowhere else, before any allocation.

Everything that turns a user's shape, axis or index into numbers passes through these functions.
They raise typed errors and never compute with a value that would overflow 64 bits.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

from .errors import ArgumentTypeError, IndexRangeError, ShapeError, SizeError

MAX_BYTES = 2**63 - 1
MAX_RANK = 64  # NumPy's limit
Shape = tuple[int, ...]


def as_int(op: str, name: str, value: Any) -> int:
    """`value` as a Python int; bools, floats and strings raise `ArgumentTypeError`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(op, f"{name} must be an integer, not {value!r}")
    try:
        return operator.index(value)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(op, f"{name} must be an integer: {error}") from None


def as_shape(
    op: str, shape: SupportsIndex | Iterable[SupportsIndex], *, unknown: bool = False
) -> Shape:
    """A shape given as an int or an iterable of ints. With `unknown`, one entry may be -1.

    Raises `ShapeError` for negative extents and for more than 64 axes.
    """
    if hasattr(shape, "__index__") and not isinstance(shape, bool):
        shape = (shape,)  # type: ignore[assignment]
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Iterable):
        raise ArgumentTypeError(
            op, f"a shape is an integer or a sequence of integers, not {shape!r}"
        )
    result: list[int] = []
    for extent in shape:
        result.append(as_int(op, "an extent of a shape", extent))
        if len(result) > MAX_RANK:
            raise ShapeError(op, f"more than {MAX_RANK} axes")
    lowest = -1 if unknown else 0
    if any(extent < lowest for extent in result):
        raise ShapeError(op, f"negative extent in shape {tuple(result)}")
    if unknown and result.count(-1) > 1:
        raise ShapeError(op, f"more than one -1 in shape {tuple(result)}")
    return tuple(result)


def count(op: str, shape: Sequence[int], itemsize: int = 1) -> int:
    """The number of elements of `shape`. Raises `SizeError` if its bytes do not fit 63 bits."""
    total = 1
    for extent in shape:
        # An empty array still must have strides that can be represented.
        total *= max(extent, 1)
        if total * itemsize > MAX_BYTES:
            raise SizeError(
                op, f"shape {tuple(shape)} of {itemsize}-byte elements exceeds 2**63 - 1 bytes"
            )
    return 0 if 0 in shape else total


def normalize_axis(op: str, axis: Any, ndim: int) -> int:
    """`axis` counted from 0; raises `IndexRangeError` outside [-ndim, ndim)."""
    value = as_int(op, "axis", axis)
    if not -ndim <= value < ndim:
        raise IndexRangeError(
            op,
            f"axis {value} is out of range for {ndim} axes",
            remedy=f"from {-ndim} to {ndim - 1}",
        )
    return value + ndim if value < 0 else value


def normalize_axes(op: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """A tuple of distinct axes counted from 0, in increasing order; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if hasattr(axis, "__index__"):
        return (normalize_axis(op, axis, ndim),)
    if not isinstance(axis, Iterable) or isinstance(axis, (str, bytes)):
        raise ArgumentTypeError(op, f"axis must be None, an integer or a tuple, not {axis!r}")
    axes = tuple(sorted(normalize_axis(op, entry, ndim) for entry in axis))
    if len(set(axes)) != len(axes):
        raise ShapeError(op, f"an axis appears twice in {axis!r}")
    return axes


def broadcast(op: str, *shapes: Shape) -> Shape:
    """The shape to which `shapes` broadcast; raises `ShapeError` when they do not."""
    rank = max((len(shape) for shape in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for i, extent in enumerate(shape):
            if extent != 1:
                if result[offset + i] not in (1, extent):
                    listed = " and ".join(map(str, shapes))
                    raise ShapeError(
                        op,
                        f"shapes {listed} do not broadcast",
                        remedy="extents must be equal or 1, counted from the right",
                    )
                result[offset + i] = extent
    return tuple(result)


def reduced(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """`shape` after a reduction over `axes`."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def resolve_reshape(op: str, shape: Shape, target: Shape) -> Shape:
    """`target` with its -1 filled in; raises `ShapeError` unless the element counts agree."""
    have = count(op, shape)
    known = count(op, tuple(n for n in target if n != -1))
    if -1 in target:
        if known == 0 or have % known:
            raise ShapeError(op, f"{have} elements of shape {shape} do not fill {target}")
        return tuple(have // known if n == -1 else n for n in target)
    if known != have:
        raise ShapeError(
            op, f"cannot reshape {shape} ({have} elements) into {target} ({known} elements)"
        )
    return target


def pair(op: str, name: str, value: Any, rank: int, *, low: int) -> tuple[int, ...]:
    """An int or a sequence of `rank` ints, each at least `low`, below 2**31."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        values = tuple(as_int(op, name, entry) for entry in value)
        if len(values) == 1:
            values *= rank
        if len(values) != rank:
            raise ShapeError(op, f"{name} has {len(values)} entries for {rank} spatial axes")
    else:
        values = (as_int(op, name, value),) * rank
    for entry in values:
        if not low <= entry < 2**31:
            raise ShapeError(op, f"{name} is {entry}", remedy=f"{name} is from {low} to 2**31 - 1")
    return values


def windows(
    op: str,
    n: int,
    k: int,
    stride: int,
    pad: tuple[int, int],
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> int:
    """The places of a window of `k` elements along an axis of `n`, padded by `pad` in front and
    behind. In ceil mode the last may reach beyond, but starts in the axis or the padding in front.

    Raises `ShapeError` if there is no place.
    """
    low, high = pad
    room = n + low + high - (dilation * (k - 1) + 1)
    if k < 1 or room < 0:
        raise ShapeError(
            op,
            f"a window of {k} (dilation {dilation}) does not fit an axis of {n} padded by {pad}",
            remedy="a smaller kernel or dilation, or more padding",
        )
    if not ceil_mode:
        return room // stride + 1
    places = -(-room // stride) + 1
    return places - 1 if (places - 1) * stride >= n + low else places
