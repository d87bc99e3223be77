"""Recurrent layers: a row computes one layer in one direction over all steps of a packed batch.

The first operand has what the layer's input contributes to the gates of every step, which is one
product of the layer, made before. The activated gates (and the cells) are results too: gradients
read them, so nothing is computed twice, and a derivative of a gradient passes through them back to
the row, to any order.
"""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Row, Spec, row
from ..errors import ShapeError
from ..kernels.recurrent.steps import Sizes, previous, steps
from ._rules import same_dtype
from ._sequence import (
    bias_gradient,
    check_shape,
    check_states,
    columns,
    earlier,
    given,
    in_order,
    moved,
    part,
    plus,
    weight_gradient,
)
from .activation import sigmoid_ref
from .create import zeros_like
from .elementwise import square, where, widen
from .matmul import matmul
from .shape import join


def _wide(xp: Any, *arrays: Any) -> list[Any]:
    return [widen(xp, a) for a in arrays]


def _cast(like: Any, *arrays: Any) -> tuple[Any, ...]:
    return tuple(a.astype(like.dtype, copy=False) for a in arrays)


def _slices(count: int, hidden: int) -> list[slice]:
    return [slice(i * hidden, (i + 1) * hidden) for i in range(count)]


# ----- lstm -----
def _lstm_rule(
    x: Spec, h0: Spec, c0: Spec, w: Spec, *proj: Spec, batch_sizes: Sizes, reverse: bool
) -> tuple[Spec, ...]:
    op = "lstm_sequence"
    _, hidden = check_states(op, 4, x, h0, w, batch_sizes)
    same_dtype(op, x, c0, *proj)
    check_shape(op, (h0.shape[0], hidden), c0=c0)
    if not proj and h0.shape[1] != hidden:
        raise ShapeError(op, f"h0 has {h0.shape[1]} of {hidden} hidden units", h0=h0, weight=w)
    for p in proj:
        check_shape(op, (h0.shape[1], hidden), projection=p)
    y = Spec((x.shape[0], h0.shape[1]), x.dtype)
    return y, h0, c0, x, Spec((x.shape[0], hidden), x.dtype)


def _lstm_ref(
    xp: Any, x: Any, h0: Any, c0: Any, w: Any, *proj: Any, batch_sizes: Sizes, reverse: bool
) -> tuple[Any, ...]:
    z, h, c, wide, *p = _wide(xp, x, h0, c0, w, *proj)
    hidden = w.shape[0] // 4
    i, f, g, o = _slices(4, hidden)
    gates, h, c = xp.empty(z.shape, z.dtype), h.copy(), c.copy()
    y, cells = (xp.empty((x.shape[0], n), z.dtype) for n in (h0.shape[1], hidden))
    for at, n in steps(batch_sizes, reverse):
        now = slice(at, at + n)
        pre = z[now] + xp.matmul(h[:n], wide.T)
        a = sigmoid_ref(xp, pre)
        a[:, g] = xp.tanh(pre[:, g])
        cell = a[:, f] * c[:n] + a[:, i] * a[:, g]
        out = a[:, o] * xp.tanh(cell)
        out = xp.matmul(out, p[0].T) if p else out
        gates[now], cells[now], y[now] = a, cell, out
        c[:n], h[:n] = cell, out
    return _cast(x, y, h, c, gates, cells)


def _lstm_vjp(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, c0: Any, w: Any, *proj: Any,
    batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    y, _, _, gates, cells = ys
    gh, gc = given(g[1], h0, h0.shape), given(g[2], c0, c0.shape)
    c_before = earlier(cells, c0, batch_sizes, reverse)
    i, f, c, o = columns(gates, 4)
    # What each row's gates and cell make of the gradients; only those of the states are chained.
    t = cells.tanh()
    slopes = join((i * (1 - i), f * (1 - f), 1 - square(c), o * (1 - o)), 1)
    by_cell = o * (1 - square(t))
    inputs, outputs = [], []
    for at, n in reversed(steps(batch_sizes, reverse)):
        gy = part(gh, 0, n) if g[0] is None else part(gh, 0, n) + part(g[0], at, n)
        gm = matmul(gy, proj[0]) if proj else gy
        gcell = part(gc, 0, n) + gm * part(by_cell, at, n)
        if g[4] is not None:
            gcell = gcell + part(g[4], at, n)
        now = [part(v, at, n) for v in (c, c_before, i, t, slopes, f)]
        ga = join((gcell * now[0], gcell * now[1], gcell * now[2], gm * now[3]), 1)
        if g[3] is not None:
            ga = ga + part(g[3], at, n)
        gz = ga * now[4]
        gh, gc = moved(gh, matmul(gz, w)), moved(gc, gcell * now[5])
        inputs.append(gz)
        outputs.append(gy)
    gx = in_order(inputs, reverse)
    gw = weight_gradient(gx, earlier(y, h0, batch_sizes, reverse)) if needs[3] else None
    gproj = [weight_gradient(in_order(outputs, reverse), o * t) for _ in proj]
    return gx, gh, gc, gw, *gproj


def _lstm_fused(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, c0: Any, w: Any, *proj: Any,
    batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    options: dict[str, Any] = {"batch_sizes": batch_sizes, "reverse": reverse}
    if g[3] is not None or g[4] is not None:
        return _lstm_vjp(g, ys, needs, x, h0, c0, w, *proj, **options)
    y, _, _, gates, cells = ys
    gy, gh, gc = given(g[0], y, y.shape), given(g[1], h0, h0.shape), given(g[2], c0, c0.shape)
    grads = lstm_sequence_bwd(gy, gh, gc, gates, cells, y, h0, c0, w, *proj, **options)
    return tuple(grads[: 4 + len(proj)])


def _lstm_bwd_rule(
    gy: Spec, gh: Spec, gc: Spec, gates: Spec, cells: Spec, y: Spec, h0: Spec, c0: Spec, w: Spec,
    *proj: Spec, batch_sizes: Sizes, reverse: bool,
) -> tuple[Spec, ...]:  # fmt: skip
    same_dtype("lstm_sequence_bwd", gy, gh, gc, gates, cells, y, h0, c0, w, *proj)
    specs = _lstm_rule(gates, h0, c0, w, *proj, batch_sizes=batch_sizes, reverse=reverse)
    check_shape("lstm_sequence_bwd", specs[0].shape, gy=gy, y=y)
    check_shape("lstm_sequence_bwd", h0.shape, gh=gh)
    check_shape("lstm_sequence_bwd", c0.shape, gc=gc)
    check_shape("lstm_sequence_bwd", specs[4].shape, cells=cells)
    return gates, h0, c0, w, proj[0] if proj else Spec((0, c0.shape[1]), w.dtype)


def _lstm_bwd_ref(
    xp: Any, gy: Any, gh: Any, gc: Any, gates: Any, cells: Any, y: Any, h0: Any, c0: Any, w: Any,
    *proj: Any, batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    like = w
    gy, gh, gc, gates, cells, y, h0, c0, w, *p = _wide(
        xp, gy, gh, gc, gates, cells, y, h0, c0, w, *proj
    )
    i, f, c, o = _slices(4, c0.shape[1])
    gh, gc, gx, out = gh.copy(), gc.copy(), xp.empty(gates.shape, gates.dtype), gy.copy()
    c_before, t = previous(xp, cells, c0, batch_sizes, reverse), xp.tanh(cells)
    for at, n in reversed(steps(batch_sizes, reverse)):
        now = slice(at, at + n)
        a, tn, gz = gates[now], t[now], gx[now]
        out[now] += gh[:n]
        gm = xp.matmul(out[now], p[0]) if p else out[now]
        gcell = gc[:n] + gm * a[:, o] * (1 - tn * tn)
        gz[:, i] = gcell * a[:, c] * a[:, i] * (1 - a[:, i])
        gz[:, f] = gcell * c_before[now] * a[:, f] * (1 - a[:, f])
        gz[:, c] = gcell * a[:, i] * (1 - a[:, c] * a[:, c])
        gz[:, o] = gm * tn * a[:, o] * (1 - a[:, o])
        gh[:n], gc[:n] = xp.matmul(gz, w), gcell * a[:, f]
    gw = xp.matmul(gx.T, previous(xp, y, h0, batch_sizes, reverse))
    gproj = xp.matmul(out.T, gates[:, o] * t) if p else xp.empty((0, c0.shape[1]), w.dtype)
    return _cast(like, gx, gh, gc, gw, gproj)


lstm_sequence_bwd: Row = row(
    "lstm_sequence_bwd",
    _lstm_bwd_ref,
    _lstm_bwd_rule,
    n_out=5,
    kernel="lstm_sequence_bwd",
    why="the fused backward of lstm_sequence, whose own rule differentiates to any order",
)
# y, h_n, c_n, gates (input, forget, cell, output), cells of x (rows, 4 * hidden), h0, c0, weight_hh
# and, with a projection, weight_hr.
lstm_sequence: Row = row(
    "lstm_sequence",
    _lstm_ref,
    _lstm_rule,
    vjp=_lstm_vjp,
    joint=True,
    fused=_lstm_fused,
    saves=("1:", "y0", "y3", "y4"),
    n_out=5,
    n_diff=5,
    kernel="lstm_sequence",
    flops=lambda x, h0, c0, w, *proj, **_: 2 * math.prod(x.shape) * w.shape[1],
)


# ----- gru -----
def _gru_rule(
    x: Spec, h0: Spec, w: Spec, *bias: Spec, batch_sizes: Sizes, reverse: bool
) -> tuple[Spec, ...]:
    op = "gru_sequence"
    _, hidden = check_states(op, 3, x, h0, w, batch_sizes)
    same_dtype(op, x, *bias)
    check_shape(op, (batch_sizes[0], hidden), h0=h0)
    for b in bias:
        check_shape(op, w.shape[:1], bias=b)
    y = Spec((x.shape[0], hidden), x.dtype)
    return y, h0, x, y


def _gru_ref(
    xp: Any, x: Any, h0: Any, w: Any, *bias: Any, batch_sizes: Sizes, reverse: bool
) -> tuple[Any, ...]:
    z, h, wide, *b = _wide(xp, x, h0, w, *bias)
    hidden = w.shape[1]
    gates, h = xp.empty(z.shape, z.dtype), h.copy()
    y, inner = (xp.empty((x.shape[0], hidden), z.dtype) for _ in range(2))
    for at, n in steps(batch_sizes, reverse):
        now = slice(at, at + n)
        rec = xp.matmul(h[:n], wide.T)
        rec = rec + b[0] if b else rec
        a = gates[now]
        a[:, : 2 * hidden] = sigmoid_ref(xp, z[now][:, : 2 * hidden] + rec[:, : 2 * hidden])
        last = rec[:, 2 * hidden :]
        new = xp.tanh(z[now][:, 2 * hidden :] + a[:, :hidden] * last)
        a[:, 2 * hidden :], inner[now] = new, last
        h[:n] = new + a[:, hidden : 2 * hidden] * (h[:n] - new)
        y[now] = h[:n]
    return _cast(x, y, h, gates, inner)


def _gru_vjp(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, w: Any, *bias: Any,
    batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    y, _, gates, inner = ys
    gh = given(g[1], h0, h0.shape)
    before = earlier(y, h0, batch_sizes, reverse)
    r, u, new = columns(gates, 3)
    slopes = (r * (1 - r), u * (1 - u), 1 - square(new))
    inputs, hiddens = [], []
    for at, n in reversed(steps(batch_sizes, reverse)):
        now = [part(v, at, n) for v in (r, u, new, inner, before, *slopes)]
        extra = [None] * 3 if g[2] is None else columns(part(g[2], at, n), 3)
        gy = part(gh, 0, n) if g[0] is None else part(gh, 0, n) + part(g[0], at, n)
        gnew = plus(gy * (1 - now[1]), extra[2]) * now[7]
        gu = plus(gy * (now[4] - now[2]), extra[1]) * now[6]
        gr = plus(gnew * now[3], extra[0]) * now[5]
        ginner = plus(gnew * now[0], None if g[3] is None else part(g[3], at, n))
        rec = join((gr, gu, ginner), 1)
        gh = moved(gh, gy * now[1] + matmul(rec, w))
        inputs.append(join((gr, gu, gnew), 1))
        hiddens.append(rec)
    hidden = in_order(hiddens, reverse)
    gw = weight_gradient(hidden, before) if needs[2] else None
    return in_order(inputs, reverse), gh, gw, *[bias_gradient(hidden) for _ in bias]


def _gru_fused(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, w: Any, *bias: Any,
    batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    options: dict[str, Any] = {"batch_sizes": batch_sizes, "reverse": reverse}
    if g[2] is not None or g[3] is not None:
        return _gru_vjp(g, ys, needs, x, h0, w, *bias, **options)
    y, _, gates, inner = ys
    gy, gh = given(g[0], y, y.shape), given(g[1], h0, h0.shape)
    grads = gru_sequence_bwd(gy, gh, gates, inner, y, h0, w, **options)
    return tuple(grads[: 3 + len(bias)])


def _gru_bwd_rule(
    gy: Spec, gh: Spec, gates: Spec, inner: Spec, y: Spec, h0: Spec, w: Spec,
    *, batch_sizes: Sizes, reverse: bool,
) -> tuple[Spec, ...]:  # fmt: skip
    same_dtype("gru_sequence_bwd", gy, gh, gates, inner, y, h0, w)
    specs = _gru_rule(gates, h0, w, batch_sizes=batch_sizes, reverse=reverse)
    check_shape("gru_sequence_bwd", specs[0].shape, gy=gy, inner=inner, y=y)
    check_shape("gru_sequence_bwd", h0.shape, gh=gh)
    return gates, h0, w, Spec(w.shape[:1], w.dtype)


def _gru_bwd_ref(
    xp: Any, gy: Any, gh: Any, gates: Any, inner: Any, y: Any, h0: Any, w: Any,
    *, batch_sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    like = w
    gy, gh, gates, inner, y, h0, w = _wide(xp, gy, gh, gates, inner, y, h0, w)
    r, u, new = _slices(3, w.shape[1])
    gh, before = gh.copy(), previous(xp, y, h0, batch_sizes, reverse)
    gx, rec = (xp.empty(gates.shape, gates.dtype) for _ in range(2))
    for at, n in reversed(steps(batch_sizes, reverse)):
        now = slice(at, at + n)
        a, gz, gr = gates[now], gx[now], rec[now]
        g = gh[:n] + gy[now]
        gz[:, new] = g * (1 - a[:, u]) * (1 - a[:, new] * a[:, new])
        gz[:, u] = g * (before[now] - a[:, new]) * a[:, u] * (1 - a[:, u])
        gz[:, r] = gz[:, new] * inner[now] * a[:, r] * (1 - a[:, r])
        gr[...] = gz
        gr[:, new] = gz[:, new] * a[:, r]
        gh[:n] = g * a[:, u] + xp.matmul(gr, w)
    return _cast(like, gx, gh, xp.matmul(rec.T, before), rec.sum(0))


gru_sequence_bwd: Row = row(
    "gru_sequence_bwd",
    _gru_bwd_ref,
    _gru_bwd_rule,
    n_out=4,
    kernel="gru_sequence_bwd",
    why="the fused backward of gru_sequence, whose own rule differentiates to any order",
)
# y, h_n, gates (reset, update, new), and weight_hn @ h + bias_hn, which the reset gate scales, of
# x (rows, 3 * hidden), h0, weight_hh and maybe bias_hh.
gru_sequence: Row = row(
    "gru_sequence",
    _gru_ref,
    _gru_rule,
    vjp=_gru_vjp,
    joint=True,
    fused=_gru_fused,
    saves=("1:", "y0", "y2", "y3"),
    n_out=4,
    n_diff=4,
    kernel="gru_sequence",
    flops=lambda x, h0, w, *bias, **_: 2 * math.prod(x.shape) * w.shape[1],
)


# ----- rnn -----
def _rnn_rule(
    x: Spec, h0: Spec, w: Spec, *, batch_sizes: Sizes, reverse: bool, relu: bool
) -> tuple[Spec, Spec]:
    check_states("rnn_sequence", 1, x, h0, w, batch_sizes)
    check_shape("rnn_sequence", (batch_sizes[0], x.shape[1]), h0=h0)
    return x, h0


def _rnn_ref(
    xp: Any, x: Any, h0: Any, w: Any, *, batch_sizes: Sizes, reverse: bool, relu: bool
) -> tuple[Any, Any]:
    z, h, wide = _wide(xp, x, h0, w)
    h, y, zero = h.copy(), xp.empty(z.shape, z.dtype), xp.zeros((), z.dtype)
    for at, n in steps(batch_sizes, reverse):
        pre = z[at : at + n] + xp.matmul(h[:n], wide.T)
        h[:n] = xp.maximum(pre, zero) if relu else xp.tanh(pre)
        y[at : at + n] = h[:n]
    y, h = _cast(x, y, h)
    return y, h


def _rnn_vjp(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, w: Any,
    *, batch_sizes: Sizes, reverse: bool, relu: bool,
) -> tuple[Any, ...]:  # fmt: skip
    y, gh = ys[0], given(g[1], h0, h0.shape)
    found = []
    for at, n in reversed(steps(batch_sizes, reverse)):
        gy = part(gh, 0, n) if g[0] is None else part(gh, 0, n) + part(g[0], at, n)
        now = part(y, at, n)
        gz = where(now > 0, gy, zeros_like(gy)) if relu else gy * (1 - square(now))
        gh = moved(gh, matmul(gz, w))
        found.append(gz)
    gx = in_order(found, reverse)
    gw = weight_gradient(gx, earlier(y, h0, batch_sizes, reverse)) if needs[2] else None
    return gx, gh, gw


def _rnn_fused(
    g: Any, ys: Any, needs: Any, x: Any, h0: Any, w: Any, **options: Any
) -> tuple[Any, ...]:
    gy, gh = given(g[0], ys[0], ys[0].shape), given(g[1], h0, h0.shape)
    found: tuple[Any, ...] = rnn_sequence_bwd(gy, gh, ys[0], h0, w, **options)
    return found


def _rnn_bwd_rule(
    gy: Spec, gh: Spec, y: Spec, h0: Spec, w: Spec,
    *, batch_sizes: Sizes, reverse: bool, relu: bool,
) -> tuple[Spec, ...]:  # fmt: skip
    same_dtype("rnn_sequence_bwd", gy, gh, y, h0, w)
    _rnn_rule(y, h0, w, batch_sizes=batch_sizes, reverse=reverse, relu=relu)
    check_shape("rnn_sequence_bwd", y.shape, gy=gy)
    check_shape("rnn_sequence_bwd", h0.shape, gh=gh)
    return y, h0, w


def _rnn_bwd_ref(
    xp: Any, gy: Any, gh: Any, y: Any, h0: Any, w: Any,
    *, batch_sizes: Sizes, reverse: bool, relu: bool,
) -> tuple[Any, ...]:  # fmt: skip
    like = w
    gy, gh, y, h0, w = _wide(xp, gy, gh, y, h0, w)
    gh, gx, zero = gh.copy(), xp.empty(y.shape, y.dtype), xp.zeros((), y.dtype)
    for at, n in reversed(steps(batch_sizes, reverse)):
        now = slice(at, at + n)
        g = gh[:n] + gy[now]
        gx[now] = xp.where(y[now] > 0, g, zero) if relu else g * (1 - y[now] * y[now])
        gh[:n] = xp.matmul(gx[now], w)
    gw = xp.matmul(gx.T, previous(xp, y, h0, batch_sizes, reverse))
    return _cast(like, gx, gh, gw)


rnn_sequence_bwd: Row = row(
    "rnn_sequence_bwd",
    _rnn_bwd_ref,
    _rnn_bwd_rule,
    n_out=3,
    kernel="rnn_sequence_bwd",
    why="the fused backward of rnn_sequence, whose own rule differentiates to any order",
)
# y and h_n of x (rows, hidden), h0 and weight_hh, with tanh or relu.
rnn_sequence: Row = row(
    "rnn_sequence",
    _rnn_ref,
    _rnn_rule,
    vjp=_rnn_vjp,
    joint=True,
    fused=_rnn_fused,
    saves=("1:", "y0"),
    n_out=2,
    n_diff=2,
    kernel="rnn_sequence",
    flops=lambda x, h0, w, **_: 2 * math.prod(x.shape) * w.shape[1],
)
