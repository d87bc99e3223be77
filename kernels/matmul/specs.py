"""The kernels of matrix products: a tiled product, the sum over the parts of a split depth, and a
matrix times a vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from .tiles import LARGE, SMALL, Tile

SUM_THREADS = 256
ROWS = 8  # of a block of `matrix_vector`, a warp each
ACTIVATIONS = ("none", "relu", "gelu", "gelu_tanh", "silu")  # in the order of gemm.cuh
SIDES = ("false", "true")

Host = np.ndarray[Any, Any]


def variant(dtype: str, tile: Tile, a_along: bool, b_along: bool) -> Mapping[str, str]:
    """Of `matmul`: whether m of A, and n of B, lie side by side, not k."""
    return {"T": dtype, "TILE": tile.cpp, "A": SIDES[a_along], "B": SIDES[b_along]}


def _tiled(*, tiles: int, matrices: int, threads: int, shared: int) -> Geometry:
    return Geometry(grid=(tiles * matrices, 1, 1), block=(threads, 1, 1), shared=shared)


def _rows(*, rows: int) -> Geometry:
    return Geometry(grid=(-(-rows // ROWS), 1, 1), block=(32 * ROWS, 1, 1))


def _summed(*, size: int) -> Geometry:
    return Geometry(grid=(-(-size // SUM_THREADS), 1, 1), block=(SUM_THREADS, 1, 1))


def _product(
    a: Host, b: Host, bias: Host | None = None, *, activation: str = "none", tile: Any = None
) -> Host:
    """What `product` should give, in float64."""
    out = a @ b if bias is None else a @ b + bias
    curves: dict[str, Callable[[Host], Host]] = {
        "none": lambda x: x,
        "relu": lambda x: np.maximum(x, 0),
        "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
        "gelu_tanh": lambda x: (
            x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
        ),
        "silu": lambda x: x / (1 + np.exp(-x)),
    }
    return curves[activation](out)


def _pair(
    a: tuple[int, ...], b: tuple[int, ...], dtype: str = "float32", layouts: str = "nn"
) -> tuple[Operand, Operand]:
    """Operands of a product, each as it is (n) or transposed in memory (t)."""
    kinds = {"n": "dense", "t": "transposed"}
    left, right = (kinds[side] for side in layouts)
    return Operand(a, dtype, left), Operand(b, dtype, right)  # type: ignore[arg-type]


_ALL_LAYOUTS = ("nn", "nt", "tn", "tt")
_TILED_CASES = (
    # The small tile: tails in every direction, whole quads, and single elements.
    *[Case("matmul", _pair((37, 21), (21, 70), layouts=sides)) for sides in _ALL_LAYOUTS],
    *[Case("matmul", _pair((68, 36), (36, 64), layouts=sides)) for sides in _ALL_LAYOUTS],
    *[Case("matmul", _pair((33, 19), (19, 66), "float64", s)) for s in _ALL_LAYOUTS],
    Case("matmul", _pair((1, 1), (1, 1))),
    Case("matmul", _pair((0, 5), (5, 3))),
    Case("matmul", _pair((5, 0), (0, 3))),
    Case("matmul", _pair((37, 1), (1, 37))),
    Case("matmul", (Operand((9, 8), layout="reversed"), Operand((8, 12), layout="strided"))),
    Case("matmul", (Operand((9, 8), layout="broadcast"), Operand((8, 12)))),
    # Batches, of which one side may be broadcast.
    Case("matmul", _pair((3, 17, 20), (3, 20, 12))),
    Case("matmul", _pair((2, 1, 5, 9), (3, 9, 8))),
    Case("matmul", _pair((2, 3, 5, 9), (9, 8))),
    # As many batch axes as the kernel takes, none of which can be merged.
    Case("matmul", _pair((5, 1, 3, 1, 2, 3), (1, 4, 1, 2, 3, 2))),
    # Split depth.
    Case("matmul", _pair((1, 1128), (1128, 1))),
    Case("matmul", _pair((1, 1128), (1128, 37), layouts="nt")),
    # The large tile.
    *[
        Case("product", _pair((131, 21), (21, 132), layouts=sides), {"tile": LARGE}, _product)
        for sides in _ALL_LAYOUTS
    ],
    # The epilogue.
    Case("linear", (Operand((37, 20)), Operand((9, 20)), Operand((9,)))),
    Case("linear", (Operand((2, 5, 20)), Operand((8, 20)))),
    Case("linear", (Operand((20,)), Operand((8, 20)), Operand((8,)))),
    Case("linear", (Operand((4, 6, 5), layout="transposed"), Operand((8, 5)), Operand((8,)))),
    *[
        Case(
            "product",
            (*_pair((6, 20), (20, 9), dtype), Operand((9,), dtype)),
            {"activation": activation},
            _product,
        )
        for activation in ACTIVATIONS
        for dtype in ("float32", "float64")
    ],
)

MATMUL = KernelSpec(
    name="matmul",
    source="matmul/matmul.cu",
    template="matmul<{T}, {TILE}, {A}, {B}>",
    signature="PPPPS",
    geometry=_tiled,
    variants=tuple(
        variant(dtype, tile, a_along, b_along)
        for dtype, tile in (("float", LARGE), ("float", SMALL), ("double", SMALL))
        for a_along in (False, True)
        for b_along in (False, True)
    ),
    cases=_TILED_CASES,
    registers=208,
    shared=SMALL.shared(8),
    sass={"LDS*128*": 16, "BAR.SYNC*": 1},
)

SUM_PARTS = KernelSpec(
    name="sum_parts",
    source="matmul/matmul.cu",
    template="sum_parts<{T}>",
    signature="PPPqiii",
    geometry=_summed,
    variants=({"T": "float"}, {"T": "double"}),
    cases=(
        Case("matmul", _pair((2, 1128), (1128, 3))),
        Case("matmul", _pair((3, 300), (300, 37), "float64")),
        Case(
            "product",
            (*_pair((9, 200), (200, 37)), Operand((37,))),
            {"activation": "gelu"},
            _product,
        ),
    ),
    registers=56,
    sass={"LDG*": 2},
)

MATRIX_VECTOR = KernelSpec(
    name="matrix_vector",
    source="matmul/matmul.cu",
    template="matrix_vector<{T}, {VEC}>",
    signature="PPPPqiiii",
    geometry=_rows,
    variants=tuple(
        {"T": dtype, "VEC": str(vec)}
        for dtype, vec in (("float", 4), ("float", 1), ("double", 2), ("double", 1))
    ),
    cases=(
        *[
            Case("matmul", _pair((37, K), (K, 1), dtype))
            for dtype in ("float32", "float64")
            for K in (1128, 37)
        ],
        Case("matmul", _pair((1, 1128), (1128, 37), layouts="nt")),
        Case("matmul", _pair((1, 1128), (1128, 1))),
        Case("linear", (Operand((64,)), Operand((9, 64)), Operand((9,)))),
        Case("linear", (Operand((9, 33)), Operand((1, 33)), Operand((1,)))),
    ),
    registers=48,
    sass={"SHFL*": 5},
)

SPECS = (MATMUL, SUM_PARTS, MATRIX_VECTOR)
