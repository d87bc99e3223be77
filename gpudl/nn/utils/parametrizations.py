"""Weights as direction and length, of spectral norm 1, and orthogonal: the names and state of
`torch.nn.utils.parametrizations`."""

from __future__ import annotations

from typing import Any

from ... import random, shapes
from ...autograd import Variable, no_grad
from ...autograd.writes import overwrite
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops.reduce import sum_
from ...ops.shape import permute, reshape
from .. import functional as F
from .._conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .._layer import positive
from .._module import Module
from ..functional._check import number, real_float
from ._orthogonal import MAPS, Orthogonal
from .parametrize import register_parametrization


def _weight_of(op: str, module: Any, name: Any) -> Any:
    weight = getattr(module, name, None) if isinstance(name, str) else None
    if not isinstance(module, Module) or not isinstance(weight, Variable):
        raise ArgumentError(op, f"{module!r:.60} has no parameter or buffer {name!r:.60}")
    return weight


class _WeightNorm(Module):
    """original0 * original1 / |original1|, with the norms over all axes but `dim` (None: all)."""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def _norm(self, v: Any) -> Any:
        axes = tuple(i for i in range(v.ndim) if self.dim is None or i != self.dim)
        return ew.sqrt(sum_(ew.square(v), axis=axes, keepdims=self.dim is not None))

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_v * (weight_g / self._norm(weight_v))

    def right_inverse(self, weight: Any) -> Any:
        return self._norm(weight), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Make a weight the product of a length (`parametrizations.<name>.original0`) and a direction
    (`original1`), and return `module`.

    One length for each index of the axis `dim`, or (None) one for all. Source: Salimans, Kingma,
    NeurIPS 2016.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> {key: value.shape for key, value in fc.parametrizations.weight.state_dict().items()}
    {'original0': (2, 1), 'original1': (2, 3)}
    """
    op = "weight_norm"
    weight = real_float(op, _weight_of(op, module, name), name)
    # PyTorch's -1 is "all axes" here, as None is.
    kept = None if dim is None or dim == -1 else shapes.normalize_axis(op, dim, weight.ndim)
    return register_parametrization(module, name, _WeightNorm(kept), unsafe=True)


class _SpectralNorm(Module):
    """weight / sigma, with the largest singular value by the power method."""

    def __init__(self, weight: Any, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps
        if weight.ndim < 2:  # the norm of a vector needs no method
            return
        self.n_power_iterations = n_power_iterations
        with no_grad():
            matrix = self._matrix(weight.detach())
            for name, n in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                drawn = random.normal((n,)).to_device(weight.device)
                drawn = F.normalize(drawn.astype(weight.dtype, copy=False), dim=0, eps=eps)
                self.register_buffer(name, drawn)
            self._advance(matrix, 15)

    def _matrix(self, weight: Any) -> Any:
        rest = [i for i in range(weight.ndim) if i != self.dim]
        front = weight if self.dim == 0 else permute(weight, axes=(self.dim, *rest))
        n = front.shape[0]
        return reshape(front, shape=(n, front.data.size // n))

    def _advance(self, matrix: Any, steps: int) -> None:
        u, v = self._u, self._v
        for _ in range(steps):
            u = F.normalize(matrix @ v, dim=0, eps=self.eps)
            v = F.normalize(u @ matrix, dim=0, eps=self.eps)
        overwrite("spectral_norm", self._u, u)
        overwrite("spectral_norm", self._v, v)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        with no_grad():
            if self.training:
                self._advance(matrix.detach(), self.n_power_iterations)
            # Copies: the next call overwrites the buffers, and backward reads these.
            u, v = self._u.clone(), self._v.clone()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a weight by its largest singular value, and return `module`.

    The weight is a matrix with the axis `dim` (0, or 1 of transposed convolutions) as rows; the
    singular vectors, `parametrizations.<name>.0._u` and `._v`, are kept, and move by
    `n_power_iterations` steps of the power method each time the weight is computed in training
    mode. A vector is divided by its norm. Source: Miyato et al., ICLR 2018.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.spectral_norm(gd.nn.Linear(20, 30), n_power_iterations=50)
    >>> round(float(gd.linalg.svdvals(fc.weight)[0]), 3)
    1.0
    """
    op = "spectral_norm"
    weight = real_float(op, _weight_of(op, module, name), name)
    if weight.data.size == 0 or weight.ndim == 0:
        raise ShapeError(op, "a weight without entries or axes has no norm", weight=weight)
    steps = positive(op, "n_power_iterations", n_power_iterations)
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    at = shapes.normalize_axis(op, dim, weight.ndim)
    made = _SpectralNorm(weight, steps, at, number(op, "eps", eps))
    return register_parametrization(module, name, made)


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Make the columns of a weight (..., m, n) orthonormal, its rows where m < n, and return
    `module`.

    `orthogonal_map` is "matrix_exp", "cayley" or "householder" (None: the first for square and
    complex weights, else the last). The weight starts as it is if it is orthogonal, else as its Q
    factor; with `use_trivialization` that lies in `parametrizations.<name>.0.base`, and the map
    starts at the identity. Source: Lezcano-Casado, NeurIPS 2019.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.orthogonal(gd.nn.Linear(4, 3))
    >>> bool((abs(fc.weight @ fc.weight.T - gd.eye(3)) < 1e-5).all())
    True
    """
    op = "orthogonal"
    weight = _weight_of(op, module, name)
    if weight.ndim < 2:
        raise ShapeError(op, "needs matrices", weight=weight)
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1] or weight.dtype.kind == "c"
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in MAPS:
        raise ArgumentError(
            op, f"orthogonal_map={orthogonal_map!r:.60}", remedy=f"one of {', '.join(MAPS)}"
        )
    made = Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
