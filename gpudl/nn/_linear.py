"""Linear layers, and layers that only change the shape."""

from __future__ import annotations

import math
from typing import Any

from .. import shapes
from ..errors import ArgumentError
from . import functional as F
from . import init
from ._layer import parameter, positive, size
from ._module import Module
from ._parameter import Parameter
from .functional._check import tensor


def fan_in_bias_(bias: Any, fan_in: int) -> None:
    """PyTorch's default of biases: uniform within 1 / sqrt(fan in)."""
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    init.uniform_(bias, -bound, bound)


class Identity(Module):
    """Gives its input back; takes and ignores any arguments.

    >>> import gpudl as gd
    >>> gd.nn.Identity(54)(gd.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """x @ weight.T + bias: (..., in_features) to (..., out_features).

    `weight` is (out_features, in_features), `bias` (out_features,), both uniform within 1 /
    sqrt(in_features). Raises `ShapeError` for another last extent, `DTypeError` for another dtype
    than the weight's.

    >>> import gpudl as gd
    >>> gd.nn.Linear(3, 2)(gd.ones(4, 3)).shape
    (4, 2)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = size("Linear", "in_features", in_features)
        self.out_features = size("Linear", "out_features", out_features)
        self.weight = parameter((self.out_features, self.in_features), dtype, device)
        self.register_parameter(
            "bias", parameter((self.out_features,), dtype, device) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in_bias_(self.bias, self.in_features)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Bilinear(Module):
    """x1 @ weight[n] @ x2 + bias[n]: (..., in1_features) and (..., in2_features) to (...,
    out_features).

    >>> import gpudl as gd
    >>> gd.nn.Bilinear(3, 4, 2)(gd.ones(5, 3), gd.ones(5, 4)).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = positive("Bilinear", "in1_features", in1_features)
        self.in2_features = positive("Bilinear", "in2_features", in2_features)
        self.out_features = positive("Bilinear", "out_features", out_features)
        self.weight = parameter(
            (self.out_features, self.in1_features, self.in2_features), dtype, device
        )
        self.register_parameter(
            "bias", parameter((self.out_features,), dtype, device) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """The axes from `start_dim` to `end_dim`, both included, as one.

    >>> import gpudl as gd
    >>> gd.nn.Flatten()(gd.ones(2, 3, 4)).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return tensor("Flatten", input).flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` as several, of extents `unflattened_size`, one of which may be -1.

    >>> import gpudl as gd
    >>> gd.nn.Unflatten(1, (3, 4))(gd.ones(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: Any, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise ArgumentError(
                "Unflatten", "named axes are not there", remedy="the number of the axis"
            )
        self.dim = shapes.as_int("Unflatten", "dim", dim)
        self.unflattened_size = shapes.as_shape("Unflatten", unflattened_size, unknown=True)

    def forward(self, input: Any) -> Any:
        at = shapes.normalize_axis("Unflatten", self.dim, tensor("Unflatten", input).ndim)
        inner = shapes.resolve_reshape("Unflatten", (input.shape[at],), self.unflattened_size)
        return input.reshape((*input.shape[:at], *inner, *input.shape[at + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
