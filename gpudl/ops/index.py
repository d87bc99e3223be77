"""Indexing. A key is a template: slices, integers, None and Ellipsis as they are, arrays replaced
by `HOLE`.

`getitem` and `index_add` are each other's adjoints, for basic and for advanced keys, so two rows
give indexing with derivatives of any order; `index_put` writes values into a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices
from ..autograd import Row, Spec, Variable, row
from ..autograd.writes import assign
from ..dtypes import check_kind
from ..errors import ArgumentTypeError, IndexRangeError, ShapeError
from ..shapes import Shape
from .create import scalar_like


class _Hole:
    """The place of an array in a key."""

    def __repr__(self) -> str:
        return "HOLE"

    def __reduce__(self) -> str:
        return "HOLE"


HOLE = _Hole()
Key = tuple[Any, ...]


def fill(key: Key, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with its arrays put back."""
    if not arrays:
        return key
    rest = iter(arrays)
    return tuple(next(rest) if part is HOLE else part for part in key)


def _consumed(part: Any, array: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    if part is HOLE and array.dtype.kind == "b":
        return len(array.shape)
    return 1


def indexed_shape(op: str, shape: Shape, key: Key, arrays: tuple[Any, ...]) -> Shape:
    """The shape of `x[key]`; too many indices, and indices outside their axes, raise."""
    parts = _parts(key, arrays)
    used = sum(_consumed(part, array) for part, array in parts)
    if used > len(shape):
        raise IndexRangeError(op, f"{used} indices for an array of shape {shape}")
    axis = 0
    for part, array in parts:
        if part is Ellipsis:
            axis += len(shape) - used
        elif isinstance(part, int):
            _check_one(op, part, axis, shape[axis])
            axis += 1
        elif array is not None:
            _check_array(op, array, axis, shape)
            axis += _consumed(part, array)
        elif part is not None:
            axis += 1
    probe = np.broadcast_to(np.empty((), np.bool_), shape)
    try:
        with devices.allocating(op, shape, probe.dtype):
            selected: Shape = probe[fill(key, tuple(_selector(a) for a in arrays))].shape
        return selected
    except (IndexError, ValueError, TypeError) as error:
        raise IndexRangeError(
            op, f"{error}", remedy="index arrays must broadcast together"
        ) from None


def _selector(array: Any) -> Any:
    """What NumPy can find the shape of a selection with. Of a mask on a GPU it needs the values,
    of indices their shape."""
    if isinstance(array, Variable):
        array = array.data
    if isinstance(array, np.ndarray):
        return array
    if array.dtype.kind == "b":
        return devices.of(array).to_host(array)
    return np.broadcast_to(np.zeros((), np.int64), array.shape)


def _check_one(op: str, index: int, axis: int, extent: int) -> None:
    if not -extent <= index < extent:
        raise IndexRangeError(
            op,
            f"index {index} is out of range for axis {axis} of extent {extent}",
            remedy=f"from {-extent} to {extent - 1}",
        )


def _check_array(op: str, array: Any, axis: int, shape: Shape) -> None:
    if array.dtype.kind == "b":
        # The standard lets a mask have extent 0 where the array has not; it selects nothing.
        fits = zip(array.shape, shape[axis : axis + len(array.shape)], strict=True)
        if any(have not in (0, wanted) for have, wanted in fits):
            raise IndexRangeError(
                op,
                f"a mask of shape {array.shape} at axis {axis} of shape {shape}",
                remedy="a mask has the shape of the axes it selects from",
            )
        return
    # Values on a GPU are not waited for here: its kernels, and the references, check them.
    if isinstance(array, np.ndarray):
        _check_values(op, array, axis, shape[axis])


def _check_values(op: str, array: Any, axis: int, extent: int) -> None:
    if array.size:
        _check_one(op, int(array.min()), axis, extent)
        _check_one(op, int(array.max()), axis, extent)


def _checked(xp: Any, op: str, shape: Shape, key: Key, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with its arrays, and their values checked where the library would wrap them."""
    if xp is not np and any(array.dtype.kind != "b" for array in arrays):
        used = sum(_consumed(part, array) for part, array in _parts(key, arrays))
        axis = 0
        for part, array in _parts(key, arrays):
            if array is not None and array.dtype.kind != "b":
                _check_values(op, array, axis, shape[axis])
            axis += len(shape) - used if part is Ellipsis else _consumed(part, array)
    return fill(key, arrays)


def _parts(key: Key, arrays: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    rest = iter(arrays)
    return [(part, next(rest) if part is HOLE else None) for part in key]


# ----- reading -----
def _getitem_rule(x: Spec, *arrays: Any, key: Key) -> Spec:
    for array in arrays:
        check_kind("getitem", array.dtype, "bi")
    if any(isinstance(a, Spec) for a in arrays):
        if any(a.dtype.kind == "b" for a in arrays):
            raise ShapeError("getitem", "the number of selected elements depends on the mask")
        arrays = tuple(np.broadcast_to(np.zeros((), np.int64), a.shape) for a in arrays)
    return Spec(indexed_shape("getitem", x.shape, key, arrays), x.dtype)


def _getitem_ref(xp: Any, x: Any, *arrays: Any, key: Key) -> Any:
    return x[_checked(xp, "getitem", x.shape, key, arrays)]


def _getitem_vjp(i: int, g: Any, y: Any, x: Any, *arrays: Any, key: Key) -> Any:
    return index_add(g, *arrays, key=key, shape=x.shape) if i == 0 else None


def _view_of(name: str, view: bool) -> Any:
    return row(
        name,
        _getitem_ref,
        _getitem_rule,
        vjp=_getitem_vjp,
        saves=() if view else ("1:",),
        linear=True,
        view=view,
    )


getitem: Row = _view_of("getitem", True)  # basic keys: a view
take_items: Row = _view_of("getitem_advanced", False)  # keys with arrays: a copy


# ----- adding into zeros: the adjoint of reading -----
def _index_add_rule(g: Spec, *arrays: Any, key: Key, shape: Shape) -> Spec:
    check_kind("index_add", g.dtype, "ifc")
    return Spec(shape, g.dtype)


def _index_add_ref(xp: Any, g: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    out = xp.zeros(shape, g.dtype)
    if not arrays:
        out[key] = g
    elif all(a.dtype.kind == "b" for a in arrays) and len(arrays) == 1:
        out[fill(key, arrays)] = g  # a mask names every element once
    else:
        xp.add.at(out, _checked(xp, "index_add", shape, key, arrays), g)
    return out


def _index_add_vjp(i: int, g: Any, y: Any, x: Any, *arrays: Any, key: Key, shape: Shape) -> Any:
    if i:
        return None
    return take_items(g, *arrays, key=key) if arrays else getitem(g, key=key)


index_add: Row = row(
    "index_add",
    _index_add_ref,
    _index_add_rule,
    vjp=_index_add_vjp,
    saves=("1:",),
    linear=True,
)


# ----- writing into a copy -----
def _index_put_rule(x: Spec, v: Spec, *arrays: Any, key: Key) -> Spec:
    if x.dtype != v.dtype:
        raise ArgumentTypeError("setitem", f"values of {v.dtype.name} into {x.dtype.name}")
    return x


def _index_put_ref(xp: Any, x: Any, v: Any, *arrays: Any, key: Key) -> Any:
    out = x.copy()
    out[_checked(xp, "index_put", x.shape, key, arrays)] = v
    return out


def put(x: Any, v: Any, arrays: tuple[Any, ...], key: Key) -> None:
    """Write the raw array `v` into the raw array `x`, in place."""
    if arrays:
        x[_checked(devices.of(x).xp, "setitem", x.shape, key, arrays)] = v
    else:
        assign(x[key if Ellipsis in key else (*key, Ellipsis)], v)


def index_put_vjp(i: int, g: Any, y: Any, x: Any, v: Any, *arrays: Any, key: Key) -> Any:
    """What was overwritten gets no gradient; the values get what stands where they were written."""
    if i == 0:
        return index_put(g, scalar_like(g, 0), *arrays, key=key)
    if i == 1:
        return take_items(g, *arrays, key=key) if arrays else getitem(g, key=key)
    return None


index_put: Row = row(
    "index_put",
    _index_put_ref,
    _index_put_rule,
    vjp=index_put_vjp,
    saves=("2:",),
    broadcasts=True,
    linear=True,
)
