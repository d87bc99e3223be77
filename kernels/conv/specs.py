"""The kernels of convolution: implicit matrix products, and depthwise ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

from .tiles import MEDIUM, THREADS, TILES, Tile

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


# ----- geometry -----
def tiled(*, tiles: int, groups: int, layers: int, threads: int, shared: int) -> Geometry:
    """A block a tile of a group; `layers` are phases or parts."""
    return Geometry(grid=(tiles * groups, layers, 1), block=(threads, 1, 1), shared=shared)


def _depthwise(*, blocks: int, tiles: int, phases: int, along: int, shared: int) -> Geometry:
    return Geometry((blocks, tiles, phases), (along, THREADS // along, 1), shared)


def _depthwise_wgrad(*, tiles: int, layers: int, taps: int, along: int) -> Geometry:
    return Geometry((tiles, layers, taps), (along, THREADS // along, 1))


def variant(t: str, tile: Tile, quads: bool | None = None) -> dict[str, str]:
    """The variant for a C type, a tile, and whether channels are read four at a time."""
    found = {"T": t, "Tile": tile.name}
    return found if quads is None else found | {"QUADS": "true" if quads else "false"}


# ----- cases -----
def _problem(
    x: Shape, w: Shape, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> tuple[Shape, Shape, Shape, dict[str, Any]]:
    """Shapes of x, w and y, and the parameters."""
    n = len(x) - 2
    spatial = tuple(
        (s + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for s, k in zip(x[2:], w[2:], strict=True)
    )
    params = {
        "stride": (stride,) * n,
        "padding": ((padding, padding),) * n,
        "dilation": (dilation,) * n,
        "groups": groups,
    }
    return x, w, (x[0], w[0], *spatial), params


_PROBLEMS = (
    _problem((2, 3, 9, 7), (5, 3, 3, 3), padding=1),
    _problem((1, 4, 8, 8), (8, 4, 3, 3), stride=2, padding=1),
    _problem((2, 8, 6, 5), (40, 8, 1, 1)),
    _problem((3, 6, 10), (4, 3, 3), stride=3, padding=2, dilation=2, groups=2),
    _problem((1, 16, 7, 9), (40, 8, 2, 3), padding=1, groups=2),
    _problem((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), stride=2, padding=1),
    _problem((1, 1, 37, 3), (37, 1, 3, 3), padding=1),
    _problem((0, 3, 5, 5), (4, 3, 3, 3)),
    _problem((20, 36, 3, 3), (36, 36, 2, 2)),
)
_DEPTHWISE = (
    _problem((2, 5, 9, 7), (5, 1, 3, 3), padding=1, groups=5),
    _problem((1, 40, 6, 6), (40, 1, 3, 3), stride=2, padding=1, groups=40),
    _problem((2, 4, 11), (4, 1, 4), dilation=2, padding=3, groups=4),
)


# References of the cases with a tile of their own: a sum over the taps.
def _taps(w: Shape, y: Shape, stride: Shape, dilation: Shape) -> Iterator[tuple[Any, Any]]:
    """Each tap, and where the results read it in the padded image."""
    for tap in itertools.product(*map(range, w)):
        axes = zip(tap, y, stride, dilation, strict=True)
        where = [slice(k * d, k * d + (n - 1) * s + 1, s) for k, n, s, d in axes]
        yield (Ellipsis, *tap), (Ellipsis, *where)


def _padded(x_shape: Shape, padding: Any) -> Shape:
    spatial = (n + low + high for n, (low, high) in zip(x_shape[2:], padding, strict=True))
    return (*x_shape[:2], *spatial)


def _inner(x_shape: Shape, padding: Any) -> Any:
    rest = zip(x_shape[2:], padding, strict=True)
    return (Ellipsis, *(slice(low, low + n) for n, (low, _) in rest))


def _by_group(x: Array, groups: int) -> Array:
    """Axis 1 as groups and channels."""
    return x.reshape(x.shape[0], groups, -1, *x.shape[2:])


def _forward(
    x: Array, w: Array, *, stride: Any, padding: Any, dilation: Any, groups: int, **_: Any
) -> Array:
    wide = np.zeros(_padded(x.shape, padding))
    wide[_inner(x.shape, padding)] = x
    axes = zip(wide.shape[2:], w.shape[2:], stride, dilation, strict=True)
    spatial = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes)
    y = np.zeros((x.shape[0], groups, w.shape[0] // groups, *spatial))
    filters = w.reshape(groups, -1, *w.shape[1:])
    for tap, where in _taps(w.shape[2:], spatial, stride, dilation):
        y += np.einsum("ngc...,goc->ngo...", _by_group(wide, groups)[where], filters[tap])
    return y.reshape(x.shape[0], w.shape[0], *spatial)


def _data_gradient(
    g: Array,
    w: Array,
    *,
    x_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    **_: Any,
) -> Array:
    wide = np.zeros(_padded(x_shape, padding))
    filters, up = w.reshape(groups, -1, *w.shape[1:]), _by_group(g, groups)
    for tap, where in _taps(w.shape[2:], g.shape[2:], stride, dilation):
        _by_group(wide, groups)[where] += np.einsum("ngo...,goc->ngc...", up, filters[tap])
    return np.asarray(wide[_inner(x_shape, padding)])


def _weight_gradient(
    g: Array,
    x: Array,
    *,
    w_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    **_: Any,
) -> Array:
    wide = np.zeros(_padded(x.shape, padding))
    wide[_inner(x.shape, padding)] = x
    out = np.zeros((groups, w_shape[0] // groups, *w_shape[1:]))
    up = _by_group(g, groups)
    up = up.reshape(*up.shape[:3], -1)
    for tap, where in _taps(w_shape[2:], g.shape[2:], stride, dilation):
        read = _by_group(wide, groups)[where]
        out[tap] = np.einsum("ngop,ngcp->goc", up, read.reshape(*read.shape[:3], -1))
    return out.reshape(w_shape)


def _case(
    op: str, problem: Any, dtype: str = "float32", layout: Any = "dense", tile: Any = None
) -> Case:
    x, w, y, params = problem
    if op == "conv":
        operands = (Operand(x, dtype, layout), Operand(w, dtype))
    elif op == "conv_dgrad":
        operands, params = (Operand(y, dtype, layout), Operand(w, dtype)), {"x_shape": x, **params}
    else:
        operands, params = (Operand(y, dtype), Operand(x, dtype, layout)), {"w_shape": w, **params}
    if tile is None:
        return Case(op, operands, params)
    return Case(op, operands, {**params, "tile": tile}, _REFERENCES[op])


_REFERENCES: dict[str, Any] = {
    "conv": _forward,
    "conv_dgrad": _data_gradient,
    "conv_wgrad": _weight_gradient,
}


def _cases(op: str, problems: Any) -> tuple[Case, ...]:
    return (
        *[_case(op, problem) for problem in problems],
        *[_case(op, problem, "float64") for problem in problems[:4]],
        *[_case(op, problem, layout="channels_last") for problem in problems[:2]],
        _case(op, problems[0], layout="reversed"),
    )


def _every_tile(op: str) -> tuple[Case, ...]:
    return tuple(
        _case(op, problem, tile=tile) for tile in TILES for problem in (_PROBLEMS[0], _PROBLEMS[4])
    )


# ----- implicit matrix products -----
_TILED = tuple(variant("float", tile, quads) for tile in TILES for quads in (False, True)) + (
    variant("double", MEDIUM, False),
)

CONV_FWD = KernelSpec(
    name="conv_fwd",
    source="conv/conv.cu",
    template="conv_fwd<{T}, {Tile}, {QUADS}>",
    signature="PPPSi",
    geometry=tiled,
    variants=_TILED,
    cases=(*_cases("conv", _PROBLEMS), *_every_tile("conv")),
    registers=208,
)
CONV_DGRAD = KernelSpec(
    name="conv_dgrad",
    source="conv/conv.cu",
    template="conv_dgrad<{T}, {Tile}, {QUADS}>",
    signature="PPPSi",
    geometry=tiled,
    variants=_TILED,
    cases=(*_cases("conv_dgrad", _PROBLEMS), *_every_tile("conv_dgrad")),
    registers=216,
)
CONV_WGRAD = KernelSpec(
    name="conv_wgrad",
    source="conv/conv.cu",
    template="conv_wgrad<{T}, {Tile}>",
    signature="PPPSii",
    geometry=tiled,
    variants=(*[variant("float", tile) for tile in TILES], variant("double", MEDIUM)),
    cases=(
        *_cases("conv_wgrad", _PROBLEMS),
        *_every_tile("conv_wgrad"),
        _case("conv_wgrad", _problem((2, 3, 20, 20), (4, 3, 2, 2))),  # several parts
    ),
    registers=224,
)

# ----- depthwise -----
_VECTORS = (("float", 1), ("float", 4), ("double", 1))
_DEPTHWISE_VARIANTS = tuple({"T": t, "VEC": str(vec)} for t, vec in _VECTORS)
DEPTHWISE = KernelSpec(
    name="depthwise",
    source="conv/depthwise.cu",
    template="depthwise<{T}, {VEC}>",
    signature="PPPS",
    geometry=_depthwise,
    variants=_DEPTHWISE_VARIANTS,
    cases=(
        *_cases("conv", _DEPTHWISE),
        *_cases("conv_dgrad", _DEPTHWISE),
        _case("conv", _problem((1, 33, 9, 10), (33, 1, 2, 2), groups=33)),  # two blocks of pixels
    ),
    registers=64,
)
DEPTHWISE_WGRAD = KernelSpec(
    name="depthwise_wgrad",
    source="conv/depthwise.cu",
    template="depthwise_wgrad<{T}, {VEC}>",
    signature="PPPSi",
    geometry=_depthwise_wgrad,
    variants=_DEPTHWISE_VARIANTS,
    cases=(
        *_cases("conv_wgrad", _DEPTHWISE),
        _case("conv_wgrad", _problem((2, 4, 20, 20), (4, 1, 4, 4), groups=4)),
    ),
    registers=128,
    shared=9 * 4 * THREADS * 4 + 9 * 40,
)

SPECS = (CONV_FWD, CONV_DGRAD, CONV_WGRAD, DEPTHWISE, DEPTHWISE_WGRAD)
