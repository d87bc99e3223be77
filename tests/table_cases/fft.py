"""Fourier transforms."""

from __future__ import annotations

import math

import numpy as np

from .base import CASES, Case, Operand


def _scale(n: int, norm: str, inverse: bool) -> float:
    whole = {"backward": inverse, "forward": not inverse, "ortho": False}[norm]
    return 1 / math.sqrt(n) if norm == "ortho" else 1 / n if whole else 1.0


def _along(matrix, x, axis):
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def _turns(rows: int, cols: int, n: int, sign: int):
    return np.exp(sign * 2j * np.pi * np.outer(np.arange(rows), np.arange(cols)) / n)


def _fftn(x, axes, norm, inverse):
    for axis in axes:
        n = x.shape[axis]
        x = _along(_turns(n, n, n, 1 if inverse else -1) * _scale(n, norm, inverse), x, axis)
    return x


def _rfft(x, axis, norm):
    n = x.shape[axis]
    return _along(_turns(n // 2 + 1, n, n, -1) * _scale(n, norm, False), x, axis)


def _irfft(x, n, axis, norm):
    half = n // 2 + 1
    weight = np.array([1 if k == 0 or 2 * k == n else 2 for k in range(half)]) * _scale(
        n, norm, True
    )
    return _along(_turns(n, half, n, 1) * weight, x, axis).real


NORMS = ("backward", "ortho", "forward")
CASES["fftn"] = [
    Case((Operand(s),), _fftn, "c", {"axes": a, "norm": norm, "inverse": inverse})
    for s, a in [
        ((1,), (0,)),
        ((8,), (0,)),
        ((37,), (0,)),
        ((3, 5), (1,)),
        ((3, 4), (0, 1)),
        ((0, 5), (1,)),
    ]
    for norm in NORMS
    for inverse in (False, True)
]
CASES["rfft"] = [
    Case((Operand(s),), _rfft, "f", {"axis": a, "norm": norm})
    for s, a in [((1,), 0), ((8,), 0), ((37,), 0), ((3, 5), 0), ((3, 4), 1), ((0, 5), 1)]
    for norm in NORMS
]
CASES["irfft"] = [
    Case(
        (Operand((*s[:a], n // 2 + 1, *s[a + 1 :])),),
        _irfft,
        "c",
        {"n": n, "axis": a, "norm": norm},
    )
    for s, a in [((1,), 0), ((8,), 0), ((37,), 0), ((3, 5), 0), ((3, 4), 1), ((0, 5), 1)]
    for n in (s[a],)
    for norm in NORMS
]
