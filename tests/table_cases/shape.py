"""Shapes, joining, padding, picking along an axis, searching."""

from __future__ import annotations

import numpy as np

from gpudl.devices import CPU

from .base import CASES, INT, Case, Operand, indices, normal, one

CASES["reshape"] = [
    one(s, lambda x, shape: np.array(x, order="C").reshape(shape), {"shape": t})
    for s, t in [
        ((), (1, 1)),
        ((0,), (3, 0)),
        ((37,), (37, 1)),
        ((3, 4), (2, 6)),
        ((3, 4), (-1,)),
        ((2, 3, 4), (4, -1)),
    ]
]
CASES["to_device"] = [  # where there is another device: test_devices.py
    one(s, lambda x, device, source: x.copy(), {"device": CPU, "source": CPU}, "bifc")
    for s in [(), (0,), (37,), (3, 4)]
]
CASES["permute_dims"] = [
    one(s, lambda x, axes: np.moveaxis(x, axes, range(x.ndim)), {"axes": a})
    for s, a in [
        ((), ()),
        ((0,), (0,)),
        ((37,), (0,)),
        ((3, 4), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((1, 3), (1, 0)),
    ]
]
CASES["broadcast_to"] = [
    one(
        s,
        lambda x, shape: (
            x + np.zeros(shape, x.dtype) if x.dtype != bool else x | np.zeros(shape, bool)
        ),
        {"shape": t},
    )
    for s, t in [
        ((), (3,)),
        ((1,), (0,)),
        ((1,), (37,)),
        ((3, 1), (2, 3, 5)),
        ((3, 5), (3, 5)),
        ((1, 1), (4, 1)),
    ]
]
CASES["flip"] = [
    one(
        s,
        lambda x, axis: x[tuple(slice(None, None, -1 if i in axis else 1) for i in range(x.ndim))],
        {"axis": a},
    )
    for s, a in [
        ((0,), (0,)),
        ((1,), (0,)),
        ((37,), (0,)),
        ((3, 4), (1,)),
        ((3, 4), (0, 1)),
        ((2, 3, 4), (0, 2)),
    ]
]
for _name, _sign in (("tril", 1), ("triu", -1)):
    CASES[_name] = [
        one(
            s,
            lambda x, k, sign=_sign: (
                x
                * (
                    sign * np.subtract.outer(np.arange(x.shape[-2]), np.arange(x.shape[-1]))
                    >= -sign * k
                ).astype(x.dtype)
            ),
            {"k": k},
        )
        for s in [(1, 1), (3, 4), (4, 3), (2, 3, 3), (0, 3)]
        for k in (-2, 0, 1)
    ]


def _pad(x, width, value):
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, width, strict=True)], value).astype(
        x.dtype
    )
    out[tuple(slice(a, a + n) for n, (a, b) in zip(x.shape, width, strict=True))] = x
    return out


CASES["pad"] = [
    one(s, _pad, {"width": w, "value": v})
    for s, w in [
        ((0,), ((2, 1),)),
        ((1,), ((0, 0),)),
        ((37,), ((3, 0),)),
        ((3, 4), ((0, 1), (2, 0))),
    ]
    for v in (0, 1)
]
CASES["concat"] = [
    Case(
        tuple(Operand(s) for s in shapes),
        lambda *xs, axis, sizes: np.concatenate(xs, axis),
        "bifc",
        {"axis": axis, "sizes": tuple(s[axis] for s in shapes)},
    )
    for shapes, axis in [
        (((0,), (3,)), 0),
        (((1,),), 0),
        (((37,), (1,), (5,)), 0),
        (((3, 4), (3, 1)), 1),
        (((2, 3, 1), (1, 3, 1)), 0),
    ]
]


def _gather(x, index, axis):
    out = np.empty(
        index.shape
        if x.ndim == 1
        else np.broadcast_shapes(
            index.shape, tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        ),
        x.dtype,
    )
    index = np.broadcast_to(index, out.shape)
    for at in np.ndindex(*out.shape):
        source = tuple(int(index[at]) if i == axis else k for i, k in enumerate(at))
        out[at] = x[source]
    return out


def _scatter(x, index, axis, size):
    out = np.zeros(x.shape[:axis] + (size,) + x.shape[axis + 1 :], x.dtype)
    for at in np.ndindex(*x.shape):
        target = tuple(int(index[at]) if i == axis else k for i, k in enumerate(at))
        out[target] += x[at]
    return out


CASES["take_along_axis"] = [
    Case((Operand(s), Operand(t, indices(max(s[a], 1)), INT)), _gather, "bifc", {"axis": a})
    for s, t, a in [
        ((5,), (0,), 0),
        ((1,), (1,), 0),
        ((37,), (50,), 0),
        ((3, 4), (3, 2), 1),
        ((3, 4), (6, 4), 0),
        ((3, 4), (1, 4), 0),
        ((3, 4), (1, 6), 1),
        ((2, 3, 4), (2, 3, 1), 2),
    ]
]
CASES["scatter_along_axis"] = [
    Case((Operand(s), Operand(s, indices(n), INT)), _scatter, "ifc", {"axis": a, "size": n})
    for s, a, n in [
        ((0,), 0, 3),
        ((1,), 0, 1),
        ((37,), 0, 9),
        ((3, 4), 1, 2),
        ((3, 4), 0, 7),
        ((2, 3, 4), 1, 5),
    ]
]


def _sorted_operand(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    return np.sort(normal(rng, shape, dtype), axis=-1)


CASES["searchsorted"] = [
    Case(
        (Operand((n,), _sorted_operand), Operand(s)),
        lambda x, v, side: np.sum(
            x.reshape(-1, *[1] * v.ndim) < v
            if side == "left"
            else x.reshape(-1, *[1] * v.ndim) <= v,
            axis=0,
        ),
        "bif",
        {"side": side},
        smooth=False,
    )
    for n, s in [(0, (3,)), (1, (1,)), (37, (5, 3)), (7, (0,)), (5, ())]
    for side in ("left", "right")
]
