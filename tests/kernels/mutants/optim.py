"""Mutants of the kernels of the optimizers."""

from __future__ import annotations

from mutation import Mutant

SEGMENTS = "segments.cuh"
ROWS = "gpudl/rows.cuh"


def spans(spec: str) -> tuple[Mutant, ...]:
    """What every pass over segments can get wrong: their end, whose is which, what is aligned."""
    last = "first + kSpan < at.stop[segment] ? first + kSpan : at.stop[segment]"
    return (
        Mutant(spec, "tail", last, "first + kSpan", 0, SEGMENTS),
        Mutant(
            spec,
            "bound",
            "at.block[middle] <= int(blockIdx.x)",
            "at.block[middle] < int(blockIdx.x)",
            0,
            SEGMENTS,
        ),
        Mutant(spec, "index", "single = last - last % V", "single = last", 0, SEGMENTS),
        Mutant(spec, "alignment", " && at.start[segment] % V == 0", "", 0, SEGMENTS),
    )


MUTANTS = (
    *spans("sgd"),
    *spans("adam"),
    *spans("rmsprop"),
    *spans("sumsq_spans"),
    *spans("gather_flat"),
    Mutant("sgd", "formula", "nesterov ? add(d, mul(kept, b)) : b", "b"),
    Mutant("adam", "formula", "most.v[k] > largest ||", "most.v[k] < largest ||"),
    Mutant("adam", "formula", "add(mean, mul(weight, d))", "add(mean, mul(weight, x))"),
    Mutant("rmsprop", "formula", "sub(spread, mul(mean.v[k], mean.v[k]))", "spread"),
    Mutant(
        "gather_flat",
        "index",
        "sources.from[segment] - sources.at.start[segment]",
        "sources.from[segment]",
    ),
    Mutant("sumsq_spans", "barrier", "__syncthreads();", "", 0, ROWS),
    Mutant("sumsq_spans", "index", "partial[base + blockIdx.x]", "partial[base]"),
    Mutant("sumsq_total", "barrier", "__syncthreads();", "", 0, ROWS),
    Mutant("sumsq_total", "bound", "i < count;", "i <= count;"),
    Mutant("sumsq_total", "reduction", "d > 0; d /= 2) x =", "d > 1; d /= 2) x =", 0, ROWS),
)
