"""Mutants of the kernels of indexing."""

from __future__ import annotations

from mutation import Mutant

MUTANTS = (
    Mutant("gather", "bound", "index < 0 ? index + extent : index", "index"),
    Mutant("gather", "index", "place *= stride;", "place *= stride + 1;"),
    Mutant("gather", "index", "index[offset[k][2]]", "index[offset[k][0]]"),
    Mutant("offsets", "bound", "at >= 0 && at < extent ?", "at > 0 && at < extent ?"),
    Mutant("offsets", "index", "sum + place * stride", "sum + place * (stride + 1)"),
    Mutant("offsets", "tail", "before ? y[offset[0]] : 0", "before > 1 ? y[offset[0]] : 0"),
    Mutant("scatter_few", "bound", "if (o >= total) return;", "if (o > total) return;"),
    Mutant("scatter_few", "bound", "i < s.n; ++i)", "i < s.n - 1; ++i)"),
    Mutant("scatter_few", "index", "(b * s.n + i) * s.inner + c", "(b * s.n + i) * s.inner"),
    Mutant(
        "scatter_many",
        "barrier",
        "        __syncthreads();\n        for (int h",
        "        for (int h",
    ),
    Mutant(
        "scatter_many",
        "barrier",
        "        __syncthreads();\n        int listed",
        "        int listed",
    ),
    Mutant("scatter_many", "index", "start + sources[h]", "sources[h]"),
    Mutant("scatter_many", "tail", "if (lane >= d) before", "if (lane > d) before"),
    Mutant("scatter_many", "bound", "i < s.n ? target", "i <= s.n ? target"),
)
