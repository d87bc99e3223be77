"""Matrix products of the extension against float64, in every layout, for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import tolerances

_C = pytest.importorskip("gpudl._C", reason="built without the extension")
from gpudl.kernels.matmul import cpu  # noqa: E402  # needs the extension

SHAPES = [(64, 576, 64), (37, 1128, 37), (300, 70, 65), (129, 257, 63), (1128, 1, 1128)]
SHAPES += [(1, 1128, 1128), (1128, 1128, 1), (2, 40000, 3)]


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_matmul(shape: tuple[int, int, int], dtype: str) -> None:
    M, K, N = shape
    rng = np.random.default_rng(M * N + K)
    a, b = rng.standard_normal((M, K)).astype(dtype), rng.standard_normal((K, N)).astype(dtype)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    limit = tolerances.tolerance(np.dtype(dtype))
    for name_a, left in layouts(a).items():
        for name_b, right in layouts(b).items():
            y = gd.matmul(gd.asarray(left), gd.asarray(right)).numpy()
            error = tolerances.error(y, expected, tolerances.largest(a, b))
            assert error < limit, (name_a, name_b, error)


@pytest.mark.parametrize("axis", [0, 1])
def test_broadcast_operand(axis: int) -> None:
    rng = np.random.default_rng(axis)
    side = [300, 128]
    side[axis] = 1
    a = np.broadcast_to(rng.standard_normal(side), (300, 128))
    b = rng.standard_normal((128, 64))
    assert np.allclose(
        gd.matmul(gd.asarray(a), gd.asarray(b)).numpy(), a @ b, rtol=1e-12, atol=1e-12
    )


def test_the_kernel_runs_and_refuses_what_it_does_not_take() -> None:
    a, b = np.ones((300, 70), np.float32), np.ones((70, 65), np.float32)
    assert cpu.matmul(a, b) is not NotImplemented
    assert cpu.matmul(a[:2, :3], b[:3, :4]) is NotImplemented
    assert cpu.matmul(a.astype(np.int64), b.astype(np.int64)) is NotImplemented
    assert cpu.matmul(a, a) is NotImplemented
    assert cpu.linear(a, b) is NotImplemented


def test_linear_with_leading_axes() -> None:
    rng = np.random.default_rng(0)
    x, w, b = (
        rng.standard_normal((3, 100, 128)),
        rng.standard_normal((64, 128)),
        rng.standard_normal(64),
    )
    y = gd.nn.functional.linear(*map(gd.asarray, (x, w, b)))
    assert np.allclose(y.numpy(), x @ w.T + b, rtol=1e-12, atol=1e-12)


def test_same_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((301, 257)).astype(np.float32)
    b = rng.standard_normal((257, 131)).astype(np.float32)
    before = _C.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            results.append((cpu.matmul(a, b).tobytes(), cpu.matmul(a.T.copy().T, b).tobytes()))
    finally:
        _C.set_num_threads(before)
    assert results[0] == results[1] == results[2]
