"""Normalization layers."""

from __future__ import annotations

from typing import Any

from .._namespace.creation import ones, zeros
from ..autograd import no_grad
from ..autograd.writes import overwrite
from ..errors import ShapeError
from . import functional as F
from . import init
from ._layer import parameter, size
from ._module import Module
from ._parameter import Parameter
from .functional._check import as_ints, tensor


class Norm(Module):
    """What batch and instance normalization own: weight, bias and running statistics per
    channel."""

    ranks: tuple[int, ...]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        C = self.num_features = size(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = bool(affine), bool(track_running_stats)
        self.register_parameter("weight", parameter((C,), dtype, device) if affine else None)
        self.register_parameter("bias", parameter((C,), dtype, device) if affine and bias else None)
        track = self.track_running_stats
        self.register_buffer(
            "running_mean", zeros(C, dtype=dtype, device=device) if track else None
        )
        self.register_buffer("running_var", ones(C, dtype=dtype, device=device) if track else None)
        self.register_buffer(
            "num_batches_tracked", zeros((), dtype="int64", device=device) if track else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, no batches seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(Norm):
    """Batch normalization per channel: by the batch in training, else by running statistics."""

    def forward(self, input: Any) -> Any:
        if tensor(type(self).__name__, input).ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise ShapeError(type(self).__name__, f"needs {wanted} axes", input=input)
        by_batch = self.training or self.running_mean is None
        update = self.training and self.track_running_stats
        out = F.batch_norm(
            input,
            self.running_mean if update or not by_batch else None,
            self.running_var if update or not by_batch else None,
            self.weight,
            self.bias,
            by_batch,
            self._step() if update else 0.0,
            self.eps,
        )
        if update and self.num_batches_tracked is not None:
            with no_grad():
                overwrite("batch_norm", self.num_batches_tracked, self.num_batches_tracked + 1)
        return out

    def _step(self) -> float:
        """How far the running statistics move: `momentum`, or (None) to the mean of all batches."""
        if self.momentum is not None:
            return self.momentum
        return 1.0 / (int(self.num_batches_tracked) + 1)


class BatchNorm1d(_BatchNorm):
    """Normalizes (N, C) or (N, C, L) per channel, then scales by `weight` and adds `bias`, both
    (C,).

    In training the batch's mean and (biased) variance are used, and `running_mean` and
    `running_var` move towards them by `momentum` (None: their mean over all batches). Raises
    `ShapeError` for one value per channel in training. Source: Ioffe, Szegedy, ICML 2015.

    >>> import gpudl as gd
    >>> gd.nn.BatchNorm1d(3)(gd.random.normal((8, 3))).shape
    (8, 3)
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalizes (N, C, H, W) per channel; see `BatchNorm1d`.

    >>> import gpudl as gd
    >>> gd.nn.BatchNorm2d(3)(gd.random.normal((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalizes (N, C, D, H, W) per channel; see `BatchNorm1d`.

    >>> import gpudl as gd
    >>> gd.nn.BatchNorm3d(2)(gd.random.normal((2, 2, 3, 3, 3))).shape
    (2, 2, 3, 3, 3)
    """

    ranks = (5,)


class LayerNorm(Module):
    """Normalizes over the last axes, whose extents are `normalized_shape`, then scales by `weight`
    and adds `bias`.

    Source: Ba, Kiros, Hinton, 2016.

    >>> import gpudl as gd
    >>> gd.nn.LayerNorm((3, 4))(gd.random.normal((2, 3, 4))).shape
    (2, 3, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        entries = (
            (normalized_shape,) if hasattr(normalized_shape, "__index__") else normalized_shape
        )
        shape = self.normalized_shape = as_ints("LayerNorm", entries)
        self.eps, self.elementwise_affine = eps, bool(elementwise_affine)
        affine = self.elementwise_affine
        self.register_parameter("weight", parameter(shape, dtype, device) if affine else None)
        self.register_parameter(
            "bias", parameter(shape, dtype, device) if affine and bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
