"""Shapes, axes, joining and splitting."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import devices, shapes
from ..autograd import Variable
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..ops import shape as ops
from .convert import several, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "matrix_transpose",
    "meshgrid",
    "moveaxis",
    "pad",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "unstack",
]


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """`x` with another shape of as many elements; one entry may be -1. Never promises to share
    memory.

    >>> import gpudl as gd
    >>> gd.reshape(gd.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    x = tensor_of("reshape", x)
    target = shapes.resolve_reshape(
        "reshape", x.shape, shapes.as_shape("reshape", shape, unknown=True)
    )
    out = ops.reshape(x, shape=target)
    if copy is False and out._alias is None and x.data.size:
        raise ArgumentError("reshape", "this needs a copy", remedy="copy=None", x=x)
    return ops.copy(out) if copy else out


def permute_dims(x: Any, /, axes: Any) -> Tensor:
    """`x` with its axes in another order.

    >>> import gpudl as gd
    >>> gd.permute_dims(gd.ones(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = tensor_of("permute_dims", x)
    if not isinstance(axes, (tuple, list)):
        raise ArgumentTypeError("permute_dims", f"axes is a tuple, not {axes!r}")
    order = tuple(shapes.normalize_axis("permute_dims", axis, x.ndim) for axis in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError("permute_dims", f"{tuple(axes)} is no permutation of {x.ndim} axes", x=x)
    return ops.permute(x, axes=order)


def matrix_transpose(x: Any, /) -> Tensor:
    """`x` with its last two axes exchanged.

    >>> import gpudl as gd
    >>> gd.matrix_transpose(gd.ones(2, 3, 4)).shape
    (2, 4, 3)
    """
    x = tensor_of("matrix_transpose", x)
    if x.ndim < 2:
        raise ShapeError("matrix_transpose", "needs at least two axes", x=x)
    return ops.permute(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """`x` with the axes `source` at the positions `destination`.

    >>> import gpudl as gd
    >>> gd.moveaxis(gd.ones(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    x = tensor_of("moveaxis", x)
    sources = source if isinstance(source, (tuple, list)) else (source,)
    targets = destination if isinstance(destination, (tuple, list)) else (destination,)
    src = [shapes.normalize_axis("moveaxis", axis, x.ndim) for axis in sources]
    dst = [shapes.normalize_axis("moveaxis", axis, x.ndim) for axis in targets]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ShapeError(
            "moveaxis", f"source {source} and destination {destination} do not pair up"
        )
    order = [i for i in range(x.ndim) if i not in src]
    for to, axis in sorted(zip(dst, src, strict=True)):
        order.insert(to, axis)
    return ops.permute(x, axes=tuple(order))


def expand_dims(x: Any, /, axis: Any) -> Tensor:
    """`x` with new axes of extent 1 at the positions `axis` of the result.

    >>> import gpudl as gd
    >>> gd.expand_dims(gd.ones(3), (0, 2)).shape
    (1, 3, 1)
    """
    x = tensor_of("expand_dims", x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    return ops.expand(x, axis=shapes.normalize_axes("expand_dims", axis, x.ndim + count))


def squeeze(x: Any, /, axis: Any) -> Tensor:
    """`x` without the axes `axis`, which have extent 1.

    >>> import gpudl as gd
    >>> gd.squeeze(gd.ones(1, 3), 0).shape
    (3,)
    """
    x = tensor_of("squeeze", x)
    axes = shapes.normalize_axes("squeeze", axis, x.ndim)
    if builtins.any(x.shape[i] != 1 for i in axes):
        raise ShapeError("squeeze", f"axis {axis} does not have extent 1", x=x)
    return ops.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """`x` repeated, without a copy, to `shape`. The result is read-only.

    >>> import gpudl as gd
    >>> gd.broadcast_to(gd.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    x = tensor_of("broadcast_to", x)
    target = shapes.as_shape("broadcast_to", shape)
    if shapes.broadcast("broadcast_to", x.shape, target) != target:
        raise ShapeError("broadcast_to", f"{x.shape} does not broadcast to {target}", x=x)
    return ops.broadcast_to(x, shape=target)


def broadcast_shapes(*given: Any) -> tuple[int, ...]:
    """The shape to which shapes broadcast.

    >>> import gpudl as gd
    >>> gd.broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    return shapes.broadcast(
        "broadcast_shapes", *[shapes.as_shape("broadcast_shapes", s) for s in given]
    )


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """The arrays, each broadcast to their common shape.

    >>> import gpudl as gd
    >>> [x.shape for x in gd.broadcast_arrays(gd.ones(3, 1), gd.ones(4))]
    [(3, 4), (3, 4)]
    """
    xs = [tensor_of("broadcast_arrays", x) for x in arrays]
    shape = shapes.broadcast("broadcast_arrays", *[x.shape for x in xs])
    return tuple(x if x.shape == shape else ops.broadcast_to(x, shape=shape) for x in xs)


def _list_of(op: str, arrays: Any) -> list[Any]:
    if not isinstance(arrays, (tuple, list)) or not arrays:
        if isinstance(arrays, Variable) and arrays.ndim and arrays.shape[0]:
            return list(unstack(arrays))
        raise ArgumentTypeError(op, "needs a tuple or list with at least one array")
    return list(several(op, *arrays))


def concat(arrays: Any, /, *, axis: int | None = 0) -> Tensor:
    """Join arrays along an existing axis; None flattens them first.

    >>> import gpudl as gd
    >>> gd.concat([gd.tensor([1]), gd.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    xs = _list_of("concat", arrays)
    if axis is None:
        return ops.join(tuple(ops.reshape(x, shape=(x.data.size,)) for x in xs), 0)
    at = shapes.normalize_axis("concat", axis, xs[0].ndim)
    return ops.join(tuple(xs), at)


def stack(arrays: Any, /, *, axis: int = 0) -> Tensor:
    """Join arrays of one shape along a new axis.

    >>> import gpudl as gd
    >>> gd.stack([gd.tensor([1, 2]), gd.tensor([3, 4])], axis=1)
    tensor([[1, 3],
            [2, 4]])
    """
    xs = _list_of("stack", arrays)
    for x in xs:
        if x.shape != xs[0].shape:
            raise ShapeError("stack", f"shapes {xs[0].shape} and {x.shape} differ")
    at = shapes.normalize_axis("stack", axis, xs[0].ndim + 1)
    return ops.join(tuple(ops.expand(x, axis=(at,)) for x in xs), at)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of `x` along `axis`, without it.

    >>> import gpudl as gd
    >>> gd.unstack(gd.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    x = tensor_of("unstack", x)
    at = shapes.normalize_axis("unstack", axis, x.ndim)
    lead = (slice(None),) * at
    return tuple(x[(*lead, i)] for i in range(x.shape[at]))


def flip(x: Any, /, *, axis: Any = None) -> Tensor:
    """`x` with the order along `axis` (all by default) reversed.

    >>> import gpudl as gd
    >>> gd.flip(gd.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    x = tensor_of("flip", x)
    return ops.flip(x, axis=shapes.normalize_axes("flip", axis, x.ndim))


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Tensor:
    """`x` with its elements moved along `axis`, those that leave at one end entering at the other.

    >>> import gpudl as gd
    >>> gd.roll(gd.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    x = tensor_of("roll", x)
    if axis is None:
        flat = ops.reshape(x, shape=(x.data.size,))
        return ops.reshape(_rolled(flat, shapes.as_int("roll", "shift", shift), 0), shape=x.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    moves = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(moves) != len(axes):
        raise ShapeError("roll", f"{len(moves)} shifts for {len(axes)} axes")
    for by, at in zip(moves, axes, strict=True):
        x = _rolled(
            x, shapes.as_int("roll", "shift", by), shapes.normalize_axis("roll", at, x.ndim)
        )
    return x


def _rolled(x: Any, shift: int, axis: int) -> Any:
    extent = x.shape[axis]
    at = shift % extent if extent else 0
    if at == 0:
        return ops.copy(x)
    lead = (slice(None),) * axis
    return ops.join(
        (x[(*lead, slice(extent - at, None))], x[(*lead, slice(None, extent - at))]), axis
    )


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element along `axis` repeated `repeats` times (a number, or one per element).

    >>> import gpudl as gd
    >>> gd.repeat(gd.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    from .creation import asarray

    x = tensor_of("repeat", x)
    if axis is None:
        x, axis = ops.reshape(x, shape=(x.data.size,)), 0
    at = shapes.normalize_axis("repeat", axis, x.ndim)
    if isinstance(repeats, Variable):
        repeats = devices.of(repeats.data).to_host(repeats.data)
    index = np.arange(x.shape[at])
    try:
        with devices.allocating("repeat", index.shape, index.dtype):
            many = index.repeat(repeats)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError("repeat", f"{error}", repeats=repeats, x=x) from None
    return x[(slice(None),) * at + (asarray(many, device=devices.of(x.data)),)]


def tile(x: Any, repetitions: Any, /) -> Tensor:
    """`x` laid side by side, `repetitions` times along each axis.

    >>> import gpudl as gd
    >>> gd.tile(gd.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    x = tensor_of("tile", x)
    counts = shapes.as_shape("tile", repetitions)
    rank = builtins.max(x.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    extents = (1,) * (rank - x.ndim) + x.shape
    shapes.count(
        "tile", tuple(n * c for n, c in zip(extents, counts, strict=True)), x.dtype.itemsize
    )
    split = tuple(v for n in extents for v in (1, n))
    spread = tuple(v for n, c in zip(extents, counts, strict=True) for v in (c, n))
    wide = ops.broadcast_to(ops.reshape(x, shape=split), shape=spread)
    return ops.reshape(wide, shape=tuple(n * c for n, c in zip(extents, counts, strict=True)))


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinate tensors of the grid that one-axis `arrays` span.

    >>> import gpudl as gd
    >>> [x.shape for x in gd.meshgrid(gd.arange(2), gd.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError("meshgrid", f"indexing={indexing!r}", remedy='"xy" or "ij"')
    xs = list(several("meshgrid", *arrays)) if arrays else []
    for x in xs:
        if x.ndim != 1:
            raise ShapeError("meshgrid", "needs arrays with one axis", x=x)
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[:2] = [1, 0]
    shape = [0] * len(xs)
    for x, at in zip(xs, order, strict=True):
        shape[at] = x.shape[0]
    grids = []
    for x, at in zip(xs, order, strict=True):
        side = tuple(x.shape[0] if i == at else 1 for i in range(len(xs)))
        grids.append(ops.copy(ops.broadcast_to(ops.reshape(x, shape=side), shape=tuple(shape))))
    return tuple(grids)


def pad(x: Any, pad_width: Any, /, *, value: float = 0) -> Tensor:
    """`x` with `value` around it; `pad_width` is a number, a pair, or a pair per axis.

    >>> import gpudl as gd
    >>> gd.pad(gd.tensor([1, 2]), (1, 0))
    tensor([0, 1, 2])
    """
    x = tensor_of("pad", x)
    widths = _widths(x.ndim, pad_width)
    return ops.pad(x, width=widths, value=value)


def _widths(ndim: int, given: Any) -> tuple[tuple[int, int], ...]:
    if hasattr(given, "__index__"):
        given = ((given, given),) * ndim
    elif isinstance(given, (tuple, list)) and len(given) == 2 and hasattr(given[0], "__index__"):
        given = (tuple(given),) * ndim
    if not isinstance(given, (tuple, list)) or len(given) != ndim:
        raise ShapeError("pad", f"pad_width {given!r} for {ndim} axes", remedy="a pair per axis")
    result = []
    for entry in given:
        if not isinstance(entry, (tuple, list)) or len(entry) != 2:
            raise ShapeError("pad", f"{entry!r} is no pair (before, after)")
        low, high = (shapes.as_int("pad", "pad_width", n) for n in entry)
        if low < 0 or high < 0:
            raise ShapeError("pad", f"negative padding {entry!r}")
        result.append((low, high))
    return tuple(result)
