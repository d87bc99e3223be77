"""Comparison of results."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import tolerances
from ..devices import of
from ..tensor import Tensor


def _host(x: Any) -> np.ndarray[Any, Any]:
    if isinstance(x, Tensor):
        return of(x.data).to_host(x.data)
    return np.asarray(x)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    tolerance: float | None = None,
    scale: Any = 0.0,
    what: str = "result",
) -> None:
    """Assert that `actual` equals `expected` within the tolerance of its dtype.

    Both are tensors or arrays of one shape; dtypes may differ, so that float32 is compared with
    float64. The error is max|a - b| / max(max|b|, 1e-3 * scale); `scale` is the largest absolute
    operand (or gradient) of the case, a number or the arrays themselves. Integers and bools must
    be equal, NaN meets NaN. Raises `AssertionError` with the error and the worst element.

    >>> import gpudl as gd
    >>> gd.testing.assert_close(gd.ones(3) / 3, [1 / 3, 1 / 3, 1 / 3])
    """
    a, b = _host(actual), _host(expected)
    if a.shape != b.shape:
        raise AssertionError(f"{what}: shape {a.shape}, expected {b.shape}")
    allowed = tolerances.tolerance(a.dtype) if tolerance is None else tolerance
    if not isinstance(scale, (int, float)):
        arrays = scale if isinstance(scale, (list, tuple)) else [scale]
        scale = tolerances.largest(*[_host(x) for x in arrays])
    found = tolerances.error(a, b, float(scale))
    if not found <= allowed:
        with np.errstate(all="ignore"):
            gap = np.abs(tolerances.wide(a) * 1.0 - tolerances.wide(b) * 1.0)
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), np.inf, gap))), a.shape)
        raise AssertionError(
            f"{what}: error {found:.3g}, allowed {allowed:.3g} for {a.dtype.name}{a.shape}; "
            f"worst at {tuple(int(i) for i in at)}: {a[at]!r}, expected {b[at]!r}"
        )
