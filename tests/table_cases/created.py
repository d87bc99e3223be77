"""Creation and random numbers: rows without operands; and dropout, which draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpudl import devices

from .base import BFLOAT16, CASES, INT, one

# ----- creation -----
CPU = devices.CPU
CREATED: dict[str, list[tuple[dict[str, Any], Callable[[], np.ndarray]]]] = {
    "full": [
        (
            {"shape": s, "value": v, "dtype": d},
            lambda s=s, v=v, d=d: np.zeros(s, d) + np.array(v, d),
        )
        for s in ((), (0,), (1,), (37,), (3, 5), (300, 400))
        for d, v in (
            (np.dtype("float32"), 1.5),
            (np.dtype("int64"), 2**40),
            (np.dtype(bool), True),
            (BFLOAT16, 2.0),
            (np.dtype("complex64"), 1 + 2j),
        )
    ],
    "arange": [
        (
            {"start": a, "step": s, "length": n, "dtype": d},
            lambda a=a, s=s, n=n, d=d: np.array([a + i * s for i in range(n)], d),
        )
        for a, s, n in ((0, 1, 0), (0, 1, 1), (3, -2, 37), (2**40, 3, 5))
        for d in (np.dtype("int64"), np.dtype("float64"))
    ]
    + [
        (
            {"start": 0.5, "step": 0.25, "length": 37, "dtype": np.dtype("float32")},
            lambda: np.array([0.5 + 0.25 * i for i in range(37)], np.float32),
        )
    ],
}


# ----- random numbers -----
def _philox(seed: int, stream: int, block: int) -> list[int]:
    """One block of Philox 4x32-10, in Python integers."""
    c = [block & 0xFFFFFFFF, block >> 32, stream & 0xFFFFFFFF, stream >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def _words(seed: int, stream: int, offset: int, n: int) -> list[int]:
    return [
        word for b in range(-(-n // 4)) for word in _philox(seed, stream, (offset + b) % 2**64)
    ][:n]


def _words64(seed: int, stream: int, offset: int, n: int) -> list[int]:
    words = _words(seed, stream, offset, 2 * n)
    return [high << 32 | low for high, low in zip(words[::2], words[1::2], strict=True)]


def _uniform(at: dict[str, int], n: int, dtype: np.dtype) -> np.ndarray:
    if dtype == np.float32:
        return np.array([(w >> 8) / 2**24 for w in _words(**at, n=n)], dtype)
    return np.array([(w >> 11) / 2**53 for w in _words64(**at, n=n)], dtype)


def _box_muller(at: dict[str, int], n: int, dtype: np.dtype) -> np.ndarray:
    u = _uniform(at, n + n % 2, dtype).astype(np.float64).reshape(-1, 2)
    ulp = 2.0 ** (-24 if dtype == np.float32 else -53)
    r, t = np.sqrt(-2 * np.log(u[:, 0] + ulp)), 2 * np.pi * u[:, 1]
    return np.stack([r * np.cos(t), r * np.sin(t)], 1).reshape(-1)[:n].astype(dtype)


def _integers(at: dict[str, int], n: int, low: int, high: int) -> np.ndarray:
    if high - low <= 2**32:
        return np.array([low + (w * (high - low) >> 64) for w in _words64(**at, n=n)], INT)
    w = _words64(**at, n=2 * n)
    return np.array(
        [low + ((w[2 * i] << 64 | w[2 * i + 1]) * (high - low) >> 128) for i in range(n)], INT
    )


def _permutation(at: dict[str, int], n: int) -> np.ndarray:
    keys = _words64(**at, n=n)
    return np.array(sorted(range(n), key=keys.__getitem__), INT)


for _n in (0, 1, 37, 1128):
    for _at in (
        {"seed": 0, "stream": 0, "offset": 0},
        {"seed": 2**63 + 5, "stream": 2**40, "offset": 2**64 - 3},
    ):
        for _name, _params, _f in (
            ("random_bits", {}, lambda at, n: np.array(_words(**at, n=n), np.uint32)),
            ("random_bits64", {}, lambda at, n: np.array(_words64(**at, n=n), np.uint64)),
            ("random_uniform", {"dtype": np.dtype("float32")}, _uniform),
            ("random_uniform", {"dtype": np.dtype("float64")}, _uniform),
            ("random_normal", {"dtype": np.dtype("float32")}, _box_muller),
            ("random_normal", {"dtype": np.dtype("float64")}, _box_muller),
            ("random_integers", {"low": -5, "high": 2**31}, _integers),
            ("random_integers", {"low": -(2**40), "high": 2**62}, _integers),
            ("random_permutation", {}, _permutation),
        ):
            CREATED.setdefault(_name, []).append(
                ({**_at, "n": _n, **_params}, lambda at=_at, n=_n, p=_params, f=_f: f(at, n, **p))
            )


def _dropout(x: np.ndarray, p: float, **at: int) -> np.ndarray:
    drawn = _uniform(at, x.size, np.dtype("float32")).reshape(x.shape)
    return x * (drawn >= np.float32(p)) / (1 - p)


CASES["dropout"] = [
    one(shape, _dropout, {"p": p, "seed": 7, "stream": 2**40, "offset": 2**64 - 3}, "f")
    for shape in ((), (0,), (1,), (37,), (2, 3, 5), (1128,))
    for p in (0.25, 0.9)
]
