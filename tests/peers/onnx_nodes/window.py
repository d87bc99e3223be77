"""ONNX's convolutions and pools as calls of gpudl."""

from __future__ import annotations

import math
from typing import Any

import gpudl as gd
from gpudl.nn import functional as F

from .arguments import listed, padded, spatial


def _even(both: list[tuple[int, int]], kernel: list[int]) -> bool:
    """Whether PyTorch's pools take this padding: the same on both sides, at most half a kernel."""
    return all(a == b <= k // 2 for (a, b), k in zip(both, kernel, strict=True))


def conv(
    x: Any,
    w: Any,
    b: Any = None,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    strides, dilations, both = spatial(x, w.shape[2:], strides, dilations, pads, auto_pad)
    f = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
    inner = [min(pair) for pair in both]
    rest = [(a - n, z - n) for (a, z), n in zip(both, inner, strict=True)]
    return f(padded(x, rest), w, b, tuple(strides), tuple(inner), tuple(dilations), group)


def conv_transpose(
    x: Any,
    w: Any,
    b: Any = None,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Without padding first; ONNX's pads, whole or from `output_shape`, cut the result."""
    n = x.ndim - 2
    strides, dilations, extra = strides or [1] * n, dilations or [1] * n, output_padding or [0] * n
    f = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
    y = f(x, w, b, tuple(strides), 0, 0, group, tuple(dilations))
    y = padded(y, [(0, e) for e in extra])
    if auto_pad != "NOTSET":
        output_shape = [size * s for size, s in zip(x.shape[2:], strides, strict=True)]
    if output_shape:
        total = [size - wanted for size, wanted in zip(y.shape[2:], output_shape, strict=True)]
        less = [t // 2 for t in total]
        more = [t - a for t, a in zip(total, less, strict=True)]
        pads = [*less, *more] if auto_pad == "SAME_UPPER" else [*more, *less]
    pads = pads or [0] * 2 * n
    # A negative pad adds zeros.
    return padded(y, [(-a, -z) for a, z in zip(pads[:n], pads[n:], strict=True)])


def causal_conv(
    x: Any, w: Any, bias: Any = None, past: Any = None, activation: str = "none"
) -> tuple[Any, Any]:
    """Each channel with its own kernel over the past and the present; the end is the next past."""
    kept = w.shape[2] - 1
    past = gd.zeros((*x.shape[:2], kept), dtype=x.dtype) if past is None else past
    whole = gd.concat([past, x], axis=2)
    y = F.conv1d(whole, w, bias, groups=x.shape[1])
    y = F.silu(y) if activation in ("silu", "swish") else y
    return y, whole[:, :, whole.shape[2] - kept :]


def max_pool(
    x: Any,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    outputs: int = 1,
) -> Any:
    """PyTorch counts an index row by row in its plane, ONNX in the whole tensor.

    `storage_order=1` counts column by column: row by row in the transposed plane.
    """
    strides, dilations, both = spatial(x, kernel_shape, strides, dilations, pads, auto_pad)
    f = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.ndim - 3]
    if not _even(both, kernel_shape):
        assert outputs == 1
        x, both = padded(x, both, -math.inf), [(0, 0)] * len(both)
    windows = [kernel_shape, strides, [a for a, _ in both], dilations]
    order = (0, 1, *range(x.ndim - 1, 1, -1))
    if storage_order:
        x, windows = gd.permute_dims(x, order), [given[::-1] for given in windows]
    found = f(x, *windows, bool(ceil_mode), outputs == 2)
    if outputs == 1:
        return gd.permute_dims(found, order) if storage_order else found
    planes = gd.arange(math.prod(x.shape[:2])).reshape((*x.shape[:2], *(1,) * (x.ndim - 2)))
    y, index = found[0], found[1] + planes * math.prod(x.shape[2:])
    return (
        (gd.permute_dims(y, order), gd.permute_dims(index, order)) if storage_order else (y, index)
    )


def average_pool(
    x: Any,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    if any(d != 1 for d in dilations or []):
        raise NotImplementedError("PyTorch's average pools have no dilation")
    strides, _, both = spatial(x, kernel_shape, strides, dilations, pads, auto_pad)
    f = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3]
    if _even(both, kernel_shape):
        inner = [a for a, _ in both]
        return f(x, kernel_shape, strides, inner, bool(ceil_mode), bool(count_include_pad))
    y = f(padded(x, both), kernel_shape, strides)
    if count_include_pad:
        return y
    return y / f(padded(gd.ones_like(x), both), kernel_shape, strides)


def lp_pool(
    x: Any,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    p: int = 2,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """PyTorch's pool sums signed powers, and takes no padding."""
    if any(d != 1 for d in dilations or []):
        raise NotImplementedError("PyTorch's power-average pools have no dilation")
    strides, _, both = spatial(x, kernel_shape, strides, dilations, pads, auto_pad)
    f = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[x.ndim - 3]
    if x.ndim == 3:
        kernel_shape, strides = kernel_shape[0], strides[0]
    return f(abs(padded(x, both)), p, kernel_shape, strides, bool(ceil_mode))


def max_unpool(
    x: Any,
    indices: Any,
    output_shape: Any = None,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """ONNX counts in the result without `output_shape`, which only adds zeros at the end."""
    n = x.ndim - 2
    f = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[n - 1]
    strides = strides or [1] * n
    pads = pads or [0] * 2 * n
    plain = [
        (size - 1) * s - 2 * p + k
        for size, s, p, k in zip(x.shape[2:], strides, pads[:n], kernel_shape, strict=True)
    ]
    y = f(x, indices % math.prod(plain), kernel_shape, strides, pads[:n])
    wanted = plain if output_shape is None else listed(output_shape)[2:]
    return padded(y, [(0, w - size) for w, size in zip(wanted, plain, strict=True)])


def _global(pool: str) -> Any:
    return lambda x: getattr(F, f"adaptive_{pool}_pool{x.ndim - 2}d")(x, 1)


CONVOLUTIONS: dict[str, Any] = {
    "CausalConvWithState": causal_conv,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
}

POOLS: dict[str, Any] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": _global("avg"),
    "GlobalMaxPool": _global("max"),
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
}
