"""Mutants of the kernels of random numbers and dropout."""

from __future__ import annotations

from mutation import Mutant

PHILOX = "philox.cuh"


def draws(spec: str) -> tuple[Mutant, ...]:
    """What every draw can get wrong: its end, its place, its rounds."""
    return (
        Mutant(spec, "tail", "if (first + i < n) out", "out"),
        Mutant(spec, "bound", "first + N <= n", "first <= n"),
        Mutant(spec, "index", "first = block * N", "first = block * N + 1"),
        Mutant(spec, "round", "round < 10", "round < 9", 0, PHILOX),
    )


MUTANTS = (
    *draws("philox_bits"),
    *draws("philox_bits64"),
    *draws("philox_uniform"),
    *draws("philox_normal"),
    *draws("philox_randint"),
    Mutant("philox_bits", "key", "k1 += 0xBB67AE85u", "k1 += 0xBB67AE84u", 0, PHILOX),
    Mutant(
        "philox_bits64", "index", "word64(w.v[2], w.v[3])}}.store", "word64(w.v[3], w.v[2])}}.store"
    ),
    Mutant("philox_uniform", "scale", "word >> 8)), 0x1p-24f", "word >> 8)), 0x1p-23f", 0, PHILOX),
    Mutant("philox_normal", "series", "mul(r, z), 2.0f / 3.0f", "mul(r, z), 2.0f / 3.1f"),
    Mutant("philox_normal", "series", "mul(c, z), 1.0 / 24.0", "mul(c, z), 1.0 / 25.0"),
    Mutant("philox_randint", "carry", "< carried ? 1 : 0", "< carried ? 0 : 0"),
    Mutant("philox_randint", "bound", "range <= uint64_t(1) << 32", "range < uint64_t(1) << 32"),
    Mutant("philox_randint", "tail", "if (block < n) out[block]", "out[block]"),
    Mutant("dropout", "tail", "if (first + k < n) y", "y"),
    Mutant("dropout", "bound", "first + 4 <= n", "first <= n"),
    Mutant("dropout", "index", "values.v[v] *= factor[k + v]", "values.v[v] *= factor[v]"),
    Mutant(
        "dropout", "index", "const int64_t first = 4 * block", "const int64_t first = 4 * block + 1"
    ),
    Mutant("dropout_pixels", "bound", "if (at >= n) return;", "if (at > n) return;"),
    Mutant(
        "dropout_pixels",
        "index",
        "image * channels + at % channels",
        "image * channels + row % channels",
    ),
    Mutant("dropout_pixels", "index", "i % 4 < 2 ? low", "i % 4 <= 2 ? low"),
)
