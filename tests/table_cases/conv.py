"""Convolution and pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from .base import CASES, INT, Case, Operand, distinct


def conv(x, w, stride, padding, dilation, groups):
    """Windows of the padded input, contracted with the weights."""
    rank = len(stride)
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
    windows = windows[
        (slice(None), slice(None), *[slice(None, None, s) for s in (*stride, *dilation)])
    ]
    windows = windows.reshape(x.shape[0], groups, w.shape[1], *windows.shape[2:])
    kernel = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    space, taps = list(range(4, 4 + rank)), list(range(4 + rank, 4 + 2 * rank))
    out = np.einsum(windows, [0, 1, 2, *space, *taps], kernel, [1, 3, 2, *taps], [0, 1, 3, *space])
    return out.reshape(x.shape[0], w.shape[0], *out.shape[3:])


def adjoint(f, shape, g):
    """The adjoint of a linear function of arrays of `shape`, applied to g, vector by vector."""
    out = np.zeros(math.prod(shape))
    for i in range(out.size):
        basis = np.zeros(out.size)
        basis[i] = 1
        out[i] = np.sum(f(basis.reshape(shape)) * g)
    return out.reshape(shape)


def _options(
    rank: int, stride: Any = 1, padding: Any = (0, 0), dilation: Any = 1, groups: int = 1
) -> dict[str, Any]:
    def each(value: Any, scalar: type) -> tuple:
        return (value,) * rank if isinstance(value, scalar) else tuple(value)

    pads = (padding,) * rank if not isinstance(padding[0], tuple) else padding
    return {
        "stride": each(stride, int),
        "padding": pads,
        "dilation": each(dilation, int),
        "groups": groups,
    }


CONVS = [
    ((1, 1, 1, 1), (1, 1, 1, 1), _options(2)),
    ((2, 3, 5, 7), (4, 3, 3, 3), _options(2, padding=(1, 1))),
    ((2, 3, 5, 6), (2, 3, 2, 3), _options(2, stride=(2, 3), padding=((1, 0), (2, 1)))),
    ((1, 4, 6, 5), (6, 2, 3, 2), _options(2, dilation=(1, 2), groups=2, padding=(1, 1))),
    ((1, 3, 4, 4), (3, 1, 3, 3), _options(2, groups=3, padding=(1, 1))),
    ((0, 2, 4, 4), (3, 2, 3, 3), _options(2)),
    ((2, 2, 9), (3, 2, 4), _options(1, stride=2, padding=(2, 1))),
    ((1, 2, 3, 4, 3), (2, 2, 2, 3, 2), _options(3, padding=(1, 1), stride=2)),
]
CASES["conv"] = [Case((Operand(x), Operand(w)), conv, "f", o) for x, w, o in CONVS]
CASES["bias_add"] = [
    Case(
        (Operand(shape), Operand(shape[1:2])),
        lambda x, b: x + b.reshape(b.size, *(1,) * (x.ndim - 2)),
        "f",
    )
    for shape in [(2, 3), (2, 3, 5, 4), (1, 1, 1), (0, 2, 4), (2, 0, 4), (1, 37, 2, 1, 3)]
]
for _x, _w, _o in CONVS:
    _y = conv(np.zeros(_x), np.zeros(_w), **_o).shape
    CASES.setdefault("conv_dgrad", []).append(
        Case(
            (Operand(_y), Operand(_w)),
            lambda g, w, x_shape, **o: adjoint(lambda x: conv(x, w, **o), x_shape, g),
            "f",
            {**_o, "x_shape": _x},
        )
    )
    CASES.setdefault("conv_wgrad", []).append(
        Case(
            (Operand(_y), Operand(_x)),
            lambda g, x, w_shape, **o: adjoint(lambda w: conv(x, w, **o), w_shape, g),
            "f",
            {**_o, "w_shape": _w},
        )
    )


def _extent(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    starts = [i * s - p for i in range(n + 2 * p)]
    reach = d * (k - 1) + 1
    full = [a for a in starts if a + reach <= n + p]
    if (
        ceil_mode
        and (a := len(full) * s - p) < n
        and a + reach > n + p
        and full[-1] + reach < n + p
    ):
        full.append(a)
    return len(full)


def _windows(shape: tuple, kernel, stride, padding, dilation, ceil_mode):
    """For each result position: the input positions of its window inside the array."""
    extents = [
        _extent(*args, ceil_mode)
        for args in zip(shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    for at in np.ndindex(*extents):
        spans = [
            [a for t in range(k) if 0 <= (a := i * s - p + t * d) < n]
            for i, k, s, p, d, n in zip(
                at, kernel, stride, padding, dilation, shape[2:], strict=True
            )
        ]
        yield extents, at, list(product(*spans))


def _max_pool(x, **o):
    best = index = None
    for extents, at, places in _windows(x.shape, **o):
        if best is None:
            best, index = (
                np.zeros((*x.shape[:2], *extents)),
                np.zeros((*x.shape[:2], *extents), INT),
            )
        values = np.stack([x[(slice(None), slice(None), *place)] for place in places])
        flat = np.array([np.ravel_multi_index(place, x.shape[2:]) for place in places])
        where = values.argmax(0)
        best[(slice(None), slice(None), *at)] = values.max(0)
        index[(slice(None), slice(None), *at)] = flat[where]
    return best, index


POOLS = [
    ((2, 3, 6, 6), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False}),
    ((1, 2, 5, 7), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": False}),
    ((1, 1, 6, 5), {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 1), "ceil_mode": True}),
    ((1, 1, 1, 1), {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0), "ceil_mode": False}),
    ((2, 2, 9), {"kernel": (4,), "stride": (3,), "padding": (1,), "ceil_mode": False}),
    ((0, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False}),
    (
        (1, 1, 4, 4, 4),
        {"kernel": (2, 2, 2), "stride": (2, 2, 2), "padding": (0, 0, 0), "ceil_mode": False},
    ),
]
CASES["max_pool"] = [
    Case(
        (Operand(s, distinct),),
        _max_pool,
        "if",
        {**o, "dilation": (d,) * len(o["kernel"])},
        ties=False,
    )
    for s, o in POOLS
    for d in (1, 2)
    if s[-1] > 4 or d == 1
]
POOLED = [
    ((2, 3, 3, 3), (6, 6)),
    ((1, 1, 1, 1), (1, 1)),
    ((2, 2, 5), (9,)),
    ((0, 2, 2, 2), (4, 4)),
    ((1, 2, 2, 1, 2), (3, 2, 3)),
]


def _pool_index(plane: int) -> Callable:
    return lambda rng, shape, dtype: rng.integers(0, plane, shape).astype(INT)


def _unpool(g, index, x_shape):
    out = np.zeros((*g.shape[:2], math.prod(x_shape[2:])))
    for at in np.ndindex(*g.shape):
        out[(*at[:2], index[at])] += g[at]
    return out.reshape(x_shape)


def _pool_gather(v, index):
    flat = v.reshape(*v.shape[:2], math.prod(v.shape[2:]))
    out = np.zeros(index.shape)
    for at in np.ndindex(*index.shape):
        out[at] = flat[(*at[:2], index[at])]
    return out


CASES["max_pool_bwd"] = [
    Case(
        (Operand(s), Operand(s, _pool_index(math.prod(p)), INT)),
        _unpool,
        "f",
        {"x_shape": (*s[:2], *p)},
    )
    for s, p in POOLED
]
CASES["max_pool_gather"] = [
    Case((Operand((*s[:2], *p)), Operand(s, _pool_index(math.prod(p)), INT)), _pool_gather, "f")
    for s, p in POOLED
]


def _avg_pool(x, count_include_pad, **o):
    out = None
    ones = (1,) * len(o["kernel"])
    for extents, at, places in _windows(x.shape, dilation=ones, **o):
        if out is None:
            out = np.zeros((*x.shape[:2], *extents))
        spans = zip(at, o["kernel"], o["stride"], o["padding"], x.shape[2:], strict=True)
        padded = math.prod(min(i * s - p + k, n + p) - (i * s - p) for i, k, s, p, n in spans)
        total = sum(x[(slice(None), slice(None), *place)] for place in places)
        out[(slice(None), slice(None), *at)] = total / (
            padded if count_include_pad else len(places)
        )
    return out


for _s, _o in POOLS:
    for _count in (True, False):
        _params = {**_o, "count_include_pad": _count}
        CASES.setdefault("avg_pool", []).append(Case((Operand(_s),), _avg_pool, "f", _params))
        CASES.setdefault("avg_pool_bwd", []).append(
            Case(
                (Operand(_avg_pool(np.zeros(_s), **_params).shape),),
                lambda g, x_shape, **o: adjoint(lambda x: _avg_pool(x, **o), x_shape, g),
                "f",
                {**_params, "x_shape": _s},
            )
        )
