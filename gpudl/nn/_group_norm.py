"""Layers that normalize groups of channels, instances, and by the root mean square."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, ShapeError
from . import functional as F
from . import init
from ._layer import parameter, positive, size
from ._module import Module
from ._norm import Norm
from ._parameter import Parameter
from .functional._check import as_ints, tensor
from .functional._response_norm import cross_map_response_norm


class GroupNorm(Module):
    """Normalizes (N, C, *S) by groups of channels within a sample, then scales by `weight` and adds
    `bias`, both (C,).

    Raises `ArgumentError` unless `num_groups` divides `num_channels`. Source: Wu, He, ECCV 2018.

    >>> import gpudl as gd
    >>> gd.nn.GroupNorm(2, 6)(gd.random.normal((3, 6, 4, 4))).shape
    (3, 6, 4, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = positive("GroupNorm", "num_groups", num_groups)
        C = self.num_channels = size("GroupNorm", "num_channels", num_channels)
        if C % self.num_groups:
            raise ArgumentError(
                "GroupNorm",
                f"{C} channels in {num_groups} groups",
                remedy="a divisor of num_channels",
            )
        self.eps, self.affine = eps, bool(affine)
        self.register_parameter("weight", parameter((C,), dtype, device) if affine else None)
        self.register_parameter("bias", parameter((C,), dtype, device) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _InstanceNorm(Norm):
    """Normalization of each channel of each sample."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Any) -> Any:
        name, (unbatched, batched) = type(self).__name__, self.ranks
        x = tensor(name, input)
        if x.ndim not in self.ranks or x.shape[-unbatched] != self.num_features:
            raise ShapeError(
                name,
                f"needs {batched} axes, or {unbatched} without the batch, and "
                f"{self.num_features} channels",
                input=x,
            )
        out = F.instance_norm(
            x if x.ndim == batched else x[None],
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if x.ndim == batched else out[0]


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each channel of each sample of (N, C, L) or (C, L).

    With `affine` a `weight` and a `bias`, both (C,), follow. With `track_running_stats` training
    moves `running_mean` and `running_var` by `momentum`, and evaluation normalizes by them.
    Source: Ulyanov, Vedaldi, Lempitsky, 2016.

    >>> import gpudl as gd
    >>> gd.nn.InstanceNorm1d(3)(gd.random.normal((2, 3, 8))).shape
    (2, 3, 8)
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalizes each channel of each sample of (N, C, H, W) or (C, H, W); see `InstanceNorm1d`.

    >>> import gpudl as gd
    >>> gd.nn.InstanceNorm2d(3)(gd.random.normal((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each channel of each sample of (N, C, D, H, W) or (C, D, H, W); see
    `InstanceNorm1d`.

    >>> import gpudl as gd
    >>> gd.nn.InstanceNorm3d(2)(gd.random.normal((2, 2, 3, 3, 3))).shape
    (2, 2, 3, 3, 3)
    """

    ranks = (4, 5)


class RMSNorm(Module):
    """Divides by the root mean square over the last axes, whose extents are `normalized_shape`,
    then scales by `weight`.

    `eps` is added under the root; None takes the machine epsilon of float32 (of float64 for
    float64). Source: Zhang, Sennrich, NeurIPS 2019.

    >>> import gpudl as gd
    >>> gd.nn.RMSNorm(4, eps=0.0)(gd.tensor([[3.0, -3.0, 3.0, 3.0]])).tolist()
    [[1.0, -1.0, 1.0, 1.0]]
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        entries = (
            (normalized_shape,) if hasattr(normalized_shape, "__index__") else normalized_shape
        )
        shape = self.normalized_shape = as_ints("RMSNorm", entries)
        self.eps, self.elementwise_affine = eps, bool(elementwise_affine)
        self.register_parameter(
            "weight", parameter(shape, dtype, device) if self.elementwise_affine else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class _ResponseNorm(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = positive(type(self).__name__, "size", size)
        self.alpha, self.beta, self.k = alpha, beta, k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_ResponseNorm):
    """Divides (N, C, *S) by (k + alpha mean)^beta, with the mean of the squares of `size`
    neighbouring channels. Source: Krizhevsky, Sutskever, Hinton, NeurIPS 2012.

    >>> import gpudl as gd
    >>> gd.nn.LocalResponseNorm(2)(gd.ones(1, 3, 2)).shape
    (1, 3, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_ResponseNorm):
    """`LocalResponseNorm` of (N, C, H, W) with a window that is centred: of `size` channels, or of
    `size` - 1 where that is even; the sum is divided by `size`.

    PyTorch's class of this name never takes the first channel out of its running sum, and its
    gradient is that of windows one channel further on; this one follows the formula.

    >>> import gpudl as gd
    >>> gd.nn.CrossMapLRN2d(3)(gd.ones(1, 3, 2, 2)).shape
    (1, 3, 2, 2)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Any:
        return cross_map_response_norm(input, self.size, self.alpha, self.beta, self.k)
