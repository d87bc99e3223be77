"""Activations made of straight pieces, as layers. Shapes pass through.

`inplace` is taken as the permission to reuse the input's memory, of which no use is made.
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from . import init
from ._layer import parameter, positive
from ._module import Module


class ReLU(Module):
    """max(x, 0).

    >>> import gpudl as gd
    >>> y = gd.nn.ReLU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.0, 0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU6(Module):
    """x limited to [0, 6].

    >>> import gpudl as gd
    >>> y = gd.nn.ReLU6()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.0, 0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.relu6(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where positive, else negative_slope x.

    >>> import gpudl as gd
    >>> y = gd.nn.LeakyReLU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.01, 0.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Hardtanh(Module):
    """x limited to [min_val, max_val].

    >>> import gpudl as gd
    >>> y = gd.nn.Hardtanh()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-1.0, 0.0, 1.0]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Any) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (
            ", inplace=True" if self.inplace else ""
        )


class Hardsigmoid(Module):
    """relu6(x + 3) / 6.

    >>> import gpudl as gd
    >>> y = gd.nn.Hardsigmoid()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.3333, 0.5, 0.8333]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input)


class Hardswish(Module):
    """x relu6(x + 3) / 6. Source: Howard et al., ICCV 2019.

    >>> import gpudl as gd
    >>> y = gd.nn.Hardswish()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.3333, 0.0, 1.6667]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.hardswish(input)


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    >>> import gpudl as gd
    >>> y = gd.nn.Hardshrink()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-1.0, 0.0, 2.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 within it.

    >>> import gpudl as gd
    >>> y = gd.nn.Softshrink()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.5, 0.0, 1.5]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Threshold(Module):
    """x where above `threshold`, else `value`.

    >>> import gpudl as gd
    >>> y = gd.nn.Threshold(0.5, 0.0)(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.0, 0.0, 2.0]
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Any) -> Any:
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (
            ", inplace=True" if self.inplace else ""
        )


class PReLU(Module):
    """x where positive, else weight x; `weight` (num_parameters,) is one number, or one per channel
    (axis 1).

    Source: He et al., ICCV 2015.

    >>> import gpudl as gd
    >>> gd.nn.PReLU()(gd.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = positive("PReLU", "num_parameters", num_parameters)
        self.init = init
        self.weight = parameter((self.num_parameters,), dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all slopes to `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where positive, else slope x, each slope drawn from [lower, upper) in training, else their
    mean. Source: Xu et al. 2015.

    >>> import gpudl as gd
    >>> gd.nn.RReLU(0.25, 0.75).eval()(gd.tensor([-8.0, 2.0])).tolist()
    [-4.0, 2.0]
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (
            ", inplace=True" if self.inplace else ""
        )
