"""When two results agree: one measure, and one table of tolerances by dtype.

The error of a result `a` against `b` is max|a - b| / max(max|b|, s) over the tensor. The scale s is
1e-3 of the largest operand (for gradients: of the largest gradient in the same case), so that a
tensor that is exactly zero is compared on the scale of its terms.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]

SCALE = 1e-3
_TABLE: dict[np.dtype[Any], float] = {
    np.dtype(ml_dtypes.bfloat16): 4e-2,
    np.dtype(np.float16): 5e-3,
    np.dtype(np.float32): 1e-5,
    np.dtype(np.float64): 1e-10,
    np.dtype(np.complex64): 1e-5,
    np.dtype(np.complex128): 1e-10,
}


def tolerance(dtype: np.dtype[Any]) -> float:
    """The largest error allowed in a result of `dtype`: 0 for integers and bools."""
    return _TABLE.get(np.dtype(dtype), 0.0)


def wide(x: Array) -> Array:
    """`x` as float64 or complex128; integers and bools as they are."""
    if x.dtype not in _TABLE:
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def largest(*arrays: Array) -> float:
    """The largest finite absolute value of floating arrays, 0 if there is none."""
    found = 0.0
    for x in arrays:
        if x.dtype in _TABLE and x.size:
            size = np.abs(wide(x))
            found = max(found, float(np.max(size, where=np.isfinite(size), initial=0.0)))
    return found


def error(a: Array, b: Array, scale: float = 0.0) -> float:
    """The error of `a` against `b`, arrays of one shape; inf where NaN or infinite elements differ.

    `scale` is the largest absolute operand or gradient of the case.

    >>> import numpy as np
    >>> error(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    0.2
    """
    if not a.size:
        return 0.0
    if a.dtype not in _TABLE and b.dtype not in _TABLE:
        return 0.0 if np.array_equal(a, b) else float("inf")
    x, y = wide(a), wide(b)
    finite = np.isfinite(y)
    if not np.array_equal(finite, np.isfinite(x)):
        return float("inf")
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    gap = float(np.max(np.abs(x[finite] - y[finite])))
    size = max(float(np.max(np.abs(y[finite]))), SCALE * scale)
    return gap / size if size else (0.0 if not gap else float("inf"))
