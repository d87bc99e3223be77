"""Optimizer steps on the CPU: the native kernels where the extension is there, else the NumPy
reference.

Both take the same arguments (see `reference`), update in place and give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import reference

try:
    from gpudl import _C as native
except ImportError:
    native = None

sgd: Callable[..., None]
adam: Callable[..., None]
rmsprop: Callable[..., None]
sumsq: Callable[..., float]
_source: Any = reference if native is None else native
sgd, adam, rmsprop, sumsq = _source.sgd, _source.adam, _source.rmsprop, _source.sumsq
