"""Discrete Fourier transforms. The adjoint of a transform is the opposite one with the opposite
scaling.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Row, Spec, row
from ..dtypes import check_kind, complex_of, real_of
from .create import arange, device_of, zeros_like
from .elementwise import cast, real, widen
from .shape import join, reshape

OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _fftn_rule(x: Spec, *, axes: tuple[int, ...], norm: str, inverse: bool) -> Spec:
    check_kind("fftn", x.dtype, "c")
    return x


fftn: Row = row(
    "fftn",
    lambda xp, x, *, axes, norm, inverse: (xp.fft.ifftn if inverse else xp.fft.fftn)(
        x, axes=axes, norm=norm
    ).astype(x.dtype, copy=False),
    _fftn_rule,
    vjp=(
        lambda g, y, x, *, axes, norm, inverse: fftn(
            g, axes=axes, norm=OPPOSITE[norm], inverse=not inverse
        ),
    ),
    linear=True,
)


# ----- real input: the half of the spectrum that says it all -----
def _rfft_rule(x: Spec, *, axis: int, norm: str) -> Spec:
    check_kind("rfft", x.dtype, "f")
    shape = (*x.shape[:axis], x.shape[axis] // 2 + 1, *x.shape[axis + 1 :])
    return Spec(shape, complex_of(x.dtype))


def _rfft_vjp(g: Any, y: Any, x: Any, *, axis: int, norm: str) -> Any:
    missing = x.shape[axis] - g.shape[axis]
    if missing:
        g = join((g, zeros_like(g, (*g.shape[:axis], missing, *g.shape[axis + 1 :]))), axis)
    return real(fftn(g, axes=(axis,), norm=OPPOSITE[norm], inverse=True))


rfft: Row = row(
    "rfft",
    lambda xp, x, *, axis, norm: xp.fft.rfft(widen(xp, x), axis=axis, norm=norm).astype(
        complex_of(x.dtype), copy=False
    ),
    _rfft_rule,
    vjp=(_rfft_vjp,),
    linear=True,
)


def _irfft_rule(x: Spec, *, n: int, axis: int, norm: str) -> Spec:
    check_kind("irfft", x.dtype, "c")
    return Spec((*x.shape[:axis], n, *x.shape[axis + 1 :]), real_of(x.dtype))


def _irfft_vjp(g: Any, y: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    # Every frequency but 0 and, for even n, n/2 stands for its mirror image too.
    half = n // 2 + 1
    i = arange(start=0, step=1, length=half, dtype=np.dtype("int64"), device=device_of(g))
    inner = (i > 0) & (i * 2 != n)
    weight = cast(inner, dtype=g.dtype) + 1
    tail = (1,) * (g.ndim - axis - 1)
    return rfft(g, axis=axis, norm=OPPOSITE[norm]) * cast(
        reshape(weight, shape=(half, *tail)), dtype=x.dtype
    )


irfft: Row = row(
    "irfft",
    lambda xp, x, *, n, axis, norm: xp.fft.irfft(x, n, axis=axis, norm=norm).astype(
        real_of(x.dtype), copy=False
    ),
    _irfft_rule,
    vjp=(_irfft_vjp,),
    linear=True,
)
