"""The kernels of indexing by arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from ..copy.specs import SIZES, WIDE, walk

Array = np.ndarray[Any, Any]

THREADS = 256
HELD = 2048  # elements of the result that a block of scatter_many holds


class _Hole:
    """The place of an array in a key; its name is part of a case's, which seeds the values."""

    def __repr__(self) -> str:
        return "HOLE"


HOLE = _Hole()
_INDICES = {"int32_t": "int32", "int64_t": "int64"}
_SUMS = {"float": "float32", "double": "float64", "uint32_t": "int32", "uint64_t": "int64"}
_PUTS = {"uint8_t": "bool", "uint32_t": "float32", "uint64_t": "int64"}


def each(*, size: int) -> Geometry:
    """A thread for each element."""
    return Geometry(grid=(-(-size // THREADS), 1, 1), block=(THREADS, 1, 1))


def tiles(*, blocks: int, itemsize: int) -> Geometry:
    """A block for each tile of the result, which it holds beside a list of 4 indices a thread."""
    shared = HELD * itemsize + THREADS * 4 * 8 + 32
    return Geometry(grid=(blocks, 1, 1), block=(THREADS, 1, 1), shared=shared)


def below(extent: int, *, distinct: bool = False) -> Any:
    """Indices from -extent to extent - 1, both ends among them."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if distinct:
            at = rng.permutation(extent)[: int(np.prod(shape))].reshape(shape)
        else:
            at = rng.integers(-extent, extent, shape)
            at.reshape(-1)[:1], at.reshape(-1)[-1:] = -extent, extent - 1
        return at.astype(dtype)

    return sample


# ----- references -----
def _key(key: Any, arrays: Any) -> Any:
    rest = iter(arrays)
    return tuple(next(rest) if part is HOLE else part for part in key)


def _read(x: Array, *arrays: Array, key: Any) -> Array:
    return np.asarray(x[_key(key, arrays)])


def _added(g: Array, *arrays: Array, key: Any, shape: Any) -> Array:
    y = np.zeros(shape, g.dtype)
    np.add.at(y, _key(key, arrays), g)
    return y


def _put(x: Array, v: Array, *arrays: Array, key: Any) -> Array:
    y = x.copy()
    y[_key(key, arrays)] = v
    return y


# ----- cases -----
# (shape, key, [(shape, extent)])
_KEYS: tuple[tuple[tuple[int, ...], Any, Any], ...] = (
    ((37, 8), (HOLE,), [((50,), 37)]),
    ((9, 33), (HOLE,), [((2, 20), 9)]),
    ((5, 7, 6), (slice(None), HOLE), [((21,), 7)]),
    ((5, 7, 6), (slice(None), HOLE), [((3,), 7)]),
    ((1128,), (HOLE,), [((2100,), 1128)]),
    ((6, 5), (HOLE, 1), [((17,), 6)]),
    ((8, 9), (slice(1, None, 2), HOLE), [((18,), 9)]),
    ((6, 5, 4), (HOLE, HOLE), [((17, 1), 6), ((2,), 5)]),
    ((6, 5, 4), (HOLE, slice(None), HOLE), [((17,), 6), ((17,), 4)]),
)


def _arrays(given: Any, integer: str, *, distinct: bool = False) -> tuple[Operand, ...]:
    return tuple(Operand(s, integer, sample=below(n, distinct=distinct)) for s, n in given)


def _selected(shape: tuple[int, ...], key: Any, given: Any) -> tuple[int, ...]:
    found: tuple[int, ...] = np.zeros(shape)[_key(key, [np.zeros(s, int) for s, _ in given])].shape
    return found


_READS = (
    *[
        Case("getitem_advanced", (Operand(s, t), *_arrays(a, i)), {"key": k}, _read)
        for t in (*SIZES.values(), *WIDE.values())
        for i in _INDICES.values()
        for s, k, a in _KEYS[:3]
    ],
    *[
        Case(
            "getitem_advanced",
            (Operand(s, "float32", "transposed"), *_arrays(a, i)),
            {"key": k},
            _read,
        )
        for i in _INDICES.values()
        for s, k, a in _KEYS
    ],
    *[
        Case(
            "take_along_axis",
            (Operand(s), Operand(t, "int64", sample=below(s[axis]))),
            {"axis": axis},
        )
        for s, t, axis in (((5, 7), (5, 3), 1), ((5, 7), (1, 9), 1), ((4, 1, 6), (9, 5, 6), 0))
    ],
)
_ADDS = tuple(
    Case(
        "index_add",
        (Operand(_selected(s, k, a), t), *_arrays(a, i)),
        {"key": k, "shape": s},
        _added,
    )
    for t in _SUMS.values()
    for i in _INDICES.values()
    for s, k, a in _KEYS
)
_PUT_KEYS = (
    ((37, 8), (HOLE,), [((9,), 37)]),
    ((70, 300), (HOLE,), [((33,), 70)]),
    ((5, 67), (slice(1, 4), HOLE), [((41,), 67)]),
)
_PUT_CASES = tuple(
    Case(
        "index_put",
        (Operand(s, t), Operand(v, t), *_arrays(a, i, distinct=True)),
        {"key": k},
        _put,
    )
    for t in _PUTS.values()
    for i in _INDICES.values()
    for s, k, a in _PUT_KEYS
    for v in ((), _selected(s, k, a))
)
_LINES = tuple(
    Case(
        "scatter_along_axis",
        (Operand(s, "float32"), Operand(s, i, sample=below(size))),
        {"axis": axis, "size": size},
    )
    for i in _INDICES.values()
    for s, axis, size in (
        ((5, 3), 1, 10),
        ((3, 40), 1, 9),
        ((300, 3), 0, 2100),
        ((2, 1100, 3), 1, 7),
    )
)
_SCATTERS = (
    *[{"Op": "Add", "T": t, "I": i} for t in _SUMS for i in _INDICES],
    *[{"Op": "Put", "T": t, "I": i} for t in _PUTS for i in _INDICES],
)

GATHER = KernelSpec(
    name="gather",
    source="index/gather.cu",
    template="gather<{T}, {V}, {I}>",
    signature="PPPSqqE",
    geometry=walk,
    variants=tuple(
        {"T": t, "V": str(v), "I": i}
        for i in _INDICES
        for t, v in (
            *zip(SIZES, (8, 8, 4, 2), strict=True),
            *[(t, 1) for t in (*SIZES, *WIDE)],
        )
    ),
    cases=_READS,
    registers=64,
)

OFFSETS = KernelSpec(
    name="offsets",
    source="index/gather.cu",
    template="offsets<{I}>",
    signature="PPSqqiE",
    geometry=each,
    variants=tuple({"I": i} for i in _INDICES),
    cases=tuple(
        Case("getitem_advanced", (Operand(s), *_arrays(a, i)), {"key": k}, _read)
        for i in _INDICES.values()
        for s, k, a in _KEYS[7:]
    ),
    registers=40,
)

SCATTER_FEW = KernelSpec(
    name="scatter_few",
    source="index/scatter.cu",
    template="scatter_few<{Op}, {T}, {I}>",
    signature="PPPPSqE",
    geometry=each,
    variants=_SCATTERS,
    cases=(*_ADDS, *_PUT_CASES, *_LINES),
    registers=64,
)

SCATTER_MANY = KernelSpec(
    name="scatter_many",
    source="index/scatter.cu",
    template="scatter_many<{Op}, {T}, {I}>",
    signature="PPPPSiqqqE",
    geometry=tiles,
    variants=_SCATTERS,
    cases=(*_ADDS, *_PUT_CASES, *_LINES),
    registers=80,
    shared=HELD * 8 + THREADS * 4 * 8 + 32,
)

SPECS = (GATHER, OFFSETS, SCATTER_FEW, SCATTER_MANY)
