"""The copy kernels: any strides to any strides, and transposes in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from ..strided import THREADS, blocks

Array = np.ndarray[Any, Any]

TILE, TILE_ROWS = 32, 8
# A dtype for each element size: copies move bits.
SIZES = {"uint8_t": "bool", "uint16_t": "int16", "uint32_t": "float32", "uint64_t": "int64"}
WIDE = {"uint4": "complex128"}


def _assigned(out: Array, value: Array) -> tuple[Array, Array]:
    """What `assign` returns, and the operand that it writes into."""
    return (np.broadcast_to(value, out.shape),) * 2


def _ones(*, shape: tuple[int, ...], value: int, dtype: np.dtype[Any]) -> Array:
    return np.full(shape, value, dtype)


def walk(*, size: int, vector: int) -> Geometry:
    """The launch of a kernel that walks over `size` packs of `vector` elements."""
    return Geometry(grid=(blocks(size, vector), 1, 1), block=(THREADS, 1, 1))


def _tiled(*, rows: int, columns: int, batch: int) -> Geometry:
    blocks = -(-rows // TILE) * -(-columns // TILE) * batch
    return Geometry(grid=(blocks, 1, 1), block=(TILE, TILE_ROWS, 1))


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
        Case("assign", (Operand((5, 7)), Operand((7,))), {}, _assigned, (0,)),
        Case("assign", (Operand((5, 8), layout="reversed"), Operand((5, 1))), {}, _assigned, (0,)),
        Case("contiguous", (Operand((9, 8, 4), layout="strided"),)),
        Case("contiguous", (Operand((9, 1128), layout="broadcast"),)),
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
        Case("contiguous", (Operand((1128, 16), layout="transposed"),)),
    ),
    registers=40,
    shared=TILE * (TILE + 1) * 16,
)

FILL_DTYPES = {"uint8_t": "bool", "uint16_t": "int16", "uint32_t": "float32", "uint64_t": "int64"}


def _filled(*, nbytes: int) -> Geometry:
    return Geometry(grid=(-(-nbytes // (16 * THREADS)), 1, 1), block=(THREADS, 1, 1))


FILL = KernelSpec(
    name="fill",
    source="copy/copy.cu",
    template="fill<{T}>",
    signature="PqQ",
    geometry=_filled,
    variants=tuple({"T": bits} for bits in FILL_DTYPES),
    cases=tuple(
        Case("full", (), {"shape": shape, "value": 1, "dtype": np.dtype(dtype)}, _ones)
        for dtype in FILL_DTYPES.values()
        for shape in ((), (0,), (37,), (1128, 3))
    ),
    registers=24,
)

SPECS = (COPY, FILL, TRANSPOSE)
