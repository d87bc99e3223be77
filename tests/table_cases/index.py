"""Indexing, and its adjoints."""

from __future__ import annotations

import math

import numpy as np

from gpudl.ops.index import HOLE

from .base import CASES, INT, Case, Operand, indices, one

BASIC = [
    ((37,), (slice(1, None, 3),)),
    ((37,), (slice(None, None, -1),)),
    ((5,), (slice(3, 3),)),
    ((5,), (2,)),
    ((1,), (None, 0)),
    ((3, 4), (Ellipsis, 1)),
    ((3, 4), (slice(None), None, slice(-1, None, -2))),
    ((3, 4), (-1, -2)),
    ((0,), (slice(None),)),
    ((2, 3, 4), (1, Ellipsis, slice(0, 2))),
    ((3, 4), ()),
]


def _mask_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.resize([True, False, True], shape)


ADVANCED = [
    ((37,), (HOLE,), [((50,), indices(37))]),
    ((5,), (HOLE,), [((0,), indices(5))]),
    ((1,), (HOLE,), [((2, 2), indices(1))]),
    ((3, 4), (HOLE, HOLE), [((5,), indices(3)), ((5,), indices(4))]),
    ((3, 4), (HOLE, HOLE), [((2, 1), indices(3)), ((3,), indices(4))]),
    ((3, 4), (slice(None), HOLE), [((6,), indices(4))]),
    ((2, 3, 4), (HOLE, slice(None), HOLE), [((5,), indices(2)), ((5,), indices(4))]),
    ((3, 4), (HOLE,), [((3, 4), _mask_operand)]),
    ((3, 4), (HOLE, slice(1, 3)), [((3,), _mask_operand)]),
    ((3, 4), (HOLE, 1), [((2,), indices(3))]),
]
DISTINCT = [
    ((37,), (HOLE,), [((12,), indices(37, repeats=False))]),
    ((3, 4), (HOLE,), [((3, 4), _mask_operand)]),
    ((3, 4), (slice(None), HOLE), [((2,), indices(4, repeats=False))]),
    ((3, 4), (HOLE, 1), [((2,), indices(3, repeats=False))]),
    ((3, 4), (slice(None), HOLE), [((4,), _mask_operand)]),
]


def _key(key, arrays):
    rest = iter(arrays)
    return tuple(next(rest) if part is HOLE else part for part in key)


def _read(x, *arrays, key):
    """By the flat numbers of the elements."""
    numbers = np.arange(x.size).reshape(x.shape)[_key(key, arrays)]
    return x.ravel()[numbers.ravel()].reshape(np.shape(numbers))


def _add_into(g, *arrays, key, shape):
    numbers = np.arange(math.prod(shape)).reshape(shape)[_key(key, arrays)]
    out = np.zeros(math.prod(shape), g.dtype)
    for i, value in zip(np.ravel(numbers), g.ravel(), strict=True):
        out[i] += value
    return out.reshape(shape)


def _put(x, v, *arrays, key):
    numbers = np.arange(x.size).reshape(x.shape)[_key(key, arrays)]
    out = x.ravel().copy()
    for i, value in zip(
        np.ravel(numbers), np.broadcast_to(v, np.shape(numbers)).ravel(), strict=True
    ):
        out[i] = value
    return out.reshape(x.shape)


def _index_operands(arrays: list) -> tuple[Operand, ...]:
    return tuple(Operand(s, f, np.dtype(bool) if f is _mask_operand else INT) for s, f in arrays)


def _selected(shape: tuple, key: tuple, arrays: list) -> tuple:
    rng = np.random.default_rng(0)
    return np.zeros(shape)[_key(key, [f(rng, s, INT) for s, f in arrays])].shape


CASES["getitem"] = [one(s, _read, {"key": k}) for s, k in BASIC]
CASES["getitem_advanced"] = [
    Case((Operand(s), *_index_operands(a)), _read, "bifc", {"key": k}) for s, k, a in ADVANCED
]
CASES["index_add"] = [
    Case(
        (Operand(_selected(s, k, a)), *_index_operands(a)), _add_into, "ifc", {"key": k, "shape": s}
    )
    for s, k, a in [*[(s, k, []) for s, k in BASIC], *ADVANCED]
]
CASES["index_put"] = [
    Case((Operand(s), Operand(shape), *_index_operands(a)), _put, "bifc", {"key": k})
    for s, k, a in [*[(s, k, []) for s, k in BASIC], *DISTINCT]
    for shape in {_selected(s, k, a), ()}
]
