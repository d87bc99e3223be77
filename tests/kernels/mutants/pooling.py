"""Mutants of the kernels of pooling."""

from __future__ import annotations

from mutation import Mutant

WINDOWS = "windows.cuh"


def _windows(spec: str, kind: str, old: str, new: str) -> Mutant:
    return Mutant(spec, kind, old, new, 0, WINDOWS)


MUTANTS = (
    Mutant("max_pool", "bound", "if (i >= size) return;", "if (i > size) return;"),
    Mutant("max_pool", "index", "image + pixel * channels", "image + (pixel + 1) * channels"),
    Mutant("max_pool", "tail", "|| at[k] < 0;", "|| at[k] < -1;"),
    Mutant("max_pool", "order", "!(values.v[k] <= best.v[k])", "!(values.v[k] < best.v[k])"),
    _windows("max_pool", "bound", "p.kernel[axis]) w.last =", "p.kernel[axis] + 1) w.last ="),
    Mutant("max_pool_bwd", "barrier", "        __syncthreads();\n", ""),
    Mutant("max_pool_bwd", "barrier", "!__syncthreads_or(near)", "!near"),
    Mutant(
        "max_pool_bwd", "bound", "place >= first && place < last", "place >= first && place <= last"
    ),
    Mutant("max_pool_bwd", "tail", "q + k < outs", "q + k <= outs"),
    Mutant("max_pool_bwd", "index", "+ int64_t(warp) * band", "+ int64_t(warp) * (band - 1)"),
    Mutant("max_pool_gather", "bound", "if (i >= size) return;", "if (i > size) return;", 1),
    Mutant("max_pool_gather", "index", "+ i % channels", "+ i % (channels + 1)"),
    Mutant("max_pool_gather", "tail", "T value = T(0);", "T value = T(1);"),
    Mutant("avg_pool", "bound", "if (i >= size) return;", "if (i > size) return;", 2),
    Mutant("avg_pool", "index", "y + int64_t(i) * VEC, sum", "y + int64_t(i) * VEC + 1, sum"),
    _windows("avg_pool", "tail", "end < border ? end : border", "end < border + 2 ? end : border"),
    _windows("avg_pool", "index", "w.start >= 0 ? 0", "w.start >= -1 ? 0"),
    Mutant("avg_pool_bwd", "bound", "if (i >= size) return;", "if (i > size) return;", 3),
    _windows("avg_pool_bwd", "bound", "begin > 0 ?", "begin > 1 ?"),
    _windows("avg_pool_bwd", "tail", "last < p.out[axis] ? last", "last <= p.out[axis] ? last + 1"),
    Mutant("avg_pool_bwd", "index", "(a * p.out[1] + b) *", "(a * p.out[0] + b) *"),
)
