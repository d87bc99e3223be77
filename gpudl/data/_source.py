"""Sources: how a batch is made, by the same code inline, in threads and in processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ._collate import collate_arrays
from ._dataset import takes_batches
from ._seed import enter, index_word, leave

# Samples and batches draw from different streams of seeds.
_SAMPLE, _BATCH = 0, 1


class Job(NamedTuple):
    """Batch `number` of `epoch`; `run` tells passes apart. A stream has no `indices`."""

    run: int
    epoch: int
    number: int
    indices: Any = None


class End:
    """What a stream gives after its last batch."""


END = End()


class Abandoned(Exception):  # a signal, not an error
    """The pass that asked for this batch is over."""


Alive = Callable[[], bool]
Collate = Callable[[Any], Any]


def identity(sample: Any) -> Any:
    """Collation without batches: the sample itself."""
    return sample


class MapSource:
    """Batches of a data set with samples by index."""

    def __init__(self, dataset: Any, collate: Collate, seed: int, batched: bool) -> None:
        self.dataset, self.collate, self.seed, self.batched = dataset, collate, seed, batched
        self.whole = batched and collate is collate_arrays and takes_batches(dataset)

    def load(self, job: Job, alive: Alive) -> Any:
        """The batch of `job`; raises `Abandoned` between samples once `alive()` is false."""
        if self.whole:
            return self.dataset.take(job.indices)
        try:
            if not self.batched:
                return self.collate(self._sample(job, job.indices))
            samples = []
            for index in job.indices:
                if not alive():
                    raise Abandoned
                samples.append(self._sample(job, index))
            enter(self.seed, job.epoch, job.number, _BATCH)
            return self.collate(samples)
        finally:
            leave()

    def _sample(self, job: Job, index: Any) -> Any:
        enter(self.seed, job.epoch, index_word(index), _SAMPLE)
        return self.dataset[index]


class StreamSource:
    """Batches of a stream of samples, read by one worker in order."""

    def __init__(
        self, dataset: Any, collate: Collate, seed: int, batch_size: int | None, drop_last: bool
    ) -> None:
        self.dataset, self.collate, self.seed = dataset, collate, seed
        self.batch_size, self.drop_last = batch_size, drop_last
        self._run: int | None = None
        self._samples: Iterator[Any] = iter(())
        self._read = 0  # samples taken from the stream in this run

    def load(self, job: Job, alive: Alive) -> Any:
        """The batch of `job`, or `END`; a run that begins in mid-epoch reads up to it."""
        size = self.batch_size or 1
        try:
            if self._run != job.run:
                self._begin(job)
                for _ in itertools.islice(self._stream(job, alive), job.number * size):
                    pass
            samples = list(itertools.islice(self._stream(job, alive), size))
            if not samples or (self.drop_last and len(samples) < size):
                return END
            if self.batch_size is None:
                return self.collate(samples[0])
            enter(self.seed, job.epoch, job.number, _BATCH)
            return self.collate(samples)
        finally:
            leave()

    def _begin(self, job: Job) -> None:
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(job.epoch)
        self._samples, self._run, self._read = iter(self.dataset), job.run, 0

    def _stream(self, job: Job, alive: Alive) -> Iterator[Any]:
        while alive():
            enter(self.seed, job.epoch, self._read, _SAMPLE)
            try:
                sample = next(self._samples)
            except StopIteration:
                return
            self._read += 1
            yield sample
        raise Abandoned


Source = MapSource | StreamSource


class InlineRunner:
    """Prepares each batch when it is asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._jobs: list[Job] = []

    def begin(self, run: int) -> None:
        self._jobs.clear()

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def result(self) -> Any:
        return self._source.load(self._jobs.pop(0), lambda: True)

    def close(self) -> None:
        self._jobs.clear()
