"""Data sets: what a `DataLoader` reads samples from."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexRangeError,
    ShapeError,
    describe,
    undefined,
)
from ..random import Generator
from ._checks import indexed, iterable, number
from ._seed import permutation
from ._tensors import choose_seed

Array = np.ndarray[Any, Any]
T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A data set with samples by index: a subclass defines `__getitem__` and `__len__`.

    >>> import gpudl as gd
    >>> class Squares(gd.data.Dataset[int]):
    ...     def __len__(self) -> int:
    ...         return 4
    ...     def __getitem__(self, index: int) -> int:
    ...         return index * index
    >>> [int(batch.sum()) for batch in gd.data.DataLoader(Squares(), batch_size=2)]
    [1, 13]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise undefined(self, "__getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Generic[T_co]):
    """A stream of samples: a subclass defines `__iter__`.

    One worker reads the stream, in order, whatever `num_workers` is, so the batches are always the
    same. A stream that differs by epoch defines `set_epoch(epoch)`, which the loader calls before
    `__iter__`.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise undefined(self, "__iter__")


def raw(x: Any) -> Array:
    """The array of a tensor or array."""
    data = x if isinstance(x, np.ndarray) else getattr(x, "data", None)
    return data if isinstance(data, np.ndarray) else np.asarray(x)


def in_range(op: str, index: Any, length: int) -> int:
    """`index` counted from 0; raises `IndexRangeError` outside [-length, length)."""
    try:
        value = operator.index(index)
    except TypeError:
        raise ArgumentTypeError(op, f"an index is an integer, not {index!r}") from None
    if not -length <= value < length:
        raise IndexRangeError(op, f"index {value} is out of range for {length} samples")
    return value + length if value < 0 else value


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Samples that are rows of tensors or arrays: `dataset[i]` is `(x[i], y[i], ...)`.

    `tensors`: each of shape (N, ...), with the same N. Raises `ShapeError` when the lengths differ.
    A `DataLoader` with the default collation takes a whole batch of it by one indexing per tensor.

    >>> import gpudl as gd
    >>> dataset = gd.data.TensorDataset(gd.zeros((5, 3)), gd.arange(5))
    >>> len(dataset), dataset[2][0].shape
    (5, (3,))
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ArgumentError("TensorDataset", "needs at least one tensor")
        for tensor in tensors:
            if not hasattr(tensor, "shape"):
                raise ArgumentTypeError(
                    "TensorDataset", f"takes tensors and arrays, not {type(tensor).__name__}"
                )
        lengths = [tensor.shape[0] if tensor.shape else -1 for tensor in tensors]
        if lengths[0] < 0 or len(set(lengths)) > 1:
            raise ShapeError(
                "TensorDataset",
                "all tensors need the same length along axis 0",
                **{f"tensors[{i}]": tensor for i, tensor in enumerate(tensors)},
            )
        self.tensors = tensors

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(map(describe, self.tensors))})"

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        i = in_range("TensorDataset", index, len(self))
        return tuple(tensor[i] for tensor in self.tensors)

    def take(self, indices: Sequence[int]) -> tuple[Array, ...]:
        """The rows `indices` of every tensor, as arrays."""
        where = np.asarray(indices, dtype=np.int64)
        return tuple(_take(raw(tensor), where) for tensor in self.tensors)


def _take(array: Array, where: Array) -> Array:
    try:
        return array.take(where, axis=0)
    except IndexError:
        length = len(array)
        bad = where[(where < -length) | (where >= length)][0]
        raise IndexRangeError(
            "TensorDataset", f"index {bad} is out of range for {length} samples"
        ) from None


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`, in that order.

    >>> import gpudl as gd
    >>> gd.data.Subset("abcdef", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = indexed("Subset", "dataset", dataset)
        self.indices = indexed("Subset", "indices", indices)

    def __repr__(self) -> str:
        return f"Subset({type(self.dataset).__name__}, {len(self)} samples)"

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> T_co:
        i = in_range("Subset", index, len(self.indices))
        return self.dataset[self.indices[i]]  # type: ignore[no-any-return]  # the dataset says

    def take(self, indices: Sequence[int]) -> tuple[Array, ...]:
        """The rows of the tensors of a `TensorDataset` underneath."""
        where = [self.indices[in_range("Subset", i, len(self.indices))] for i in indices]
        result: tuple[Array, ...] = self.dataset.take(where)
        return result


def takes_batches(dataset: Any) -> bool:
    """Whether `dataset.take` gives what collating its samples one by one would give."""
    # A subclass may redefine what a sample is; only the methods as written here qualify.
    for known in (TensorDataset, Subset):
        if isinstance(dataset, known):
            if type(dataset).__getitem__ is not known.__getitem__:
                return False
            if isinstance(dataset, Subset):
                return takes_batches(dataset.dataset)
            return all(isinstance(raw(t), np.ndarray) for t in dataset.tensors)
    return False


class ConcatDataset(Dataset[T_co]):
    """Several data sets, one after another.

    >>> import gpudl as gd
    >>> gd.data.ConcatDataset(["abc", "de"])[3]
    'd'
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = [
            indexed("ConcatDataset", "each data set", part)
            for part in iterable("ConcatDataset", "datasets", datasets)
        ]
        if not self.datasets:
            raise ArgumentError("ConcatDataset", "needs at least one data set")
        self.ends = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: Any) -> T_co:
        i = in_range("ConcatDataset", index, len(self))
        part = bisect_right(self.ends, i)
        start = self.ends[part - 1] if part else 0
        return self.datasets[part][i - start]  # type: ignore[no-any-return]  # the dataset says


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    generator: Generator | None = None,
    *,
    seed: int | None = None,
) -> list[Subset[Any]]:
    """Split a data set at random into parts without overlap.

    `lengths`: counts that add up to `len(dataset)`, or fractions that add up to 1 (what rounding
    leaves over goes to the first parts). The same `seed` gives the same split; without one it is
    drawn from `generator`, or from the default generator. Raises `ArgumentError` when the lengths
    do not add up.

    >>> import gpudl as gd
    >>> [len(part) for part in gd.data.random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(indexed("random_split", "dataset", dataset))
    for length in iterable("random_split", "lengths", lengths):
        number("random_split", "a length", length)
    if any(not math.isfinite(length) or length < 0 for length in lengths):
        raise ArgumentError("random_split", f"lengths are {list(lengths)}", remedy="none below 0")
    if all(isinstance(length, int) for length in lengths):
        counts = [int(length) for length in lengths]
        if sum(counts) != n:
            raise ArgumentError(
                "random_split",
                f"lengths {counts} add up to {sum(counts)}, the data set has {n} samples",
            )
    else:
        if not math.isclose(sum(lengths), 1.0, abs_tol=1e-6):
            raise ArgumentError(
                "random_split",
                f"fractions {list(lengths)} add up to {sum(lengths)}",
                remedy="counts that add up to the number of samples, or fractions that add up to 1",
            )
        counts = [math.floor(n * length + 1e-9) for length in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    order = permutation(n, choose_seed("random_split", seed, generator)).tolist()
    ends = list(accumulate(counts))
    return [
        Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]
