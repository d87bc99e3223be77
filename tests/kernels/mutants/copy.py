"""Mutants of the copy kernels."""

from __future__ import annotations

from mutation import Mutant

STRIDED = "gpudl/strided.cuh"

MUTANTS = (
    Mutant(
        "copy", "bound", "if (i >= at.size) return 0;", "if (i > at.size) return 0;", 0, STRIDED
    ),
    Mutant("copy", "index", "x + offset[k][1]", "x + offset[k][0]"),
    Mutant("copy", "index", "first + k * kThreads", "first + k"),
    Mutant("fill", "bound", "n - first < V ?", "n - first < V - 1 ?"),
    Mutant("fill", "tail", "n - first < V ? int(n - first) : V", "V"),
    Mutant("fill", "index", "+ threadIdx.x) * V", "+ threadIdx.x + 1) * V"),
    Mutant("transpose", "barrier", "__syncthreads();", ""),
    Mutant("transpose", "bound", "column + k < columns) {", "column + k <= columns) {"),
    Mutant("transpose", "index", "tile[across][k]", "tile[k][across]"),
)
