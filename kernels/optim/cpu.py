"""Optimizer steps on the CPU: the native kernels where the extension is there, else the NumPy
reference.

Both take the same arguments (see `reference`), update in place and give the same bits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from . import reference

_source: Any = reference
with contextlib.suppress(ImportError):
    from gpudl import _C as _source

sgd: Callable[..., None] = _source.sgd
adam: Callable[..., None] = _source.adam
rmsprop: Callable[..., None] = _source.rmsprop
sumsq: Callable[..., float] = _source.sumsq
