"""Matrix products of the extension against float64, in every layout, for any number of threads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import tolerances

_C = pytest.importorskip("gpudl._C", reason="built without the extension")
from gpudl.kernels.matmul import cpu  # noqa: E402  # needs the extension

EDGES = [0, 1, 3, 4, 5, 14, 37, 65]
SHAPES = [(64, 576, 64), (37, 1128, 37), (300, 70, 65), (129, 257, 63), (1128, 1, 1128)]
SHAPES += [(1, 1128, 1128), (1128, 1128, 1), (2, 40000, 3), (3, 37, 1128), (700, 300, 520)]


@pytest.fixture(params=[2, 1, 0], ids=["avx512", "avx2", "base"])
def simd(request: pytest.FixtureRequest) -> Iterator[int]:
    """Each instruction set that this CPU has."""
    before = _C.simd_level()
    if _C.limit_simd(request.param) != request.param:
        _C.limit_simd(before)
        pytest.skip("this CPU lacks the instruction set")
    yield request.param
    _C.limit_simd(before)


def layouts(x: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    packed = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    packed[...] = x
    return {
        "rows": x,
        "columns": np.asfortranarray(x),
        "every second": np.repeat(x, 2, 1)[:, ::2],
        "rows reversed": np.ascontiguousarray(x[::-1])[::-1],
        "columns reversed": np.ascontiguousarray(x[:, ::-1])[:, ::-1],
        "unaligned": packed,
    }


def check(y: np.ndarray[Any, Any], a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> None:
    expected = a.astype(np.float64) @ b.astype(np.float64)
    assert y.shape == expected.shape and y.dtype == a.dtype
    if y.size:
        error = tolerances.error(y, expected, tolerances.largest(a, b) if a.size else 1.0)
        assert error < tolerances.tolerance(a.dtype), error


def operands(
    M: int, K: int, N: int, dtype: str = "float32"
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(M * 7 + N * 3 + K)
    return rng.standard_normal((M, K)).astype(dtype), rng.standard_normal((K, N)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_matmul(simd: int, shape: tuple[int, int, int], dtype: str) -> None:
    a, b = operands(*shape, dtype)
    for left, right in itertools.product(layouts(a).values(), layouts(b).values()):
        check(gd.matmul(gd.asarray(left), gd.asarray(right)).numpy(), a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges_of_tiles(simd: int, dtype: str) -> None:
    for M, K, N in itertools.product(EDGES, [0, 1, 7, 16, 37], EDGES):
        a, b = operands(M, K, N, dtype)
        for left, right in itertools.product((a, np.asfortranarray(a)), (b, np.asfortranarray(b))):
            check(cpu.matmul(left, right), a, b)


def test_memory_around_the_result_stays(simd: int) -> None:
    for M, K, N in [(1, 37, 37), (3, 5, 17), (15, 20, 33), (64, 64, 10)]:
        a, b = operands(M, K, N)
        around = np.full(M * N + 64, 7, np.float32)
        _C.matmul(a, b, around[32:-32].reshape(M, N))
        assert (around[:32] == 7).all() and (around[-32:] == 7).all()


BATCHES = [
    ((), (3,)),
    ((3,), ()),
    ((2, 1), (5,)),
    ((4, 1, 2), (3, 1)),
    ((0,), (1,)),
    ((70,), (70,)),
]


@pytest.mark.parametrize("matrix", [(5, 7, 3), (20, 33, 40), (1, 16, 5), (9, 0, 4)])
@pytest.mark.parametrize("batch", BATCHES)
def test_batches_broadcast(batch: tuple[Any, Any], matrix: tuple[int, int, int]) -> None:
    M, K, N = matrix
    rng = np.random.default_rng(M)
    a = rng.standard_normal((*batch[0], M, K)).astype(np.float32)
    b = rng.standard_normal((*batch[1], K, N)).astype(np.float32)
    check(cpu.matmul(a, b), a, b)
    check(cpu.matmul(np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2), b), a, b)
    reversed_ = np.ascontiguousarray(a[::-1])[::-1]
    check(cpu.matmul(reversed_, b), a, b)


@pytest.mark.parametrize("axis", [0, 1])
def test_broadcast_operand(axis: int) -> None:
    rng = np.random.default_rng(axis)
    side = [300, 128]
    side[axis] = 1
    a = np.broadcast_to(rng.standard_normal(side), (300, 128))
    b = rng.standard_normal((128, 64))
    check(gd.matmul(gd.asarray(a), gd.asarray(b)).numpy(), a, b)


@pytest.mark.parametrize("shape", [(3, 40, 37), (30, 40, 37), (30, 40, 2)])
def test_nan_and_infinity_reach_their_rows_and_columns_only(
    simd: int, shape: tuple[int, int, int]
) -> None:
    a, b = operands(*shape)
    a[1, 5], b[7, 1] = np.nan, np.inf
    y = cpu.matmul(a, b)
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))


ENDS = {
    0: lambda y: y,
    1: lambda y: np.maximum(y, 0),
    2: lambda y: y * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3))),
}


@pytest.mark.parametrize("activation", ENDS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 50, 37), (37, 300, 2), (37, 300, 65), (9, 0, 5)])
def test_bias_activation_and_accumulation(
    simd: int, shape: tuple[int, int, int], activation: int
) -> None:
    a, b = operands(*shape, "float64")
    rng = np.random.default_rng(1)
    bias, before = rng.standard_normal(shape[2]), rng.standard_normal((shape[0], shape[2]))
    out = before.copy()
    _C.matmul(a, b, out, bias, activation, accumulate=True)
    np.testing.assert_allclose(out, ENDS[activation](before + a @ b + bias), rtol=1e-11, atol=1e-11)
    _C.matmul(a, b, out, None, activation)
    np.testing.assert_allclose(out, ENDS[activation](a @ b), rtol=1e-11, atol=1e-11)


def test_what_the_kernel_refuses() -> None:
    a, b = np.ones((300, 70), np.float32), np.ones((70, 65), np.float32)
    assert cpu.matmul(a.astype(np.int64), b.astype(np.int64)) is NotImplemented
    assert cpu.matmul(a, b.astype(np.float64)) is NotImplemented
    assert cpu.matmul(a, a) is NotImplemented
    assert cpu.matmul(a[0], b) is NotImplemented
    assert cpu.matmul(np.ones((2, 3, 3)), np.ones((4, 3, 3))) is NotImplemented
    assert cpu.linear(a, b) is NotImplemented
    out = np.empty((300, 65), np.float32)
    for wrong in (
        (a, b, out[:, :64]),
        (a, b[:, :64], out),
        (a.astype(np.float64), b, out),
        (a[0], b, out),
        (np.ones((3, 300, 70), np.float32), b, np.empty((2, 300, 65), np.float32)),
        (a, b, out, np.ones(64, np.float32)),
        (a, b, out, None, 9),
    ):
        with pytest.raises((ValueError, TypeError)):
            _C.matmul(*wrong)


@pytest.mark.parametrize("leading", [(), (1,), (3, 100), (2, 0)])
def test_linear_with_leading_axes(leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((*leading, 128), (64, 128), 64))
    y = gd.nn.functional.linear(*map(gd.asarray, (x, w, b)))
    np.testing.assert_allclose(y.numpy(), x @ w.T + b, rtol=1e-12, atol=1e-12)


THREADED = [(301, 257, 131), (64, 1100, 1000), (4000, 70, 30), (3, 2000, 700), (2500, 300, 2100)]


@pytest.mark.parametrize("shape", THREADED)
def test_same_bits_for_any_number_of_threads(shape: tuple[int, int, int]) -> None:
    a, b = operands(*shape)
    columns, batch = np.asfortranarray(a), np.stack([a[:64, :64]] * 20)
    before = _C.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            products = (
                cpu.matmul(a, b),
                cpu.matmul(columns, b),
                cpu.matmul(a, b.copy("F")),
                cpu.matmul(batch, batch.swapaxes(1, 2)),
            )
            results.append([p.tobytes() for p in products])
    finally:
        _C.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_a_field_of_a_record_is_read_or_copied():
    # Its strides are no multiples of the item size; NumPy calls it aligned where extents are 1.
    record = np.zeros((3, 3), dtype=[("byte", "i1"), ("x", "f4")])
    record["x"] = np.arange(9).reshape(3, 3)
    for part in (record["x"], record["x"][:1, :1], record["x"][:1]):
        found = cpu.matmul(part, part.T)
        np.testing.assert_array_equal(found, part.astype(np.float64) @ part.T)
