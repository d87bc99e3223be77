"""Seeds by counter: random numbers are functions of (seed, epoch, index), whoever draws them."""

from __future__ import annotations

import operator
import threading
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from ..shapes import as_int

_MASK = 2**64 - 1
_GAMMA = 0x9E3779B97F4A7C15  # the splitmix64 generator's constants (Steele, Lea, Flood 2014)
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

Words = np.ndarray[Any, np.dtype[np.uint64]]


def mix(*words: int) -> int:
    """A 64-bit hash of integers, in order."""
    state = 0
    for word in words:
        state = ((state ^ (word & _MASK)) + _GAMMA) & _MASK
        state = ((state ^ (state >> 30)) * _MIX_1) & _MASK
        state = ((state ^ (state >> 27)) * _MIX_2) & _MASK
        state ^= state >> 31
    return state


def words(n: int, *key: int) -> Words:
    """`n` different 64-bit numbers that `key` determines."""
    # The finaliser is a bijection and the gamma is odd, so no two of them are equal.
    state = np.arange(n, dtype=np.uint64) * np.uint64(_GAMMA) + np.uint64(mix(*key))
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX_1)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_MIX_2)
    return state ^ (state >> np.uint64(31))


def permutation(n: int, *key: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A permutation of `range(n)` that `key` determines."""
    return np.argsort(words(n, *key)).astype(np.int64, copy=False)


def uniforms(n: int, *key: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """`n` float64 numbers in [0, 1) that `key` determines."""
    return (words(n, *key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def index_word(index: object) -> int:
    """A 64-bit word for a sample's index; keys that are no integers are hashed."""
    try:
        return operator.index(index)  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:
        return int.from_bytes(blake2b(repr(index).encode(), digest_size=8).digest(), "little")


def as_seed(op: str, seed: object) -> int:
    """`seed` as an integer of 64 bits; raises a typed error otherwise."""
    value = as_int(op, "seed", seed)
    if not 0 <= value <= _MASK:
        raise ArgumentError(op, f"seed is {value}", remedy="a seed is from 0 to 2**64 - 1")
    return value


class WorkerInfo(NamedTuple):
    """Which worker of a `DataLoader` runs: `id` from 0, and how many there are."""

    id: int
    num_workers: int


class _Here(threading.local):
    """What this thread is preparing."""

    seed: int | None = None
    rng: np.random.Generator | None = None
    worker: WorkerInfo | None = None


_here = _Here()


def enter(*key: int) -> None:
    """Begin a sample (or a batch) on this thread."""
    _here.seed = mix(*key)
    _here.rng = None


def leave() -> None:
    """End it: what comes next is outside a loader."""
    _here.seed = _here.rng = None


def set_worker(info: WorkerInfo | None) -> None:
    """Name the worker that this thread is."""
    _here.worker = info


def sample_seed() -> int:
    """The 64-bit seed of the sample that a `DataLoader` is preparing on this thread.

    It is a function of the loader's seed, the epoch and the sample's index, so a transform that
    uses it gives the same sample for any number and kind of workers. Outside a loader it is 0.

    >>> import gpudl as gd
    >>> gd.data.sample_seed()
    0
    """
    return _here.seed or 0


def sample_rng() -> np.random.Generator:
    """The random generator of the sample that a `DataLoader` is preparing on this thread.

    All transforms of one sample draw from the same generator, seeded with `sample_seed()`. Outside
    a loader it is a generator of the thread that began with seed 0.

    >>> import gpudl as gd
    >>> 0.0 <= gd.data.sample_rng().random() < 1.0
    True
    """
    if _here.rng is None:
        _here.rng = np.random.Generator(np.random.Philox(key=sample_seed()))
    return _here.rng


def get_worker_info() -> WorkerInfo | None:
    """The worker that runs on this thread, or None outside a `DataLoader`'s workers.

    >>> import gpudl as gd
    >>> gd.data.get_worker_info() is None
    True
    """
    return _here.worker
