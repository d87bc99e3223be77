"""Discrete Fourier transforms: the `fft` part of the array standard, differentiable.

`n` (or `s`) is the length of the transform along `axis` (`axes`): shorter inputs are padded with
zeros, longer ones cut. `norm` says where the factor 1/n goes: "backward" (the inverse), "forward",
or "ortho" (1/sqrt(n) on both). float32 gives complex64, float64 complex128.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import devices, shapes
from ._namespace.convert import cast, floating, tensor_of
from ._namespace.manipulation import pad, roll
from .dtypes import accumulator, as_dtype, complex_of, default_float, kind
from .errors import ArgumentError, ArgumentTypeError, ShapeError
from .ops import create
from .ops import elementwise as ew
from .ops import fft as ops

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]


def _check_norm(op: str, norm: Any) -> str:
    if norm is None:
        return "backward"
    if not isinstance(norm, str) or norm not in ops.OPPOSITE:
        raise ArgumentError(op, f"norm={norm!r}", remedy='"backward", "ortho" or "forward"')
    return norm


def _complex(op: str, x: Any) -> Any:
    x = floating(op, x)
    return cast(x, complex_of(x.dtype))


def _real(op: str, x: Any) -> Any:
    x = floating(op, x)
    if kind(x.dtype) == 3:
        raise ArgumentTypeError(op, "takes real tensors", remedy="x.real, or fft", x=x)
    return cast(x, accumulator(x.dtype))


def _sized(op: str, x: Any, axis: int, n: Any) -> Any:
    """`x` cut or padded to `n` along `axis`."""
    have = x.shape[axis]
    want = have if n is None else shapes.as_int(op, "n", n)
    if want < 1:
        raise ShapeError(op, f"a transform of length {want}", remedy="at least 1", x=x)
    lead = (slice(None),) * axis
    if want < have:
        return x[(*lead, slice(0, want))]
    if want > have:
        shapes.count(op, (*x.shape[:axis], want, *x.shape[axis + 1 :]), x.dtype.itemsize)
        return pad(x, tuple((0, want - have if i == axis else 0) for i in range(x.ndim)))
    return x


def _plan(op: str, x: Any, s: Any, axes: Any) -> tuple[list[int], list[Any]]:
    """The axes of an n-dimensional transform, and their lengths."""
    if s is not None and not isinstance(s, (tuple, list)):
        raise ArgumentTypeError(op, f"s={s!r}", remedy="a sequence of lengths")
    if axes is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise ShapeError(op, f"{count} lengths for {x.ndim} axes", x=x)
        axes = range(x.ndim - count, x.ndim)
    elif not isinstance(axes, (tuple, list)):
        raise ArgumentTypeError(op, f"axes={axes!r}", remedy="a sequence of axes")
    order = [shapes.normalize_axis(op, axis, x.ndim) for axis in axes]
    if len(set(order)) != len(order):
        raise ShapeError(op, f"an axis appears twice in {axes!r}", x=x)
    lengths = [None] * len(order) if s is None else list(s)
    if len(lengths) != len(order):
        raise ShapeError(op, f"{len(lengths)} lengths for {len(order)} axes", x=x)
    return order, lengths


def _transform(op: str, x: Any, s: Any, axes: Any, norm: Any, inverse: bool) -> Any:
    x, norm = _complex(op, x), _check_norm(op, norm)
    order, lengths = _plan(op, x, s, axes)
    for axis, n in zip(order, lengths, strict=True):
        x = _sized(op, x, axis, n)
    return ops.fftn(x, axes=tuple(order), norm=norm, inverse=inverse) if order else x


def _one(op: str, x: Any, axis: Any) -> tuple[Any, int]:
    x = tensor_of(op, x)
    return x, shapes.normalize_axis(op, axis, x.ndim)


# ----- complex -----
def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The Fourier transform along `axis`.

    >>> import gpudl as gd
    >>> gd.fft.fft(gd.tensor([1.0, 0.0]))
    tensor([1.+0.j, 1.+0.j], dtype=complex64)
    """
    x, at = _one("fft", x, axis)
    return _transform("fft", x, [n], [at], norm, False)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `fft`.

    >>> import gpudl as gd
    >>> gd.fft.ifft(gd.tensor([1.0, 1.0]))
    tensor([1.+0.j, 0.+0.j], dtype=complex64)
    """
    x, at = _one("ifft", x, axis)
    return _transform("ifft", x, [n], [at], norm, True)


def fftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The Fourier transform along several axes (all by default), to lengths `s`.

    >>> import gpudl as gd
    >>> gd.fft.fftn(gd.ones(2, 2))[0, 0]
    tensor(4.+0.j, dtype=complex64)
    """
    return _transform("fftn", tensor_of("fftn", x), s, axes, norm, False)


def ifftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The inverse of `fftn`.

    >>> import gpudl as gd
    >>> gd.fft.ifftn(gd.ones(2, 2))[0, 0]
    tensor(1.+0.j, dtype=complex64)
    """
    return _transform("ifftn", tensor_of("ifftn", x), s, axes, norm, True)


# ----- real -----
def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The frequencies 0 to n // 2 of the Fourier transform of a real tensor; the others are their
    conjugates.

    >>> import gpudl as gd
    >>> gd.fft.rfft(gd.tensor([1.0, 0.0, 0.0])).shape
    (2,)
    """
    x, norm = _real("rfft", x), _check_norm("rfft", norm)
    at = shapes.normalize_axis("rfft", axis, x.ndim)
    return ops.rfft(_sized("rfft", x, at, n), axis=at, norm=norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `rfft`: real, of length `n`, by default 2 * (m - 1) for m frequencies.

    >>> import gpudl as gd
    >>> gd.fft.irfft(gd.tensor([1.0, 1.0]))
    tensor([1., 0.])
    """
    return _irfft("irfft", x, n, axis, norm)


def _irfft(op: str, x: Any, n: Any, axis: Any, norm: Any) -> Any:
    x, norm = _complex(op, x), _check_norm(op, norm)
    at = shapes.normalize_axis(op, axis, x.ndim)
    length = 2 * (x.shape[at] - 1) if n is None else shapes.as_int(op, "n", n)
    if length < 1:
        raise ShapeError(op, f"a transform of length {length}", remedy="at least 1", x=x)
    return ops.irfft(_sized(op, x, at, length // 2 + 1), n=length, axis=at, norm=norm)


def rfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """`rfft` along the last of `axes`, then `fft` along the others.

    >>> import gpudl as gd
    >>> gd.fft.rfftn(gd.ones(4, 4)).shape
    (4, 3)
    """
    x, norm = _real("rfftn", x), _check_norm("rfftn", norm)
    order, lengths = _plan("rfftn", x, s, axes)
    if not order:
        raise ShapeError("rfftn", "needs at least one axis", x=x)
    out = rfft(x, n=lengths[-1], axis=order[-1], norm=norm)
    return _transform("rfftn", out, lengths[:-1], order[:-1], norm, False)


def irfftn(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The inverse of `rfftn`: `ifft` along all but the last of `axes`, then `irfft`.

    >>> import gpudl as gd
    >>> gd.fft.irfftn(gd.fft.rfftn(gd.ones(4, 4))).shape
    (4, 4)
    """
    x, norm = tensor_of("irfftn", x), _check_norm("irfftn", norm)
    order, lengths = _plan("irfftn", x, s, axes)
    if not order:
        raise ShapeError("irfftn", "needs at least one axis", x=x)
    out = _transform("irfftn", x, lengths[:-1], order[:-1], norm, True)
    return _irfft("irfftn", out, lengths[-1], order[-1], norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The real spectrum, of length `n`, of a signal whose later half is the mirrored conjugate of
    `x`.

    >>> import gpudl as gd
    >>> gd.fft.hfft(gd.tensor([1.0, 1.0]))
    tensor([2., 0.])
    """
    norm = _check_norm("hfft", norm)
    return _irfft("hfft", ew.conj_of(_complex("hfft", x)), n, axis, ops.OPPOSITE[norm])


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`: n // 2 + 1 complex values.

    >>> import gpudl as gd
    >>> gd.fft.ihfft(gd.tensor([2.0, 0.0])).shape
    (2,)
    """
    norm = _check_norm("ihfft", norm)
    return ew.conj_of(rfft(_real("ihfft", x), n=n, axis=axis, norm=ops.OPPOSITE[norm]))


# ----- frequencies and order -----
def _frequencies(op: str, n: Any, d: Any, dtype: Any, device: Any, half: bool) -> Any:
    n = shapes.as_int(op, "n", n)
    if n < 1:
        raise ArgumentError(op, f"n is {n}", remedy="at least 1")
    if isinstance(d, bool) or not isinstance(d, (int, float)) or d == 0:
        raise ArgumentError(op, f"d is {d!r}", remedy="a number, not 0")
    wanted = default_float if dtype is None else as_dtype(dtype, op)
    length = n // 2 + 1 if half else n
    shapes.count(op, (length,), 8)
    target = devices.resolve(device)
    k = create.arange(start=0, step=1, length=length, dtype=as_dtype("float64"), device=target)
    if not half:
        k = ew.where(k < (n + 1) // 2, k, k - n)
    return cast(k / (n * float(d)), wanted)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of `fft`, for `n` samples `d` apart, (n,).

    >>> import gpudl as gd
    >>> gd.fft.fftfreq(4)
    tensor([ 0.  ,  0.25, -0.5 , -0.25])
    """
    return _frequencies("fftfreq", n, d, dtype, device, False)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of `rfft`, for `n` samples `d` apart, (n // 2 + 1,).

    >>> import gpudl as gd
    >>> gd.fft.rfftfreq(4)
    tensor([0.  , 0.25, 0.5 ])
    """
    return _frequencies("rfftfreq", n, d, dtype, device, True)


def _shifted(op: str, x: Any, axes: Any, sign: int) -> Any:
    x = tensor_of(op, x)
    order = shapes.normalize_axes(op, axes, x.ndim)
    moves = [sign * (x.shape[i] // 2) for i in order]
    return roll(x, tuple(moves), axis=order)


def fftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """`x` with frequency 0 moved to the middle of `axes` (all by default).

    >>> import gpudl as gd
    >>> gd.fft.fftshift(gd.tensor([0, 1, -2, -1]))
    tensor([-2, -1,  0,  1])
    """
    return _shifted("fftshift", x, axes, 1)


def ifftshift(x: Any, /, *, axes: Any = None) -> Tensor:
    """The inverse of `fftshift`.

    >>> import gpudl as gd
    >>> gd.fft.ifftshift(gd.tensor([-2, -1, 0, 1]))
    tensor([ 0,  1, -2, -1])
    """
    return _shifted("ifftshift", x, axes, -1)
