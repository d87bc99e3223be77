"""The `DataLoader`: batches in a reproducible order, made here, in threads or in processes."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol

from ..errors import ArgumentError, ArgumentTypeError, CheckpointError
from ..shapes import as_int
from ._checks import function, iterable
from ._collate import collate_arrays, map_arrays
from ._dataset import IterableDataset
from ._sampler import BatchSampler, RandomSampler, SequentialSampler
from ._seed import as_seed
from ._source import END, End, InlineRunner, Job, MapSource, Source, StreamSource, identity
from ._tensors import choose_seed, to_tensor
from ._threads import ThreadRunner

MAX_PREFETCH = 64
_STATE_VERSION = 1


class Runner(Protocol):
    """Who prepares batches."""

    def begin(self, run: int) -> None: ...
    def submit(self, job: Job) -> None: ...
    def result(self) -> Any: ...
    def close(self) -> None: ...


def default_collate(samples: list[Any]) -> Any:
    """A batch of samples of equal structure: tensors, arrays and numbers are stacked to tensors
    along a new axis 0.

    Tuples, named tuples, lists and dicts are taken apart and put together again, strings and bytes
    stay in lists. Python floats become float32, ints int64. Raises `ShapeError` when samples differ
    in structure, shape or dtype, `ArgumentTypeError` for what cannot be stacked.

    >>> import gpudl as gd
    >>> gd.data.default_collate([(1.0, "a"), (2.0, "b")])[1]
    ['a', 'b']
    """
    if not isinstance(samples, list | tuple) or not samples:
        raise ArgumentError("default_collate", "needs a list of at least one sample")
    return map_arrays(to_tensor, collate_arrays(samples))


class DataLoader:
    """Iterates over a data set in batches.

    Arguments, with PyTorch's names:

    * `dataset`: anything with `__getitem__` and `__len__`, or an `IterableDataset`.
    * `batch_size`: samples per batch; None gives single samples without collation.
    * `shuffle`: visit the samples in an order that is a function of `seed` and the epoch.
    * `sampler`, `batch_sampler`: an order of one's own, of indices or of lists of indices.
    * `num_workers`, `worker`: 0 prepares batches when they are asked for; else so many `"thread"`s
      or `"process"`es prepare them ahead. Processes start from a fork server and hand batches over
      in shared memory; the data set must pickle, and a script must start its work under
      `if __name__ == "__main__":`.
    * `collate_fn`: a list of samples to a batch, `default_collate` if None. `drop_last`: leave out
      a smaller last batch.
    * `timeout`: seconds to wait for a batch, 0 for ever. `worker_init_fn`: called with the worker's
      number.
    * `generator`, `seed`: where randomness comes from: an integer `seed`, or one draw of
      `generator` (the default generator if None, so `gd.manual_seed` decides).
    * `prefetch_factor`: batches ahead per worker. `persistent_workers`: keep the workers between
      epochs.

    Every sample has its own seed (`gd.data.sample_rng()`), so the batches are the same bits for any
    number and kind of workers. `state_dict()` names the next batch that has not been delivered; a
    loader that is given it goes on there. Raises `WorkerError`, with the worker's traceback, for
    what goes wrong in a worker.

    >>> import gpudl as gd
    >>> dataset = gd.data.TensorDataset(gd.zeros((10, 3)), gd.arange(10))
    >>> loader = gd.data.DataLoader(dataset, batch_size=4, shuffle=True, seed=0)
    >>> [y.shape for x, y in loader]
    [(4,), (4,), (2,)]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        *,
        generator: Any = None,
        seed: int | None = None,
        prefetch_factor: int = 2,
        worker: Literal["thread", "process"] = "thread",
        persistent_workers: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_workers = _bounded("num_workers", num_workers, 0, 1024)
        self.prefetch_factor = _bounded("prefetch_factor", prefetch_factor, 1, MAX_PREFETCH)
        self.batch_size = (
            None if batch_size is None else _bounded("batch_size", batch_size, 1, 2**62)
        )
        if worker not in ("thread", "process"):
            raise ArgumentError(
                "DataLoader", f"worker is {worker!r}", remedy='"thread" or "process"'
            )
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
            raise ArgumentError(
                "DataLoader", f"timeout is {timeout!r}", remedy="seconds, 0 for ever"
            )
        self.worker, self.timeout = worker, float(timeout)
        self.worker_init_fn = function("DataLoader", "worker_init_fn", worker_init_fn)
        self.drop_last = bool(drop_last)
        self.persistent_workers = bool(persistent_workers) and self.num_workers > 0
        self.seed = choose_seed("DataLoader", seed, generator)
        self._stream = isinstance(dataset, IterableDataset)
        if not self._stream and not (
            hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        ):
            raise ArgumentTypeError(
                "DataLoader",
                f"{type(dataset).__name__} has no __getitem__ and __len__",
                remedy="a gd.data.Dataset, a sequence, or a gd.data.IterableDataset",
            )
        self.collate_fn = function("DataLoader", "collate_fn", collate_fn)
        for name, order in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if order is not None:
                iterable("DataLoader", name, order)
        self.sampler, self.batch_sampler = self._order(shuffle, sampler, batch_sampler)
        self._epoch, self._delivered = 0, 0
        self._fresh = True  # the next pass begins where the state says, not an epoch later
        self._runs = 0
        self._kept: Runner | None = None
        self._close_kept: weakref.finalize[..., DataLoader] | None = None
        self._kept_in_use: weakref.ref[_Pass] | None = None
        self._sampler_state: dict[str, Any] = self._state_of_sampler()

    def _order(
        self, shuffle: bool, sampler: Iterable[Any] | None, batch_sampler: Iterable[Any] | None
    ) -> tuple[Any, Any]:
        if self._stream:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ArgumentError(
                    "DataLoader",
                    "a stream has its own order: no shuffle, sampler or batch_sampler",
                    remedy="shuffle in the IterableDataset",
                )
            return None, None
        if sampler is not None and shuffle:
            raise ArgumentError(
                "DataLoader", "sampler and shuffle are both given", remedy="give one"
            )
        if batch_sampler is not None:
            if sampler is not None or shuffle or self.drop_last or self.batch_size != 1:
                raise ArgumentError(
                    "DataLoader",
                    "batch_sampler decides about batch_size, shuffle, sampler and drop_last",
                    remedy="leave those out",
                )
            return None, batch_sampler
        if sampler is None:
            sampler = (
                RandomSampler(self.dataset, seed=self.seed)
                if shuffle
                else SequentialSampler(self.dataset)
            )
        if self.batch_size is None:
            if self.drop_last:
                raise ArgumentError("DataLoader", "drop_last without batches")
            return sampler, None
        return sampler, BatchSampler(sampler, self.batch_size, self.drop_last)

    def __repr__(self) -> str:
        name = type(self.dataset).__name__
        return f"DataLoader({name}, batch_size={self.batch_size}, num_workers={self.num_workers})"

    # ----- passes -----

    def __iter__(self) -> Iterator[Any]:
        if not self._fresh:
            self._epoch, self._delivered = self._epoch + 1, 0
        self._fresh = False
        self._runs += 1
        return _Pass(self)

    def __len__(self) -> int:
        order = self.dataset if self._stream else self._sampler()
        if not hasattr(order, "__len__"):
            raise ArgumentTypeError(
                "DataLoader", f"{type(order).__name__} has no length", remedy="define __len__ on it"
            )
        n = len(order)
        if not self._stream or self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass that of `epoch`, from its first batch."""
        self._epoch = _bounded("epoch", epoch, 0, 2**62)
        self._delivered, self._fresh = 0, True
        self._sampler_state = self._state_of_sampler()

    # ----- state -----

    def state_dict(self) -> dict[str, Any]:
        """The seed, the epoch, the batches delivered in it, and the sampler's state."""
        return {
            "version": _STATE_VERSION,
            "seed": self.seed,
            "epoch": self._epoch,
            "batch": self._delivered,
            "sampler": self._sampler_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next pass go on where `state_dict` was taken.

        Raises `CheckpointError` for what is no such state; the loader is then unchanged.
        """
        try:
            if state["version"] != _STATE_VERSION:
                raise ValueError(f"version {state['version']!r}")
            seed = as_seed("DataLoader", state["seed"])
            epoch = _bounded("epoch", state["epoch"], 0, 2**62)
            batch = _bounded("batch", state["batch"], 0, 2**62)
            sampler = dict(state["sampler"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "DataLoader.load_state_dict", f"not the state of a DataLoader: {error!r}"
            ) from None
        load = getattr(self._sampler(), "load_state_dict", None)
        if sampler and callable(load):
            load(sampler)
        if seed != self.seed:
            self._drop_kept()  # its workers know the old seed
        self.seed, self._epoch, self._delivered, self._fresh = seed, epoch, batch, True
        self._sampler_state = sampler

    def _sampler(self) -> Any:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def _state_of_sampler(self) -> dict[str, Any]:
        state = getattr(self._sampler(), "state_dict", None)
        return state() if callable(state) else {}

    # ----- workers -----

    def _source(self) -> Source:
        collate = self.collate_fn
        if collate is None or collate is default_collate:
            collate = identity if self.batch_size is None else collate_arrays
        if self._stream:
            return StreamSource(self.dataset, collate, self.seed, self.batch_size, self.drop_last)
        return MapSource(self.dataset, collate, self.seed, self.batch_size is not None)

    def _new_runner(self) -> Runner:
        if self.num_workers == 0:
            return InlineRunner(self._source())
        count = 1 if self._stream else self.num_workers
        if self.worker == "thread":
            return ThreadRunner(self._source(), self.worker_init_fn, count, self.timeout)
        # Imported where it is used: multiprocessing costs more than the rest of the package.
        from ._processes import ProcessRunner

        return ProcessRunner(
            self._source(), self.worker_init_fn, count, self.timeout, self.prefetch_factor
        )

    def _runner(self, user: _Pass) -> tuple[Runner, bool]:
        """A runner for a pass, and whether it outlives it."""
        busy = self._kept_in_use() if self._kept_in_use is not None else None
        if not self.persistent_workers or (busy is not None and not busy.done):
            return self._new_runner(), False
        if self._kept is None:
            self._kept = self._new_runner()
            self._close_kept = weakref.finalize(self, self._kept.close)
        self._kept_in_use = weakref.ref(user)
        return self._kept, True

    def _drop_kept(self) -> None:
        if self._close_kept is not None:
            self._close_kept()
        self._kept = self._close_kept = None


class _Pass:
    """One pass over a loader, from the batch where its state stands."""

    def __init__(self, loader: DataLoader) -> None:
        self.done = False
        self._loader, self._run = loader, loader._runs
        self._epoch, self._next = loader._epoch, loader._delivered
        self._plain = loader.collate_fn is None or loader.collate_fn is default_collate
        self._ahead = max(1, loader.prefetch_factor * (1 if loader._stream else loader.num_workers))
        if loader.num_workers == 0:
            self._ahead = 1
        self._under_way = 0
        self._runner, self._kept = loader._runner(self)
        self._end = (
            weakref.finalize(self, _nothing)
            if self._kept
            else weakref.finalize(self, self._runner.close)
        )
        try:
            self._runner.begin(self._run)
            self._jobs = _plan(loader, self._run, self._epoch, self._next)
            if loader.num_workers:
                self._fill()
        except BaseException:
            self._fail()
            raise

    def _fill(self) -> None:
        while self._under_way < self._ahead and (job := next(self._jobs, None)) is not None:
            self._runner.submit(job)
            self._under_way += 1

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        if self.done:
            raise StopIteration
        try:
            self._fill()
            batch = self._runner.result() if self._under_way else END
            self._under_way -= 1
            if not isinstance(batch, End):
                if self._loader.num_workers:
                    self._fill()  # before the caller goes to work on this batch
                if self._plain:
                    batch = map_arrays(to_tensor, batch)
        except BaseException:
            self._fail()
            raise
        if isinstance(batch, End):
            self._finish()
            raise StopIteration
        self._next += 1
        if self._loader._runs == self._run:
            self._loader._delivered = self._next
        return batch

    def __len__(self) -> int:
        return len(self._loader)

    def _finish(self) -> None:
        loader = self._loader
        if loader._runs == self._run and not loader._fresh:
            loader._epoch, loader._delivered, loader._fresh = self._epoch + 1, 0, True
        self.done = True
        self._end()

    def _fail(self) -> None:
        self.done = True
        self._end()
        if self._kept:
            self._loader._drop_kept()


def _plan(loader: DataLoader, run: int, epoch: int, start: int) -> Iterator[Job]:
    """The jobs of a pass. It does not hold the pass, which would then outlive its last user."""
    if loader._stream:
        for number in itertools.count(start):
            yield Job(run, epoch, number)
    order = loader._sampler()
    if hasattr(order, "set_epoch"):
        order.set_epoch(epoch)
    loader._sampler_state = loader._state_of_sampler()
    batched = loader.batch_size is not None
    for number, indices in enumerate(order):
        if number >= start:
            yield Job(run, epoch, number, list(indices) if batched else indices)


def _nothing() -> None:
    """A kept runner is closed with its loader."""


def _bounded(name: str, value: Any, low: int, high: int) -> int:
    number = as_int("DataLoader", name, value)
    if not low <= number <= high:
        raise ArgumentError("DataLoader", f"{name} is {number}", remedy=f"from {low} to {high}")
    return number
