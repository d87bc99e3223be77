"""Writing into variables: who may be written to, and what becomes of the graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import devices, kernels
from ..errors import GradError, StaleValueError
from . import tape
from .state import state, tick
from .tape import LEAF, POISON, Node, new_leaf, new_node
from .variable import Variable, note_write, place_text, storage_of, user_place


def check_writable(op: str, x: Variable, *values: Variable) -> bool:
    """Whether writing `values` into `x` is recorded; `GradError` if no gradient survives it."""
    if not devices.writeable(x.data):
        raise GradError(op, "the memory is read-only", remedy="write into x.clone()", x=x)
    node = x._node
    if node is not None and node.prim is POISON:
        tape.raise_poisoned(op, node)
    if not state.recording:
        return False
    if node is not None and node.prim is LEAF:
        raise GradError(
            op,
            "a leaf that requires a gradient cannot be written in recorded code",
            remedy="write inside `with gd.no_grad():`, or into x.clone()",
            x=x,
        )
    recorded = node is not None or any(value._node is not None for value in values)
    if recorded and x._alias is not None and x._alias.is_view:
        raise StaleValueError(
            op,
            f"a view made at {place_text(x._alias.where)} cannot be written in recorded code",
            remedy="write through the tensor it is a view of: y[i] = y[i] + x instead of y[i] += x",
            x=x,
        )
    return recorded


def wrote(x: Variable, node: Node | None, *, recorded: bool) -> None:
    """Note that `x` was written to; after a recorded write its place on the tape is `node`."""
    note_write(x, recorded=recorded)
    if not recorded:
        return
    x._node = node
    storage = storage_of(x)
    for view in storage.untracked_views():
        assert view._alias is not None
        params = {"made": place_text(view._alias.where), "written": place_text(storage.where)}
        view._node = new_node(POISON, params, (), None, view.shape, view.dtype, 0)


def overwrite(op: str, x: Variable, value: Any) -> None:
    """Put `value`, of the same shape and dtype, into the memory of `x`."""
    recorded = check_writable(op, x, value)
    assign(x.data, value.data)
    wrote(x, value._node, recorded=recorded)


def assign(out: Any, value: Any) -> None:
    """Write the raw array or number `value` into the raw array `out`, cast and broadcast."""
    kernel = None if type(out) is np.ndarray else kernels.chosen("assign", devices.of(out).kind)
    if kernel is None or kernel(out, value) is NotImplemented:
        out[...] = value


def wrote_all(xs: Iterable[Variable]) -> None:
    """Note one unrecorded write to all of `xs`, as an optimizer's step is."""
    time, where = tick(), user_place()
    for x in xs:
        storage = storage_of(x)
        storage.write_time, storage.where = time, where


def replace(x: Variable, data: Any) -> None:
    """Give a leaf other memory, of any dtype and device. Its hooks stay, its gradient goes."""
    node = x._node
    rebind(x, data)
    if node is not None:
        x._node = new_leaf(x.shape, x.dtype)
        x._node.ensure_extra().hooks = node.ensure_extra().hooks


def rebind(x: Variable, data: Any) -> None:
    """Give `x` other memory, as the optimizers' packing does. Graphs that saved it notice."""
    note_write(x, recorded=False)
    x._alias = None
    x.data = data
    note_write(x, recorded=False)
