"""Sums and extrema of the extension against float64, for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import gpudl as gd

_C = pytest.importorskip("gpudl._C", reason="built without the extension")
from gpudl.kernels.reduce import cpu  # noqa: E402  # needs the extension

CASES = [
    ((37, 1128), (0,)),
    ((37, 1128), (1,)),
    ((37, 1128), (0, 1)),
    ((5, 7, 63), (1,)),
    ((5, 7, 64), (0, 1)),
    ((3, 70000), (1,)),
    ((70001, 3), (0,)),
    ((300, 2500), (0,)),
    ((1,), (0,)),
    ((0, 3), (0,)),
    ((3, 0), (0,)),
    ((), ()),
]


@pytest.fixture(params=[2, 1, 0], ids=["avx512", "avx2", "base"])
def simd(request: pytest.FixtureRequest) -> Iterator[int]:
    """Each instruction set that this CPU has."""
    before = _C.simd_level()
    if _C.limit_simd(request.param) != request.param:
        _C.limit_simd(before)
        pytest.skip("this CPU lacks the instruction set")
    yield request.param
    _C.limit_simd(before)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_reductions(
    simd: int, case: tuple[tuple[int, ...], tuple[int, ...]], dtype: type, keepdims: bool
) -> None:
    shape, axis = case
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    options = {"axis": axis, "keepdims": keepdims}
    y = cpu.sum(x, **options)
    if not axis:
        assert y is NotImplemented
        return
    want = x.astype(np.longdouble).sum(**options)
    assert y.shape == want.shape and y.dtype == dtype
    scale = np.abs(x).sum(**options) + 1
    assert (np.abs(y - want) <= 2 * scale * np.finfo(dtype).eps).all()
    for kernel, exact in ((cpu.max, np.max), (cpu.min, np.min)):
        if any(shape[i] == 0 for i in axis):
            assert kernel(x, **options) is NotImplemented
        else:
            np.testing.assert_array_equal(kernel(x, **options), exact(x, **options))


@pytest.mark.parametrize("shape", [(5, 40), (200, 300)])
@pytest.mark.parametrize("axis", [(0,), (1,), (0, 1)])
def test_nan_wins_and_infinity_counts(
    simd: int, shape: tuple[int, int], axis: tuple[int, ...]
) -> None:
    for value in (np.nan, np.inf, -np.inf):
        for place in ((0, 0), (3, 39), (4, 7)):
            x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
            x[place] = value
            for kernel, exact in ((cpu.sum, np.sum), (cpu.max, np.max), (cpu.min, np.min)):
                got, want = kernel(x, axis=axis, keepdims=False), exact(x, axis=axis)
                np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
                np.testing.assert_array_equal(np.isinf(got), np.isinf(want))


def test_other_layouts_and_dtypes_are_left_to_the_library() -> None:
    x = np.ones((6, 8), np.float32)
    three = np.ones((2, 3, 4), np.float32)
    assert cpu.sum(x.T, axis=(0,), keepdims=False) is NotImplemented
    assert cpu.sum(x[:, ::2], axis=(0,), keepdims=False) is NotImplemented
    assert cpu.sum(x.astype(np.int32), axis=(0,), keepdims=False) is NotImplemented
    assert cpu.sum(three, axis=(0, 2), keepdims=False) is NotImplemented
    assert gd.sum(gd.asarray(three), axis=(0, 2)).tolist() == [8.0, 8.0, 8.0]
    with pytest.raises(ValueError, match="does not fit"):
        _C.reduce_sum(x, 2, 2, 2, np.empty(4, np.float32))


def test_rows_use_the_kernels_for_large_operands() -> None:
    x = np.random.default_rng(3).standard_normal((300, 400)).astype(np.float32)
    t = gd.asarray(x)
    for axis in ((0,), (1,), (0, 1)):
        options = {"axis": axis, "keepdims": False}
        want = [cpu.sum(x, **options), cpu.max(x, **options), cpu.min(x, **options)]
        got = [gd.sum(t, axis=axis), gd.max(t, axis=axis), gd.min(t, axis=axis)]
        assert [y.numpy().tobytes() for y in got] == [y.tobytes() for y in want]
    with gd.config(kernels="library"):
        library = gd.sum(t, axis=(0,)).numpy()
    np.testing.assert_array_equal(library, x.sum(0))
    whole = gd.asarray(np.ones((300, 400), np.int64))
    assert gd.sum(whole).tolist() == 120000 and gd.max(whole, axis=0).tolist() == [1] * 400
    with gd.profiler.profile():  # hooks see the same bits
        hooked = gd.sum(t, axis=(0,)).numpy()
    np.testing.assert_array_equal(hooked, gd.sum(t, axis=(0,)).numpy())


def test_same_bits_for_any_number_of_threads() -> None:
    x = np.random.default_rng(2).standard_normal((701, 1128)).astype(np.float32)
    before = _C.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            results.append(
                [cpu.sum(x, axis=a, keepdims=False).tobytes() for a in ((0,), (1,), (0, 1))]
            )
    finally:
        _C.set_num_threads(before)
    assert results[0] == results[1] == results[2]
