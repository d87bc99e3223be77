"""Mutants of the elementwise kernels: of the walk that they share, and of the functions."""

from __future__ import annotations

from mutation import Mutant

from gpudl.kernels.elementwise.specs import SPECS

STRIDED = "gpudl/strided.cuh"
FUNCTORS = "functors.cuh"
MATH = "gpudl/math.cuh"
ACTIVATIONS = "gpudl/activations.cuh"


def walk(spec: str) -> tuple[Mutant, ...]:
    """What every walk over strided operands can get wrong: its end, its axes, its strides."""
    return (
        Mutant(
            spec, "bound", "if (i >= at.size) return 0;", "if (i > at.size) return 0;", 0, STRIDED
        ),
        Mutant(spec, "index", "for (int axis = 1;", "for (int axis = 2;", 0, STRIDED),
        Mutant(spec, "index", "int64_t(first) * at.stride[n][0]", "int64_t(first)", 0, STRIDED),
    )


MUTANTS = (
    *(mutant for spec in SPECS for mutant in walk(spec.name)),
    Mutant(
        "arithmetic", "tail", "at.inner - first < V ? int(at.inner - first) : V", "V", 0, STRIDED
    ),
    Mutant("arithmetic", "index", "left[k].value[v], right[k]", "left[k].value[0], right[k]"),
    Mutant(
        "activation", "formula", "x <= T(0) ? T(0) : x;", "x < T(0) ? T(0) : -x;", 0, ACTIVATIONS
    ),
    Mutant("activation", "formula", "T(0.044715) * x * x", "T(0.044715) * x", 0, ACTIVATIONS),
    Mutant("activation_bwd", "formula", "g * (T(1) - x * x)", "g * (T(1) - x)", 0, FUNCTORS),
    Mutant("activation_bwd", "formula", "s * (T(1) - s);", "s * s;", 0, ACTIVATIONS),
    Mutant("arithmetic", "formula", "a >= b || real::isnan(a)", "a >= b", 0, FUNCTORS),
    Mutant("unary_math", "formula", "1.50140941f", "1.49140941f", 0, MATH),
    Mutant(
        "division_whole",
        "formula",
        "if (b == T(0)) return T(0);",
        "if (b == T(1)) return T(0);",
        0,
        MATH,
    ),
    Mutant(
        "binary_math",
        "formula",
        "(b < T(0)) != (rest < T(0)) ? rest + b",
        "(b < T(0)) ? rest + b",
        0,
        FUNCTORS,
    ),
    Mutant("logical", "formula", "(a != T(0)) & (b", "(a != T(0)) | (b", 0, FUNCTORS),
    Mutant("classify", "formula", "== 0x7f800000u; }", ">= 0x7f800000u; }", 0, MATH),
    Mutant("cast", "formula", "return x != 0.0f;", "return x > 0.0f;", 0, FUNCTORS),
    Mutant("where", "formula", "? left[k].value[v] : right[k]", "? right[k].value[v] : left[k]"),
)
