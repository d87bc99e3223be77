"""NumPy's own functions on tensors: what `np.concatenate([t, u])` and its like call.

Arguments are those of NumPy, by position or by name; `out=` and what else gpudl does not have raise
a typed error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError
from . import creation, einsum, elementwise, linear, manipulation, numpy_names, reductions, sorting

Function = Callable[..., Any]


def _reduced(function: Function) -> Function:
    def call(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return function(a, axis=axis, keepdims=keepdims)

    return call


def _summed(function: Function) -> Function:
    def call(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        return function(a, axis=axis, dtype=dtype, keepdims=keepdims)

    return call


def _scanned(function: Function) -> Function:
    def call(a: Any, axis: Any = None, dtype: Any = None) -> Any:
        flat = numpy_names.ravel(a) if axis is None else a
        return function(flat, axis=0 if axis is None else axis, dtype=dtype)

    return call


def _mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    x = a if dtype is None else creation.astype(a, dtype, copy=False)
    return reductions.mean(x, axis=axis, keepdims=keepdims)


def _spread(function: Function) -> Function:
    def call(
        a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, correction: Any = None
    ) -> Any:
        steps = ddof if correction is None else correction
        return function(a, axis=axis, correction=steps, keepdims=keepdims)

    return call


def _ordered(function: Function) -> Function:
    def call(a: Any, axis: int | None = -1, *, stable: bool | None = None) -> Any:
        return function(
            numpy_names.ravel(a) if axis is None else a, axis=-1 if axis is None else axis
        )

    return call


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    return manipulation.concat(arrays, axis=axis)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return manipulation.stack(arrays, axis=axis)


def _where(condition: Any, *choices: Any) -> Any:
    return elementwise.where(condition, *choices) if choices else sorting.nonzero(condition)


def _squeeze(a: Any, axis: Any = None) -> Any:
    return creation.asarray(a).squeeze(axis)


def _flip(m: Any, axis: Any = None) -> Any:
    return manipulation.flip(m, axis=axis)


def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return manipulation.roll(a, shift, axis=axis)


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return manipulation.repeat(a, repeats, axis=axis)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return list(numpy_names.split(ary, indices_or_sections, axis=axis))


def _reshape(a: Any, /, shape: Any, *, copy: bool | None = None) -> Any:
    return manipulation.reshape(a, shape, copy=copy)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return linear.tensordot(a, b, axes=axes)


def _copy(a: Any) -> Any:
    return creation.asarray(a, copy=True)


def _filled_like(function: Function) -> Function:
    def call(a: Any, dtype: Any = None) -> Any:
        return function(a, dtype=dtype)

    return call


TABLE: dict[Any, Function] = {
    np.sum: _summed(reductions.sum),
    np.prod: _summed(reductions.prod),
    np.mean: _mean,
    np.var: _spread(reductions.var),
    np.std: _spread(reductions.std),
    np.max: _reduced(reductions.max),
    np.min: _reduced(reductions.min),
    np.amax: _reduced(reductions.max),
    np.amin: _reduced(reductions.min),
    np.any: _reduced(reductions.any),
    np.all: _reduced(reductions.all),
    np.argmax: _reduced(reductions.argmax),
    np.argmin: _reduced(reductions.argmin),
    np.count_nonzero: _reduced(reductions.count_nonzero),
    np.cumsum: _scanned(reductions.cumulative_sum),
    np.cumprod: _scanned(reductions.cumulative_prod),
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.vstack: numpy_names.vstack,
    np.hstack: numpy_names.hstack,
    np.split: _split,
    np.reshape: _reshape,
    np.ravel: numpy_names.ravel,
    np.transpose: numpy_names.transpose,
    np.swapaxes: numpy_names.swapaxes,
    np.moveaxis: manipulation.moveaxis,
    np.expand_dims: manipulation.expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: manipulation.broadcast_to,
    np.flip: _flip,
    np.roll: _roll,
    np.repeat: _repeat,
    np.tile: manipulation.tile,
    np.where: _where,
    np.clip: elementwise.clip,
    np.round: elementwise.round,
    np.real: elementwise.real,
    np.imag: elementwise.imag,
    np.sort: _ordered(sorting.sort),
    np.argsort: _ordered(sorting.argsort),
    np.nonzero: sorting.nonzero,
    np.unique: sorting.unique_values,
    np.einsum: einsum.einsum,
    np.tensordot: _tensordot,
    np.dot: numpy_names.dot,
    np.outer: linear.outer,
    np.tril: creation.tril,
    np.triu: creation.triu,
    np.copy: _copy,
    np.zeros_like: _filled_like(creation.zeros_like),
    np.ones_like: _filled_like(creation.ones_like),
    np.empty_like: _filled_like(creation.empty_like),
}


def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`function`, one of NumPy's, on tensors. Raises `ArgumentTypeError` for one that is not in
    the table.
    """
    name = f"{getattr(function, '__module__', 'numpy')}.{getattr(function, '__name__', function)}"
    found = TABLE.get(function)
    if found is None:
        raise ArgumentTypeError(
            name, "is not defined on tensors", remedy="use the function of gpudl, or x.numpy()"
        )
    given = {key: value for key, value in kwargs.items() if not (key == "out" and value is None)}
    try:
        return found(*args, **given)
    except TypeError as error:
        if "argument" not in str(error) or isinstance(error, ArgumentTypeError):
            raise
        raise ArgumentTypeError(
            name,
            str(error).partition("() ")[2] or str(error),
            remedy="use the function of gpudl, or x.numpy()",
        ) from None
