"""Recurrent layers on the CPU (`csrc/recurrent.cpp`): the chain of steps there, the gradients of
the weights, each one product over all steps, here."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import _C

from ..layout import Array, aligned, contiguous, takes
from .steps import Sizes, previous, runs


def _packing_pays(rows: int, w: Array) -> bool:
    """Whether the product of all rows is worth packing the weight; measured with one step of 1, 4
    and 16 rows against hidden sizes 64, 256 and 512."""
    return bool(64 * max(rows, 1) >= w.shape[-1])


def _weight_gradient(g: Array, y: Array, h0: Array, batch_sizes: Sizes, reverse: bool) -> Array:
    """Of the matrix that the state before each row was multiplied with."""
    parts = runs(batch_sizes, reverse)
    if len(parts) not in (1, 2):
        return _product(g, previous(np, y, h0, batch_sizes, reverse))
    out = _C.empty((g.shape[1], y.shape[1]), g.dtype)
    for i, run in enumerate(parts):  # no copy where all sequences are of one length
        before = (h0 if run.initial else y)[run.first : run.first + run.stop - run.start]
        _C.matmul(g[run.start : run.stop].T, aligned(before), out, accumulate=i > 0)
    return out


def _product(g: Array, x: Array) -> Array:
    """The sum over rows of each row of g times that of x: (columns of g, columns of x)."""
    out = _C.empty((g.shape[1], x.shape[1]), g.dtype)
    _C.matmul(g.T, aligned(x), out)
    return out


def lstm_sequence(
    x: Array, h0: Array, c0: Array, w: Array, *proj: Array, batch_sizes: Sizes, reverse: bool
) -> Any:
    """(y, h_n, c_n, gates, cells) of x (rows, 4 * hidden)."""
    if not takes(x, h0, c0, w, *proj) or not _packing_pays(len(x), w):
        return NotImplemented
    rows, hidden = x.shape[0], x.shape[-1] // 4
    y, cells = _C.empty((rows, h0.shape[-1]), x.dtype), _C.empty((rows, hidden), x.dtype)
    gates = _C.empty(x.shape, x.dtype)
    h, c = np.empty(h0.shape, x.dtype), np.empty(c0.shape, x.dtype)
    _C.lstm_fwd(
        *map(contiguous, (x, h0, c0, w)),
        contiguous(proj[0]) if proj else None,
        batch_sizes,
        reverse,
        *(y, h, c, gates, cells),
    )
    return y, h, c, gates, cells


def lstm_sequence_bwd(
    gy: Array, gh: Array, gc: Array, gates: Array, cells: Array, y: Array, h0: Array, c0: Array,
    w: Array, *proj: Array, batch_sizes: Sizes, reverse: bool,
) -> Any:  # fmt: skip
    """(gx, gh0, gc0, gw, gproj) of `lstm_sequence`."""
    if not takes(gy, gh, gc, gates, cells, y, h0, c0, w, *proj):
        return NotImplemented
    gates, cells = contiguous(gates), contiguous(cells)
    gx = _C.empty(gates.shape, gates.dtype)
    gout = _C.empty(gy.shape, gy.dtype) if proj else None
    gh, gc = np.array(gh, order="C"), np.array(gc, order="C")
    _C.lstm_bwd(
        *(contiguous(gy), gates, cells, contiguous(c0), contiguous(w)),
        contiguous(proj[0]) if proj else None,
        batch_sizes,
        reverse,
        *(gx, gout, gh, gc),
    )
    gw = _weight_gradient(gx, y, h0, batch_sizes, reverse)
    hidden = c0.shape[1]
    if gout is None:
        return gx, gh, gc, gw, np.empty((0, hidden), w.dtype)
    out = np.tanh(cells)
    out *= gates[:, 3 * hidden :]
    return gx, gh, gc, gw, _product(gout, out)


def gru_sequence(
    x: Array, h0: Array, w: Array, *bias: Array, batch_sizes: Sizes, reverse: bool
) -> Any:
    """(y, h_n, gates, inner) of x (rows, 3 * hidden)."""
    if not takes(x, h0, w, *bias) or not _packing_pays(len(x), w):
        return NotImplemented
    shape = (x.shape[0], h0.shape[-1])
    y, inner, gates = (_C.empty(s, x.dtype) for s in (shape, shape, x.shape))
    h = np.empty(h0.shape, x.dtype)
    _C.gru_fwd(
        *map(contiguous, (x, h0, w)),
        contiguous(bias[0]) if bias else None,
        batch_sizes,
        reverse,
        *(y, h, gates, inner),
    )
    return y, h, gates, inner


def gru_sequence_bwd(
    gy: Array, gh: Array, gates: Array, inner: Array, y: Array, h0: Array, w: Array,
    *, batch_sizes: Sizes, reverse: bool,
) -> Any:  # fmt: skip
    """(gx, gh0, gw, gbias) of `gru_sequence`."""
    if not takes(gy, gh, gates, inner, y, h0, w):
        return NotImplemented
    gx, grec = (_C.empty(gates.shape, gates.dtype) for _ in range(2))
    gh = np.array(gh, order="C")
    _C.gru_bwd(
        *map(contiguous, (gy, gates, inner, y, h0, w)), batch_sizes, reverse, *(gx, grec, gh)
    )
    return gx, gh, _weight_gradient(grec, y, h0, batch_sizes, reverse), grec.sum(0)


def rnn_sequence(
    x: Array, h0: Array, w: Array, *, batch_sizes: Sizes, reverse: bool, relu: bool
) -> Any:
    """(y, h_n) of x (rows, hidden)."""
    if not takes(x, h0, w) or not _packing_pays(len(x), w):
        return NotImplemented
    y, h = _C.empty(x.shape, x.dtype), np.empty(h0.shape, x.dtype)
    _C.rnn_fwd(*map(contiguous, (x, h0, w)), batch_sizes, reverse, relu, y, h)
    return y, h


def rnn_sequence_bwd(
    gy: Array, gh: Array, y: Array, h0: Array, w: Array,
    *, batch_sizes: Sizes, reverse: bool, relu: bool,
) -> Any:  # fmt: skip
    """(gx, gh0, gw) of `rnn_sequence`."""
    if not takes(gy, gh, y, h0, w):
        return NotImplemented
    gx, gh = _C.empty(y.shape, y.dtype), np.array(gh, order="C")
    _C.rnn_bwd(*map(contiguous, (gy, y, w)), batch_sizes, reverse, relu, gx, gh)
    return gx, gh, _weight_gradient(gx, y, h0, batch_sizes, reverse)
