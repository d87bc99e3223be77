"""What is copied, written and shaped by our own kernels: against NumPy, without a library call."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl import devices
from gpudl.kernels import find

EMU = gd.device("emu")


def up(x: np.ndarray) -> object:
    return EMU.from_host(np.ascontiguousarray(x).reshape(x.shape), copy=True)


@pytest.fixture(autouse=True)
def no_library(emulator):
    """Nothing in this file is left to the library."""
    before = EMU.library_calls()
    yield
    assert EMU.library_calls() == before


# ----- assignment -----
@pytest.mark.parametrize("value", [1.7, -3, True, np.float64(0.5)], ids=repr)
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "key", [np.s_[...], np.s_[1:], np.s_[::-2], np.s_[:, ::3], np.s_[2, 1:2], np.s_[0:0]], ids=repr
)
def test_a_number_is_written_anywhere(key, dtype, value):
    x = np.arange(37 * 9).reshape(37, 9).astype(dtype)
    on = up(x)
    assert find("assign", "emu")(on[key], value) is None
    x[key] = value
    assert np.array_equal(EMU.to_host(on), x)


@pytest.mark.parametrize("source", ["bool", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("target", ["bool", "int32", "int64", "float32", "float64"])
def test_values_are_cast_and_broadcast(source, target):
    rng = np.random.default_rng(0)
    x, v = np.zeros((37, 10), target), rng.integers(-3, 4, 10).astype(source)
    on = up(x)
    assert find("assign", "emu")(on[::2], up(v)) is None
    x[::2] = v
    assert np.array_equal(EMU.to_host(on), x)


@pytest.mark.parametrize(
    ("to", "of"),
    [
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[...], np.s_[::-1]),
        (np.s_[...], np.s_[...]),
        (np.s_[::2], np.s_[1::2]),
    ],
    ids=repr,
)
def test_memory_that_overlaps_is_read_before_it_is_written(to, of):
    x = np.arange(2000, dtype=np.float32).reshape(40, 50)
    for axis in (x, x.T):
        want = axis.copy()
        want[to] = want[of].copy()
        on = up(axis)
        find("assign", "emu")(on[to], on[of])
        assert np.array_equal(EMU.to_host(on), want)


def test_what_assignment_leaves_to_the_library():
    assign, x = find("assign", "emu"), up(np.zeros((3, 4), np.float32))
    elsewhere = gd.ones(4, device="emu:1").data
    for value in (np.zeros(4, np.float32), up(np.zeros(3, np.float32)), elsewhere):
        assert assign(x, value) is NotImplemented


# ----- shapes -----
def test_reshape_copies_only_what_it_must():
    x = np.arange(360, dtype=np.int64).reshape(4, 9, 10)
    reshape, on = find("reshape", "emu"), up(x)
    views = [(np.s_[...], (36, -1)), (np.s_[:, ::3], (12, 5, 2)), (np.s_[::-1], (4, 1, 90))]
    copies = [(np.s_[:, ::3], (4, 30)), (np.s_[..., ::-1], (360,)), (np.s_[1:, 1:], (-1,))]
    for is_view, cases in ((True, views), (False, copies)):
        for key, shape in cases:
            out = reshape(on[key], shape=shape)
            assert np.array_equal(EMU.to_host(out), x[key].reshape(shape))
            assert devices.overlap(out, on) == is_view
    turned = reshape(on.transpose(2, 0, 1), shape=(10, 36))
    assert np.array_equal(EMU.to_host(turned), x.transpose(2, 0, 1).reshape(10, 36))
    empty = reshape(on[:0], shape=(5, 0, 2))
    assert empty.shape == (5, 0, 2)


def test_joining_and_padding_of_views():
    x = np.arange(60, dtype=np.int32).reshape(5, 12)
    on = up(x)
    parts = (np.s_[:, ::3], np.s_[:, :0], np.s_[:, 5:2:-1])
    joined = find("concat", "emu")(*(on[p] for p in parts), axis=1, sizes=(4, 0, 3))
    assert np.array_equal(EMU.to_host(joined), np.concatenate([x[p] for p in parts], 1))
    padded = find("pad", "emu")(on.T, width=((0, 2), (3, 1)), value=-7)
    want = np.pad(x.T, ((0, 2), (3, 1)), constant_values=-7)
    assert np.array_equal(EMU.to_host(padded), want)


@pytest.mark.parametrize("name", ["tril", "triu"])
@pytest.mark.parametrize("k", [-(2**70), -5, 0, 3, 2**70])
def test_triangles_of_every_diagonal(name, k):
    x = np.arange(2 * 7 * 5, dtype=np.float64).reshape(2, 7, 5) + 1
    near = max(min(k, 100), -100)
    assert np.array_equal(EMU.to_host(find(name, "emu")(up(x), k=k)), getattr(np, name)(x, near))
