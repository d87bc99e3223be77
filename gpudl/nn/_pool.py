"""Pooling layers."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._module import Module
from .functional._check import ints


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = bool(return_indices), bool(ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of each window of (N, C, L); with `return_indices` also their places along L.

    `stride` is the kernel's size by default; padding counts as minus infinity. Gradients go to the
    first maximum.

    >>> import gpudl as gd
    >>> gd.nn.MaxPool1d(2)(gd.ones(2, 3, 8)).shape
    (2, 3, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool2d(_MaxPool):
    """The maximum of each window of (N, C, H, W); with `return_indices` also their places in the
    flattened plane.

    `stride` is the kernel's size by default; padding counts as minus infinity. Gradients go to the
    first maximum.

    >>> import gpudl as gd
    >>> gd.nn.MaxPool2d(2)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool3d(_MaxPool):
    """The maximum of each window of (N, C, D, H, W); with `return_indices` also their places in the
    flattened volume.

    `stride` is the kernel's size by default; padding counts as minus infinity. Gradients go to the
    first maximum.

    >>> import gpudl as gd
    >>> gd.nn.MaxPool3d(2)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class AvgPool1d(Module):
    """The mean of each window of (N, C, L); padding counts, as zeros, if `count_include_pad`.

    >>> import gpudl as gd
    >>> gd.nn.AvgPool1d(2)(gd.ones(2, 3, 8)).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = ints("AvgPool1d", "kernel_size", kernel_size, 1, 1)
        self.stride = (
            self.kernel_size if stride is None else ints("AvgPool1d", "stride", stride, 1, 1)
        )
        self.padding = ints("AvgPool1d", "padding", padding, 1, 0)
        self.ceil_mode, self.count_include_pad = bool(ceil_mode), bool(count_include_pad)

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = (
            padding,
            bool(ceil_mode),
            bool(count_include_pad),
        )
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W), or its sum over `divisor_override`.

    >>> import gpudl as gd
    >>> gd.nn.AvgPool2d(2)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W), or its sum over `divisor_override`.

    >>> import gpudl as gd
    >>> gd.nn.AvgPool3d(2)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """(N, C, L) averaged to the spatial size `output_size`, whatever the input's.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveAvgPool1d(2)(gd.ones(2, 3, 8)).shape
    (2, 3, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """(N, C, H, W) averaged to the spatial size `output_size`, whatever the input's; None keeps an
    extent.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveAvgPool2d(2)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 2, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """(N, C, D, H, W) averaged to the spatial size `output_size`, whatever the input's; None keeps
    an extent.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveAvgPool3d(2)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool3d(input, self.output_size)
