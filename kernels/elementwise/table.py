"""Which functions of `functors.cuh` there are, and for which element types.

A function that is bound by bandwidth has a second variant, in packs of 16 bytes (8 of bools). One
that computes for longer than it loads has none: unrolled it would only be long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..strided import pack

REALS = ("float", "double")
WHOLE = ("int32_t", "int64_t")
NUMBERS = (*WHOLE, *REALS)
DTYPES = {
    "bool": "bool",
    "int32_t": "int32",
    "int64_t": "int64",
    "float": "float32",
    "double": "float64",
}


def widths(*types: str, packs: bool = True) -> tuple[str, ...]:
    """The elements a step of a kernel that reads and writes `types`: 1, and those of a pack."""
    wide = pack(max(np.dtype(DTYPES[t]).itemsize for t in types))
    return ("1", str(wide)) if packs else ("1",)


@dataclass(frozen=True)
class Group:
    """Functions that are compiled together: their spec, and what of them there is."""

    spec: str
    kernel: str  # "unary" or "binary"
    functors: dict[str, str]  # functor -> the row that it computes, for the cases
    types: tuple[str, ...]
    truth: bool = False  # the result is a bool
    packs: bool = True  # in packs too

    def variants(self) -> tuple[dict[str, str], ...]:
        """Every functor for every type."""
        return tuple(
            {"F": f, "T": t, "R": "bool" if self.truth else t, "V": v}
            for f in self.functors
            for t in self.types
            for v in widths(t, packs=self.packs)
        )


GROUPS = (
    Group(
        "activation",
        "unary",
        {
            "Relu": "relu",
            "Sigmoid": "sigmoid",
            "Tanh": "tanh",
            "Silu": "silu",
            "Gelu": "gelu",
            "GeluTanh": "gelu",
            "Erf": "erf",
        },
        REALS,
    ),
    Group(
        "unary",
        "unary",
        {
            "Negative": "negative",
            "Abs": "abs",
            "Square": "square",
            "Sign": "sign",
            "Reciprocal": "reciprocal",
            "Sqrt": "sqrt",
            "Exp": "exp",
            "Log": "log",
            "Floor": "floor",
            "Ceil": "ceil",
            "Trunc": "trunc",
            "Round": "round",
        },
        REALS,
    ),
    Group(
        "unary_math",
        "unary",
        {
            "Expm1": "expm1",
            "Log1p": "log1p",
            "Log2": "log2",
            "Log10": "log10",
            "Erfinv": "erfinv",
        },
        REALS,
        packs=False,
    ),
    Group(
        "trigonometric",
        "unary",
        {
            "Sin": "sin",
            "Cos": "cos",
            "Tan": "tan",
            "Asin": "asin",
            "Acos": "acos",
            "Atan": "atan",
            "Sinh": "sinh",
            "Cosh": "cosh",
            "Asinh": "asinh",
            "Acosh": "acosh",
            "Atanh": "atanh",
        },
        REALS,
        packs=False,
    ),
    Group(
        "unary_whole",
        "unary",
        {"Negative": "negative", "Abs": "abs", "Square": "square", "Sign": "sign"},
        WHOLE,
    ),
    Group("invert", "unary", {"Invert": "bitwise_invert"}, ("bool", *WHOLE)),
    Group("logical_not", "unary", {"LogicalNot": "logical_not"}, ("bool", *NUMBERS), truth=True),
    Group(
        "classify",
        "unary",
        {"IsNan": "isnan", "IsInf": "isinf", "IsFinite": "isfinite", "SignBit": "signbit"},
        REALS,
        truth=True,
    ),
    Group(
        "arithmetic",
        "binary",
        {
            "Add": "add",
            "Subtract": "subtract",
            "Multiply": "multiply",
            "Divide": "divide",
            "Maximum": "maximum",
            "Minimum": "minimum",
        },
        REALS,
    ),
    Group(
        "activation_bwd",
        "binary",
        {
            "ReluBwd": "relu_bwd",
            "TanhBwd": "tanh_bwd",
            "SiluBwd": "silu_bwd",
            "GeluBwd": "gelu_bwd",
            "GeluTanhBwd": "gelu_bwd",
        },
        REALS,
    ),
    Group(
        "binary_math",
        "binary",
        {
            "Pow": "pow",
            "FloorDivide": "floor_divide",
            "Remainder": "remainder",
            "Atan2": "atan2",
            "Hypot": "hypot",
            "Copysign": "copysign",
            "Nextafter": "nextafter",
            "Logaddexp": "logaddexp",
        },
        REALS,
        packs=False,
    ),
    Group(
        "arithmetic_whole",
        "binary",
        {
            "Add": "add",
            "Subtract": "subtract",
            "Multiply": "multiply",
            "Maximum": "maximum",
            "Minimum": "minimum",
            "LeftShift": "bitwise_left_shift",
            "RightShift": "bitwise_right_shift",
        },
        WHOLE,
    ),
    Group(
        "division_whole",
        "binary",
        {"FloorDivide": "floor_divide", "Remainder": "remainder", "Pow": "int_pow"},
        WHOLE,
        packs=False,
    ),
    Group(
        "bitwise",
        "binary",
        {"BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor"},
        ("bool", *WHOLE),
    ),
    Group(
        "arithmetic_bool",
        "binary",
        {"Add": "add", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum"},
        ("bool",),
    ),
    Group(
        "compare",
        "binary",
        {
            "Equal": "equal",
            "NotEqual": "not_equal",
            "Less": "less",
            "LessEqual": "less_equal",
            "Greater": "greater",
            "GreaterEqual": "greater_equal",
        },
        ("bool", *NUMBERS),
        truth=True,
    ),
    Group(
        "logical",
        "binary",
        {"LogicalAnd": "logical_and", "LogicalOr": "logical_or", "LogicalXor": "logical_xor"},
        ("bool", *NUMBERS),
        truth=True,
    ),
)
