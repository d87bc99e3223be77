"""Philox 4x32-10 and the draws made of it, in array functions: the reference of the native and
the GPU kernels.

key = a 64-bit seed, counter = (64-bit block number, 64-bit stream). Lane `l` of block `b` is word
`4 b + l` of the stream, so every element can be computed alone. Only `+ - * /` and `sqrt` of IEEE
754 are used, in a fixed order, so that every device gives the same bits.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Box
and Muller 1958.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def blocks_used(n: int, words: int) -> int:
    """How far a generator moves on: the blocks that `n` elements of `words` words each use."""
    return -(-n * words // 4)


def words_per_element(kind: str, dtype: np.dtype[Any] | None = None, span: int = 0) -> int:
    """32-bit words of an element; `kind`: bits, uniform, normal, randint or permutation."""
    if kind == "bits":
        return 1
    if kind in ("uniform", "normal"):
        return 1 if dtype == np.float32 else 2
    if kind == "randint":
        return 2 if span <= 1 << 32 else 4
    return 2


def _lanes(xp: Any, seed: int, stream: int, offset: int, blocks: int) -> Array:
    """uint64[blocks, 4] with the four 32-bit words of each block."""
    number = xp.arange(blocks, dtype=np.uint64) + np.uint64(offset & _MASK64)
    low, half = np.uint64(_MASK32), np.uint64(32)
    x0, x1 = number & low, number >> half
    x2 = xp.full(blocks, stream & _MASK32, dtype=np.uint64)
    x3 = xp.full(blocks, (stream & _MASK64) >> 32, dtype=np.uint64)
    k0, k1 = seed & _MASK32, (seed & _MASK64) >> 32
    for _ in range(10):
        p0, p1 = x0 * np.uint64(_MULTIPLIERS[0]), x2 * np.uint64(_MULTIPLIERS[1])
        x0, x1 = (p1 >> half) ^ x1 ^ np.uint64(k0), p1 & low
        x2, x3 = (p0 >> half) ^ x3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + _WEYL[0]) & _MASK32, (k1 + _WEYL[1]) & _MASK32
    return xp.stack([x0, x1, x2, x3], axis=1)


def bits(xp: Any, seed: int, stream: int, offset: int, n: int) -> Array:
    """uint32[n]: words of a stream, from block `offset` on."""
    return _lanes(xp, seed, stream, offset, blocks_used(n, 1)).reshape(-1)[:n].astype(np.uint32)


def bits64(xp: Any, seed: int, stream: int, offset: int, n: int) -> Array:
    """uint64[n]: neighbouring words in pairs, the first one high."""
    pairs = _lanes(xp, seed, stream, offset, blocks_used(n, 2)).reshape(-1, 2)
    return ((pairs[:, 0] << np.uint64(32)) | pairs[:, 1])[:n]


def _top_bits(xp: Any, seed: int, stream: int, offset: int, n: int, dtype: Any) -> Array:
    """int64[n] of as many random bits as the significand of `dtype` holds: 24 or 53."""
    if dtype == np.float32:
        return (bits(xp, seed, stream, offset, n) >> np.uint32(8)).astype(np.int64)
    return (bits64(xp, seed, stream, offset, n) >> np.uint64(11)).astype(np.int64)


def uniform(xp: Any, seed: int, stream: int, offset: int, n: int, dtype: Any) -> Array:
    """Uniform numbers of [0, 1): multiples of 2^-24 in float32, of 2^-53 in float64."""
    dtype = np.dtype(dtype)
    digits = 24 if dtype == np.float32 else 53
    k = _top_bits(xp, seed, stream, offset, n, dtype)
    return k.astype(dtype) * dtype.type(2.0**-digits)


def _horner(z: Array, fractions: list[tuple[int, int]], real: Any) -> Array:
    top, bottom = fractions[0]
    value = real(top) / real(bottom)
    for top, bottom in fractions[1:]:
        value = value * z + real(top) / real(bottom)
    return value


def log_series(x: Array) -> Array:
    """ln x of positive normal numbers, within 1 ulp of the result.

    x = 2^e m with m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f), ln m = 2 atanh s
    = f - s (f - R).
    """
    single = x.dtype == np.float32
    real = x.dtype.type
    word, signed = (np.uint32, np.int32) if single else (np.uint64, np.int64)
    root_half = word(0x3F3504F3 if single else 0x3FE6A09E667F3BCD)
    digits = 23 if single else 52
    shifted = x.view(word) - root_half
    e = (shifted.view(signed) >> signed(digits)).astype(x.dtype)
    m = ((shifted & word((1 << digits) - 1)) + root_half).view(x.dtype)
    f = m - real(1)
    s = f / (real(2) + f)
    z = s * s
    terms = 4 if single else 10
    r = _horner(z, [(2, 2 * k + 1) for k in range(terms, 0, -1)], real) * z
    high = real(float.fromhex("0x1.62e4p-1" if single else "0x1.62e42fefap-1"))
    low = real(float.fromhex("0x1.7f7d1cp-20" if single else "0x1.cf79abc9e3b3ap-40"))
    return e * high + (f - (s * (f - r) - e * low))


def sincos_series(t: Array) -> tuple[Array, Array]:
    """(sin t, cos t) on [-pi/4, pi/4], within 1.5 ulp of the result."""
    real = t.dtype.type
    z = t * t
    top = 9 if t.dtype == np.float32 else 17
    factorial = [1]
    for k in range(1, top + 2):
        factorial.append(factorial[-1] * k)
    odd = [((-1) ** (k // 2), factorial[k]) for k in range(top, 2, -2)]
    even_top = top + 1 if t.dtype == np.float32 else top - 1
    even = [((-1) ** (k // 2), factorial[k]) for k in range(even_top, 1, -2)]
    return t + t * (_horner(z, odd, real) * z), real(1) + _horner(z, even, real) * z


def normal(xp: Any, seed: int, stream: int, offset: int, n: int, dtype: Any) -> Array:
    """Standard normal numbers by the Box-Muller transform of neighbouring words, within 4 ulp of
    exact arithmetic.

    Of a pair of words, the first gives the radius sqrt(-2 ln u), u in (0, 1], and the second the
    angle, split on the integers into a number of quarter turns and a rest in [-1/8, 1/8] turns.
    """
    dtype = np.dtype(dtype)
    real = dtype.type
    digits = 24 if dtype == np.float32 else 53
    k = _top_bits(xp, seed, stream, offset, n + n % 2, dtype).reshape(-1, 2)
    u = (k[:, 0] + np.int64(1)).astype(dtype) * real(2.0**-digits)
    quarter = (k[:, 1] + np.int64(1 << (digits - 3))) >> np.int64(digits - 2)
    rest = k[:, 1] - (quarter << np.int64(digits - 2))
    s, c = sincos_series(rest.astype(dtype) * (real(2 * np.pi) * real(2.0**-digits)))
    r = xp.sqrt(real(-2) * log_series(u))
    odd, back = (quarter & 1) == 1, (quarter & 2) == 2
    x, y = xp.where(odd, -s, c), xp.where(odd, c, s)
    pair = xp.stack([r * xp.where(back, -x, x), r * xp.where(back, -y, y)], axis=1)
    return pair.reshape(-1)[:n]


def _mul_high(a: Array, b: int) -> Array:
    """The upper 64 bits of the product of uint64 arrays with a 64-bit number."""
    half, low = np.uint64(32), np.uint64(_MASK32)
    b1, b0 = np.uint64(b >> 32), np.uint64(b & _MASK32)
    a1, a0 = a >> half, a & low
    middle = a1 * b0 + ((a0 * b0) >> half)
    lower = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (lower >> half)


def randint(xp: Any, seed: int, stream: int, offset: int, n: int, low: int, high: int) -> Array:
    """int64[n] of [low, high): low + floor(word * range / 2^bits).

    The word has 64 bits for ranges up to 2^32 and 128 (a whole block) beyond, so that the
    probability of a value is off by at most one part in 2^32.
    """
    span = high - low
    base = np.uint64(low & _MASK64)
    if span <= 1 << 32:
        return (_mul_high(bits64(xp, seed, stream, offset, n), span) + base).view(np.int64)
    words = bits64(xp, seed, stream, offset, 2 * n).reshape(-1, 2)
    carry_in = _mul_high(words[:, 1], span)
    lower = words[:, 0] * np.uint64(span) + carry_in
    carry = (lower < carry_in).astype(np.uint64)
    return (_mul_high(words[:, 0], span) + carry + base).view(np.int64)


def permutation(xp: Any, seed: int, stream: int, offset: int, n: int) -> Array:
    """int64[n]: 0 .. n - 1 in the order of n random 64-bit keys, ties in their own order."""
    return xp.argsort(bits64(xp, seed, stream, offset, n), kind="stable").astype(np.int64)
