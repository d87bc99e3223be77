"""Recurrent layers: each sequence of the packed batch by itself, one step after the other."""

from __future__ import annotations

import itertools

import numpy as np

from .base import CASES, Case, Operand, normal, sampler, unit

gate = sampler(lambda rng, shape: rng.uniform(0.1, 0.9, shape))
weight = sampler(lambda rng, shape: rng.uniform(-0.6, 0.6, shape))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _rows(batch_sizes, reverse):
    """Of each sequence the rows of its steps, in the order of computation."""
    starts = np.cumsum([0, *batch_sizes])
    for j in range(batch_sizes[0]):
        own = [starts[t] + j for t, n in enumerate(batch_sizes) if n > j]
        yield own[::-1] if reverse else own


def _lstm(x, h0, c0, w, *proj, batch_sizes, reverse):
    H = w.shape[0] // 4
    y, gates, cells = np.zeros((len(x), h0.shape[1])), np.zeros(x.shape), np.zeros((len(x), H))
    h_n, c_n = h0.copy(), c0.copy()
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        h, c = h0[j], c0[j]
        for t in rows:
            z = x[t] + w @ h
            i, f, o = _sigmoid(z[:H]), _sigmoid(z[H : 2 * H]), _sigmoid(z[3 * H :])
            g = np.tanh(z[2 * H : 3 * H])
            c = f * c + i * g
            h = o * np.tanh(c)
            h = proj[0] @ h if proj else h
            y[t], gates[t], cells[t] = h, np.concatenate([i, f, g, o]), c
        h_n[j], c_n[j] = h, c
    return y, h_n, c_n, gates, cells


def _lstm_bwd(gy, gh, gc, gates, cells, y, h0, c0, w, *proj, batch_sizes, reverse):
    H = w.shape[0] // 4
    gx, gh0, gc0, gw = np.zeros(gates.shape), gh.copy(), gc.copy(), np.zeros(w.shape)
    gp = np.zeros(proj[0].shape if proj else (0, H))
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        dh, dc = gh[j], gc[j]
        for t, before in zip(rows[::-1], [*rows[-2::-1], None], strict=True):
            i, f, g, o = np.split(gates[t], 4)
            h, c = (h0[j], c0[j]) if before is None else (y[before], cells[before])
            dh = dh + gy[t]
            dm = dh @ proj[0] if proj else dh
            if proj:
                gp += np.outer(dh, o * np.tanh(cells[t]))
            dc = dc + dm * o / np.cosh(cells[t]) ** 2
            do = dm * np.tanh(cells[t])
            slopes = [i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)]
            dz = np.concatenate([dc * g, dc * c, dc * i, do]) * np.concatenate(slopes)
            gx[t] = dz
            gw += np.outer(dz, h)
            dh, dc = dz @ w, dc * f
        gh0[j], gc0[j] = dh, dc
    return gx, gh0, gc0, gw, gp


def _gru(x, h0, w, *bias, batch_sizes, reverse):
    H = w.shape[1]
    y, inner, gates, h_n = np.zeros((len(x), H)), np.zeros((len(x), H)), np.zeros(x.shape), h0 * 1
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        h = h0[j]
        for t in rows:
            rec = w @ h + (bias[0] if bias else 0)
            r, z = _sigmoid(x[t, :H] + rec[:H]), _sigmoid(x[t, H : 2 * H] + rec[H : 2 * H])
            n = np.tanh(x[t, 2 * H :] + r * rec[2 * H :])
            h = (1 - z) * n + z * h
            y[t], gates[t], inner[t] = h, np.concatenate([r, z, n]), rec[2 * H :]
        h_n[j] = h
    return y, h_n, gates, inner


def _gru_bwd(gy, gh, gates, inner, y, h0, w, batch_sizes, reverse):
    gx, gh0, gw, gb = np.zeros(gates.shape), gh.copy(), np.zeros(w.shape), np.zeros(len(w))
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        dh = gh[j]
        for t, before in zip(rows[::-1], [*rows[-2::-1], None], strict=True):
            r, z, n = np.split(gates[t], 3)
            h = h0[j] if before is None else y[before]
            dh = dh + gy[t]
            dn = dh * (1 - z) * (1 - n**2)
            dz = dh * (h - n) * z * (1 - z)
            dr = dn * inner[t] * r * (1 - r)
            gx[t] = np.concatenate([dr, dz, dn])
            rec = np.concatenate([dr, dz, dn * r])
            gw += np.outer(rec, h)
            gb += rec
            dh = dh * z + rec @ w
        gh0[j] = dh
    return gx, gh0, gw, gb


def _rnn(x, h0, w, batch_sizes, reverse, relu):
    y, h_n = np.zeros(x.shape), h0.copy()
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        h = h0[j]
        for t in rows:
            z = x[t] + w @ h
            h = y[t] = np.maximum(z, 0) if relu else np.tanh(z)
        h_n[j] = h
    return y, h_n


def _rnn_bwd(gy, gh, y, h0, w, batch_sizes, reverse, relu):
    gx, gh0, gw = np.zeros(y.shape), gh.copy(), np.zeros(w.shape)
    for j, rows in enumerate(_rows(batch_sizes, reverse)):
        dh = gh[j]
        for t, before in zip(rows[::-1], [*rows[-2::-1], None], strict=True):
            dh = dh + gy[t]
            gx[t] = dh * ((y[t] > 0) if relu else 1 - y[t] ** 2)
            gw += np.outer(gx[t], h0[j] if before is None else y[before])
            dh = gx[t] @ w
        gh0[j] = dh
    return gx, gh0, gw


SIZES = ((2, 2, 2), (3, 2, 2, 1), (1,), (5, 5, 3, 0), (0, 0))
CALLS = list(itertools.product(SIZES, (False, True)))


def _options(sizes, reverse, **more):
    return {"batch_sizes": sizes, "reverse": reverse, **more}


def _states(sizes, hidden):
    return Operand((sizes[0], hidden), unit)


def _lstm_operands(sizes, H, P=None):
    proj = () if P is None else (Operand((P, H), weight),)
    out = H if P is None else P
    return (
        (Operand((sum(sizes), 4 * H)), _states(sizes, out), _states(sizes, H)),
        (Operand((4 * H, out), weight), *proj),
    )


def _lstm_backward(sizes, H, P=None):
    L, N, out = sum(sizes), sizes[0], H if P is None else P
    ups = (Operand((L, out)), Operand((N, out)), Operand((N, H)))
    saved = (Operand((L, 4 * H), gate), Operand((L, H), unit), Operand((L, out), unit))
    (_, h0, c0), weights = _lstm_operands(sizes, H, P)
    return (*ups, *saved, h0, c0, *weights)


PROJECTIONS = (None, 2)
CASES["lstm_sequence"] = [
    Case(sum(_lstm_operands(s, 3, p), ()), _lstm, "f", _options(s, back))
    for (s, back), p in itertools.product(CALLS, PROJECTIONS)
] + [Case(sum(_lstm_operands((7, 7, 4), 37), ()), _lstm, "f", _options((7, 7, 4), False))]
CASES["lstm_sequence_bwd"] = [
    Case(_lstm_backward(s, 3, p), _lstm_bwd, "f", _options(s, back))
    for (s, back), p in itertools.product(CALLS, PROJECTIONS)
] + [Case(_lstm_backward((7, 7, 4), 37), _lstm_bwd, "f", _options((7, 7, 4), False))]
CASES["gru_sequence"] = [
    Case(
        (
            Operand((sum(s), 3 * H)),
            _states(s, H),
            Operand((3 * H, H), weight),
            *(Operand((3 * H,)) for _ in range(bias)),
        ),
        _gru,
        "f",
        _options(s, back),
    )
    for (s, back), bias, H in [*itertools.product(CALLS, (0, 1), (3,)), (((7, 7, 4), True), 1, 37)]
]
CASES["gru_sequence_bwd"] = [
    Case(
        (
            Operand((sum(s), H)),
            _states(s, H),
            Operand((sum(s), 3 * H), gate),
            Operand((sum(s), H)),
            Operand((sum(s), H), unit),
            _states(s, H),
            Operand((3 * H, H), weight),
        ),
        _gru_bwd,
        "f",
        _options(s, back),
    )
    for (s, back), H in [*itertools.product(CALLS, (3,)), (((7, 7, 4), True), 37)]
]
CASES["rnn_sequence"] = [
    Case(
        (Operand((sum(s), H)), _states(s, H), Operand((H, H), weight)),
        _rnn,
        "f",
        _options(s, back, relu=relu),
        smooth=not relu or H < 4,
    )
    for (s, back), relu, H in [
        *itertools.product(CALLS, (False, True), (3,)),
        (((7, 7, 4), True), True, 37),
    ]
]
CASES["rnn_sequence_bwd"] = [
    Case(
        (
            Operand((sum(s), H), normal),
            _states(s, H),
            Operand((sum(s), H), unit),
            _states(s, H),
            Operand((H, H), weight),
        ),
        _rnn_bwd,
        "f",
        _options(s, back, relu=relu),
    )
    for (s, back), relu, H in [
        *itertools.product(CALLS, (False, True), (3,)),
        (((7, 7, 4), True), True, 37),
    ]
]
