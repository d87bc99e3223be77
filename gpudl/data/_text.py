"""Text as numbers: characters, windows of them, and the parts to train, validate and test on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError
from ..shapes import as_int
from ._dataset import Dataset, in_range
from ._sampler import Sampler

Array = np.ndarray[Any, Any]
TEST, VALIDATION = 0.1, 0.05  # of the text, and of what is left


def _points(text: str) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


class Vocabulary:
    """The characters of a text, in the order of their code points: character number i is
    `characters[i]`.

    Raises `ArgumentError` for a text without a character.

    >>> import gpudl as gd
    >>> v = gd.data.Vocabulary("hello")
    >>> v.encode("hole").tolist(), v.decode([1, 0])
    ([1, 3, 2, 0], 'he')
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise ArgumentTypeError("Vocabulary", f"a text, not {type(text).__name__}")
        self.characters = "".join(sorted(set(text)))
        if not self.characters:
            raise ArgumentError("Vocabulary", "the text is empty")
        self._points = _points(self.characters)

    def __len__(self) -> int:
        return len(self.characters)

    def __repr__(self) -> str:
        return f"Vocabulary({self.characters!r:.60})"

    def encode(self, text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The numbers of the characters, int64 (len(text),). Raises `ArgumentError` for one that is
        not in the vocabulary."""
        if not isinstance(text, str):
            raise ArgumentTypeError("Vocabulary", f"a text, not {type(text).__name__}")
        points = _points(text)
        found = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        strange = np.flatnonzero(self._points[found] != points)
        if len(strange):
            raise ArgumentError(
                "Vocabulary", f"the character {text[strange[0]]!r} is not one of {len(self)}",
                remedy="a vocabulary of the whole text",
            )  # fmt: skip
        return found.astype(np.int64, copy=False)

    def decode(self, numbers: Iterable[Any]) -> str:
        """The text of these numbers. Raises `IndexRangeError` for one that is out of range."""
        n = len(self)
        return "".join(self.characters[in_range("Vocabulary", i, n)] for i in numbers)


class TextParts(NamedTuple):
    """A text in three parts, one after the other."""

    train: str
    validation: str
    test: str


def split_text(text: str) -> TextParts:
    """The parts of a text: the last tenth is held out for the test, and the last twentieth of the
    rest chooses the checkpoint.

    >>> import gpudl as gd
    >>> [len(part) for part in gd.data.split_text("x" * 1000)]
    [855, 45, 100]
    """
    if not isinstance(text, str):
        raise ArgumentTypeError("split_text", f"a text, not {type(text).__name__}")
    rest = len(text) - round(len(text) * TEST)
    train = rest - round(rest * VALIDATION)
    return TextParts(text[:train], text[train:rest], text[rest:])


class CharDataset(Dataset[tuple[Array, Array]]):
    """Windows of a text: `dataset[i]` is (input, target), both int64 (length,), where the target is
    the input one character further on.

    `vocabulary`: what numbers the characters; `stride`: from one window's start to the next: 1
    gives every window, `length` those that follow each other without overlap. What is left at the
    end, shorter than a window, is not given. The order is the loader's: `shuffle=True` with a
    seed. Raises `ArgumentError` for a text that is shorter than one window and its target.

    >>> import gpudl as gd
    >>> v = gd.data.Vocabulary("abc")
    >>> x, y = gd.data.CharDataset("abcabc", v, length=3)[1]
    >>> v.decode(x), v.decode(y)
    ('bca', 'cab')
    """

    def __init__(self, text: str, vocabulary: Vocabulary, length: int, *, stride: int = 1) -> None:
        if not isinstance(vocabulary, Vocabulary):
            raise ArgumentTypeError(
                "CharDataset", f"vocabulary is {type(vocabulary).__name__}",
                remedy="gd.data.Vocabulary(text)",
            )  # fmt: skip
        self.length, self.stride = as_int("CharDataset", "length", length), stride
        for name, value in (("length", length), ("stride", stride)):
            if as_int("CharDataset", name, value) < 1:
                raise ArgumentError("CharDataset", f"{name} is {value}", remedy="at least 1")
        self.numbers = vocabulary.encode(text)
        if len(self.numbers) <= self.length:
            raise ArgumentError(
                "CharDataset",
                f"{len(self.numbers)} characters for windows of {length} and one more",
                remedy="a shorter length",
            )

    def __len__(self) -> int:
        return (len(self.numbers) - 1 - self.length) // self.stride + 1

    def __getitem__(self, index: Any) -> tuple[Array, Array]:
        at = in_range("CharDataset", index, len(self)) * self.stride
        window = self.numbers[at : at + self.length + 1]
        return window[:-1], window[1:]


class ContiguousBatchSampler(Sampler[list[int]]):
    """Batches whose rows go on from batch to batch: of `samples` samples in order, row r of batch
    k + 1 follows row r of batch k. What does not fill a batch is left out.

    For truncated backpropagation through time, which keeps its hidden state from one batch to the
    next, over a `CharDataset` whose stride is its length.

    >>> import gpudl as gd
    >>> list(gd.data.ContiguousBatchSampler(7, batch_size=3))
    [[0, 2, 4], [1, 3, 5]]
    """

    def __init__(self, samples: int, batch_size: int) -> None:
        op = "ContiguousBatchSampler"
        self.samples = as_int(op, "samples", samples)
        self.batch_size = as_int(op, "batch_size", batch_size)
        if not 1 <= self.batch_size <= self.samples:
            raise ArgumentError(
                op, f"batch_size is {batch_size} for {samples} samples",
                remedy="from 1 to the number of samples",
            )  # fmt: skip

    def __len__(self) -> int:
        return self.samples // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        rows = len(self)
        return ([r * rows + k for r in range(self.batch_size)] for k in range(rows))
