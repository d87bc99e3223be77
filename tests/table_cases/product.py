"""Matrix products and linear layers."""

from __future__ import annotations

import numpy as np

from .base import CASES, Case, Operand

# ----- matrix products -----
CASES["matmul"] = [
    Case(
        (Operand(a), Operand(b)),
        lambda a, b: np.einsum(
            "...ij,...jk->...ik", a.astype(complex if a.dtype.kind == "c" else a.dtype), b
        ),
        "bifc",
    )
    for a, b in [
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((1, 1), (1, 1)),
        ((3, 4), (4, 5)),
        ((37, 5), (5, 3)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((1, 37), (37, 1)),
    ]
]
CASES["linear"] = [
    Case(
        tuple(Operand(shape) for shape in shapes),
        lambda x, w, *b: np.einsum("...k,nk->...n", x, w) + (b[0] if b else 0),
        "fc",
    )
    for shapes in [
        ((0, 3), (2, 3), (2,)),
        ((3, 0), (2, 0), (2,)),
        ((1,), (1, 1), (1,)),
        ((4,), (5, 4)),
        ((3, 4), (0, 4), (0,)),
        ((37, 5), (3, 5), (3,)),
        ((2, 3, 4), (5, 4), (5,)),
        ((2, 0, 4), (5, 4)),
        ((1, 37), (1, 37), (1,)),
    ]
]


# ----- linear layers -----
def _linear(x, w, *bias):
    return np.einsum("...k,nk->...n", x, w) + (bias[0] if bias else 0)


CASES["linear"] = [
    Case((Operand(x), Operand(w), *([Operand((w[0],))] if bias else [])), _linear)
    for x, w in [
        ((3, 5), (4, 5)),
        ((5,), (4, 5)),
        ((0, 5), (2, 5)),
        ((2, 3, 5), (1, 5)),
        ((37, 1), (3, 1)),
        ((3, 0), (2, 0)),
    ]
    for bias in (False, True)
]
