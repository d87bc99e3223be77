"""The simulator of CUDA kernels in Python: what it computes, and what it reports."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="the simulator compiles with Numba")

from gpudl.errors import ArgumentError, CompileError, EmulatorError, NotSupportedError
from gpudl.runtime.numba_cuda import cuda
from gpudl.runtime.numba_simulator import SimulatedKernel, scheduler

ORDERS = ("forward", "reverse", "7")
ALL = 0xFFFFFFFF
SIZE = 64


def found(function, kind, match, *args, grid=1, block=SIZE, **options):
    """The report of a kernel must be of this kind, and name this."""
    with pytest.raises(EmulatorError, match=match) as caught:
        SimulatedKernel(function).launch(grid, block, *args, **options)
    assert caught.value.kind == kind
    return str(caught.value)


# ----- barriers and shared memory -----
def reversed_blocks(x, out):
    tile = cuda.shared.array(SIZE, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = tile[SIZE - 1 - t]


def reversed_without_barrier(x, out):
    tile = cuda.shared.array(SIZE, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[cuda.grid(1)]
    out[cuda.grid(1)] = tile[SIZE - 1 - t]


@pytest.mark.parametrize("order", ORDERS)
def test_barrier(order):
    x = np.arange(3 * SIZE, dtype="f4")
    out = np.zeros_like(x)
    SimulatedKernel(reversed_blocks).launch(3, SIZE, x, out, order=order)
    assert np.array_equal(out, x.reshape(3, SIZE)[:, ::-1].ravel())


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_reads_poison(order):
    x = np.arange(SIZE, dtype="f4")
    out = np.zeros_like(x)
    SimulatedKernel(reversed_without_barrier).launch(1, SIZE, x, out, order=order)
    assert np.isnan(out).any()


def dynamic(x, out):
    tile = cuda.shared.array(0, np.float32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    total = cuda.syncthreads_count(x[i] > 1)
    both = cuda.syncthreads_and(x[i] >= 0), cuda.syncthreads_or(x[i] > 5)
    out[i] = tile[(i + 1) % tile.size] + 100 * total + 1000 * both[0] + 10000 * both[1]


def test_dynamic_shared_memory_and_counting_barriers():
    x = np.arange(5, dtype="f4")
    out = np.zeros_like(x)
    SimulatedKernel(dynamic).launch(1, 5, x, out, shared=20)
    assert out.tolist() == (np.roll(x, -1) + 100 * 3 + 1000).tolist()


def grids(out):
    x, y, z = cuda.grid(3)
    nx, ny, nz = cuda.gridsize(3)
    thread = cuda.threadIdx
    block = cuda.blockIdx
    out[x, y, z] = ((nx * 10 + ny) * 10 + nz) * 1000 + thread.x * 100 + block.y * 10 + block.z


def test_three_axes():
    out = np.zeros((4, 3, 2), "i8")
    SimulatedKernel(grids).launch((2, 3, 2), (2, 1, 1), out)
    x, y, z = np.indices(out.shape)
    assert np.array_equal(out, 432_000 + x % 2 * 100 + y * 10 + z)


# ----- warps -----
def collectives(x, out):
    t = cuda.threadIdx.x
    out[0, t] = cuda.shfl_sync(ALL, x[t], 3)
    out[1, t] = cuda.shfl_up_sync(ALL, x[t], 2)
    out[2, t] = cuda.shfl_down_sync(ALL, x[t], 2)
    out[3, t] = x[t] + cuda.shfl_xor_sync(ALL, x[t], 1) * 2
    out[4, t] = cuda.popc(cuda.ballot_sync(ALL, x[t] > 4))
    out[5, t] = 10 * cuda.any_sync(ALL, x[t] > 40) + cuda.all_sync(ALL, x[t] >= 0)
    out[6, t] = cuda.eq_sync(ALL, t < 32)
    out[7, t] = cuda.popc(cuda.match_any_sync(ALL, t % 3))
    mask, same = cuda.match_all_sync(ALL, t // 32)
    out[8, t] = cuda.popc(mask) * same
    cuda.syncwarp()
    out[9, t] = cuda.laneid + cuda.popc(cuda.lanemask_lt()) + cuda.warpsize


@pytest.mark.parametrize("order", ORDERS)
def test_warp_collectives(order):
    x = np.arange(64, dtype="f4")
    out = np.zeros((10, 64), "f4")
    SimulatedKernel(collectives).launch(1, 64, x, out, order=order)
    lane, warp = np.arange(64) % 32, np.arange(64) // 32
    base = warp * 32
    assert np.array_equal(out[0], x[base + 3])
    assert np.array_equal(out[1], x[base + np.where(lane < 2, lane, lane - 2)])
    assert np.array_equal(out[2], x[base + np.where(lane > 29, lane, lane + 2)])
    assert np.array_equal(out[3], x + 2 * x[base + (lane ^ 1)])
    assert np.array_equal(out[4], np.where(warp == 0, 27, 32))
    assert np.array_equal(out[5], np.where(warp == 0, 1, 11))
    assert np.array_equal(out[6], np.ones(64))
    thirds = [np.sum(np.arange(w * 32, w * 32 + 32) % 3 == r) for w in range(2) for r in range(3)]
    assert np.array_equal(out[7], np.array(thirds)[warp * 3 + np.arange(64) % 3])
    assert np.array_equal(out[8], np.full(64, 32))
    assert np.array_equal(out[9], 2 * lane + 32)


def tree(value):
    for step in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(ALL, value, step)
    return value


def block_sum(value):
    parts = cuda.shared.array(32, np.float64)
    total = tree(value)
    if cuda.laneid == 0:
        parts[cuda.threadIdx.x // 32] = total
    cuda.syncthreads()
    mine = parts[cuda.threadIdx.x] if cuda.threadIdx.x < cuda.blockDim.x // 32 else 0.0
    return tree(mine)


def sums(x, out):
    total = block_sum(x[cuda.grid(1)])
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(out, 0, total)


@pytest.mark.parametrize("order", ORDERS)
def test_device_functions_in_which_threads_wait(order):
    x = np.random.default_rng(0).standard_normal(256)
    out = np.zeros(1)
    SimulatedKernel(sums).launch(2, 128, x, out, order=order)
    assert out[0] == pytest.approx(x.sum(), rel=1e-12)


def halves(out):
    t = cuda.threadIdx.x
    if t < 16:
        out[t] = cuda.shfl_sync(0xFFFF, t, 5)
    else:
        out[t] = cuda.shfl_sync(0xFFFF0000, t, 20)
    if t % 2 == 0 and cuda.any_sync(0x55555555, t == 4):
        out[t] += 100


def test_halves_of_a_warp_go_different_ways():
    out = np.zeros(32, "i8")
    SimulatedKernel(halves).launch(1, 32, out)
    t = np.arange(32)
    assert np.array_equal(out, np.where(t < 16, 5, 20) + 100 * (t % 2 == 0))


# ----- atomics and arithmetic -----
def atomics(a, f, old):
    t = cuda.threadIdx.x
    cuda.atomic.add(a, 0, t)
    cuda.atomic.sub(a, 1, t)
    cuda.atomic.max(a, 2, t)
    cuda.atomic.min(a, 3, t)
    cuda.atomic.and_(a, 4, ~(1 << t))
    cuda.atomic.or_(a, 5, 1 << t)
    cuda.atomic.xor(a, 6, 3)
    cuda.atomic.inc(a, 7, 4)
    cuda.atomic.dec(a, 8, 4)
    cuda.atomic.exch(a, 9, 7)
    cuda.atomic.cas(a, 10, t, t + 1)
    cuda.atomic.compare_and_swap(a[11:], 5, 6)
    old[t] = cuda.atomic.add(f, (0, 1), 0.5)
    cuda.atomic.nanmax(f, (1, 0), 1.5 * t)
    cuda.atomic.nanmin(f, (1, 1), 1.5 * t)
    cuda.atomic.max(f, (1, 2), 1.5 * t)


def test_all_atomics():
    a = np.array([0, 0, -5, 100, 255, 0, 0, 0, 0, 0, 0, 5], "i8")
    f = np.array([[0, 0, 0], [np.nan, np.nan, -1]])
    old = np.zeros(7)
    SimulatedKernel(atomics).launch(1, 7, a, f, old)
    assert a.tolist() == [21, -21, 6, 0, 128, 127, 3, 2, 3, 7, 7, 6]
    assert f.tolist() == [[0, 3.5, 0], [9, 0, 9]]
    assert sorted(old.tolist()) == [0.5 * i for i in range(7)]


def arithmetic(out, single):
    local = cuda.local.array(2, np.float32)
    out[0] = cuda.popc(np.int32(-1)) + 100 * cuda.clz(np.int32(1)) + 10000 * cuda.ffs(8)
    out[1] = cuda.brev(np.uint32(1))
    out[2] = cuda.selp(out[0] > 0, 4, 5)
    single[0] = cuda.fma(single[1], single[1], single[2])
    single[3] = cuda.cbrt(single[3])
    single[4] = local[1]


def test_arithmetic():
    out = np.zeros(3, "i8")
    x = np.float32(1 + 2**-12)
    single = np.array([0, x, -1, 27, 0], "f4")
    SimulatedKernel(arithmetic).launch(1, 1, out, single)
    assert out.tolist() == [32 + 3100 + 40000, 1 << 31, 4]
    assert single[0] == np.float32(float(x) * float(x) - 1) != x * x - np.float32(1)
    assert single[3] == 3 and np.isnan(single[4])  # local memory is poisoned too


# ----- text -----
def test_closures_constants_and_short_cuts():
    factor, table = np.float32(3), np.array([1.0, np.nan, np.inf])
    _tx = 5

    def scale(x):
        return x * factor

    def kernel(x, out):
        _lin = cuda.grid(1)
        i: int = _lin
        while i > 0 and x[i] < 0 and cuda.any_sync(ALL, True):
            i -= 1
        out[_lin] = scale(x[i]) + (cuda.shfl_sync(ALL, i, 1) if table[2] > _tx else 0)

    x = np.array([1, -1, -1, 2], "f4")
    out = np.zeros_like(x)
    with pytest.raises(EmulatorError) as caught:  # lanes 0 and 3 are at the shuffle before
        SimulatedKernel(kernel).launch(1, 4, x, out)
    assert caught.value.kind == "divergence"
    x = np.array([1, 1, 1, 2], "f4")
    SimulatedKernel(kernel).launch(1, 4, x, out)
    assert out.tolist() == [4, 4, 4, 7]


def order_of_reads(x, out):
    t = cuda.threadIdx.x
    out[t] = x[0]
    x[t] += cuda.shfl_sync(ALL, t, 0) + 1
    for i in range(2):
        if i == 1:
            continue
        out[t] += x[t]
        cuda.syncthreads()


def test_what_is_read_before_a_wait_is_read_before():
    x, out = np.zeros(32, "i8"), np.zeros(32, "i8")
    SimulatedKernel(order_of_reads).launch(1, 32, x, out)
    assert x.tolist() == [1] * 32 and out.tolist() == [1] * 32


def waits_and_returns_early(x):
    if x > 0:
        return x
    return cuda.shfl_sync(ALL, x, 0)


def early(x):
    x[0] = waits_and_returns_early(x[0])


def with_try(x):
    try:
        x[0] = 1
    finally:
        x[0] = 2


def unknown_word(x):
    x[0] = cuda.activemask()


def returns(x):
    return x


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (early, "returns early"),
        (with_try, "statement Try"),
        (unknown_word, r"cuda.activemask"),
        (returns, "returns a value"),
    ],
)
def test_unknown_text(function, match):
    with pytest.raises(NotSupportedError, match=rf"{match}(.|\n)*line \d+(.|\n)*remedy"):
        SimulatedKernel(function)


def ill_typed(x):
    x[0] = "text"


def test_other_errors():
    with pytest.raises(CompileError, match="ill_typed: Numba refuses"):
        SimulatedKernel(ill_typed).launch(1, 1, np.zeros(1))
    with pytest.raises(ArgumentError, match="2048 threads"):
        SimulatedKernel(returns_nothing).launch(1, 2048, np.zeros(1))
    with pytest.raises(ArgumentError, match="the grid is"):
        SimulatedKernel(returns_nothing).launch(0, 1, np.zeros(1))
    with pytest.raises(ArgumentError, match="order"):
        SimulatedKernel(returns_nothing).launch(1, 1, np.zeros(1), order="sideways")
    namespace = {}
    exec("def f(x):\n    x[0] = 1", namespace)
    with pytest.raises(ArgumentError, match="this one has none"):
        SimulatedKernel(namespace["f"])
    with pytest.raises(NotSupportedError, match="inside a kernel only"):
        cuda.grid(1)


def returns_nothing(x):
    if x[0] > 0:
        return
    x[0] = 1


# ----- reports -----
def out_of_bounds(x, out):
    i = cuda.grid(1)
    out[i] = 0
    out[i] = x[i + 1]


def test_bounds_name_thread_block_and_line():
    text = found(out_of_bounds, "bounds", "outside", np.zeros(8), np.zeros(8), grid=2, block=4)
    assert "out[i] = x[i + 1]" in text and "thread (3, 0, 0) of block (1, 0, 0)" in text


def gather(x, i):
    return x[i]


def bounds_in_a_function(x, out):
    out[gather(x, cuda.threadIdx.x)] = 1


def test_bounds_in_a_device_function_and_after_it():
    text = found(bounds_in_a_function, "bounds", "outside", np.zeros(2, "i8"), np.zeros(2), block=3)
    assert "return x[i]" in text
    text = found(bounds_in_a_function, "bounds", "outside", np.full(2, 5), np.zeros(2), block=2)
    assert "out[gather(" in text


def divergent(x):
    if cuda.threadIdx.x < 5:
        cuda.syncthreads()
    else:
        x[0] = 1
        cuda.syncthreads()


def exits_before_the_barrier(x):
    if cuda.threadIdx.x == 40:
        return
    cuda.syncthreads()


def exits_before_the_shuffle(x):
    if cuda.threadIdx.x != 7:
        x[0] = cuda.shfl_sync(ALL, cuda.threadIdx.x, 0)


def lane_left_out(x):
    cuda.syncwarp(0xFE)


def masks_differ(x):
    x[0] = cuda.ballot_sync(ALL if cuda.threadIdx.x % 32 < 16 else 0xFFFF0001, True)


def reads_an_absent_lane(x):
    if cuda.threadIdx.x < 8:
        x[0] = cuda.shfl_sync(0xFF, cuda.threadIdx.x, 20)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (divergent, r"thread 0 waits at syncthreads in line \d+, thread 5 waits at syncthreads"),
        (exits_before_the_barrier, "thread 40 has exited"),
        (exits_before_the_shuffle, "names lane 7, which has exited"),
        (lane_left_out, "leaves the calling lane out"),
        (masks_differ, "another mask"),
        (reads_an_absent_lane, "takes no part"),
    ],
)
def test_divergence(function, match):
    found(function, "divergence", match, np.zeros(64, "i8"))


def lock(count, mutex):
    while cuda.atomic.cas(mutex, 0, 0, 1) != 0:
        pass
    count[0] += 1
    cuda.threadfence()
    cuda.atomic.exch(mutex, 0, 0)


def hand_over(flags):
    t = cuda.threadIdx.x
    while True:
        if t == 0 or flags[t - 1] == 1:
            break
    flags[t] = 1


def waits_for_ever(flag):
    if cuda.threadIdx.x == 0:
        while flag[0] == 0:
            pass
    cuda.syncthreads()


@pytest.mark.parametrize("order", ORDERS)
def test_threads_that_poll(order):
    count, mutex = np.zeros(1, "i8"), np.zeros(1, "i8")
    SimulatedKernel(lock).launch(3, 40, count, mutex, order=order)
    assert count[0] == 120
    flags = np.zeros(70, "i8")
    SimulatedKernel(hand_over).launch(1, 70, flags, order=order)
    assert flags.all()


def test_deadlock(monkeypatch):
    monkeypatch.setattr(scheduler, "PATIENCE", 1000)
    text = found(waits_for_ever, "deadlock", "1 threads poll(.|\n)*63 wait", np.zeros(1, "i8"))
    assert "while flag[0] == 0" in text
