"""Mutants of the kernels of reductions."""

from __future__ import annotations

from mutation import Mutant

OPERATIONS = "operations.cuh"

MUTANTS = (
    Mutant("reduce", "barrier", "        __syncthreads();\n", ""),
    Mutant("reduce", "reduction", "d < 32 && d < all; d *= 2", "d < 16 && d < all; d *= 2"),
    Mutant("reduce", "reduction", "s = apart; s < all;", "s = apart; s + apart < all;"),
    Mutant(
        "reduce", "bound", "i < last; i += team.down) value", "i <= last; i += team.down) value"
    ),
    Mutant("reduce", "tail", "return Value(1);", "return Value(0);", 0, OPERATIONS),
    Mutant(
        "reduce",
        "index",
        "y[blockIdx.y * results + at[1]]",
        "y[blockIdx.y * (results + 1) + at[1]]",
    ),
    Mutant("search", "barrier", "        __syncthreads();\n", "", 1),
    Mutant(
        "search",
        "bound",
        "i < last; i += team.down) {\n            const",
        "i <= last; i += team.down) {\n            const",
    ),
    Mutant("search", "tail", "tie ? a.index < b.index", "tie ? a.index > b.index", 0, OPERATIONS),
    Mutant(
        "search", "index", "from ? from[i * results + at[1]] : i", "from ? from[i * results] : i"
    ),
)
