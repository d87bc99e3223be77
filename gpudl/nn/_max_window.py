"""Pooling by maxima of adaptive and drawn windows and by norms; the way back from max pooling."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from . import functional as F
from ._module import Module
from .functional._check import ints


# ----- to a given size -----
class _AdaptiveMaxPool(Module):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, bool(return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of (N, C, L) over `output_size` windows; with `return_indices` also their places.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveMaxPool1d(3)(gd.ones(2, 3, 8)).shape
    (2, 3, 3)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of (N, C, H, W) over `output_size` windows; None keeps an extent.
    With `return_indices` also their places.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveMaxPool2d(3)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 3, 3)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maxima of (N, C, D, H, W) over `output_size` windows; None keeps an extent.
    With `return_indices` also their places.

    >>> import gpudl as gd
    >>> gd.nn.AdaptiveMaxPool3d(3)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 3, 3, 3)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


# ----- windows drawn at random -----
class _FractionalMaxPool(Module):
    rank: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.kernel_size = ints(op, "kernel_size", kernel_size, rank, 1)
        self.return_indices = bool(return_indices)
        self.register_buffer("_random_samples", _random_samples)
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(op, "one of output_size and output_ratio is needed, not both")
        self.output_size = (
            None if output_size is None else ints(op, "output_size", output_size, rank, 1)
        )
        self.output_ratio = output_ratio


class FractionalMaxPool2d(_FractionalMaxPool):
    """The maxima of (N, C, H, W) over windows whose starts are drawn such that
    `output_size` of them, or `output_ratio` of the extents, fill the input. Source: Graham 2014.

    >>> import gpudl as gd
    >>> gd.nn.FractionalMaxPool2d(2, output_ratio=0.5)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    rank = 2
    _random_samples: Any

    def forward(self, input: Any) -> Any:
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """The maxima of (N, C, D, H, W) over windows whose starts are drawn such that
    `output_size` of them, or `output_ratio` of the extents, fill the input. Source: Graham 2014.

    >>> import gpudl as gd
    >>> gd.nn.FractionalMaxPool3d(2, output_ratio=0.5)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3
    _random_samples: Any

    def forward(self, input: Any) -> Any:
        return F.fractional_max_pool3d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


# ----- norms -----
class _LPPool(Module):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, bool(ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum x^p)^(1/p) over each window of (N, C, L), with p = `norm_type`.

    >>> import gpudl as gd
    >>> gd.nn.LPPool1d(2, 2)(gd.ones(2, 3, 8)).shape
    (2, 3, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """(sum x^p)^(1/p) over each window of (N, C, H, W), with p = `norm_type`.

    >>> import gpudl as gd
    >>> gd.nn.LPPool2d(2, 2)(gd.ones(2, 3, 8, 8)).shape
    (2, 3, 4, 4)
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """(sum x^p)^(1/p) over each window of (N, C, D, H, W), with p = `norm_type`.

    >>> import gpudl as gd
    >>> gd.nn.LPPool3d(2, 2)(gd.ones(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


# ----- the way back -----
class _MaxUnpool(Module):
    rank: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.kernel_size = ints(op, "kernel_size", kernel_size, rank, 1)
        self.stride = self.kernel_size if stride is None else ints(op, "stride", stride, rank, 1)
        self.padding = ints(op, "padding", padding, rank, 0)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The values (N, C, L) at the places that `MaxPool1d` gave with `return_indices`, zeros
    elsewhere. `output_size` says which of the possible inputs it was.

    >>> import gpudl as gd
    >>> y, at = gd.nn.MaxPool1d(2, return_indices=True)(gd.ones(2, 3, 8))
    >>> gd.nn.MaxUnpool1d(2)(y, at).shape
    (2, 3, 8)
    """

    rank = 1

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpool):
    """The values (N, C, H, W) at the places that `MaxPool2d` gave with `return_indices`, zeros
    elsewhere. `output_size` says which of the possible inputs it was.

    >>> import gpudl as gd
    >>> y, at = gd.nn.MaxPool2d(2, return_indices=True)(gd.ones(2, 3, 8, 8))
    >>> gd.nn.MaxUnpool2d(2)(y, at).shape
    (2, 3, 8, 8)
    """

    rank = 2

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpool):
    """The values (N, C, D, H, W) at the places that `MaxPool3d` gave with `return_indices`, zeros
    elsewhere. `output_size` says which of the possible inputs it was.

    >>> import gpudl as gd
    >>> y, at = gd.nn.MaxPool3d(2, return_indices=True)(gd.ones(1, 2, 4, 4, 4))
    >>> gd.nn.MaxUnpool3d(2)(y, at).shape
    (1, 2, 4, 4, 4)
    """

    rank = 3

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
