"""Texts: by name, as numbers, in windows, in parts."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl import data
from gpudl.errors import ArgumentError, ArgumentTypeError, IndexRangeError


def test_the_text_that_ships() -> None:
    text = data.load_text("sonnets")
    poems = text.strip().split("\n\n")
    assert len(poems) == 12
    assert all(len(poem.splitlines()) == 14 for poem in poems)
    assert text.isascii()
    assert 6_000 < len(text) < 9_000
    for name in ("hamlet", "", "../x", None):
        with pytest.raises(ArgumentError, match="there is no text"):
            data.load_text(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["a", "hello, world\n", "aé日𝄞\x00\uffff\ud800", data.load_text("sonnets")]
)
def test_text_to_numbers_and_back(text: str) -> None:
    v = data.Vocabulary(text)
    numbers = v.encode(text)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [v.characters.index(c) for c in text]
    assert v.decode(numbers) == v.decode(gd.asarray(numbers).tolist()) == text
    assert len(v) == len(set(text))
    assert v.encode("").shape == (0,)
    assert v.decode([]) == ""


def test_what_a_vocabulary_does_not_know() -> None:
    v = data.Vocabulary("abc")
    for strange in ("d", "A", "ab\U0010ffff", "\ud800"):
        with pytest.raises(ArgumentError, match="is not one of 3"):
            v.encode(strange)
    for number in (3, -4):
        with pytest.raises(IndexRangeError):
            v.decode([number])
    for wrong in (None, 3, b"abc", ["a"]):
        with pytest.raises(ArgumentTypeError):
            data.Vocabulary(wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            v.encode(wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError):
            data.split_text(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="empty"):
        data.Vocabulary("")


@pytest.mark.parametrize("n", [0, 1, 2, 9, 37, 1_115_394])
def test_parts_of_a_text(n: int) -> None:
    text = "".join(chr(97 + i % 26) for i in range(min(n, 100))) * (n // 100 + 1)
    text = text[:n]
    parts = data.split_text(text)
    assert "".join(parts) == text
    assert len(parts.test) == round(n / 10)
    assert len(parts.validation) == round((n - round(n / 10)) * 0.05)


@pytest.mark.parametrize("length", [1, 3, 36])
@pytest.mark.parametrize("stride", [1, 2, 5, 100])
def test_windows(length: int, stride: int) -> None:
    text = data.load_text("sonnets")[:37]
    v = data.Vocabulary(text)
    windows = data.CharDataset(text, v, length, stride=stride)
    starts = [s for s in range(0, 37, stride) if s + length + 1 <= 37]
    assert len(windows) == len(starts)
    for i, s in enumerate(starts):
        x, y = windows[i]
        assert v.decode(x) == text[s : s + length]
        assert v.decode(y) == text[s + 1 : s + length + 1]
    assert np.array_equal(windows[-1][0], windows[len(windows) - 1][0])
    with pytest.raises(IndexRangeError):
        windows[len(windows)]


def test_windows_that_cannot_be() -> None:
    v = data.Vocabulary("abc")
    for text, length, stride in (("abc", 3, 1), ("", 1, 1), ("abc", 0, 1), ("abc", 1, 0)):
        with pytest.raises(ArgumentError):
            data.CharDataset(text, v, length, stride=stride)
    with pytest.raises(ArgumentTypeError, match=r"gd\.data\.Vocabulary"):
        data.CharDataset("abc", "abc", 1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError):
        data.CharDataset("abc", v, 1.5)  # type: ignore[arg-type]


def test_batches_of_windows_repeat_themselves() -> None:
    text = data.load_text("sonnets")
    windows = data.CharDataset(text, data.Vocabulary(text), 20)

    def batches(seed: int, workers: int = 0) -> list[bytes]:
        loader = data.DataLoader(
            windows, batch_size=64, shuffle=True, seed=seed, num_workers=workers
        )
        return [x.numpy().tobytes() + y.numpy().tobytes() for x, y in loader]

    assert batches(0) == batches(0, workers=2) != batches(1)


@pytest.mark.parametrize(("samples", "size"), [(1, 1), (7, 3), (37, 5), (8, 4), (5, 5)])
def test_rows_that_go_on_from_batch_to_batch(samples: int, size: int) -> None:
    text = "".join(chr(200 + i) for i in range(samples * 4 + 1))
    v = data.Vocabulary(text)
    windows = data.CharDataset(text, v, 4, stride=4)
    order = data.ContiguousBatchSampler(len(windows), size)
    batches = list(data.DataLoader(windows, batch_sampler=order))
    assert len(batches) == len(order) == samples // size
    for row in range(size):
        read = "".join(v.decode(x[row].tolist()) for x, _ in batches)
        assert read in text
        assert len(read) == 4 * len(order)
    for wrong in ((3, 4), (3, 0), (0, 1)):
        with pytest.raises(ArgumentError):
            data.ContiguousBatchSampler(*wrong)
