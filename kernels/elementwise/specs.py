"""The kernels of elementwise functions, one spec a group of `table.py`, and their cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.runtime import Case, KernelSpec, Operand

from ..copy.specs import walk
from .table import DTYPES, GROUPS, PACK, Group

Array = np.ndarray[Any, Any]
Sample = Callable[[np.random.Generator, tuple[int, ...], np.dtype[Any]], Array]


# ----- what the cases compute with -----
def _positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.asarray(rng.uniform(0.1, 4, shape)).astype(dtype)


def _within_one(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.asarray(rng.uniform(-0.9, 0.9, shape)).astype(dtype)


def _from_one(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.asarray(rng.uniform(1.1, 4, shape)).astype(dtype)


def _not_zero(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    x = np.asarray(rng.uniform(0.5, 4, shape)) * np.where(rng.random(shape) < 0.5, -1, 1)
    return x.astype(dtype)


def _few(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Values that meet: ties, zeros of both signs, infinities and NaN."""
    x = np.asarray(rng.integers(-2, 3, shape)).astype(dtype)
    if dtype.kind == "f":
        flat = x.reshape(-1)
        flat[1::11], flat[5::13], flat[7::17] = np.nan, np.inf, -0.0
    return x


def _small_counts(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.asarray(rng.integers(0, 6, shape)).astype(dtype)


_SAMPLES: dict[str, tuple[Sample | None, ...]] = {
    "log": (_positive,),
    "log2": (_positive,),
    "log10": (_positive,),
    "log1p": (_positive,),
    "sqrt": (_positive,),
    "reciprocal": (_not_zero,),
    "erfinv": (_within_one,),
    "asin": (_within_one,),
    "acos": (_within_one,),
    "atanh": (_within_one,),
    "tan": (_within_one,),
    "acosh": (_from_one,),
    "sign": (_few,),
    "signbit": (_few,),
    "isnan": (_few,),
    "isinf": (_few,),
    "isfinite": (_few,),
    "divide": (None, _not_zero),
    "floor_divide": (None, _not_zero),
    "remainder": (None, _not_zero),
    "pow": (_positive, None),
    "int_pow": (None, _small_counts),
    "bitwise_left_shift": (None, _small_counts),
    "bitwise_right_shift": (None, _small_counts),
    "maximum": (_few, _few),
    "minimum": (_few, _few),
    "relu": (_few,),
}
_COMPARED = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_SAMPLES |= dict.fromkeys(_COMPARED, (_few, _few))
_PARAMS = {
    "Gelu": {"approximate": "none"},
    "GeluTanh": {"approximate": "tanh"},
    "GeluBwd": {"approximate": "none"},
    "GeluTanhBwd": {"approximate": "tanh"},
}


def _operands(op: str, count: int, dtype: str, *, mixed: bool) -> tuple[Operand, ...]:
    """Operands that packs fit, or one with gaps, or a transposed one with one that is broadcast."""
    samples = _SAMPLES.get(op, (None,) * count)
    given = [((37, 11), "dense")] * count
    if mixed:
        given = [((7, 5), "transposed"), ((1, 5), "dense")] if count == 2 else [((7, 5), "strided")]
    return tuple(
        Operand(shape, dtype, layout, sample)  # type: ignore[arg-type]
        for (shape, layout), sample in zip(given, samples, strict=True)
    )


def _cases(group: Group) -> tuple[Case, ...]:
    count = 1 if group.kernel == "unary" else 2
    cases = []
    for functor, op in group.functors.items():
        params = _PARAMS.get(functor, {})
        same_shape = op.endswith("_bwd")
        for t in group.types:
            dtype = DTYPES[t]
            cases.append(Case(op, _operands(op, count, dtype, mixed=False), params))
            if same_shape:
                for layout in ("strided", "reversed"):
                    both = (Operand((9, 5), dtype, layout),) * count
                    cases.append(Case(op, both, params))
            else:
                cases.append(Case(op, _operands(op, count, dtype, mixed=True), params))
    op, dtype = next(iter(group.functors.values())), DTYPES[group.types[0]]
    for shape in ((), (0, 3), (1,), (1128,)):
        params = _PARAMS.get(next(iter(group.functors)), {})
        cases.append(Case(op, (Operand(shape, dtype),) * count, params))
    if count == 1:
        params = _PARAMS.get(next(iter(group.functors)), {})
        cases.append(
            Case(op, (Operand((7, 5), dtype, "reversed", _SAMPLES.get(op, (None,))[0]),), params)
        )
    if group.spec == "arithmetic":
        cases.append(Case("bias_add", (Operand((3, 5, 4)), Operand((5,)))))
        cases.append(
            Case("bias_add", (Operand((3, 8, 4, 2), layout="channels_last"), Operand((8,))))
        )
    return tuple(cases)


_REGISTERS = {"activation_bwd": 64, "binary_math": 56}


def _spec(group: Group) -> KernelSpec:
    return KernelSpec(
        name=group.spec,
        source="elementwise/elementwise.cu",
        template=f"{group.kernel}<{{F}}, {{T}}, {{R}}, {{V}}>",
        signature="P" * (2 if group.kernel == "unary" else 3) + "S",
        geometry=walk,
        variants=group.variants(),
        cases=_cases(group),
        registers=_REGISTERS.get(group.spec, 48),
    )


SPEC_OF = {group.spec: _spec(group) for group in GROUPS}

# ----- casts: unary functions from one type to another -----
_CASTS = tuple((t, r) for t in DTYPES for r in DTYPES if t != r)
CAST = KernelSpec(
    name="cast",
    source="elementwise/elementwise.cu",
    template="unary<Cast<{R}>, {T}, {R}, 1>",
    signature="PPS",
    geometry=walk,
    variants=tuple({"T": t, "R": r} for t, r in _CASTS),
    cases=tuple(
        Case("cast", (Operand(shape, DTYPES[t], layout),), {"dtype": np.dtype(DTYPES[r])})  # type: ignore[arg-type]
        for t, r in _CASTS
        for shape, layout in (((37, 11), "strided"), ((7, 5), "reversed"))
    ),
    registers=40,
)

# ----- where: elements are moved as bits -----
_WHERE = {"uint8_t": "bool", "uint32_t": "float32", "uint64_t": "int64"}


def _where_case(dtype: str, shapes: tuple[tuple[int, ...], ...]) -> Case:
    choice, a, b = shapes
    return Case("where", (Operand(choice, "bool"), Operand(a, dtype), Operand(b, dtype)))


WHERE = KernelSpec(
    name="where",
    source="elementwise/elementwise.cu",
    template="where<{T}, {V}>",
    signature="PPPPS",
    geometry=walk,
    variants=(
        *[{"T": bits, "V": "1"} for bits in _WHERE],
        {"T": "uint32_t", "V": str(PACK)},
    ),
    cases=tuple(
        _where_case(dtype, shapes)
        for dtype in _WHERE.values()
        for shapes in (
            ((37, 12), (37, 12), (37, 12)),
            ((7, 1), (7, 5), (5,)),
            ((), (3,), (3,)),
            ((0,), (0,), (1,)),
        )
    ),
    registers=56,
)

SPECS = (*SPEC_OF.values(), CAST, WHERE)
