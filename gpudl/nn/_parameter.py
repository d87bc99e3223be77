"""`Parameter`: a tensor that a module finds among its attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices
from .._namespace.convert import tensor_of
from ..autograd import Variable, make, new_leaf, no_grad
from ..autograd.variable import share
from ..ops.shape import copy
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    `data` is a tensor (its memory is shared) or anything `gd.asarray` takes; with `requires_grad`
    it is a leaf of the tape. Results of operations on parameters are plain tensors. Source:
    PyTorch's `torch.nn.Parameter`.

    >>> import gpudl as gd
    >>> w = gd.nn.Parameter(gd.ones(2))
    >>> w
    Parameter(tensor([1., 1.], requires_grad=True))
    >>> type(w * 2).__name__
    'Tensor'
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        source = data if isinstance(data, Variable) else tensor_of("Parameter", data)
        self.data, self._node, self._alias = source.data, None, None
        if source is data:
            share(source, self)
        if requires_grad:
            self._node = new_leaf(self.data.shape, self.data.dtype)

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._c_order(), self.requires_grad, self.device.name)

    def __copy__(self) -> Parameter:
        out = Parameter(self, requires_grad=False)
        out._node = self._node
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        with no_grad():
            out = Parameter(make(copy(self).data), requires_grad=self.requires_grad)
        if self.grad is not None:
            out.grad = self.grad.clone()
        memo[id(self)] = out
        return out


def _rebuild(array: np.ndarray[Any, Any], requires_grad: bool, device: str = "cpu") -> Parameter:
    return Parameter(make(devices.device(device).from_host(array, copy=False)), requires_grad)
