"""Philox draws on the GPU, and dropout by them (`philox.cu`, `dropout.cu`): the bits of the CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.devices import Device
from gpudl.dtypes import int64, uint32, uint64
from gpudl.runtime import launch

from ..gpu import FLOATS, Array, channels_first, channels_last, contiguous, copied, ctype, empty
from ..rows import VECTOR_BYTES
from .specs import (
    DROPOUT,
    DROPOUT_PIXELS,
    PHILOX_BITS,
    PHILOX_BITS64,
    PHILOX_NORMAL,
    PHILOX_RANDINT,
    PHILOX_UNIFORM,
)

_WORD = 2**64


def philox_bits(*, seed: int, stream: int, offset: int, n: int, device: Device) -> Array:
    """uint32[n] random words."""
    out = device.empty((n,), uint32)
    launch(PHILOX_BITS, {}, (out, *_words(seed, stream, offset), n), blocks=-(-n // 4))
    return out


def philox_bits64(*, seed: int, stream: int, offset: int, n: int, device: Device) -> Array:
    """uint64[n] random words."""
    out = device.empty((n,), uint64)
    launch(PHILOX_BITS64, {}, (out, *_words(seed, stream, offset), n), blocks=-(-n // 2))
    return out


def philox_uniform(
    *, seed: int, stream: int, offset: int, n: int, dtype: Any, device: Device
) -> Any:
    """Uniform numbers of [0, 1)."""
    return _real(PHILOX_UNIFORM, _words(seed, stream, offset), n, dtype, device)


def philox_normal(
    *, seed: int, stream: int, offset: int, n: int, dtype: Any, device: Device
) -> Any:
    """Standard normal numbers."""
    return _real(PHILOX_NORMAL, _words(seed, stream, offset), n, dtype, device)


def philox_randint(
    *, seed: int, stream: int, offset: int, n: int, low: int, high: int, device: Device
) -> Array:
    """int64[n] of [low, high)."""
    out = device.empty((n,), int64)
    span = high - low
    blocks = -(-n // 2) if span <= 1 << 32 else n
    args = (out, *_words(seed, stream, offset), n, low % _WORD, span)
    launch(PHILOX_RANDINT, {}, args, blocks=blocks)
    return out


def _words(*values: int) -> tuple[int, ...]:
    return tuple(value % _WORD for value in values)


def _real(spec: Any, at: tuple[int, ...], n: int, dtype: Any, device: Device) -> Any:
    dtype = np.dtype(dtype)
    if dtype not in FLOATS:
        return NotImplemented
    out = device.empty((n,), dtype)
    per_block = VECTOR_BYTES // dtype.itemsize
    launch(spec, {"T": ctype(dtype)}, (out, *at, n), blocks=-(-n // per_block))
    return out


def dropout(x: Array, *, p: float, seed: int, stream: int, offset: int) -> Any:
    """x / (1 - p) where the uniform number of the element is at least p, else x times 0."""
    if x.dtype not in FLOATS:
        return NotImplemented
    at, chance = _words(seed, stream, offset), (p, 1 / (1 - p))
    if x.ndim > 2 and not x.flags.c_contiguous:
        last = channels_last(x)
        if last.flags.c_contiguous:
            return channels_first(_dropout_pixels(last, at, chance))
    x = contiguous(x)
    y = empty(x, x.shape)
    if x.data.ptr % VECTOR_BYTES:  # a view from the middle of an array
        x = copied(x, empty(x, x.shape))
    args = (x, y, *at, x.size, *chance)
    launch(DROPOUT, {"T": ctype(x.dtype)}, args, blocks=-(-x.size // 4))
    return y


def _dropout_pixels(x: Array, at: tuple[int, ...], chance: tuple[float, float]) -> Array:
    """Of an (N, *S, C) array."""
    y = empty(x, x.shape)
    args = (x, y, *at, x.size, math.prod(x.shape[1:-1]), x.shape[-1], *chance)
    launch(DROPOUT_PIXELS, {"T": ctype(x.dtype)}, args, blocks=x.size)
    return y
