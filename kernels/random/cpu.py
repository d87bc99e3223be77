"""Philox draws of the extension: 1-D arrays that are a function of (seed, stream, block offset)
alone.

The reference is `gpudl.ops._philox`, equal in every bit. Dtypes that have no native draw give
`NotImplemented`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl import _C
from gpudl.devices import CPU

Array = np.ndarray[Any, Any]

_REAL = (np.dtype(np.float32), np.dtype(np.float64))


def philox_bits(*, seed: int, stream: int, offset: int, n: int) -> Array:
    """uint32[n] random words."""
    return _C.philox_bits(seed, stream, offset, n)


def philox_bits64(*, seed: int, stream: int, offset: int, n: int) -> Array:
    """uint64[n] random words."""
    return _C.philox_bits64(seed, stream, offset, n)


def philox_uniform(*, seed: int, stream: int, offset: int, n: int, dtype: Any) -> Any:
    """Uniform numbers of [0, 1)."""
    dtype = np.dtype(dtype)
    if dtype not in _REAL:
        return NotImplemented
    return _C.philox_uniform(seed, stream, offset, n, dtype)


def philox_normal(*, seed: int, stream: int, offset: int, n: int, dtype: Any) -> Any:
    """Standard normal numbers."""
    dtype = np.dtype(dtype)
    if dtype not in _REAL:
        return NotImplemented
    return _C.philox_normal(seed, stream, offset, n, dtype)


def philox_randint(*, seed: int, stream: int, offset: int, n: int, low: int, high: int) -> Array:
    """int64[n] of [low, high)."""
    return _C.philox_randint(seed, stream, offset, n, low, high)


def dropout(x: Array, *, p: float, seed: int, stream: int, offset: int) -> Any:
    """x / (1 - p) where the uniform number of the element is at least p, else x times 0."""
    if x.dtype not in _REAL:
        return NotImplemented
    drawn = _C.philox_uniform(seed, stream, offset, x.size, np.dtype(np.float32)).reshape(x.shape)
    factor = (drawn >= np.float32(p)).astype(x.dtype)
    factor *= x.dtype.type(1 / (1 - p))
    y: Array = CPU.empty_elementwise(x.shape, x.dtype, (x,))
    return np.multiply(x, factor, out=y)
