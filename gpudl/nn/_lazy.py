"""Layers that take the number of their input's features from the first input.

Until then their parameters are `UninitializedParameter`s. The first call, or a state dict, gives
them their shape; the first call also makes the layer one of its ordinary class. Move a lazy
network to its device and dtype, then call it once.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ._conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _ConvNd,
    _ConvTranspose,
)
from ._group_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, _InstanceNorm
from ._layer import positive
from ._linear import Linear
from ._module import Module
from ._norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, Norm, _BatchNorm
from ._tree import BUFFER, PARAMETER
from ._uninitialized import (
    UninitializedBuffer,
    UninitializedParameter,
    is_uninitialized,
    materialize,
)
from .functional._check import tensor


class _Lazy(Module):
    """A layer that waits for its input, and the class that it becomes."""

    becomes: type[Module]

    def _wait(self, device: Any, dtype: Any) -> None:
        """Put uninitialized tensors in the place of all that depend on the input."""
        for name, param in list(self._own(PARAMETER)):
            if param is not None:
                self.register_parameter(name, UninitializedParameter(True, device, dtype))
        for name, buffer in list(self._own(BUFFER)):
            if buffer is not None and name != "num_batches_tracked":
                self.register_buffer(name, UninitializedBuffer(False, device, dtype))

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        own = [*self._own(PARAMETER), *self._own(BUFFER)]
        return any(is_uninitialized(value) for _, value in own)

    def reset_parameters(self) -> None:
        """Nothing to draw before the shapes are known."""

    def initialize_parameters(self, input: Any) -> None:
        """Take the number of features from `input`, and draw the parameters that had no shape."""
        features = self._features(tensor(type(self).__name__, input))
        waiting = self.has_uninitialized_params()
        for name, shape in self._shapes(features).items():
            value = getattr(self, name)
            if value is not None and is_uninitialized(value):
                materialize(value, shape)
        if waiting:
            self.becomes.reset_parameters(self)  # type: ignore[attr-defined]

    def _features(self, x: Any) -> int:
        """The number of features of `x`, which is also written down."""
        raise NotImplementedError

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters and buffers by name."""
        raise NotImplementedError

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(input)
        self.__class__ = self.becomes  # type: ignore[assignment]
        return self.forward(input, *args, **kwargs)


class LazyLinear(_Lazy, Linear):
    """A `Linear` whose in_features are those of its first input.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyLinear(3)
    >>> layer(gd.ones(2, 5)).shape
    (2, 3)
    >>> layer
    Linear(in_features=5, out_features=3, bias=True)
    """

    becomes = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._wait(device, dtype)

    def _features(self, x: Any) -> int:
        if not x.ndim:
            raise ShapeError("LazyLinear", "needs (..., in_features)", input=x)
        self.in_features = int(x.shape[-1])
        return self.in_features

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, features), "bias": (self.out_features,)}


# ----- convolutions -----
class _LazyConvNd(_Lazy, _ConvNd):
    def _features(self, x: Any) -> int:
        op = type(self).__name__
        if x.ndim not in (self.rank + 1, self.rank + 2):
            raise ShapeError(
                op,
                f"needs (N, C, *spatial) or (C, *spatial) with {self.rank} spatial axes",
                input=x,
            )
        channels = int(x.shape[-self.rank - 1])
        if not channels or channels % self.groups:
            raise ShapeError(op, f"{channels} channels in groups={self.groups}", input=x)
        self.in_channels = channels
        return channels

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        out, per = self.out_channels, self.groups
        lead = (features, out // per) if self.transposed else (out, features // per)
        return {"weight": (*lead, *self.kernel_size), "bias": (out,)}


class _LazyConv(_LazyConvNd, _Conv):
    def __init__(
        self,
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
        least = positive(type(self).__name__, "groups", groups)
        super().__init__(
            least,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.in_channels = 0
        self._wait(device, dtype)


class _LazyConvTranspose(_LazyConvNd, _ConvTranspose):
    def __init__(
        self,
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
        least = positive(type(self).__name__, "groups", groups)
        super().__init__(
            least,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.in_channels = 0
        self._wait(device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConv1d(4, 3)(gd.ones(1, 2, 9)).shape
    (1, 4, 7)
    """

    becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConv2d(4, 3)(gd.ones(1, 2, 9, 9)).shape
    (1, 4, 7, 7)
    """

    becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConv3d(4, 3)(gd.ones(1, 2, 5, 5, 5)).shape
    (1, 4, 3, 3, 3)
    """

    becomes = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConvTranspose1d(4, 3)(gd.ones(1, 2, 9)).shape
    (1, 4, 11)
    """

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConvTranspose2d(4, 3)(gd.ones(1, 2, 9, 9)).shape
    (1, 4, 11, 11)
    """

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` whose in_channels are those of its first input.

    >>> import gpudl as gd
    >>> gd.nn.LazyConvTranspose3d(4, 3)(gd.ones(1, 2, 5, 5, 5)).shape
    (1, 4, 7, 7, 7)
    """

    becomes = ConvTranspose3d


# ----- normalization -----
class _LazyNorm(_Lazy, Norm):
    """Its weights and running statistics are on unless told otherwise, instance norm's too."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._wait(device, dtype)

    def _features(self, x: Any) -> int:
        if x.ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise ShapeError(type(self).__name__, f"needs {wanted} axes", input=x)
        self.num_features = int(x.shape[self._channels(x.ndim)])
        return self.num_features

    def _channels(self, ndim: int) -> int:
        """The axis of the channels."""
        return 1

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (features,))


class _LazyBatchNorm(_LazyNorm, _BatchNorm):
    pass


class _LazyInstanceNorm(_LazyNorm, _InstanceNorm):
    def _channels(self, ndim: int) -> int:
        return 1 if ndim == self.ranks[1] else 0  # without a batch they come first


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A `BatchNorm1d` whose num_features are the channels of its first input.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyBatchNorm1d()
    >>> layer(gd.random.normal((8, 3))).shape == (8, 3), layer.num_features
    (True, 3)
    """

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A `BatchNorm2d` whose num_features are the channels of its first input.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyBatchNorm2d()
    >>> layer(gd.random.normal((2, 3, 4, 4))).shape == (2, 3, 4, 4), layer.num_features
    (True, 3)
    """

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A `BatchNorm3d` whose num_features are the channels of its first input.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyBatchNorm3d()
    >>> layer(gd.random.normal((2, 3, 2, 2, 2))).shape == (2, 3, 2, 2, 2), layer.num_features
    (True, 3)
    """

    becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An `InstanceNorm1d` whose num_features are the channels of its first input; `affine` and
    `track_running_stats` are on unless told otherwise.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyInstanceNorm1d()
    >>> layer(gd.random.normal((2, 3, 8))).shape == (2, 3, 8), layer.num_features
    (True, 3)
    """

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An `InstanceNorm2d` whose num_features are the channels of its first input; `affine` and
    `track_running_stats` are on unless told otherwise.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyInstanceNorm2d()
    >>> layer(gd.random.normal((2, 3, 4, 4))).shape == (2, 3, 4, 4), layer.num_features
    (True, 3)
    """

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An `InstanceNorm3d` whose num_features are the channels of its first input; `affine` and
    `track_running_stats` are on unless told otherwise.

    >>> import gpudl as gd
    >>> layer = gd.nn.LazyInstanceNorm3d()
    >>> layer(gd.random.normal((2, 3, 2, 2, 2))).shape == (2, 3, 2, 2, 2), layer.num_features
    (True, 3)
    """

    becomes = InstanceNorm3d
