"""Activations that write into their input, with the names of `torch.nn.functional`.

The result is the input. In recorded code the input becomes the result's node of the tape; a leaf
that requires a gradient refuses.
"""

from __future__ import annotations

from typing import Any

from ._activation import celu, elu, hardtanh, leaky_relu, relu, selu
from ._activation import threshold as _threshold
from ._noisy import rrelu


def _written(input: Any, values: Any) -> Any:
    input[...] = values
    return input


def relu_(input: Any) -> Any:
    """`relu`, in place.

    >>> import gpudl as gd
    >>> x = gd.tensor([-1.0, 2.0])
    >>> gd.nn.functional.relu_(x) is x, x.tolist()
    (True, [0.0, 2.0])
    """
    return _written(input, relu(input))


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """`leaky_relu`, in place."""
    return _written(input, leaky_relu(input, negative_slope))


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """`elu`, in place."""
    return _written(input, elu(input, alpha))


def selu_(input: Any) -> Any:
    """`selu`, in place."""
    return _written(input, selu(input))


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """`celu`, in place."""
    return _written(input, celu(input, alpha))


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """`hardtanh`, in place."""
    return _written(input, hardtanh(input, min_val, max_val))


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """`threshold`, in place."""
    return _written(input, _threshold(input, threshold, value))


def rrelu_(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Any:
    """`rrelu`, in place."""
    return _written(input, rrelu(input, lower, upper, training))
