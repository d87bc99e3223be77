"""ONNX's operators on shapes, elements and matrices as calls of gpudl."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import gpudl as gd
from gpudl.nn import functional as F

from .arguments import ints, listed
from .elementwise import DTYPES


def reshape(x: Any, shape: Any, allowzero: int = 0) -> Any:
    """A zero keeps the size of that axis."""
    wanted = listed(shape)
    return gd.reshape(x, [n if n or allowzero else x.shape[i] for i, n in enumerate(wanted)])


def flatten(x: Any, axis: int = 1) -> Any:
    rows = 1
    for n in x.shape[: axis % x.ndim if axis < 0 else axis]:
        rows *= n
    return gd.reshape(x, (rows, -1))


def expand(x: Any, shape: Any) -> Any:
    return gd.broadcast_to(x, gd.broadcast_shapes(x.shape, tuple(listed(shape))))


def squeeze(x: Any, axes: Any = None) -> Any:
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    return gd.squeeze(x, tuple(ones if axes is None else listed(axes)))


def shape(x: Any, start: int = 0, end: int | None = None) -> Any:
    return gd.asarray(list(x.shape[start:end]), dtype=gd.int64)


def slice_(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    chosen = [slice(None)] * x.ndim
    begin, end = listed(starts), listed(ends)
    axes = range(len(begin)) if axes is None else listed(axes)
    steps = [1] * len(begin) if steps is None else listed(steps)
    for axis, i, j, step in zip(axes, begin, end, steps, strict=True):
        # To Python, -1 is the last element; to ONNX, an end before the first.
        chosen[axis] = slice(i, None if step < 0 and j < -x.shape[axis] else j, step)
    return x[tuple(chosen)]


def split(x: Any, split: Any = None, axis: int = 0, num_outputs: int = 0, outputs: int = 1) -> Any:
    if split is None:
        size = -(-x.shape[axis] // (num_outputs or outputs))
        at = list(range(size, x.shape[axis], size))
    else:
        at = [sum(listed(split)[:i]) for i in range(1, len(split))]
    whole = [0, *at, x.shape[axis]]
    assert all(a <= b for a, b in pairwise(whole))
    return gd.split(x, at, axis=axis)


def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
    widths = listed(pads)
    axes = range(x.ndim) if axes is None else [a % x.ndim for a in listed(axes)]
    pairs = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        pairs[axis] = (widths[i], widths[len(axes) + i])
    if mode == "constant":
        return gd.pad(x, pairs, value=0.0 if value is None else ints(value))
    name = {"edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode]
    while pairs[0] == (0, 0) and len(pairs) > 1:
        del pairs[0]
    return F.pad(x, [width for pair in reversed(pairs) for width in pair], name)


def transpose(x: Any, perm: Any = None) -> Any:
    return gd.transpose(x, perm)


def trilu(x: Any, k: Any = 0, upper: int = 1) -> Any:
    return (gd.triu if upper else gd.tril)(x, k=ints(k))


def eye_like(x: Any, dtype: int | None = None, k: int = 0) -> Any:
    return gd.eye(*x.shape, k=k, dtype=x.dtype if dtype is None else DTYPES[dtype])


def range_(start: Any, limit: Any, delta: Any) -> Any:
    return gd.arange(ints(start), ints(limit), ints(delta), dtype=start.dtype)


def constant(value: Any = None, **others: Any) -> Any:
    """One of `value_int`, `value_floats` and so on may stand in place of `value`."""
    if value is not None:
        return value
    ((name, given),) = others.items()
    return gd.asarray(given, dtype=gd.float32 if "float" in name else gd.int64)


def constant_of_shape(shape: Any, value: Any = None) -> Any:
    value = gd.zeros((1,)) if value is None else value
    return gd.full(tuple(listed(shape)), value[0].item(), dtype=value.dtype)


def gather(x: Any, indices: Any, axis: int = 0) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (indices,)]


def gather_nd(x: Any, indices: Any, batch_dims: int = 0) -> Any:
    outer = indices.shape[:batch_dims]
    where = [
        gd.arange(n).reshape([-1 if j == i else 1 for j in range(indices.ndim - 1)])
        for i, n in enumerate(outer)
    ]
    return x[(*where, *gd.unstack(indices, axis=-1))]


def _assigned(x: Any, where: tuple[Any, ...], updates: Any, reduction: str) -> Any:
    if reduction != "none":
        raise NotImplementedError("an assignment that reduces")
    y = x.copy()
    y[where] = updates
    return y


def scatter_elements(
    x: Any, indices: Any, updates: Any, axis: int = 0, reduction: str = "none"
) -> Any:
    where = list(gd.meshgrid(*(gd.arange(n) for n in indices.shape), indexing="ij"))
    where[axis] = indices
    return _assigned(x, tuple(where), updates, reduction)


def scatter_nd(x: Any, indices: Any, updates: Any, reduction: str = "none") -> Any:
    return _assigned(x, gd.unstack(indices, axis=-1), updates, reduction)


def tensor_scatter(
    cache: Any, update: Any, at: Any = None, axis: int = -2, mode: str = "linear"
) -> Any:
    y, n = cache.copy(), update.shape[axis]
    for i in range(cache.shape[0]):
        rows = gd.arange(n) + (0 if at is None else at[i])
        rows = rows % cache.shape[axis] if mode == "circular" else rows
        y[i][(*(slice(None),) * (axis % cache.ndim - 1), rows)] = update[i]
    return y


def compress(x: Any, condition: Any, axis: int | None = None) -> Any:
    x, axis = (gd.ravel(x), 0) if axis is None else (x, axis)
    (kept,) = gd.nonzero(condition)
    return gd.take(x, kept, axis=axis)


def one_hot(indices: Any, depth: Any, values: Any, axis: int = -1) -> Any:
    """Indices from -depth on; those out of range have no hot element."""
    n = int(ints(depth if depth.ndim == 0 else depth[0]))
    i = indices.astype(gd.int64)
    i = gd.where(i < 0, i + n, i)
    hot = gd.expand_dims(i, -1) == gd.arange(n)
    return gd.moveaxis(gd.where(hot, values[1], values[0]), -1, axis)


def reverse_sequence(x: Any, lengths: Any, batch_axis: int = 1, time_axis: int = 0) -> Any:
    rows = gd.moveaxis(x, (batch_axis, time_axis), (0, 1))
    y = rows.copy()
    for i, n in enumerate(lengths.tolist()):
        y[i, :n] = gd.flip(rows[i, :n], axis=0)
    return gd.moveaxis(y, (0, 1), (batch_axis, time_axis))


def depth_to_space(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    """CRD is PyTorch's pixel shuffle."""
    if mode == "CRD":
        return F.pixel_shuffle(x, blocksize)
    n, c, h, w = x.shape
    b = blocksize
    blocks = gd.permute_dims(x.reshape((n, b, b, c // b**2, h, w)), (0, 3, 4, 1, 5, 2))
    return blocks.reshape((n, c // b**2, h * b, w * b))


def space_to_depth(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    if mode == "CRD":
        return F.pixel_unshuffle(x, blocksize)
    n, c, h, w = x.shape
    b = blocksize
    blocks = gd.permute_dims(x.reshape((n, c, h // b, b, w // b, b)), (0, 3, 5, 1, 2, 4))
    return blocks.reshape((n, c * b**2, h // b, w // b))


def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Any:
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


def dft(x: Any, length: Any = None, axis: Any = 1, inverse: int = 0, onesided: int = 0) -> Any:
    """ONNX keeps real and imaginary part in a last axis of their own."""
    along, n = ints(axis), ints(length)
    along = along + x.ndim if along < 0 else along
    real = x.shape[-1] == 1
    z = x[..., 0] if real else x[..., 0] + 1j * x[..., 1]
    if onesided and inverse:
        return gd.expand_dims(gd.fft.irfft(z, n=n, axis=along), -1)
    if onesided:
        y = gd.fft.rfft(z, n=n, axis=along)
    else:
        z = z.astype(gd.complex64) if real else z
        y = (gd.fft.ifft if inverse else gd.fft.fft)(z, n=n, axis=along)
    return gd.stack([gd.real(y), gd.imag(y)], axis=-1)


OPS: dict[str, Any] = {
    "Compress": compress,
    "Concat": lambda *xs, axis: gd.concat(xs, axis=axis),
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "DFT": dft,
    "DepthToSpace": depth_to_space,
    "Det": gd.linalg.det,
    "Einsum": lambda *xs, equation: gd.einsum(equation, *xs),
    "Expand": expand,
    "EyeLike": eye_like,
    "Flatten": flatten,
    "Gather": gather,
    "GatherElements": lambda x, i, axis=0: gd.take_along_axis(x, i, axis=axis),
    "GatherND": gather_nd,
    "Gemm": gemm,
    "MatMul": gd.matmul,
    "NonZero": lambda x: gd.stack(gd.nonzero(x)),
    "OneHot": one_hot,
    "Pad": pad,
    "Range": range_,
    "Reshape": reshape,
    "ReverseSequence": reverse_sequence,
    "Scatter": scatter_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Shape": shape,
    "Size": lambda x: gd.asarray(x.size, dtype=gd.int64),
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "TensorScatter": tensor_scatter,
    "Tile": lambda x, repeats: gd.tile(x, listed(repeats)),
    "Transpose": transpose,
    "Trilu": trilu,
    "Unsqueeze": lambda x, axes: gd.expand_dims(x, tuple(listed(axes))),
}
