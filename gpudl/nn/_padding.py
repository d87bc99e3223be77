"""Padding layers: `functional.pad` with a mode and margins that stay.

`padding` is one number for every side, or (low, high) of the last axis, then of the one before, ...
"""

from __future__ import annotations

from typing import Any

from ..checks import real
from ..errors import ShapeError
from . import functional as F
from ._module import Module
from .functional._check import as_ints, tensor


class _Pad(Module):
    rank: int
    mode: str
    value: float | None = None

    def __init__(self, padding: Any) -> None:
        super().__init__()
        op, sides = type(self).__name__, 2 * self.rank
        self.padding = as_ints(
            op, padding if isinstance(padding, (tuple, list)) else [padding] * sides
        )
        if len(self.padding) != sides:
            raise ShapeError(op, f"{len(self.padding)} margins", remedy=f"one number, or {sides}")

    def forward(self, input: Any) -> Any:
        x = tensor(type(self).__name__, input)
        if x.ndim not in (self.rank + 1, self.rank + 2):
            raise ShapeError(
                type(self).__name__,
                f"needs (N, C, *spatial) or (C, *spatial) with {self.rank} spatial axes",
                input=x,
            )
        return F.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = real(type(self).__name__, "value", value)

    def forward(self, input: Any) -> Any:
        return F.pad(tensor(type(self).__name__, input), self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """`value` around (N, C, L); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ConstantPad1d(1, 0.5)(gd.ones(2, 3, 4)).shape
    (2, 3, 6)
    """

    rank = 1


class ZeroPad1d(_ConstantPad):
    """Zeros around (N, C, L); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ZeroPad1d(1)(gd.ones(2, 3, 4)).shape
    (2, 3, 6)
    """

    rank = 1

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_Pad):
    """(N, C, L) mirrored at its edges, which are not repeated.

    >>> import gpudl as gd
    >>> gd.nn.ReflectionPad1d(1)(gd.ones(2, 3, 4)).shape
    (2, 3, 6)
    """

    rank, mode = 1, "reflect"


class ReplicationPad1d(_Pad):
    """(N, C, L) with its edges repeated outwards.

    >>> import gpudl as gd
    >>> gd.nn.ReplicationPad1d(1)(gd.ones(2, 3, 4)).shape
    (2, 3, 6)
    """

    rank, mode = 1, "replicate"


class CircularPad1d(_Pad):
    """(N, C, L) continued from its other end.

    >>> import gpudl as gd
    >>> gd.nn.CircularPad1d(1)(gd.ones(2, 3, 4)).shape
    (2, 3, 6)
    """

    rank, mode = 1, "circular"


class ConstantPad2d(_ConstantPad):
    """`value` around (N, C, H, W); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ConstantPad2d(1, 0.5)(gd.ones(2, 3, 4, 5)).shape
    (2, 3, 6, 7)
    """

    rank = 2


class ZeroPad2d(_ConstantPad):
    """Zeros around (N, C, H, W); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ZeroPad2d(1)(gd.ones(2, 3, 4, 5)).shape
    (2, 3, 6, 7)
    """

    rank = 2

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad2d(_Pad):
    """(N, C, H, W) mirrored at its edges, which are not repeated.

    >>> import gpudl as gd
    >>> gd.nn.ReflectionPad2d(1)(gd.ones(2, 3, 4, 5)).shape
    (2, 3, 6, 7)
    """

    rank, mode = 2, "reflect"


class ReplicationPad2d(_Pad):
    """(N, C, H, W) with its edges repeated outwards.

    >>> import gpudl as gd
    >>> gd.nn.ReplicationPad2d(1)(gd.ones(2, 3, 4, 5)).shape
    (2, 3, 6, 7)
    """

    rank, mode = 2, "replicate"


class CircularPad2d(_Pad):
    """(N, C, H, W) continued from its other end.

    >>> import gpudl as gd
    >>> gd.nn.CircularPad2d(1)(gd.ones(2, 3, 4, 5)).shape
    (2, 3, 6, 7)
    """

    rank, mode = 2, "circular"


class ConstantPad3d(_ConstantPad):
    """`value` around (N, C, D, H, W); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ConstantPad3d(1, 0.5)(gd.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 5, 6, 7)
    """

    rank = 3


class ZeroPad3d(_ConstantPad):
    """Zeros around (N, C, D, H, W); negative margins cut off.

    >>> import gpudl as gd
    >>> gd.nn.ZeroPad3d(1)(gd.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 5, 6, 7)
    """

    rank = 3

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad3d(_Pad):
    """(N, C, D, H, W) mirrored at its edges, which are not repeated.

    >>> import gpudl as gd
    >>> gd.nn.ReflectionPad3d(1)(gd.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 5, 6, 7)
    """

    rank, mode = 3, "reflect"


class ReplicationPad3d(_Pad):
    """(N, C, D, H, W) with its edges repeated outwards.

    >>> import gpudl as gd
    >>> gd.nn.ReplicationPad3d(1)(gd.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 5, 6, 7)
    """

    rank, mode = 3, "replicate"


class CircularPad3d(_Pad):
    """(N, C, D, H, W) continued from its other end.

    >>> import gpudl as gd
    >>> gd.nn.CircularPad3d(1)(gd.ones(1, 2, 3, 4, 5)).shape
    (1, 2, 5, 6, 7)
    """

    rank, mode = 3, "circular"
