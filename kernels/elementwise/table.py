"""Which functions of `functors.cuh` there are, for which element types and in packs of how many.

Few variants are worth their compile time: float32 has packs of four where a function is bound by
bandwidth, everything else goes element by element.
"""

from __future__ import annotations

from dataclasses import dataclass

REALS = ("float", "double")
WHOLE = ("int32_t", "int64_t")
DTYPES = {
    "bool": "bool",
    "int32_t": "int32",
    "int64_t": "int64",
    "float": "float32",
    "double": "float64",
}
PACK = 4


@dataclass(frozen=True)
class Group:
    """Functions that are compiled together: their spec, and what of them there is."""

    spec: str
    kernel: str  # "unary" or "binary"
    functors: dict[str, str]  # functor -> the row that it computes, for the cases
    types: tuple[str, ...]
    truth: bool = False  # the result is a bool
    packs: bool = False  # float32 in packs too

    def variants(self) -> tuple[dict[str, str], ...]:
        """Every functor for every type."""
        return tuple(
            {"F": f, "T": t, "R": "bool" if self.truth else t, "V": str(vector)}
            for f in self.functors
            for t in self.types
            for vector in ((1, PACK) if self.packs and t == "float" else (1,))
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
        packs=True,
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
        },
        REALS,
        packs=True,
    ),
    Group(
        "unary_math",
        "unary",
        {
            "Expm1": "expm1",
            "Log1p": "log1p",
            "Log2": "log2",
            "Log10": "log10",
            "Floor": "floor",
            "Ceil": "ceil",
            "Trunc": "trunc",
            "Round": "round",
            "Erfinv": "erfinv",
        },
        REALS,
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
    ),
    Group(
        "unary_whole",
        "unary",
        {"Negative": "negative", "Abs": "abs", "Square": "square", "Sign": "sign"},
        WHOLE,
    ),
    Group("invert", "unary", {"Invert": "bitwise_invert"}, ("bool", *WHOLE)),
    Group("logical_not", "unary", {"LogicalNot": "logical_not"}, ("bool",), truth=True),
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
        packs=True,
    ),
    Group(
        "activation_bwd",
        "binary",
        {
            "ReluBwd": "relu_bwd",
            "SiluBwd": "silu_bwd",
            "GeluBwd": "gelu_bwd",
            "GeluTanhBwd": "gelu_bwd",
        },
        REALS,
        packs=True,
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
            "FloorDivide": "floor_divide",
            "Remainder": "remainder",
            "Pow": "int_pow",
            "LeftShift": "bitwise_left_shift",
            "RightShift": "bitwise_right_shift",
        },
        WHOLE,
    ),
    Group(
        "bitwise",
        "binary",
        {"BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor"},
        ("bool", *WHOLE),
    ),
    Group("arithmetic_bool", "binary", {"Add": "add", "Multiply": "multiply"}, ("bool",)),
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
        (*WHOLE, *REALS),
        truth=True,
        packs=True,
    ),
    Group(
        "logical",
        "binary",
        {
            "Equal": "equal",
            "NotEqual": "not_equal",
            "LogicalAnd": "logical_and",
            "LogicalOr": "logical_or",
            "LogicalXor": "logical_xor",
        },
        ("bool",),
        truth=True,
    ),
)
