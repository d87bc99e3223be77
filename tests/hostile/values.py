"""Small valid values that calls are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

import gpudl as gd


def t(*shape: int) -> Any:
    n = int(np.prod(shape))
    return gd.asarray((np.arange(n, dtype=np.float32).reshape(shape) % 7 + 1) / 8)


def ints(*shape: int, high: int = 3) -> Any:
    return gd.asarray(np.arange(int(np.prod(shape))).reshape(shape) % high)


def square(n: int = 3) -> Any:
    return gd.asarray(np.eye(n, dtype=np.float32) * 3 + 0.25)


def call(*args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    return list(args), kwargs
