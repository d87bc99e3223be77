"""What ONNX passes as tensors or attributes and Python as numbers."""

from __future__ import annotations

from typing import Any

import gpudl as gd


def ints(value: Any) -> Any:
    """A tensor or attribute of integers as a list, or as a number if it has no axes."""
    return value.tolist() if isinstance(value, gd.Tensor) else value


def listed(value: Any) -> list[Any]:
    """The same, always as a list."""
    value = ints(value)
    return list(value) if isinstance(value, (list, tuple)) else [value]


def spatial(
    x: Any,
    kernel: list[int],
    strides: list[int] | None,
    dilations: list[int] | None,
    pads: list[int] | None,
    auto_pad: str,
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Strides, dilations, and what is added before and after each spatial axis."""
    n = len(kernel)
    strides, dilations = strides or [1] * n, dilations or [1] * n
    if auto_pad == "VALID":
        pads = None
    elif auto_pad != "NOTSET":
        both = []
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
            less = total // 2
            both.append((less, total - less)[:: 1 if auto_pad == "SAME_UPPER" else -1])
        return strides, dilations, both
    pads = pads or [0] * 2 * n
    return strides, dilations, list(zip(pads[:n], pads[n:], strict=True))


def padded(x: Any, both: list[tuple[int, int]], value: float = 0.0) -> Any:
    """`x` with its last axes padded; PyTorch names the last axis first."""
    flat = [width for pair in reversed(both) for width in pair]
    return gd.nn.functional.pad(x, flat, value=value) if any(flat) else x
