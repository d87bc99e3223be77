"""Convolution layers. `weight` is (out, in / groups, *kernel), transposed ones (in, out / groups,
*kernel)."""

from __future__ import annotations

import math
from typing import Any

from .. import shapes
from ..errors import ArgumentError, ShapeError
from . import functional as F
from . import init
from ._layer import parameter, positive
from ._linear import fan_in_bias_
from ._module import Module
from ._parameter import Parameter
from .functional._conv import same_padding

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions have: channels, geometry, weight and bias."""

    rank: int
    transposed = False
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.in_channels, self.out_channels = (
            positive(op, "in_channels", in_channels),
            positive(op, "out_channels", out_channels),
        )
        self.kernel_size = shapes.pair(op, "kernel_size", kernel_size, rank, low=1)
        self.stride = shapes.pair(op, "stride", stride, rank, low=1)
        self.dilation = shapes.pair(op, "dilation", dilation, rank, low=1)
        self.output_padding = shapes.pair(op, "output_padding", output_padding, rank, low=0)
        self.groups = positive(op, "groups", groups)
        self.padding = (
            padding
            if isinstance(padding, str)
            else shapes.pair(op, "padding", padding, rank, low=0)
        )
        self.padding_mode = padding_mode
        self._check(op)
        out, inner = self.out_channels, self.in_channels
        lead = (inner, out // self.groups) if self.transposed else (out, inner // self.groups)
        self.weight = parameter((*lead, *self.kernel_size), dtype, device)
        self.register_parameter("bias", parameter((out,), dtype, device) if bias else None)
        self.reset_parameters()

    def _check(self, op: str) -> None:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                op,
                f"{self.in_channels} and {self.out_channels} channels do not divide by "
                f"groups={self.groups}",
            )
        allowed = _MODES[:1] if self.transposed else _MODES
        if self.padding_mode not in allowed:
            raise ArgumentError(
                op, f"padding_mode={self.padding_mode!r}", remedy=" or ".join(map(repr, allowed))
            )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid") or self.transposed:
                raise ArgumentError(
                    op, f"padding={self.padding!r}", remedy='integers, "same" or "valid"'
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ArgumentError(op, 'padding="same" needs stride 1', stride=self.stride)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in_bias_(self.bias, shapes.count("conv", self.weight.shape[1:]))

    def _padded(self, x: Any) -> tuple[Any, Any]:
        """The input, padded here where the mode is not zeros, and the padding left to do."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return x, self.padding
        if isinstance(self.padding, str):
            pairs = same_padding(self.kernel_size, self.dilation)
        else:
            pairs = tuple((p, p) for p in self.padding)
        margins = [side for pair in reversed(pairs) for side in pair]
        return F.pad(x, margins, self.padding_mode), 0

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        rest = {
            "padding": (self.padding, (0,) * self.rank),
            "dilation": (self.dilation, (1,) * self.rank),
            "output_padding": (self.output_padding, (0,) * self.rank),
            "groups": (self.groups, 1),
        }
        text += "".join(
            f", {name}={value}" for name, (value, usual) in rest.items() if value != usual
        )
        if self.bias is None:
            text += ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class Conv1d(_Conv):
    """Cross-correlation of (N, in, L) or (in, L) with `out_channels` filters: (N, out, L').

    `padding` is a number, "same" or "valid"; `padding_mode` "zeros", "reflect", "replicate" or
    "circular".

    >>> import gpudl as gd
    >>> gd.nn.Conv1d(3, 8, 5, padding="same")(gd.ones(2, 3, 20)).shape
    (2, 8, 20)
    """

    rank = 1

    def forward(self, input: Any) -> Any:
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Cross-correlation of (N, in, H, W) or (in, H, W) with `out_channels` filters: (N, out, H',
    W').

    Sizes are integers or pairs; `padding` may be "same" or "valid", `padding_mode` "zeros",
    "reflect", "replicate" or "circular". `weight` is (out, in / groups, *kernel_size). The result
    lies channels-last in memory.

    >>> import gpudl as gd
    >>> gd.nn.Conv2d(3, 8, 3, stride=2, padding=1)(gd.ones(2, 3, 9, 9)).shape
    (2, 8, 5, 5)
    """

    rank = 2

    def forward(self, input: Any) -> Any:
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """Cross-correlation of (N, in, D, H, W) or (in, D, H, W) with `out_channels` filters.

    >>> import gpudl as gd
    >>> gd.nn.Conv3d(2, 4, 3)(gd.ones(1, 2, 5, 5, 5)).shape
    (1, 4, 3, 3, 3)
    """

    rank = 3

    def forward(self, input: Any) -> Any:
        x, padding = self._padded(input)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _ConvTranspose(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, x: Any, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`, or the layer's own."""
        if output_size is None:
            return self.output_padding
        op, rank = type(self).__name__, self.rank
        wanted = shapes.as_shape(op, output_size)[-rank:]
        spatial = x.shape[-rank:]
        pads: Any = self.padding
        low = [
            (n - 1) * s - 2 * int(p) + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                spatial, self.stride, pads, self.dilation, self.kernel_size, strict=True
            )
        ]
        extra = tuple(w - n for w, n in zip(wanted, low, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            high = [n + s - 1 for n, s in zip(low, self.stride, strict=True)]
            raise ShapeError(op, f"output_size={wanted}", remedy=f"from {low} to {high}", input=x)
        return extra


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`: (N, in, L) to (N, out, L'), with L' = (L - 1) stride - 2 padding +
    dilation (K - 1) + output_padding + 1.

    >>> import gpudl as gd
    >>> gd.nn.ConvTranspose1d(3, 8, 4, stride=2, padding=1)(gd.ones(2, 3, 10)).shape
    (2, 8, 20)
    """

    rank = 1

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`: (N, in, H, W) to (N, out, H', W'); `weight` is (in, out / groups,
    *kernel_size).

    >>> import gpudl as gd
    >>> up = gd.nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)
    >>> up(gd.ones(2, 3, 5, 5)).shape
    (2, 8, 10, 10)
    """

    rank = 2

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`: (N, in, D, H, W) to (N, out, D', H', W').

    >>> import gpudl as gd
    >>> gd.nn.ConvTranspose3d(2, 4, 2, stride=2)(gd.ones(1, 2, 3, 3, 3)).shape
    (1, 4, 6, 6, 6)
    """

    rank = 3

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose3d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )
