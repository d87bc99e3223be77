"""Random numbers: counter-based streams, equal in every bit on every device.

A `Generator` is a seed, a stream and a position. Functions take `generator=`, or use the default
one, which `gd.manual_seed` sets. Philox 4x32-10: Salmon, Moraes, Dror, Shaw, SC 2011.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import devices, shapes
from ._namespace.convert import cast
from .checks import real
from .dtypes import DType, as_dtype, default_float, default_int, float32, float64, is_float, kind
from .errors import ArgumentError, ArgumentTypeError, DTypeError
from .ops import elementwise as ew
from .ops import random as ops
from .ops._philox import blocks_used, words_per_element
from .ops.shape import reshape

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "bits",
    "default_generator",
    "integers",
    "manual_seed",
    "normal",
    "permutation",
    "uniform",
]


class Generator:
    """A stream of random numbers that can be saved, restored and split.

    `seed` is an integer of up to 64 bits (None draws one from the system), `stream` selects one
    of 2**64 independent streams of that seed. Safe to use from several threads.

    >>> import gpudl as gd
    >>> g = gd.Generator(7)
    >>> state = g.get_state()
    >>> a = gd.random.uniform(3, generator=g)
    >>> g.set_state(state)
    >>> bool((a == gd.random.uniform(3, generator=g)).all())
    True
    """

    def __init__(self, seed: int | None = None, *, stream: int = 0) -> None:
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        self._lock = threading.Lock()
        self._seed = _word("Generator", "seed", seed)
        self._stream = _word("Generator", "stream", stream)
        self._offset = 0

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed}, stream={self._stream}, offset={self._offset})"

    @property
    def seed(self) -> int:
        """The seed."""
        return self._seed

    def manual_seed(self, seed: int) -> Generator:
        """Start again with another seed, and return the generator."""
        seed = _word("manual_seed", "seed", seed)
        with self._lock:
            self._seed, self._offset = seed, 0
        return self

    def get_state(self) -> dict[str, int]:
        """The state as plain integers: `seed`, `stream`, `offset`."""
        with self._lock:
            return {"seed": self._seed, "stream": self._stream, "offset": self._offset}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue from a state that `get_state` gave. Raises `ArgumentError` for anything else."""
        if not isinstance(state, dict) or set(state) != {"seed", "stream", "offset"}:
            raise ArgumentError(
                "set_state", f"{state!r} is no state of a generator", remedy="what get_state() gave"
            )
        words = {name: _word("set_state", name, value) for name, value in state.items()}
        with self._lock:
            self._seed, self._stream, self._offset = (
                words["seed"],
                words["stream"],
                words["offset"],
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.get_state(),)

    def spawn(self, stream: int) -> Generator:
        """Another generator with the same seed and the given stream, at its start."""
        return Generator(self._seed, stream=stream)

    def reserve(self, blocks: int) -> dict[str, int]:
        """Take the next `blocks` counter blocks: the parameters of a draw."""
        with self._lock:
            at = {"seed": self._seed, "stream": self._stream, "offset": self._offset}
            self._offset = (self._offset + blocks) % 2**64
            return at


def _restore(state: dict[str, int]) -> Generator:
    made = Generator(0)
    made.set_state(state)
    return made


def _word(op: str, name: str, value: Any) -> int:
    number = shapes.as_int(op, name, value)
    if not -(2**63) <= number < 2**64:
        raise ArgumentError(op, f"{name} is {number}", remedy="an integer of 64 bits")
    return number % 2**64


_default = Generator()


def default_generator() -> Generator:
    """The generator that functions use when none is given."""
    return _default


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it.

    >>> import gpudl as gd
    >>> _ = gd.manual_seed(0)
    >>> a = gd.random.normal(2)
    >>> _ = gd.manual_seed(0)
    >>> bool((a == gd.random.normal(2)).all())
    True
    """
    return _default.manual_seed(seed)


def _draw(
    op: str,
    row: Callable[..., Any],
    shape: Any,
    words: int,
    generator: Any,
    device: Any,
    **options: Any,
) -> Any:
    extents = shapes.as_shape(op, shape)
    n = shapes.count(op, extents, 16)
    source = _default if generator is None else generator
    if not isinstance(source, Generator):
        raise ArgumentTypeError(op, f"{generator!r} is no gd.Generator")
    place = source.reserve(blocks_used(n, words))
    return reshape(row(n=n, device=devices.resolve(device), **place, **options), shape=extents)


def _float_dtype(op: str, dtype: Any) -> tuple[DType, DType]:
    """The dtype of the result, and the one that is drawn."""
    wanted = default_float if dtype is None else as_dtype(dtype, op)
    if not is_float(wanted):
        raise DTypeError(op, f"does not give {wanted.name}", remedy="a floating dtype")
    return wanted, wanted if wanted == float64 else float32


def bits(shape: Any, *, device: Any = None, generator: Generator | None = None) -> Tensor:
    """Random 32-bit words, uint32."""
    return _draw("bits", ops.bits, shape, words_per_element("bits"), generator, device)


def uniform(
    shape: Any = (),
    low: float = 0.0,
    high: float = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers from [low, high), multiples of 2**-24 (float32) or 2**-53 (float64) of the
    range.

    >>> import gpudl as gd
    >>> gd.random.uniform((2, 3), generator=gd.Generator(0)).shape
    (2, 3)
    """
    wanted, drawn = _float_dtype("uniform", dtype)
    a, b = real("uniform", "low", low), real("uniform", "high", high)
    out = _draw(
        "uniform", ops.uniform, shape, words_per_element("uniform", drawn), generator, device,
        dtype=drawn,
    )  # fmt: skip
    if (a, b) != (0.0, 1.0):
        out = out * (b - a) + a
    return cast(out, wanted)


def normal(
    shape: Any = (),
    mean: float = 0.0,
    std: float = 1.0,
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers by the Box-Muller transform, equal in every bit on every device.

    >>> import gpudl as gd
    >>> gd.random.normal(4, dtype="float64", generator=gd.Generator(0)).dtype.name
    'float64'
    """
    wanted, drawn = _float_dtype("normal", dtype)
    mu, sigma = real("normal", "mean", mean), real("normal", "std", std)
    if not sigma >= 0:
        raise ArgumentError("normal", f"std is {std}", remedy="at least 0")
    out = _draw(
        "normal", ops.normal, shape, words_per_element("normal", drawn), generator, device,
        dtype=drawn,
    )  # fmt: skip
    if (mu, sigma) != (0.0, 1.0):
        out = out * sigma + mu
    return cast(out, wanted)


def integers(
    low: int,
    high: int | None = None,
    shape: Any = (),
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers from [low, high), or from [0, low) with one bound; a value's probability is off by
    at most 2**-32.

    >>> import gpudl as gd
    >>> int(gd.random.integers(6, shape=100, generator=gd.Generator(0)).max())
    5
    """
    a = shapes.as_int("integers", "low", low)
    b = a if high is None else shapes.as_int("integers", "high", high)
    a = 0 if high is None else a
    wanted = default_int if dtype is None else as_dtype(dtype, "integers")
    if kind(wanted) != 1:
        raise DTypeError("integers", f"does not give {wanted.name}", remedy="an integer dtype")
    if not -(2**63) <= a < b <= 2**63:
        raise ArgumentError(
            "integers", f"no integers in [{a}, {b})", remedy="low < high, of 64 bits"
        )
    out = _draw(
        "integers", ops.randint, shape, words_per_element("randint", span=b - a), generator, device,
        low=a, high=b,
    )  # fmt: skip
    return cast(out, wanted)


def permutation(n: int, *, device: Any = None, generator: Generator | None = None) -> Tensor:
    """The integers 0 .. n - 1 in random order, int64.

    >>> import gpudl as gd
    >>> sorted(gd.random.permutation(5).tolist())
    [0, 1, 2, 3, 4]
    """
    count = shapes.as_int("permutation", "n", n)
    return _draw(
        "permutation",
        ops.permutation,
        (count,),
        words_per_element("permutation"),
        generator,
        device,
    )


def bernoulli(
    p: float, shape: Any = (), *, device: Any = None, generator: Generator | None = None
) -> Tensor:
    """True with probability `p`, to 2**-24.

    >>> import gpudl as gd
    >>> gd.random.bernoulli(1.0, 3).tolist()
    [True, True, True]
    """
    chance = real("bernoulli", "p", p)
    if not 0 <= chance <= 1:
        raise ArgumentError("bernoulli", f"p is {p}", remedy="from 0 to 1")
    drawn = uniform(shape, device=device, generator=generator)
    return ew.less(drawn, ew.zero(drawn) + chance)
