"""ONNX's reductions, running sums and orders as calls of gpudl."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gpudl as gd

from .arguments import ints, listed


def _over(f: Callable[..., Any], entry: Callable[[Any], Any] | None = None) -> Callable[..., Any]:
    """The reduction `f`, with axes as an attribute or an input.

    `entry` is what happens to each element first: all that is left where no axis is reduced.
    """

    def reduced(x: Any, axes: Any = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        chosen = None if axes is None else tuple(listed(axes))
        if not chosen:
            if noop_with_empty_axes:
                return entry(x) if entry else x
            chosen = None
        return f(x, axis=chosen, keepdims=bool(keepdims))

    return reduced


def _extremum(f: Callable[..., Any], bottom: bool) -> Callable[..., Any]:
    """Of no elements: the least, or the greatest, of the dtype, which the array API leaves open."""

    def extremum(x: Any, axis: Any, keepdims: bool) -> Any:
        if x.dtype == gd.bool:
            return (gd.any if bottom else gd.all)(x, axis=axis, keepdims=keepdims)
        return f(x, axis=axis, keepdims=keepdims)

    return extremum


def _arg(f: Callable[..., Any]) -> Callable[..., Any]:
    def position(x: Any, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        if select_last_index:
            flipped = f(gd.flip(x, axis=axis), axis=axis, keepdims=bool(keepdims))
            return x.shape[axis] - 1 - flipped
        return f(x, axis=axis, keepdims=bool(keepdims))

    return position


def _running(f: Callable[..., Any]) -> Callable[..., Any]:
    def running(x: Any, axis: Any, exclusive: int = 0, reverse: int = 0) -> Any:
        along = ints(axis)
        along = along[0] if isinstance(along, list) else along
        if reverse:
            x = gd.flip(x, axis=along)
        y = f(x, axis=along, dtype=x.dtype, include_initial=bool(exclusive))
        if exclusive:
            y = gd.take(y, gd.arange(x.shape[along]), axis=along)
        return gd.flip(y, axis=along) if reverse else y

    return running


def top_k(x: Any, k: Any, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    order = gd.argsort(x, axis=axis, descending=bool(largest))
    order = gd.take(order, gd.arange(listed(k)[0]), axis=axis)
    return gd.take_along_axis(x, order, axis=axis), order


def unique(x: Any, axis: int | None = None, sorted: int = 1) -> Any:
    if axis is not None or not sorted:
        raise NotImplementedError("unique along an axis, or in order of appearance")
    return tuple(part.reshape(-1) for part in gd.unique_all(x))


def _l1(x: Any, **options: Any) -> Any:
    return gd.sum(abs(x), dtype=x.dtype, **options)


def _sum(x: Any, **options: Any) -> Any:
    return gd.sum(x, dtype=x.dtype, **options)


def _sum_square(x: Any, **options: Any) -> Any:
    return gd.sum(x * x, dtype=x.dtype, **options)


OPS: dict[str, Any] = {
    "ArgMax": _arg(gd.argmax),
    "ArgMin": _arg(gd.argmin),
    "CumProd": _running(gd.cumulative_prod),
    "CumSum": _running(gd.cumulative_sum),
    "ReduceL1": _over(_l1, gd.abs),
    "ReduceL2": _over(lambda x, **o: gd.sqrt(_sum_square(x, **o)).astype(x.dtype), gd.abs),
    "ReduceLogSum": _over(lambda x, **o: gd.log(gd.sum(x, **o)), gd.log),
    "ReduceLogSumExp": _over(gd.logsumexp),
    "ReduceMax": _over(_extremum(gd.max, True)),
    "ReduceMean": _over(gd.mean),
    "ReduceMin": _over(_extremum(gd.min, False)),
    "ReduceProd": _over(lambda x, **o: gd.prod(x, dtype=x.dtype, **o)),
    "ReduceSum": _over(_sum),
    "ReduceSumSquare": _over(_sum_square, gd.square),
    "TopK": top_k,
    "Unique": unique,
}
