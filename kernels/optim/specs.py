"""The kernels of the optimizers: steps over flat buffers, gradients gathered, their squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from . import reference

Array = np.ndarray[Any, Any]
THREADS = 256
_REAL = ({"T": "float"}, {"T": "double"})
# Whole spans and rests, aligned segments and others, an empty one.
_SEGMENTS = ((0, 5), (8, 8), (16, 37), (41, 60), (64, 4200))


def spans(*, blocks: int) -> Geometry:
    """The blocks of one piece."""
    return Geometry(grid=(blocks, 1, 1), block=(THREADS, 1, 1))


def one_block() -> Geometry:
    """A single block."""
    return Geometry(grid=(1, 1, 1), block=(THREADS, 1, 1))


def positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """From 0.5 to 1.5."""
    return (rng.random(shape) + 0.5).astype(dtype)


def _stepped(op: str, written: tuple[int, ...]) -> Callable[..., tuple[Array, ...]]:
    """The step `op` of the reference on copies: the operands that it writes."""

    def reference_step(*arrays: Any, **options: Any) -> tuple[Array, ...]:
        copies: list[Any] = [None if x is None else x.copy() for x in arrays]
        getattr(reference, op)(*copies, **options)
        return tuple(copies[i] for i in written)

    return reference_step


def _case(
    op: str,
    operands: str,
    options: dict[str, Any],
    n: int = 4200,
    dtype: str = "float32",
    segments: Any = _SEGMENTS,
) -> Case:
    """`operands` has a letter for each buffer: n normal, p positive, - none."""
    made = tuple(
        None if letter == "-" else Operand((n,), dtype, sample=positive if letter == "p" else None)
        for letter in operands
    )
    written = tuple(i for i, x in enumerate(made) if x is not None and i != 1)
    return Case(op, made, {**options, "segments": segments}, _stepped(op, written), written)


def _sgd(**given: Any) -> dict[str, Any]:
    usual = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0}
    return {**usual, "nesterov": False, "maximize": False, "first": False, **given}


def _adam(**given: Any) -> dict[str, Any]:
    usual = {"step": 3, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0}
    return {**usual, "decoupled": False, "amsgrad": False, "maximize": False, **given}


def _rmsprop(**given: Any) -> dict[str, Any]:
    usual = {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0}
    return {**usual, "centered": False, "maximize": False, **given}


def _sizes(op: str, operands: str, options: dict[str, Any]) -> tuple[Case, ...]:
    whole = (_case(op, operands, options, n, segments=None) for n in (0, 1, 37, 1128))
    return (*whole, _case(op, operands, options, 37, "float64", None))


SGD = KernelSpec(
    name="sgd",
    source="optim/optim.cu",
    template="sgd<{T}>",
    signature="PPPSddddiii",
    geometry=spans,
    variants=_REAL,
    cases=(
        *_sizes("sgd", "nn-", _sgd()),
        _case("sgd", "nnn", _sgd(momentum=0.9, dampening=0.1, weight_decay=0.01, maximize=True)),
        _case("sgd", "nnn", _sgd(momentum=0.9, nesterov=True)),
        _case("sgd", "nnn", _sgd(momentum=0.9, first=True)),
    ),
    registers=48,
)
ADAM = KernelSpec(
    name="adam",
    source="optim/optim.cu",
    template="adam<{T}>",
    signature="PPPPPSdddddddi",
    geometry=spans,
    variants=_REAL,
    cases=(
        *_sizes("adam", "nnnp-", _adam()),
        _case("adam", "nnnpp", _adam(amsgrad=True, weight_decay=0.1, maximize=True)),
        _case("adam", "nnnp-", _adam(decoupled=True, weight_decay=0.1, beta1=0.2)),
    ),
    registers=64,
)
RMSPROP = KernelSpec(
    name="rmsprop",
    source="optim/optim.cu",
    template="rmsprop<{T}>",
    signature="PPPPPSdddddi",
    geometry=spans,
    variants=_REAL,
    cases=(
        *_sizes("rmsprop", "nnp--", _rmsprop()),
        _case("rmsprop", "nnp-n", _rmsprop(momentum=0.9, weight_decay=0.1, maximize=True)),
        _case("rmsprop", "nnpn-", _rmsprop(centered=True, alpha=0.3, eps=10.0)),
    ),
    registers=64,
)


# ----- gradients -----
def _sum_of_squares(g: Array, *, segments: Any) -> Array:
    ranges = [(0, g.size)] if segments is None else segments
    return np.asarray(sum(float((g[a:b] ** 2).sum()) for a, b in ranges))


def _sumsq(n: int, dtype: str = "float32", segments: Any = None) -> Case:
    return Case("sumsq", (Operand((n,), dtype),), {"segments": segments}, _sum_of_squares)


_SUMS = (
    *map(_sumsq, (0, 1, 37, 1128)),
    _sumsq(4200, "float32", _SEGMENTS),
    _sumsq(4200, "float32", tuple((i, i + 1) for i in range(0, 4200, 30))),  # several launches
    _sumsq(37, "float64"),
)
SUMSQ_SPANS = KernelSpec(
    name="sumsq_spans",
    source="optim/gather.cu",
    template="sumsq_spans<{T}>",
    signature="PSPq",
    geometry=spans,
    variants=_REAL,
    cases=_SUMS,
    registers=64,
    shared=64,
)
SUMSQ_TOTAL = KernelSpec(
    name="sumsq_total",
    source="optim/gather.cu",
    template="sumsq_total",
    signature="PqP",
    geometry=one_block,
    cases=_SUMS,
    registers=48,
    shared=64,
)


def _gathered(g: Array, *sources: Array, segments: Any) -> tuple[Array]:
    out = g.copy()
    for (start, stop), x in zip(segments, sources, strict=True):
        out[start:stop] = x.reshape(-1)
    return (out,)


def _gather(shapes: tuple[tuple[int, ...], ...], dtype: str = "float32", step: int = 16) -> Case:
    segments, at = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        segments.append((at, at + size))
        at += -(-size // step) * step
    operands = (Operand((at,), dtype), *(Operand(shape, dtype) for shape in shapes))
    return Case("gather_flat", operands, {"segments": tuple(segments)}, _gathered, (0,))


GATHER_FLAT = KernelSpec(
    name="gather_flat",
    source="optim/gather.cu",
    template="gather_flat<{T}>",
    signature="PS",
    geometry=spans,
    variants=_REAL,
    cases=(
        _gather(((3, 5), (37,), (0,), (), (30, 70))),
        _gather(((3,), (5, 7), (2, 2)), step=1),
        _gather(((1,),) * 70),  # more than one launch takes
        _gather(((9, 5), (8,)), "float64"),
    ),
    registers=64,
)

SPECS = (SGD, ADAM, RMSPROP, SUMSQ_SPANS, SUMSQ_TOTAL, GATHER_FLAT)
