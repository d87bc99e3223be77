"""Look-ups in tables: rows at indices, and their sums, means and maxima over bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import shapes
from ..._namespace.convert import cast
from ..._namespace.indexing import take
from ...autograd import no_grad
from ...dtypes import int64, kind
from ...errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)
from ...ops import elementwise as ew
from ...ops.index import HOLE, index_add, take_items
from ...ops.reduce import argmax
from ...ops.shape import expand, gather_axis, reshape
from ._check import constant, number, on_host, placed, same_dtype, tensor
from ._linear import vector_norm

_RENORM_EPS = 1e-7  # PyTorch's, added to the norm that divides
Array = np.ndarray[Any, Any]


def _table(op: str, weight: Any) -> Any:
    w = tensor(op, weight, "weight")
    if w.ndim != 2:
        raise ShapeError(op, "weight is (V, D)", weight=w)
    return w


def _indices(op: str, input: Any, rows: int) -> Any:
    index = tensor(op, input)
    if kind(index.data.dtype) != 1:
        raise ArgumentTypeError(
            op, f"indices of dtype {index.dtype.name}", remedy="integers", input=index
        )
    if index.data.size and not bool(((index >= 0) & (index < rows)).all()):
        raise IndexRangeError(
            op, f"an index outside the table of {rows} rows", remedy=f"from 0 to {rows - 1}",
            input=index,
        )  # fmt: skip
    return cast(index, int64)


def renorm(op: str, weight: Any, index: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows of `weight` at `index` down to the norm `max_norm`, in place."""
    limit = number(op, "max_norm", max_norm)
    if not limit >= 0:
        raise ArgumentError(op, f"max_norm is {max_norm}", remedy="at least 0")
    order = number(op, "norm_type", norm_type)
    with no_grad():
        chosen = np.unique(on_host(index))
        if not chosen.size:
            return
        rows = weight[placed(chosen, weight)]
        norm = vector_norm(op, rows, order, 1, True)
        scale = ew.where(norm > limit, limit / (norm + _RENORM_EPS), constant(op, norm, 1))
        weight[placed(chosen, weight)] = rows * scale


def _by_frequency(rows: Any, index: Any, size: int) -> Any:
    """Let the gradient of each row pass divided by how often its index occurs."""
    if rows.requires_grad and index.data.size:
        flat = on_host(index)
        counts = np.bincount(flat.reshape(-1), minlength=size)[flat]
        share = placed((1 / counts).astype(rows.dtype)[..., None], rows)
        rows.register_hook(lambda g: g * share)
    return rows


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """(..., D): the rows of `weight` (V, D) at `input` (...); `padding_idx` gets no gradient.

    `max_norm` first scales the rows in use down to that norm, in place. `scale_grad_by_freq`
    divides a row's gradient by how often it is used. Raises `IndexRangeError` for an index outside
    the table, `NotSupportedError` for `sparse`: gradients are dense.

    >>> import gpudl as gd
    >>> table = gd.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> gd.nn.functional.embedding(gd.tensor([1, 0]), table).tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    op = "embedding"
    if sparse:
        raise NotSupportedError(op, "gradients are dense", remedy="sparse=False")
    w = _table(op, weight)
    index = _indices(op, input, w.shape[0])
    pad = None
    if padding_idx is not None:
        pad = shapes.normalize_axis(op, padding_idx, w.shape[0])
    if max_norm is not None:
        renorm(op, w, index, max_norm, norm_type)
    out = take(w, index, axis=0)
    if scale_grad_by_freq:
        out = _by_frequency(out, index, w.shape[0])
    if pad is None:
        return out
    return ew.where(expand(index == pad, axis=(index.ndim,)), out.detach(), out)


# ----- bags -----
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """(B, D): the "sum", "mean" or "max" of the rows of `weight` (V, D) in each bag.

    `input` is (B, N), bags of equal size, or (M,) with `offsets` (B,), where each bag starts; with
    `include_last_offset` the last entry is the end. `padding_idx` does not count. An empty bag is
    zero. `per_sample_weights`, in the shape of `input`, scale the rows of a sum.

    >>> import gpudl as gd
    >>> table = gd.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> F = gd.nn.functional
    >>> F.embedding_bag(gd.tensor([0, 1, 1]), table, gd.tensor([0, 2]), mode="sum").tolist()
    [[4.0, 6.0], [3.0, 4.0]]
    """
    op = "embedding_bag"
    if sparse:
        raise NotSupportedError(op, "gradients are dense", remedy="sparse=False")
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(op, f"mode={mode!r}", remedy='"sum", "mean" or "max"')
    if scale_grad_by_freq and mode == "max":
        raise ArgumentError(op, 'scale_grad_by_freq with mode="max"', remedy="another mode")
    w = _table(op, weight)
    given = _indices(op, input, w.shape[0])
    starts = _starts(op, given, offsets, include_last_offset)
    index = reshape(given, shape=(given.data.size,))
    pad = None
    if padding_idx is not None:
        pad = shapes.normalize_axis(op, padding_idx, w.shape[0])
    scales = _sample_weights(op, w, given, per_sample_weights, mode)
    if max_norm is not None:
        renorm(op, w, index, max_norm, norm_type)
    rows = take(w, index, axis=0)
    if scale_grad_by_freq:
        rows = _by_frequency(rows, index, w.shape[0])
    if scales is not None:
        rows = rows * reshape(scales, shape=(index.shape[0], 1))
    host = on_host(index)
    counted = np.ones(len(host), bool) if pad is None else host != pad
    bags = np.searchsorted(starts, np.arange(len(host)), side="right") - 1
    if mode == "max":
        return _maxima(op, rows, bags[counted], np.flatnonzero(counted), len(starts))
    return _sums(op, rows, bags, counted, len(starts), mode == "mean")


def _starts(op: str, index: Any, offsets: Any, include_last: bool) -> Array:
    """Where each bag starts in the flattened input."""
    if index.ndim == 2:
        if offsets is not None:
            raise ArgumentError(op, "offsets with an input (B, N)", remedy="offsets=None")
        B, N = index.shape
        return np.asarray(np.arange(B) * N)
    if index.ndim != 1:
        raise ShapeError(op, "input is (B, N), or (M,) with offsets", input=index)
    if offsets is None:
        raise ArgumentError(op, "an input (M,) needs offsets", input=index)
    given = tensor(op, offsets, "offsets")
    if kind(given.data.dtype) != 1 or given.ndim != 1:
        raise ArgumentTypeError(op, "offsets are integers (B,)", offsets=given)
    starts = on_host(given).astype(np.int64)
    M = index.shape[0]
    if include_last:
        if not len(starts):
            raise ShapeError(op, "include_last_offset needs an offset", offsets=given)
        starts, last = starts[:-1], int(starts[-1])
        if last != M:
            raise ArgumentError(op, f"the last offset is {last}, not {M}", offsets=given)
    if len(starts) and (starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > M):
        raise ArgumentError(op, f"offsets grow from 0 to {M} at most", offsets=given)
    if M and not len(starts):
        raise ArgumentError(op, "indices and no bag", offsets=given)
    return np.asarray(starts)


def _sample_weights(op: str, w: Any, index: Any, weights: Any, mode: str) -> Any:
    if weights is None:
        return None
    if mode != "sum":
        raise ArgumentError(op, f"per_sample_weights with mode={mode!r}", remedy='mode="sum"')
    same_dtype(op, w, per_sample_weights=tensor(op, weights, "per_sample_weights"))
    if weights.shape != index.shape:
        raise ShapeError(op, "a weight for each index", input=index, per_sample_weights=weights)
    return weights


def _sums(op: str, rows: Any, bags: Array, counted: Array, size: int, mean: bool) -> Any:
    if not counted.all():
        rows = rows[placed(np.flatnonzero(counted), rows)]
        bags = bags[counted]
    shape = (size, rows.shape[1])
    total = index_add(rows, placed(bags, rows), key=(HOLE,), shape=shape)
    if not mean:
        return total
    counts = np.maximum(np.bincount(bags, minlength=size), 1)[:, None]
    return total / placed(counts.astype(rows.dtype), rows)


def _maxima(op: str, rows: Any, bags: Array, places: Array, size: int) -> Any:
    """The maxima of bags, whose members are `places` of the rows, the last repeated to one size."""
    counts = np.bincount(bags, minlength=size)
    full = np.flatnonzero(counts)
    shape = (size, rows.shape[1])
    longest = int(counts.max()) if len(full) else 1
    ends = np.cumsum(counts)[full]
    members = np.minimum((ends - counts[full])[:, None] + np.arange(longest), ends[:, None] - 1)
    shapes.count(op, (len(full), longest, shape[1]), 8)
    chosen = places[members] if len(full) else np.zeros((0, longest), np.int64)
    windows = take_items(rows, placed(chosen, rows), key=(HOLE,))
    best = expand(argmax(windows.detach(), axis=1), axis=(1,))
    found = reshape(gather_axis(windows, best, axis=1), shape=(len(full), shape[1]))
    return index_add(found, placed(full, rows), key=(HOLE,), shape=shape)
