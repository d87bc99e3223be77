"""Layers that move elements: resizing, shuffles of pixels and channels, windows as columns."""

from __future__ import annotations

from typing import Any

from ..checks import real
from . import functional as F
from ._layer import positive
from ._module import Module


# ----- resizing -----
class Upsample(Module):
    """(N, C, *S) resized to `size` or by `scale_factor`; see `functional.interpolate` for `mode`.

    >>> import gpudl as gd
    >>> gd.nn.Upsample(scale_factor=2, mode="bilinear")(gd.ones(1, 2, 3, 4)).shape
    (1, 2, 6, 8)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(real(op, "scale_factor", f) for f in scale_factor)
        else:
            self.scale_factor = (
                None if scale_factor is None else real(op, "scale_factor", scale_factor)
            )
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Any:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        given = (
            f"size={self.size!r}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor!r}"
        )
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """(N, C, H, W) resized by repeating pixels.

    >>> import gpudl as gd
    >>> gd.nn.UpsamplingNearest2d(scale_factor=2)(gd.ones(1, 2, 3, 4)).shape
    (1, 2, 6, 8)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """(N, C, H, W) resized by bilinear interpolation with aligned corners.

    >>> import gpudl as gd
    >>> gd.nn.UpsamplingBilinear2d(size=(5, 7))(gd.ones(1, 2, 3, 4)).shape
    (1, 2, 5, 7)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


# ----- shuffles -----
class PixelShuffle(Module):
    """(..., C r r, H, W) as (..., C, H r, W r), with r the factor. Source: Shi et al., CVPR 2016.

    >>> import gpudl as gd
    >>> gd.nn.PixelShuffle(2)(gd.ones(1, 8, 3, 4)).shape
    (1, 2, 6, 8)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = positive("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H r, W r) as (..., C r r, H, W): the inverse of `PixelShuffle`.

    >>> import gpudl as gd
    >>> gd.nn.PixelUnshuffle(2)(gd.ones(1, 2, 6, 8)).shape
    (1, 8, 3, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = positive("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (N, C, *S), in `groups` groups, dealt out in turn.

    >>> import gpudl as gd
    >>> gd.nn.ChannelShuffle(2)(gd.ones(1, 4, 3, 3)).shape
    (1, 4, 3, 3)
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = positive("ChannelShuffle", "groups", groups)

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


# ----- windows as columns -----
class Unfold(Module):
    """The windows of (N, C, H, W) as columns: (N, C kh kw, L), with L the number of windows.

    >>> import gpudl as gd
    >>> gd.nn.Unfold(2)(gd.ones(2, 3, 5, 6)).shape
    (2, 12, 20)
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns (N, C kh kw, L) added up at the places of their windows: (N, C, *output_size).

    >>> import gpudl as gd
    >>> gd.nn.Fold((5, 6), 2)(gd.ones(2, 12, 20)).shape
    (2, 3, 5, 6)
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size, self.dilation = output_size, kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Any) -> Any:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
