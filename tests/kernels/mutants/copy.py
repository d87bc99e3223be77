"""Mutants of the copy kernels."""

from __future__ import annotations

from mutation import Mutant

STRIDED = "gpudl/strided.cuh"


def in_a_row(spec: str) -> tuple[Mutant, ...]:
    """What every writer of elements in a row can get wrong: its end, the last pack, its start."""
    return (
        Mutant(spec, "bound", "if (first >= n) return;", "if (first >= n - 1) return;"),
        Mutant(spec, "tail", "n - first < V ? int(n - first) : V", "V"),
        Mutant(spec, "index", "+ threadIdx.x) * kRow", "+ threadIdx.x + 1) * kRow"),
    )


MUTANTS = (
    Mutant(
        "copy", "bound", "if (i >= at.size) return 0;", "if (i > at.size) return 0;", 0, STRIDED
    ),
    Mutant("copy", "index", "x + offset[k][1]", "x + offset[k][0]"),
    Mutant("copy", "index", "first + k * kThreads", "first + k"),
    *(row for name in ("fill", "arange_whole", "arange_real") for row in in_a_row(name)),
    Mutant("arange_whole", "formula", "uint64_t(i) * step", "uint64_t(i + 1) * step"),
    Mutant("arange_real", "formula", "double(i), step", "double(i + 1), step"),
    Mutant("triangle", "bound", "if (i >= n) return;", "if (i > n) return;"),
    Mutant("triangle", "index", "line % rows", "line % (rows + 1)"),
    Mutant("triangle", "index", "first + p * kThreads", "first + p"),
    Mutant("triangle", "formula", "diagonal >= k :", "diagonal > k :"),
    Mutant("transpose", "barrier", "__syncthreads();", ""),
    Mutant("transpose", "bound", "column + k < columns) {", "column + k <= columns) {"),
    Mutant("transpose", "index", "tile[across][k]", "tile[k][across]"),
)
