"""Indexing and writing by index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import devices, shapes
from ..autograd import Node, Variable, no_grad
from ..autograd.tape import record
from ..autograd.writes import check_writable, wrote
from ..dtypes import kind, promote_scalar
from ..errors import ArgumentTypeError, GradError, IndexRangeError, ShapeError
from ..ops import index as ops
from ..ops import shape as shape_ops
from .convert import cast, is_weak, partner, scalar, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["take", "take_along_axis"]


def parse(op: str, key: Any, x: Any) -> tuple[ops.Key, tuple[Any, ...]]:
    """A key as a template with holes, and the tensors on the device of `x` that fill them."""
    if not isinstance(key, tuple):
        key = (key,)
    template: list[Any] = []
    arrays: list[Any] = []
    for part in key:
        if part is None or part is Ellipsis or type(part) is int:
            template.append(part)
        elif isinstance(part, slice):
            template.append(_slice(op, part))
        elif isinstance(part, (bool, np.bool_)):
            _hole(op, template, arrays, tensor_of(op, np.asarray(part), devices.of(x.data)))
        elif isinstance(part, (Variable, np.ndarray, list, tuple)):
            _hole(op, template, arrays, _index(op, part, x))
        elif hasattr(part, "__index__"):
            template.append(shapes.as_int(op, "an index", part))
        else:
            raise IndexRangeError(
                op,
                f"{part!r} is no index",
                remedy="integers, slices, None, ..., and integer or bool arrays",
            )
    if template.count(Ellipsis) > 1:
        raise IndexRangeError(op, "more than one Ellipsis")
    return tuple(template), tuple(arrays)


def _slice(op: str, part: slice) -> slice:
    bounds = [
        None if v is None else shapes.as_int(op, "a slice bound", v)
        for v in (part.start, part.stop, part.step)
    ]
    if bounds[2] == 0:
        raise IndexRangeError(op, "a slice step of 0")
    return slice(*bounds)


def _index(op: str, part: Any, x: Any) -> Any:
    if isinstance(part, (list, tuple)) and not len(part):
        return tensor_of(op, np.zeros(0, np.int64), devices.of(x.data))
    return partner(op, part, x)


def _hole(op: str, template: list[Any], arrays: list[Any], index: Any) -> None:
    if kind(index.dtype) > 1:
        raise IndexRangeError(
            op, f"an index array of dtype {index.dtype.name}", remedy="integers or bool"
        )
    if index.ndim == 0 and kind(index.dtype) == 1:
        template.append(int(index.data))
    else:
        template.append(ops.HOLE)
        arrays.append(index)


def getitem(x: Any, key: Any) -> Tensor:
    """`x[key]`: a view for basic keys, a copy for keys with arrays."""
    if type(key) is int or type(key) is slice:
        return ops.getitem(x, key=(key,))
    template, arrays = parse("getitem", key, x)
    if not arrays:
        return ops.getitem(x, key=template)
    ops.indexed_shape("getitem", x.shape, template, tuple(a.data for a in arrays))
    return ops.take_items(x, *arrays, key=template)


def setitem(x: Any, key: Any, value: Any) -> None:
    """`x[key] = value`, in place. In recorded code `x` becomes a new node of the tape."""
    template, arrays = parse("setitem", key, x)
    shape = ops.indexed_shape("setitem", x.shape, template, tuple(a.data for a in arrays))
    if is_weak(value):
        v = scalar("setitem", value, promote_scalar(x.dtype, value), x)
    else:
        v = partner("setitem", value, x)
    if kind(v.dtype) > kind(x.dtype):
        raise ArgumentTypeError(
            "setitem",
            f"{v.dtype.name} values into a tensor of {x.dtype.name}",
            remedy="cast the values: value.astype(x.dtype)",
            x=x,
            value=v,
        )
    v = cast(v, x.dtype)
    if shapes.broadcast("setitem", v.shape, shape) != shape:
        while v.ndim > len(shape) and v.shape[0] == 1:
            v = shape_ops.reshape(v, shape=v.shape[1:])
        if shapes.broadcast("setitem", v.shape, shape) != shape:
            raise ShapeError(
                "setitem", f"values of shape {v.shape} for a place of shape {shape}", x=x
            )
    recorded = check_writable("setitem", x, v)
    if recorded and v._node is not None and arrays:
        _refuse_repeats(x, template, arrays)
    node: Node | None = None
    if recorded:
        node = record(ops.index_put, (x, v, *arrays), {"key": template}, x.data)
    with no_grad():
        values = (shape_ops.copy(v) if devices.overlap(x.data, v.data) else v).data
    ops.put(x.data, values, tuple(a.data for a in arrays), template)
    wrote(x, node, recorded=recorded)


def _refuse_repeats(x: Any, template: ops.Key, arrays: tuple[Any, ...]) -> None:
    if all(kind(a.dtype) == 0 for a in arrays):
        return
    numbers = np.arange(x.data.size).reshape(x.shape)
    at = tuple(devices.of(a.data).to_host(a.data) for a in arrays)
    touched = numbers[ops.fill(template, at)]
    if np.unique(touched).size != touched.size:
        raise GradError(
            "setitem",
            "an element is written twice in recorded code, so its gradient has no one place to go",
            remedy="make the indices distinct",
        )


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The elements of `x` at `indices` along `axis`.

    >>> import gpudl as gd
    >>> gd.take(gd.tensor([10, 20, 30]), gd.tensor([2, 0]))
    tensor([30, 10])
    """
    x = tensor_of("take", x)
    if axis is None:
        if x.ndim != 1:
            raise ShapeError("take", "axis is needed unless x has one axis", x=x)
        axis = 0
    at = shapes.normalize_axis("take", axis, x.ndim)
    index = partner("take", indices, x)
    if kind(index.dtype) != 1:
        raise ArgumentTypeError("take", f"indices of dtype {index.dtype.name}", remedy="integers")
    key = (slice(None),) * at + (ops.HOLE,)
    ops.indexed_shape("take", x.shape, key, (index.data,))
    return ops.take_items(x, index, key=key)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """For each place of `indices`, the element of `x` at that index along `axis`.

    >>> import gpudl as gd
    >>> gd.take_along_axis(gd.tensor([[1, 2], [3, 4]]), gd.tensor([[1], [0]]), axis=1)
    tensor([[2],
            [3]])
    """
    x = tensor_of("take_along_axis", x)
    at = shapes.normalize_axis("take_along_axis", axis, x.ndim)
    return shape_ops.gather_axis(x, partner("take_along_axis", indices, x), axis=at)
