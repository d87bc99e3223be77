"""Indexing by arrays on the GPU (`gather.cu`, `scatter.cu`). The kernels report a bad index."""

from __future__ import annotations

import math
import struct
from typing import Any

from gpudl.dtypes import int32, int64
from gpudl.errors import IndexRangeError
from gpudl.runtime import ErrorSite, launch

from ..gpu import BITS, Array, contiguous, copied, ctype, empty
from ..strided import MAX_AXES, MAX_INDEX, element_strides, merged, piece, widest
from .selection import Key, Selection, select
from .specs import GATHER, HELD, OFFSETS, SCATTER_FEW, SCATTER_MANY, THREADS

Shape = tuple[int, ...]
_TEXT = "index {value} is out of range for an axis of extent {extent}"
_SITES = {
    op: ErrorSite(op, _TEXT, IndexRangeError)
    for op in ("getitem", "take_along_axis", "index_add", "index_put", "scatter_along_axis")
}
_INDEX = (int32, int64)
_SUMS = {"float32": "float", "float64": "double", "int32": "uint32_t", "int64": "uint64_t"}
_FEW = 16  # indices that a thread of each destination looks at


def _placed(strides: Shape, rest: Shape, position: int, inside: Shape) -> Shape:
    """`rest` of `strides`, with `inside` put in at `position`."""
    own = [strides[i] for i in rest]
    return (*own[:position], *inside, *own[position:])


def _check_extent(op: str, extent: int, index: Array) -> None:
    if not extent and index.size:
        raise IndexRangeError(op, "an index into an axis without elements", index=index)


# ----- reading -----
def _gather(
    op: str,
    x: Array,
    index: Array,
    shape: Shape,
    strides: tuple[Shape, Shape],
    extent: int,
    steps: tuple[int, ...],
) -> Any:
    """An array of `shape` from x and index, whose strides over it are given; with an `extent` of -1
    the indices are offsets. All `steps` between the elements an index tells apart."""
    y = empty(x, shape)
    if not y.size:
        return y
    own = element_strides(y, shape)
    if own is None or y.size >= MAX_INDEX or x.data.ptr % x.itemsize:
        return NotImplemented
    axes = merged(shape, (own, *strides))
    if len(axes) > MAX_AXES:
        return NotImplemented
    addresses = (0, x.data.ptr % 16 // x.itemsize, 0)
    vector = widest(axes, x.itemsize, addresses) if axes[0].strides[1:] == (1, 0) else 1
    if any(step % vector for step in steps):
        vector = 1
    walk = piece(axes, vector)
    variant = {"T": BITS[x.itemsize], "V": str(vector), "I": ctype(index.dtype)}
    args = (x, index, y, walk.layout, extent, steps[0], _SITES[op])
    launch(GATHER, variant, args, size=walk.size, vector=vector)
    return y


def _offsets(op: str, chosen: Selection, extents: Shape, steps: Shape) -> Array | None:
    """What the index arrays select along axes of `extents`: the sum of index * step; int64."""
    shape = chosen.shape
    first = chosen.arrays[0]
    y = empty(first, shape, int64)
    own = element_strides(y, shape)
    for n, (array, extent, step) in enumerate(zip(chosen.arrays, extents, steps, strict=True)):
        _check_extent(op, extent, y)
        along = element_strides(array, shape)
        if own is None or along is None:
            return None
        axes = merged(shape, (own, along))
        if len(axes) > MAX_AXES or y.size >= MAX_INDEX:
            return None
        if y.size:
            walk = piece(axes)
            args = (array, y, walk.layout, extent, step, int(n > 0), _SITES[op])
            launch(OFFSETS, {"I": ctype(array.dtype)}, args, size=walk.size)
    return y


def _chosen(ndim: int, key: Key, arrays: tuple[Array, ...]) -> Selection | None:
    chosen = select(ndim, key, arrays)
    if chosen is None or any(a.dtype not in _INDEX for a in chosen.arrays):
        return None
    return chosen


def getitem_advanced(x: Array, *arrays: Array, key: Key) -> Any:
    """x[key] for a key with index arrays or masks."""
    chosen = _chosen(x.ndim, key, arrays)
    if chosen is None or x.itemsize not in BITS:
        return NotImplemented
    view = x[chosen.view]
    strides = element_strides(view, view.shape)
    if strides is None:
        return NotImplemented
    steps = tuple(strides[i] for i in chosen.axes)
    extents = tuple(view.shape[i] for i in chosen.axes)
    if len(steps) == 1:
        index, extent = chosen.arrays[0], extents[0]
        _check_extent("getitem", extent, index)
    else:
        index, extent = _offsets("getitem", chosen, extents, steps), -1
    along = None if index is None else element_strides(index, index.shape)
    if index is None or along is None:
        return NotImplemented
    rest = tuple(i for i in range(view.ndim) if i not in chosen.axes)
    at, zeros = chosen.position, (0,) * view.ndim
    shape = _placed(view.shape, rest, at, index.shape)
    from_x = _placed(strides, rest, at, (0,) * index.ndim)
    from_index = _placed(zeros, rest, at, along)
    return _gather("getitem", view, index, shape, (from_x, from_index), extent, steps)


def take_along_axis(x: Array, index: Array, *, axis: int) -> Any:
    """x at `index` along `axis`; all other axes broadcast."""
    if x.itemsize not in BITS or index.dtype not in _INDEX or x.ndim != index.ndim:
        return NotImplemented
    axis %= x.ndim
    pairs = zip(x.shape, index.shape, strict=True)
    shape = tuple(i if k == axis or n == 1 else n for k, (n, i) in enumerate(pairs))
    strides = element_strides(x, x.shape)
    along = element_strides(index, shape)
    if strides is None or along is None:
        return NotImplemented
    if math.prod(shape):
        _check_extent("take_along_axis", x.shape[axis], index)
    from_x = tuple(
        0 if k == axis or (n == 1 and shape[k] != 1) else strides[k] for k, n in enumerate(x.shape)
    )
    step, extent = (strides[axis],), x.shape[axis]
    return _gather("take_along_axis", x, index, shape, (from_x, along), extent, step)


# ----- writing -----
def _scatter(
    op: str,
    name: str,
    g: Array,
    index: Array | None,
    base: Array | None,
    y: Array,
    sizes: tuple[int, int, int],
    steps: tuple[int, int, int],
) -> None:
    """y (batch, size, inner), begun as `base` or zeros, after g (batch, n, inner) was taken into
    it; `steps` are those of the index along batch, n and inner. All are in C order."""
    n, size, inner = sizes
    if not y.size:
        return
    integer = "int64_t" if index is None else ctype(index.dtype)
    bits = _SUMS[y.dtype.name] if name == "Add" else BITS[y.itemsize]
    variant = {"Op": name, "T": bits, "I": integer}
    numbers = struct.pack("=6q", n, size, inner, *steps)
    if n <= _FEW:
        few = (g, index, base, y, numbers, y.size, _SITES[op])
        launch(SCATTER_FEW, variant, few, size=y.size)
        return
    lines = steps[2] != 0  # each column has indices of its own
    width = 1 if lines else min(THREADS, 1 << (inner - 1).bit_length())
    split, columns = (inner, 1) if lines else (1, -(-inner // width))
    rows = -(-size * width // HELD)
    outer = y.size // (size * inner) * split
    args = (g, index, base, y, numbers, width, split, rows, columns, _SITES[op])
    launch(SCATTER_MANY, variant, args, blocks=outer * rows * columns, itemsize=y.itemsize)


def _written(
    op: str,
    name: str,
    values: Array,
    chosen: Selection,
    region: Array,
    base: Array | None,
    direct: bool,
) -> bool:
    """Take `values` into `region`, a view of the result, along the chosen axes."""
    extents = tuple(region.shape[i] for i in chosen.axes)
    row_major = tuple(math.prod(extents[i + 1 :]) for i in range(len(extents)))
    if len(extents) == 1:
        _check_extent(op, extents[0], chosen.arrays[0])
        index = contiguous(chosen.arrays[0])
    else:
        found = _offsets(op, chosen, extents, row_major)
        if found is None:
            return False
        index = found
    rest = tuple(i for i in range(region.ndim) if i not in chosen.axes)
    order = (*rest[: chosen.position], *chosen.axes, *rest[chosen.position :])
    moved = region.transpose(order)
    inner = math.prod(region.shape[i] for i in rest[chosen.position :])
    out = moved if direct and moved.flags.c_contiguous else empty(region, moved.shape)
    start = None if base is None else contiguous(base.transpose(order))
    sizes = (index.size, math.prod(extents), inner)
    _scatter(op, name, values, index, start, out, sizes, (0, 1, 0))
    if out is not moved:
        copied(out, moved)
    return True


def _zeros(x: Array, shape: Shape) -> Array:
    y = empty(x, shape)
    _scatter("index_add", "Add", y, None, None, y, (0, 1, max(y.size, 1)), (0, 0, 0))
    return y


def index_add(g: Array, *arrays: Array, key: Key, shape: Shape) -> Any:
    """Zeros of `shape`, and g added in at `key`, in the order of the indices."""
    if g.dtype.name not in _SUMS or math.prod(shape) >= MAX_INDEX or g.size >= MAX_INDEX:
        return NotImplemented
    if not arrays:
        y = _zeros(g, tuple(shape))
        copied(g, y[key if Ellipsis in key else (*key, Ellipsis)])
        return y
    chosen = _chosen(len(shape), key, arrays)
    if chosen is None:
        return NotImplemented
    y = empty(g, tuple(shape))
    region = y[chosen.view]
    direct = region.size == y.size and region.flags.c_contiguous
    if not direct:
        y = _zeros(g, tuple(shape))
        region = y[chosen.view]
    done = _written("index_add", "Add", contiguous(g), chosen, region, None, direct)
    return y if done else NotImplemented


def index_put(x: Array, v: Array, *arrays: Array, key: Key) -> Any:
    """x with v, broadcast, written at `key`; of several for one place the last stays."""
    if x.itemsize not in BITS or x.itemsize not in (1, 4, 8) or x.size >= MAX_INDEX:
        return NotImplemented
    y = copied(x, empty(x, x.shape))
    if not arrays:
        copied(v, y[key if Ellipsis in key else (*key, Ellipsis)])
        return y
    chosen = _chosen(x.ndim, key, arrays)
    if chosen is None:
        return NotImplemented
    region = y[chosen.view]
    rest = tuple(n for i, n in enumerate(region.shape) if i not in chosen.axes)
    at = chosen.position
    values = copied(v, empty(x, (*rest[:at], *chosen.shape, *rest[at:])))
    base = x[chosen.view]
    done = _written("index_put", "Put", values, chosen, region, base, False)
    return y if done else NotImplemented


def scatter_along_axis(x: Array, index: Array, *, axis: int, size: int) -> Any:
    """Zeros with `size` elements along `axis`, and x added in at `index`."""
    if x.dtype.name not in _SUMS or index.dtype not in _INDEX or x.shape != index.shape:
        return NotImplemented
    axis %= x.ndim
    _check_extent("scatter_along_axis", size, index)
    y = empty(x, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    n, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if max(y.size, x.size) >= MAX_INDEX:
        return NotImplemented
    g, at = contiguous(x), contiguous(index)
    steps = (n * inner, inner, 1)
    _scatter("scatter_along_axis", "Add", g, at, None, y, (n, size, inner), steps)
    return y
