"""Indexing and writing by index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import shapes
from ..autograd import Node, Variable
from ..autograd.tape import record
from ..autograd.writes import check_writable, wrote
from ..dtypes import kind, promote_scalar
from ..errors import ArgumentTypeError, GradError, IndexRangeError, ShapeError
from ..ops import index as ops
from ..ops import shape as shape_ops
from .convert import cast, is_weak, scalar, tensor_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["take", "take_along_axis"]


def parse(op: str, key: Any) -> tuple[ops.Key, tuple[Any, ...]]:
    """A key as a template with holes, and the tensors that fill them."""
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
            _hole(op, template, arrays, np.asarray(part))
        elif isinstance(part, (Variable, np.ndarray, list, tuple)):
            _hole(op, template, arrays, part)
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


def _hole(op: str, template: list[Any], arrays: list[Any], part: Any) -> None:
    if isinstance(part, (list, tuple)) and not len(part):
        part = np.zeros(0, np.int64)
    index = tensor_of(op, part)
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
    template, arrays = parse("getitem", key)
    if not arrays:
        return ops.getitem(x, key=template)
    ops.indexed_shape("getitem", x.shape, template, tuple(a.data for a in arrays))
    return ops.take_items(x, *arrays, key=template)


def setitem(x: Any, key: Any, value: Any) -> None:
    """`x[key] = value`, in place. In recorded code `x` becomes a new node of the tape."""
    template, arrays = parse("setitem", key)
    shape = ops.indexed_shape("setitem", x.shape, template, tuple(a.data for a in arrays))
    if is_weak(value):
        v = scalar("setitem", value, promote_scalar(x.dtype, value), x)
    else:
        v = tensor_of("setitem", value)
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
    values = v.data
    if np.may_share_memory(x.data, values):
        values = values.copy()
    x.data[ops.fill(template, tuple(a.data for a in arrays))] = values
    wrote(x, node, recorded=recorded)


def _refuse_repeats(x: Any, template: ops.Key, arrays: tuple[Any, ...]) -> None:
    if all(kind(a.dtype) == 0 for a in arrays):
        return
    numbers = np.arange(x.data.size).reshape(x.shape)
    touched = numbers[ops.fill(template, tuple(a.data for a in arrays))]
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
    index = tensor_of("take", indices)
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
    return shape_ops.gather_axis(x, tensor_of("take_along_axis", indices), axis=at)
