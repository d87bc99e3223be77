"""The copy kernels: any strides to any strides, transposes in tiles, constants and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from ..strided import THREADS, WIDTH, blocks

TILE, TILE_ROWS = 32, 8
# A dtype for each element size: copies move bits.
SIZES = {"uint8_t": "bool", "uint16_t": "int16", "uint32_t": "float32", "uint64_t": "int64"}
WIDE = {"uint4": "complex128"}


def walk(*, size: int, vector: int) -> Geometry:
    """The launch of a kernel that walks over `size` packs of `vector` elements."""
    return Geometry(grid=(blocks(size, vector), 1, 1), block=(THREADS, 1, 1))


def _tiled(*, rows: int, columns: int, batch: int) -> Geometry:
    blocks = -(-rows // TILE) * -(-columns // TILE) * batch
    return Geometry(grid=(blocks, 1, 1), block=(TILE, TILE_ROWS, 1))


def _joined(axis: int, *sizes: int) -> dict[str, Any]:
    return {"axis": axis, "sizes": sizes}


def _assigned(out: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.broadcast_to(value, out.shape)


# What is written, and the value: (shape, dtype, layout) of each.
_ASSIGNED: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...] = (
    (((37, 5),), ((37, 5),)),
    (((6, 4), "float32", "strided"), ((4,),)),
    (((9, 5), "int64", "reversed"), ((), "int64")),
    (((3, 7), "float64", "transposed"), ((1, 1), "float64")),
)

COPY = KernelSpec(
    name="copy",
    source="copy/copy.cu",
    template="copy<{T}, {V}>",
    signature="PPS",
    geometry=walk,
    variants=(
        *[{"T": bits, "V": str(v)} for bits, v in zip(SIZES, (8, 8, 4, 2), strict=True)],
        *[{"T": bits, "V": "1"} for bits in (*SIZES, *WIDE)],
    ),
    cases=(
        *[Case("copy", (Operand((37, 33), dtype),)) for dtype in (*SIZES.values(), *WIDE.values())],
        *[
            Case("copy", (Operand((5, 7, 3), dtype, "reversed"),))
            for dtype in (*SIZES.values(), *WIDE.values())
        ],
        *[Case("copy", (Operand(shape),)) for shape in ((), (0, 3), (1,), (1128,))],
        Case("copy", (Operand((3, 5, 4, 6), layout="channels_last"),)),
        Case("contiguous", (Operand((3, 5, 4, 6), layout="channels_last"),)),
        Case("contiguous", (Operand((9, 8, 4), layout="strided"),)),
        Case("contiguous", (Operand((9, 1128), layout="broadcast"),)),
        Case("reshape", (Operand((4, 6, 5), layout="transposed"),), {"shape": (8, 15)}),
        Case("reshape", (Operand((4, 6), layout="strided"),), {"shape": (2, 2, 3, 2)}),
        Case("reshape", (Operand((3, 1, 37), layout="reversed"),), {"shape": (37, 3)}),
        Case("concat", (Operand((3, 5)), Operand((3, 0)), Operand((3, 4))), _joined(1, 5, 0, 4)),
        Case("concat", (Operand((8, 3)), Operand((5, 3), layout="transposed")), _joined(0, 8, 5)),
        Case("pad", (Operand((5, 8)),), {"width": ((1, 2), (4, 0)), "value": 1.5}),
        Case("pad", (Operand((5, 0), "int64"),), {"width": ((0, 0), (1, 0)), "value": -3}),
        *[
            Case("assign", (Operand(*to), Operand(*of)), {}, _assigned, (0,))
            for to, of in _ASSIGNED
        ],
    ),
    registers=48,
)

TRANSPOSE = KernelSpec(
    name="transpose",
    source="copy/copy.cu",
    template="transpose<{T}>",
    signature="PPqqiiS",
    geometry=_tiled,
    variants=tuple({"T": bits} for bits in (*SIZES, *WIDE)),
    cases=(
        *[
            Case("contiguous", (Operand((37, 70), dtype, "transposed"),))
            for dtype in (*SIZES.values(), *WIDE.values())
        ],
        Case("contiguous", (Operand((2, 17, 5, 9), layout="channels_last"),)),
        Case("contiguous", (Operand((2, 16, 33), layout="transposed"),)),
        Case("contiguous", (Operand((20, 3, 33), layout="transposed"),)),
        Case("contiguous", (Operand((1128, 16), layout="transposed"),)),
    ),
    registers=40,
    shared=TILE * (TILE + 1) * 16,
)


# ----- constants and ranges -----
def in_a_row(*, nbytes: int) -> Geometry:
    """The launch of a kernel that writes `nbytes` in accesses of 16."""
    return Geometry(grid=(-(-nbytes // (WIDTH * THREADS)), 1, 1), block=(THREADS, 1, 1))


def _full(*, shape: tuple[int, ...], value: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.full(shape, value, dtype)


FILL = KernelSpec(
    name="fill",
    source="copy/copy.cu",
    template="fill<{T}>",
    signature="PqQ",
    geometry=in_a_row,
    variants=tuple({"T": bits} for bits in SIZES),
    cases=tuple(
        Case("full", (), {"shape": shape, "value": 1, "dtype": np.dtype(dtype)}, _full)
        for dtype in SIZES.values()
        for shape in ((), (0,), (37,), (1128, 3))
    ),
    registers=32,
)


def _arange(
    *, start: float, step: float, length: int, dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    return np.array([start + i * step for i in range(length)], dtype)


def _range_cases(types: tuple[str, ...], ranges: tuple[tuple[float, float, int], ...]) -> Any:
    return tuple(
        Case(
            "arange",
            (),
            {"start": start, "step": step, "length": length, "dtype": np.dtype(dtype)},
            _arange,
        )
        for dtype in types
        for start, step, length in ranges
    )


ARANGE_WHOLE = KernelSpec(
    name="arange_whole",
    source="copy/copy.cu",
    template="arange_whole<{T}>",
    signature="PqQQ",
    geometry=in_a_row,
    variants=({"T": "int32_t"}, {"T": "int64_t"}),
    cases=_range_cases(
        ("int32", "int64"), ((0, 1, 0), (5, 1, 1), (3, -2, 37), (-(2**31), 3, 1128))
    ),
    registers=24,
)
ARANGE_REAL = KernelSpec(
    name="arange_real",
    source="copy/copy.cu",
    template="arange_real<{T}>",
    signature="Pqdd",
    geometry=in_a_row,
    variants=({"T": "float"}, {"T": "double"}),
    cases=_range_cases(
        ("float32", "float64"), ((0, 1, 0), (0.5, 0.25, 1), (3, -2, 37), (-1e3, 0.1, 1129))
    ),
    registers=32,
)

# ----- triangles -----
TRIANGLE = KernelSpec(
    name="triangle",
    source="copy/copy.cu",
    template="triangle<{T}>",
    signature="PPIIIqi",
    geometry=walk,
    variants=tuple({"T": bits} for bits in SIZES),
    cases=(
        *[Case("tril", (Operand((5, 7), dtype),), {"k": 0}) for dtype in SIZES.values()],
        *[Case("triu", (Operand((2, 37, 33)),), {"k": k}) for k in (-3, 0, 2, 40)],
        *[Case("tril", (Operand((9, 4), layout="transposed"),), {"k": k}) for k in (-10, -1, 1)],
        *[Case("triu", (Operand(shape),), {"k": 1}) for shape in ((0, 3), (1, 1), (1128, 3))],
    ),
    registers=32,
)

SPECS = (COPY, TRANSPOSE, FILL, ARANGE_WHOLE, ARANGE_REAL, TRIANGLE)
