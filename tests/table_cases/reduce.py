"""Reductions, scans, sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import CASES, INT, distinct, near_one, nonzero, normal, one, with_zeros

AXES: tuple[tuple[tuple, tuple], ...] = (
    ((), ()),
    ((1,), (0,)),
    ((37,), (0,)),
    ((3, 4), (0,)),
    ((3, 4), (1,)),
    ((3, 4), (0, 1)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (0, 2)),
    ((3, 4), ()),
)
EMPTY = (((0,), (0,)), ((0, 3), (0,)), ((0, 3), (1,)), ((3, 0), (0,)))


def _reduce(
    name: str,
    formula: Callable,
    kinds: str,
    sample: Callable = normal,
    empty: bool = True,
    **o: Any,
) -> None:
    CASES[name] = [
        one(s, formula, {"axis": a, "keepdims": keep}, kinds, sample, **o)
        for s, a in AXES + (EMPTY if empty else ())
        for keep in (False, True)
    ]


_reduce(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(
        x, axis, dtype=INT if x.dtype == bool else None, keepdims=keepdims
    ),
    "bifc",
)
_reduce(
    "prod",
    lambda x, axis, keepdims: np.multiply.reduce(
        x, axis, dtype=INT if x.dtype == bool else None, keepdims=keepdims
    ),
    "bifc",
    near_one,
)
CASES["prod"] += [
    one(
        s,
        lambda x, axis, keepdims: np.multiply.reduce(x, axis, keepdims=keepdims),
        {"axis": a, "keepdims": False},
        "fc",
        with_zeros,
    )
    for s, a in [((6,), (0,)), ((3, 4), (1,)), ((2, 3, 4), (0, 2))]
]
_reduce(
    "max",
    lambda x, axis, keepdims: np.maximum.reduce(x, axis, keepdims=keepdims),
    "bif",
    distinct,
    False,
    ties=False,
)
_reduce(
    "min",
    lambda x, axis, keepdims: np.minimum.reduce(x, axis, keepdims=keepdims),
    "bif",
    distinct,
    False,
    ties=False,
)
_reduce(
    "any",
    lambda x, axis, keepdims: np.logical_or.reduce(x, axis, keepdims=keepdims),
    "bifc",
    with_zeros,
)
_reduce(
    "all",
    lambda x, axis, keepdims: np.logical_and.reduce(x, axis, keepdims=keepdims),
    "bifc",
    with_zeros,
)
ONE_AXIS = (((1,), 0), ((37,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1))
for _name in ("argmax", "argmin"):
    CASES[_name] = [one(s, getattr(np, _name), {"axis": a}, "bif", distinct) for s, a in ONE_AXIS]


def _scan(operation: Callable) -> Callable:
    def formula(x, axis):
        return operation.accumulate(x, axis, dtype=INT if x.dtype == bool else None)

    return formula


CASES["cumsum"] = [
    one(s, _scan(np.add), {"axis": a}) for s, a in (*ONE_AXIS, ((0,), 0), ((3, 0), 0))
]
CASES["cumprod"] = [
    one(s, _scan(np.multiply), {"axis": a}, sample=sample)
    for s, a in (
        ((1,), 0),
        ((9,), 0),
        ((3, 4), 0),
        ((3, 4), 1),
        ((2, 3, 4), 1),
        ((0,), 0),
        ((3, 0), 0),
    )
    for sample in (nonzero, with_zeros)
]


def _sort(x, axis, descending):
    rows = np.moveaxis(x, axis, -1)
    out = np.empty(rows.shape, x.dtype)
    order = np.empty(rows.shape, INT)
    for at in np.ndindex(*rows.shape[:-1]):
        keys = sorted(
            range(rows.shape[-1]),
            key=lambda i: -float(rows[at][i]) if descending else float(rows[at][i]),
        )
        order[at], out[at] = keys, rows[at][keys]
    return np.moveaxis(out, -1, axis), np.moveaxis(order, -1, axis)


CASES["sort"] = [
    one(s, _sort, {"axis": a, "descending": d}, "bif", distinct, ties=False)
    for s, a in (*ONE_AXIS, ((0,), 0), ((3, 0), 0))
    for d in (False, True)
]
