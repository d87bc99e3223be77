"""Smooth activations as layers. Shapes pass through, except that `GLU` halves one axis.

`inplace` is taken as the permission to reuse the input's memory, of which no use is made.
"""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from . import functional as F
from ._module import Module
from .functional._check import tensor


class ELU(Module):
    """x where positive, else alpha (exp(x) - 1). Source: Clevert et al., ICLR 2016.

    >>> import gpudl as gd
    >>> y = gd.nn.ELU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.6321, 0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """A scaled ELU with the fixed point mean 0, variance 1. Source: Klambauer et al., NeurIPS 2017.

    >>> import gpudl as gd
    >>> y = gd.nn.SELU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-1.1113, 0.0, 2.1014]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.selu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """x where positive, else alpha (exp(x / alpha) - 1). Source: Barron, 2017.

    >>> import gpudl as gd
    >>> y = gd.nn.CELU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.6321, 0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """x Phi(x), with the normal distribution exact ("none") or by "tanh". Source: Hendrycks,
    Gimpel, 2016.

    >>> import gpudl as gd
    >>> y = gd.nn.GELU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.1587, 0.0, 1.9545]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x sigmoid(x).

    >>> import gpudl as gd
    >>> y = gd.nn.SiLU()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.2689, 0.0, 1.7616]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.silu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Mish(Module):
    """x tanh(softplus(x)). Source: Misra, 2019.

    >>> import gpudl as gd
    >>> y = gd.nn.Mish()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.3034, 0.0, 1.944]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.mish(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    >>> import gpudl as gd
    >>> y = gd.nn.Sigmoid()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.2689, 0.5, 0.8808]
    """

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow.

    >>> import gpudl as gd
    >>> y = gd.nn.LogSigmoid()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-1.3133, -0.6931, -0.1269]
    """

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    >>> import gpudl as gd
    >>> y = gd.nn.Tanh()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.7616, 0.0, 0.964]
    """

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta; x itself where beta x > threshold.

    >>> import gpudl as gd
    >>> y = gd.nn.Softplus()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.3133, 0.6931, 2.1269]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + |x|).

    >>> import gpudl as gd
    >>> y = gd.nn.Softsign()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.5, 0.0, 0.6667]
    """

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x).

    >>> import gpudl as gd
    >>> y = gd.nn.Tanhshrink()(gd.tensor([-1.0, 0.0, 2.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.2384, 0.0, 1.036]
    """

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)


class GLU(Module):
    """a sigmoid(b), with a and b the halves of x along `dim`. Source: Dauphin et al., ICML 2017.

    >>> import gpudl as gd
    >>> y = gd.nn.GLU()(gd.tensor([1.0, 0.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.5]
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """exp(x) over its sum along `dim`, which is needed.

    >>> import gpudl as gd
    >>> y = gd.nn.Softmax(dim=0)(gd.tensor([0.0, 0.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """The softmax over the channels of (N, C, H, W) or (C, H, W), at each place.

    >>> import gpudl as gd
    >>> gd.nn.Softmax2d()(gd.ones(1, 2, 1, 1)).tolist()
    [[[[0.5]], [[0.5]]]]
    """

    def forward(self, input: Any) -> Any:
        if tensor("Softmax2d", input).ndim not in (3, 4):
            raise ShapeError("Softmax2d", "needs (N, C, H, W) or (C, H, W)", input=input)
        return F.softmax(input, -3)


class LogSoftmax(Module):
    """The logarithm of `Softmax`, without overflow.

    >>> import gpudl as gd
    >>> y = gd.nn.LogSoftmax(dim=0)(gd.tensor([0.0, 0.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [-0.6931, -0.6931]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """The softmax of -x along `dim`, which is needed.

    >>> import gpudl as gd
    >>> y = gd.nn.Softmin(dim=0)(gd.tensor([0.0, 0.0]))
    >>> [round(v, 4) for v in y.tolist()]
    [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
