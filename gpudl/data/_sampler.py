"""Samplers: the order of the samples, a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError, undefined
from ..random import Generator
from ..shapes import as_int
from ._checks import iterable, sized
from ._seed import as_seed, permutation, uniforms, words
from ._tensors import choose_seed

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order in which samples are visited: a subclass defines `__iter__`, and `__len__` where it
    knows it.

    A `DataLoader` calls `set_epoch(epoch)` before each pass. A sampler with a state of its own that
    a resumed run needs defines `state_dict()` and `load_state_dict(state)` with values that JSON
    can hold.
    """

    epoch = 0

    def __iter__(self) -> Iterator[T_co]:
        raise undefined(self, "__iter__")

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass that of `epoch`."""
        self.epoch = epoch


class SequentialSampler(Sampler[int]):
    """Every sample once, in order.

    >>> import gpudl as gd
    >>> list(gd.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = sized("SequentialSampler", "data_source", data_source)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _Seeded(Sampler[int]):
    """A sampler whose order is a function of (seed, epoch)."""

    seed: int

    def state_dict(self) -> dict[str, Any]:
        """The seed; the epoch is the loader's to keep."""
        return {"seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the seed of another run."""
        self.seed = as_seed(type(self).__name__, state.get("seed"))


class RandomSampler(_Seeded):
    """Every sample once in random order, or `num_samples` draws with `replacement`.

    The order is a function of the seed and the epoch (`set_epoch`), equal on every machine. The
    seed is `seed`, else one draw of `generator`, else of the default generator.

    >>> import gpudl as gd
    >>> sorted(gd.data.RandomSampler("abcd", seed=3))
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.data_source = sized("RandomSampler", "data_source", data_source)
        self.replacement = replacement
        self.seed = choose_seed("RandomSampler", seed, generator)
        if num_samples is not None and as_int("RandomSampler", "num_samples", num_samples) <= 0:
            raise ArgumentError(
                "RandomSampler", f"num_samples is {num_samples}", remedy="at least 1"
            )
        self.num_samples = num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), len(self)
        if not n:
            return iter(())
        if self.replacement:
            drawn = words(count, self.seed, self.epoch, 1) % np.uint64(n)
            return iter(drawn.astype(np.int64).tolist())
        order: list[int] = []
        # More samples than there are: further permutations follow, as many as it takes.
        for turn in range(-(-count // n)):
            order += permutation(n, self.seed, self.epoch, 0, turn).tolist()
        return iter(order[:count])

    def __len__(self) -> int:
        return len(self.data_source) if self.num_samples is None else self.num_samples


class WeightedRandomSampler(_Seeded):
    """`num_samples` draws with probabilities proportional to `weights`.

    `weights`: non-negative numbers, shape (N,). Without `replacement` no sample is drawn twice.
    Raises `ArgumentError` for negative or non-finite weights, or for fewer positive weights than
    draws.

    >>> import gpudl as gd
    >>> list(gd.data.WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float] | np.ndarray[Any, Any],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        op = "WeightedRandomSampler"
        try:
            w = np.asarray(getattr(weights, "data", weights), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(op, f"weights must be numbers: {error}") from None
        if w.ndim != 1 or not np.all(np.isfinite(w)) or np.any(w < 0):
            raise ArgumentError(
                op, "weights must be finite, not negative, of shape (N,)", weights=w
            )
        if as_int(op, "num_samples", num_samples) <= 0:
            raise ArgumentError(op, f"num_samples is {num_samples}", remedy="at least 1")
        positive = int(np.count_nonzero(w))
        if positive == 0 or (not replacement and positive < num_samples):
            raise ArgumentError(
                op, f"{positive} positive weights for {num_samples} draws", replacement=replacement
            )
        self.weights, self.num_samples, self.replacement = w, num_samples, replacement
        self.seed = choose_seed(op, seed, generator)

    def __iter__(self) -> Iterator[int]:
        if self.replacement:
            ends = np.cumsum(self.weights)
            u = uniforms(self.num_samples, self.seed, self.epoch, 2) * ends[-1]
            # Rounding may put u on the last end; a draw must never land on a weight of 0 behind it.
            last = int(np.flatnonzero(self.weights)[-1])
            return iter(np.minimum(np.searchsorted(ends, u, side="right"), last).tolist())
        # Exponential clocks (Efraimidis and Spirakis 2006): the earliest to ring are drawn.
        u = uniforms(len(self.weights), self.seed, self.epoch, 3)
        with np.errstate(divide="ignore"):
            clocks = -np.log1p(-u) / self.weights
        clocks[self.weights == 0] = np.inf
        return iter(np.argsort(clocks, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[Any]]):
    """Batches of `batch_size` indices from another sampler; `drop_last` leaves out a smaller last
    one.

    >>> import gpudl as gd
    >>> list(gd.data.BatchSampler(range(5), 2, False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool = False) -> None:
        if as_int("BatchSampler", "batch_size", batch_size) <= 0:
            raise ArgumentError("BatchSampler", f"batch_size is {batch_size}", remedy="at least 1")
        self.sampler = iterable("BatchSampler", "sampler", sampler)
        self.batch_size, self.drop_last = int(batch_size), bool(drop_last)

    def __iter__(self) -> Iterator[list[Any]]:
        batch: list[Any] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass of the sampler that of `epoch`."""
        super().set_epoch(epoch)
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state of the sampler, if it has one."""
        state = getattr(self.sampler, "state_dict", None)
        return state() if callable(state) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the state to the sampler."""
        load = getattr(self.sampler, "load_state_dict", None)
        if state and callable(load):
            load(state)
