"""Parameters and buffers whose shape is not known yet."""

from __future__ import annotations

from typing import Any

from .. import devices
from .._namespace.creation import empty
from ..autograd import no_grad
from ..autograd.writes import replace
from ..tensor import Tensor
from ._parameter import Parameter


def is_uninitialized(x: Any) -> bool:
    """Whether `x` waits for its shape."""
    return isinstance(x, (UninitializedParameter, UninitializedBuffer))


def materialize(x: Any, shape: tuple[int, ...]) -> None:
    """Give `x` memory of `shape`, in its dtype on its device; the same object becomes an ordinary
    parameter or buffer."""
    with no_grad():
        replace(x, empty(shape, dtype=x.dtype, device=devices.of(x.data)).data)
    x.__class__ = Parameter if isinstance(x, Parameter) else Tensor


class UninitializedParameter(Parameter):
    """A parameter without elements that the first call of its lazy module gives its shape, or a
    state dict.

    >>> import gpudl as gd
    >>> gd.nn.LazyLinear(3).weight
    <UninitializedParameter>
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(empty((0,), dtype=dtype, device=device), requires_grad)

    def __repr__(self) -> str:
        return "<UninitializedParameter>"

    def __reduce__(self) -> tuple[Any, ...]:
        return UninitializedParameter, (self.requires_grad, self.device.name, self.dtype)

    def __copy__(self) -> UninitializedParameter:
        return UninitializedParameter(self.requires_grad, self.device, self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        memo[id(self)] = out = self.__copy__()
        return out


class UninitializedBuffer(Tensor):
    """A buffer without elements, as `UninitializedParameter` is a parameter.

    >>> import gpudl as gd
    >>> gd.nn.LazyBatchNorm1d().running_mean
    <UninitializedBuffer>
    """

    __slots__ = ()

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        self.data = empty((0,), dtype=dtype, device=device).data
        self._node, self._alias = None, None
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return "<UninitializedBuffer>"

    def __reduce__(self) -> tuple[Any, ...]:
        return UninitializedBuffer, (self.requires_grad, self.device.name, self.dtype)

    def __copy__(self) -> UninitializedBuffer:
        return UninitializedBuffer(self.requires_grad, self.device, self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        memo[id(self)] = out = self.__copy__()
        return out
