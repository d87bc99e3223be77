"""Initialization of parameters, in place: the schemes of `torch.nn.init`, drawn from gpudl's random
streams.

Each function writes into `tensor` without recording and returns it; `generator` is a
`gd.Generator`. Sources: Glorot, Bengio, AISTATS 2010 (xavier); He et al., ICCV 2015 (kaiming); Saxe
et al., ICLR 2014 (orthogonal).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import devices, random, shapes
from .._namespace.convert import cast
from .._namespace.creation import eye as make_eye
from ..autograd import Variable, make, no_grad
from ..autograd.writes import overwrite
from ..checks import real
from ..dtypes import float32, float64, is_float
from ..errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from ..ops import activation
from ..ops import elementwise as ew
from ..ops.reduce import sort
from ..random import Generator

_GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
_UNIT_GAINS = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that keeps the variance through `nonlinearity`; `param` is the slope of leaky_relu.

    >>> import gpudl as gd
    >>> round(gd.nn.init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if not isinstance(nonlinearity, str):
        raise ArgumentTypeError("calculate_gain", f"a name is needed, not {nonlinearity!r:.80}")
    if nonlinearity in _UNIT_GAINS:
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentTypeError("calculate_gain", f"the slope is {param!r}", remedy="a number")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ArgumentError(
            "calculate_gain",
            f"nonlinearity={nonlinearity!r}",
            remedy="one of " + ", ".join([*_UNIT_GAINS, "leaky_relu", *_GAINS]),
        )
    return _GAINS[nonlinearity]


def _write(op: str, tensor: Any, value: Any) -> Any:
    with no_grad():
        overwrite(op, tensor, cast(value, tensor.dtype))
    return tensor


def _target(op: str, tensor: Any) -> Any:
    if not isinstance(tensor, Variable):
        raise ArgumentTypeError(op, f"needs a tensor, not {tensor!r}")
    if not is_float(tensor.dtype):
        raise DTypeError(
            op, f"does not fill {tensor.dtype.name}", remedy="a floating dtype", tensor=tensor
        )
    return tensor


def _options(tensor: Any, generator: Generator | None) -> dict[str, Any]:
    return {
        "dtype": float64 if tensor.dtype == float64 else float32,
        "device": devices.of(tensor.data),
        "generator": generator,
    }


def _fans(op: str, tensor: Any) -> tuple[int, int]:
    """Inputs and outputs of one unit: (fan in, fan out)."""
    if tensor.ndim < 2:
        raise ShapeError(op, "needs at least two axes (out, in, *kernel)", tensor=tensor)
    window = shapes.count(op, tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def uniform_(
    tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Any:
    """Fill with uniform numbers from [a, b)."""
    _target("uniform_", tensor)
    return _write(
        "uniform_",
        tensor,
        random.uniform(
            tensor.shape,
            real("uniform_", "a", a),
            real("uniform_", "b", b),
            **_options(tensor, generator),
        ),
    )


def normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Any:
    """Fill with normal numbers."""
    _target("normal_", tensor)
    return _write(
        "normal_",
        tensor,
        random.normal(
            tensor.shape,
            real("normal_", "mean", mean),
            real("normal_", "std", std),
            **_options(tensor, generator),
        ),
    )


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Any:
    """Fill with normal numbers of which only those in [a, b] occur, by the inverse of the
    distribution function."""
    _target("trunc_normal_", tensor)
    mean, std = real("trunc_normal_", "mean", mean), real("trunc_normal_", "std", std)
    a, b = real("trunc_normal_", "a", a), real("trunc_normal_", "b", b)
    if not std > 0 or a > b:
        raise ArgumentError(
            "trunc_normal_", f"std={std}, a={a}, b={b}", remedy="std > 0 and a <= b"
        )
    low, high = (0.5 * (1 + math.erf((edge - mean) / std / math.sqrt(2))) for edge in (a, b))
    drawn = random.uniform(tensor.shape, 2 * low - 1, 2 * high - 1, **_options(tensor, generator))
    value = activation.erfinv(drawn) * (std * math.sqrt(2)) + mean
    return _write("trunc_normal_", tensor, value.clip(a, b))


def constant_(tensor: Any, val: float) -> Any:
    """Fill with `val`."""
    if not isinstance(tensor, Variable):
        raise ArgumentTypeError("constant_", f"needs a tensor, not {tensor!r}")
    with no_grad():
        tensor[...] = val  # type: ignore[index]
    return tensor


def ones_(tensor: Any) -> Any:
    """Fill with ones."""
    return constant_(tensor, 1)


def zeros_(tensor: Any) -> Any:
    """Fill with zeros."""
    return constant_(tensor, 0)


def eye_(tensor: Any) -> Any:
    """Fill a matrix with the identity."""
    _target("eye_", tensor)
    if tensor.ndim != 2:
        raise ShapeError("eye_", "needs a matrix", tensor=tensor)
    return _write(
        "eye_", tensor, make_eye(*tensor.shape, dtype=tensor.dtype, device=devices.of(tensor.data))
    )


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill a convolution's weight (O, I, *K) so that it passes what channels it can unchanged."""
    _target("dirac_", tensor)
    if not 3 <= tensor.ndim <= 5:
        raise ShapeError("dirac_", "needs a convolution's weight: 3 to 5 axes", tensor=tensor)
    groups = shapes.pair("dirac_", "groups", groups, 1, low=1)[0]
    if tensor.shape[0] % groups:
        raise ShapeError("dirac_", f"{tensor.shape[0]} channels for {groups} groups", tensor=tensor)
    per_group = tensor.shape[0] // groups
    host = np.zeros(tensor.shape)
    middle = tuple(k // 2 for k in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(per_group, tensor.shape[1])):
            host[(group * per_group + i, i, *middle)] = 1
    return _write("dirac_", tensor, _from_host(host, tensor))


def _from_host(array: Any, like: Any) -> Any:
    return make(devices.of(like.data).from_host(array, copy=False))


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Uniform numbers of variance gain^2 2 / (fan in + fan out)."""
    fan_in, fan_out = _fans("xavier_uniform_", _target("xavier_uniform_", tensor))
    bound = real("xavier_uniform_", "gain", gain) * math.sqrt(6 / max(fan_in + fan_out, 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Normal numbers of variance gain^2 2 / (fan in + fan out)."""
    fan_in, fan_out = _fans("xavier_normal_", _target("xavier_normal_", tensor))
    std = real("xavier_normal_", "gain", gain) * math.sqrt(2 / max(fan_in + fan_out, 1))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(op: str, tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(op, f"mode={mode!r}", remedy='"fan_in" or "fan_out"')
    fan = _fans(op, _target(op, tensor))[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Uniform numbers of variance gain^2 / fan; `a` is the slope of leaky_relu.

    >>> import gpudl as gd
    >>> w = gd.nn.init.kaiming_uniform_(gd.zeros(8, 6), generator=gd.Generator(0))
    >>> bool((abs(w) <= 1).all())
    True
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Normal numbers of variance gain^2 / fan; `a` is the slope of leaky_relu."""
    return normal_(
        tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator
    )


def orthogonal_(tensor: Any, gain: float = 1, generator: Generator | None = None) -> Any:
    """Fill with a random matrix of orthonormal rows or columns; later axes count as columns."""
    _target("orthogonal_", tensor)
    if tensor.ndim < 2:
        raise ShapeError("orthogonal_", "needs at least two axes", tensor=tensor)
    if tensor.data.size == 0:
        return tensor
    rows = tensor.shape[0]
    cols = tensor.data.size // rows
    drawn = random.normal(
        (rows, cols), dtype=float64, device=devices.of(tensor.data), generator=generator
    )
    host = devices.of(drawn.data).to_host(drawn.data)
    q, r = np.linalg.qr(host if rows >= cols else host.T)
    q = q * np.sign(np.diagonal(r))
    q = q if rows >= cols else q.T
    q = real("orthogonal_", "gain", gain) * q
    return _write("orthogonal_", tensor, _from_host(q.reshape(tensor.shape), tensor))


def sparse_(
    tensor: Any, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Any:
    """Fill a matrix with normal numbers, the share `sparsity` of each column with zeros."""
    _target("sparse_", tensor)
    if tensor.ndim != 2:
        raise ShapeError("sparse_", "needs a matrix", tensor=tensor)
    sparsity, std = real("sparse_", "sparsity", sparsity), real("sparse_", "std", std)
    if not 0 <= sparsity <= 1:
        raise ArgumentError("sparse_", f"sparsity is {sparsity}", remedy="from 0 to 1")
    options = _options(tensor, generator)
    value = random.normal(tensor.shape, 0.0, std, **options)
    zeros = math.ceil(sparsity * tensor.shape[0])
    drawn = random.uniform(tensor.shape, **options)
    place = sort(sort(drawn, axis=0, descending=False)[1], axis=0, descending=False)[1]
    kept = place >= zeros
    return _write("sparse_", tensor, value * ew.cast(kept, dtype=value.dtype))
