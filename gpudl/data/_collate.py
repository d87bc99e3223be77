"""From samples to a batch: equal structures, stacked leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, DTypeError, ShapeError
from ._dataset import raw

_REMEDY = "give the DataLoader a collate_fn that makes a batch of such samples"


def collate_arrays(samples: Sequence[Any]) -> Any:
    """A batch of `samples` with arrays as its leaves; strings and bytes stay in lists."""
    first = samples[0]
    if isinstance(first, str | bytes):  # before the arrays, for numpy.str_ is a string
        return list(samples)
    if isinstance(first, np.ndarray | np.generic):
        return _stack([np.asarray(sample) for sample in samples])
    if isinstance(first, bool | int | float | complex):
        return _numbers(samples)
    if isinstance(first, Mapping):
        keys = list(first)
        _same(samples, lambda s: isinstance(s, Mapping) and set(s) == set(keys), f"keys {keys}")
        return {key: collate_arrays([sample[key] for sample in samples]) for key in keys}
    if isinstance(first, tuple | list):
        _same(
            samples,
            lambda s: isinstance(s, tuple | list) and len(s) == len(first),
            f"{len(first)} parts",
        )
        parts = [collate_arrays(part) for part in zip(*samples, strict=True)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*parts)
        return parts if isinstance(first, list) else tuple(parts)
    if isinstance(getattr(first, "data", None), np.ndarray):
        return _stack([raw(sample) for sample in samples])
    raise ArgumentTypeError(
        "default_collate", f"cannot make a batch of {type(first).__name__}", remedy=_REMEDY
    )


def map_arrays(function: Callable[[np.ndarray[Any, Any]], Any], tree: Any) -> Any:
    """`tree` with `function` applied to each of its arrays."""
    if isinstance(tree, np.ndarray):
        return function(tree)
    if isinstance(tree, dict):
        return {key: map_arrays(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        parts = [map_arrays(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, list):
        return [map_arrays(function, part) for part in tree]
    return tree


def _same(samples: Sequence[Any], fits: Callable[[Any], bool], what: str) -> None:
    for i, sample in enumerate(samples):
        if not fits(sample):
            raise ShapeError(
                "default_collate",
                f"sample 0 of the batch has {what}, sample {i} is {sample!r:.80}",
                remedy=_REMEDY,
            )


def _stack(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    first = arrays[0]
    if first.dtype.kind in "OSUMm":
        raise DTypeError("default_collate", f"does not stack {first.dtype}", remedy=_REMEDY)
    for i, array in enumerate(arrays):
        if array.shape != first.shape or array.dtype != first.dtype:
            raise ShapeError(
                "default_collate",
                f"sample 0 and sample {i} of the batch differ in shape or dtype",
                remedy=_REMEDY,
                **{"sample 0": first, f"sample {i}": array},
            )
    return np.stack(arrays)


def _numbers(samples: Sequence[Any]) -> np.ndarray[Any, Any]:
    for i, sample in enumerate(samples):
        if not isinstance(sample, bool | int | float | complex):
            raise ArgumentTypeError(
                "default_collate",
                f"sample 0 of the batch is a number, sample {i} is {sample!r:.80}",
                remedy=_REMEDY,
            )
    # As in gd.tensor of a list: ints are int64, floats float32.
    dtype: type[np.generic] = np.bool_
    for kind, wider in ((int, np.int64), (float, np.float32), (complex, np.complex64)):
        if any(isinstance(sample, kind) and not isinstance(sample, bool) for sample in samples):
            dtype = wider
    try:
        return np.array(samples, dtype=dtype)
    except OverflowError as error:
        raise DTypeError("default_collate", f"{error}", remedy=_REMEDY) from None
