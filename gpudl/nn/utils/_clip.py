"""Helpers over all parameters: clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..._namespace.creation import zeros
from ..._namespace.manipulation import concat
from ...autograd import Variable, no_grad
from ...autograd.writes import overwrite
from ...checks import flag, items
from ...dtypes import accumulator
from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as ew
from ...ops.reduce import max_, sum_
from ...ops.shape import reshape
from ..functional._check import constant, number, tensor


def _gradients(op: str, parameters: Any) -> list[Any]:
    if isinstance(parameters, Variable):
        parameters = [parameters]
    return [p.grad for p in _tensors(op, "parameters", parameters) if p.grad is not None]


def _tensors(op: str, name: str, given: Any) -> list[Any]:
    return [tensor(op, x, f"an entry of {name}") for x in items(op, name, given)]


def get_total_norm(
    tensors: Iterable[Any],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The p-norm of all elements of `tensors` together, a 0-d tensor. With `error_if_nonfinite`
    raises `ArgumentError` if it is NaN or infinite.

    >>> import gpudl as gd
    >>> gd.nn.utils.get_total_norm([gd.tensor([3.0]), gd.tensor([4.0])]).item()
    5.0
    """
    total = _total_norm(tensors, norm_type)
    if flag("get_total_norm", "error_if_nonfinite", error_if_nonfinite):
        _check_finite("get_total_norm", total)
    return total


def _check_finite(op: str, total: Any) -> None:
    if not math.isfinite(total.item()):
        raise ArgumentError(
            op, f"the norm of the gradients is {total.item()}", remedy="a smaller step"
        )


def _total_norm(tensors: Iterable[Any], norm_type: float) -> Any:
    p = number("norm", "norm_type", norm_type)
    if not p > 0:
        raise ArgumentError("norm", f"norm_type is {p}", remedy="a positive number")
    parts = []
    with no_grad():
        for x in _tensors("norm", "tensors", tensors):
            wide = ew.cast(x, dtype=accumulator(x.dtype)) if x.dtype != accumulator(x.dtype) else x
            axes = tuple(range(wide.ndim))
            if p == math.inf:
                size = ew.absolute(wide)
                parts.append(
                    max_(size, axis=axes, keepdims=False)
                    if x.data.size
                    else sum_(size, axis=axes, keepdims=False)
                )
            else:
                term = ew.square(wide) if p == 2 else ew.absolute(wide) ** p
                parts.append(sum_(term, axis=axes, keepdims=False))
        if not parts:
            return zeros(())
        total = parts[0]
        for part in parts[1:]:
            total = ew.maximum(total, part) if p == math.inf else total + part
        return total if p == math.inf else ew.sqrt(total) if p == 2 else total ** (1 / p)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients so that their norm together is at most `max_norm`; returns the norm
    before.

    >>> import gpudl as gd
    >>> w = gd.nn.Parameter(gd.tensor([3.0, 4.0]))
    >>> (w * w).sum().backward()
    >>> gd.nn.utils.clip_grad_norm_(w, 1.0).item()
    10.0
    """
    grads = _gradients("clip_grad_norm_", parameters)
    total = _total_norm(grads, norm_type)
    if flag("clip_grad_norm_", "error_if_nonfinite", error_if_nonfinite):
        _check_finite("clip_grad_norm_", total)
    _scale("clip_grad_norm_", grads, max_norm, total)
    return total


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale the gradients as `clip_grad_norm_` does, by a `total_norm` that is known, a 0-d tensor.

    >>> import gpudl as gd
    >>> w = gd.nn.Parameter(gd.tensor([3.0, 4.0]))
    >>> (w * w).sum().backward()
    >>> norm = gd.nn.utils.get_total_norm([w.grad])
    >>> gd.nn.utils.clip_grads_with_norm_(w, 5.0, norm)
    >>> round(gd.nn.utils.get_total_norm([w.grad]).item(), 4)
    5.0
    """
    op = "clip_grads_with_norm_"
    grads = _gradients(op, parameters)
    total = tensor(op, total_norm, "total_norm")
    if total.ndim:
        raise ShapeError(op, "total_norm is a 0-d tensor", total_norm=total)
    _scale(op, grads, max_norm, total)


def _scale(op: str, grads: list[Any], max_norm: float, total: Any) -> None:
    """Multiply `grads` by max_norm / total where that is below 1."""
    with no_grad():
        factor = ew.minimum(
            number(op, "max_norm", max_norm) / (total + 1e-6), constant(op, total, 1)
        )
        for grad in grads:
            overwrite(op, grad, grad * ew.cast(factor, dtype=grad.dtype))


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of the gradients to [-clip_value, clip_value]."""
    bound = number("clip_grad_value_", "clip_value", clip_value)
    with no_grad():
        for grad in _gradients("clip_grad_value_", parameters):
            overwrite("clip_grad_value_", grad, grad.clip(-bound, bound))


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All parameters, flattened, one after the other; gradients pass.

    >>> import gpudl as gd
    >>> gd.nn.utils.parameters_to_vector(gd.nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    parts = [
        reshape(p, shape=(p.data.size,))
        for p in _tensors("parameters_to_vector", "parameters", parameters)
    ]
    if not parts:
        raise ArgumentError("parameters_to_vector", "no parameters")
    return concat(parts)


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Write the parts of `vec` into the parameters, without recording."""
    params = _tensors("vector_to_parameters", "parameters", parameters)
    total = sum(p.data.size for p in params)
    if not isinstance(vec, Variable) or vec.shape != (total,):
        raise ShapeError("vector_to_parameters", f"needs a vector of {total} elements", vec=vec)
    start = 0
    with no_grad():
        for p in params:
            part = vec.detach()[start : start + p.data.size]  # type: ignore[attr-defined]
            overwrite(
                "vector_to_parameters", p, reshape(part.astype(p.dtype, copy=False), shape=p.shape)
            )
            start += p.data.size
