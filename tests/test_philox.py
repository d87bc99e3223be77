"""Philox: known answers, native draws against the NumPy reference bit by bit, accuracy, moments."""

from __future__ import annotations

import numpy as np
import pytest

from gpudl.ops import _philox as ref

SIZES = [0, 1, 2, 3, 5, 37, 1128, 100_003]
KEYS = [(0, 0, 0), (0x0123456789ABCDEF, 77, 2**64 - 10), (2**64 - 1, 2**63, 12345)]
RANGES = [
    (0, 1),
    (0, 10),
    (-5, 2**31),
    (0, 2**32),
    (0, 2**32 + 1),
    (-(2**40), 2**62),
    (-(2**63), 2**63 - 1),
]
REALS = [np.dtype(np.float32), np.dtype(np.float64)]


@pytest.fixture(scope="module")
def native():
    return pytest.importorskip("gpudl._C", reason="the C++ extension is not built")


# Known answers of the authors' library Random123: counter (four words), key (two words), output.
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter, key, words):
    offset = counter[0] | counter[1] << 32
    stream = counter[2] | counter[3] << 32
    seed = key[0] | key[1] << 32
    assert ref.bits(np, seed, stream, offset, 4).tolist() == words


def same(a, b):
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("key", KEYS)
def test_native_bits_equal_the_reference(native, key, n):
    same(native.philox_bits(*key, n), ref.bits(np, *key, n))
    same(native.philox_bits64(*key, n), ref.bits64(np, *key, n))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", REALS, ids=str)
@pytest.mark.parametrize("key", KEYS)
def test_native_reals_equal_the_reference(native, key, dtype, n):
    same(native.philox_uniform(*key, n, dtype), ref.uniform(np, *key, n, dtype))
    same(native.philox_normal(*key, n, dtype), ref.normal(np, *key, n, dtype))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("bounds", RANGES)
def test_native_integers_equal_the_reference(native, bounds, n):
    same(native.philox_randint(*KEYS[1], n, *bounds), ref.randint(np, *KEYS[1], n, *bounds))


def test_native_draws_do_not_depend_on_threads(native):
    before = native.get_num_threads()
    key = KEYS[1]
    draws = [
        lambda: native.philox_uniform(*key, 200_003, REALS[0]),
        lambda: native.philox_normal(*key, 200_003, REALS[0]),
        lambda: native.philox_normal(*key, 200_003, REALS[1]),
        lambda: native.philox_randint(*key, 200_003, -3, 2**40),
    ]
    try:
        native.set_num_threads(1)
        expected = [d().tobytes() for d in draws]
        for n in (2, 3):
            native.set_num_threads(n)
            assert [d().tobytes() for d in draws] == expected
    finally:
        native.set_num_threads(before)


def test_kernels_take_what_they_can(native):
    from gpudl.kernels.random import cpu

    key = {"seed": 1, "stream": 2, "offset": 3, "n": 37}
    same(cpu.philox_normal(**key, dtype=np.float32), ref.normal(np, 1, 2, 3, 37, np.float32))
    same(cpu.philox_bits(**key), ref.bits(np, 1, 2, 3, 37))
    same(cpu.philox_bits64(**key), ref.bits64(np, 1, 2, 3, 37))
    same(cpu.philox_randint(**key, low=-2, high=5), ref.randint(np, 1, 2, 3, 37, -2, 5))
    assert cpu.philox_uniform(**key, dtype=np.float16) is NotImplemented
    assert cpu.philox_normal(**key, dtype=np.float16) is NotImplemented


def test_bad_arguments_are_refused(native):
    with pytest.raises(ValueError, match="high must be greater"):
        native.philox_randint(0, 0, 0, 5, 3, 3)
    with pytest.raises(ValueError, match="negative"):
        native.philox_bits(0, 0, 0, -1)
    with pytest.raises(MemoryError):
        native.philox_bits(0, 0, 0, 2**62)
    with pytest.raises(TypeError):
        native.philox_bits(-1, 0, 0, 5)
    with pytest.raises(TypeError, match="float32 or float64"):
        native.philox_uniform(0, 0, 0, 5, np.dtype(np.int32))


def test_any_part_of_a_stream_can_be_drawn_alone():
    whole = ref.bits(np, 9, 8, 7, 1128)
    np.testing.assert_array_equal(ref.bits(np, 9, 8, 7 + 100, 1128 - 400), whole[400:])
    normals = ref.normal(np, 9, 8, 7, 1128, np.float64)
    start = ref.blocks_used(400, ref.words_per_element("normal", np.dtype(np.float64)))
    rest = ref.normal(np, 9, 8, 7 + start, 1128 - 400, np.float64)
    np.testing.assert_array_equal(rest, normals[400:])


@pytest.mark.parametrize(
    ("kind", "dtype", "span", "words"),
    [
        ("bits", None, 0, 1),
        ("uniform", np.float32, 0, 1),
        ("normal", np.float64, 0, 2),
        ("randint", None, 2**32, 2),
        ("randint", None, 2**32 + 1, 4),
        ("permutation", None, 0, 2),
    ],
)
def test_words_and_blocks(kind, dtype, span, words):
    dtype = None if dtype is None else np.dtype(dtype)
    assert ref.words_per_element(kind, dtype, span) == words
    assert ref.blocks_used(0, words) == 0
    assert ref.blocks_used(5, words) == -(-5 * words // 4)


def ulps(got, exact):
    return np.max(np.abs(got.astype(np.longdouble) - exact) / np.spacing(np.abs(got)))


@pytest.mark.parametrize("dtype", REALS, ids=str)
def test_log_and_sincos_are_accurate(dtype):
    rng = np.random.default_rng(0)
    near_one, small = 1 - rng.random(200_000) ** 4, rng.random(200_000) ** 8
    x = np.concatenate([near_one, small, 2.0 ** -np.arange(24)])
    x = x[x > 1e-20].astype(dtype)
    x = x[x != 1]
    assert ulps(ref.log_series(x), np.log(x.astype(np.longdouble))) < 1.0
    assert ref.log_series(np.ones(1, dtype))[0] == 0
    t = (rng.uniform(-1, 1, 200_000) * np.pi / 4).astype(dtype)
    s, c = ref.sincos_series(t)
    assert ulps(s, np.sin(t.astype(np.longdouble))) < 1.5
    assert ulps(c, np.cos(t.astype(np.longdouble))) < 1.5


@pytest.mark.parametrize("dtype", REALS, ids=str)
def test_normals_are_the_exact_transform_within_4_ulp(dtype):
    n = 200_000
    digits = 24 if dtype == np.float32 else 53
    k = (ref.uniform(np, 5, 6, 7, n, dtype).astype(np.longdouble) * 2**digits).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log((k[:, 0] + 1) * np.longdouble(2.0) ** -digits))
    angle = 8 * np.arctan(np.longdouble(1)) * k[:, 1] * np.longdouble(2.0) ** -digits
    exact = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    got = ref.normal(np, 5, 6, 7, n, dtype)
    # Near its zeros the long double sine is no better than its own reduction of the angle.
    clear = np.abs(exact) > 1e-3
    assert ulps(got[clear], exact[clear]) < 4


@pytest.mark.parametrize("dtype", REALS, ids=str)
def test_moments(dtype):
    n = 1 << 20
    u = ref.uniform(np, 11, 0, 0, n, dtype).astype(np.float64)
    assert 0 <= u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    x = ref.normal(np, 12, 0, 0, n, dtype).astype(np.float64)
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((x**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((x**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs((x[0::2] * x[1::2]).mean()) < 5 / np.sqrt(n / 2)


def test_streams_and_seeds_are_uncorrelated():
    n = 1 << 18
    base = ref.normal(np, 1, 0, 0, n, np.float64)
    for key in [(2, 0, 0), (1, 1, 0), (1, 0, n)]:
        other = ref.normal(np, *key, n, np.float64)
        assert abs((base * other).mean()) < 5 / np.sqrt(n)


def test_integers_are_uniform():
    n = 600_000
    counts = np.bincount(ref.randint(np, 3, 0, 0, n, 0, 6), minlength=6)
    chi2 = ((counts - n / 6) ** 2 / (n / 6)).sum()
    assert chi2 < 30  # 5 degrees of freedom: exceeded once in 70,000
    wide = ref.randint(np, 3, 0, 0, 10_000, -(2**63), 2**63 - 1).astype(np.float64)
    assert abs(wide.mean()) < 5 * 2**64 / np.sqrt(12 * 10_000)


@pytest.mark.parametrize("bounds", RANGES)
def test_integers_are_the_scaled_word(bounds):
    low, high = bounds
    span = high - low
    words = [int(w) for w in ref.bits64(np, 3, 4, 5, 74)]
    if span <= 2**32:
        expected = [low + (w * span >> 64) for w in words[:37]]
    else:
        pairs = zip(words[0::2], words[1::2], strict=True)
        expected = [low + (((a << 64) | b) * span >> 128) for a, b in pairs]
    assert ref.randint(np, 3, 4, 5, 37, low, high).tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 2, 37, 1128])
def test_permutation(n):
    p = ref.permutation(np, 1, 2, 3, n)
    assert p.dtype == np.int64
    assert sorted(p.tolist()) == list(range(n))
    if n > 30:
        assert p.tolist() != list(range(n))
        assert p.tolist() != ref.permutation(np, 1, 2, 4, n).tolist()
