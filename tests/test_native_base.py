"""The extension's thread pool and block cache."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

_C = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")

F32 = np.dtype(np.float32)
MIB = 1 << 20


@pytest.fixture
def threads():
    before = _C.get_num_threads()
    yield _C.set_num_threads
    _C.set_num_threads(before)


@pytest.fixture
def cache():
    """The block cache, empty, with its limit put back afterwards."""
    limit = _C.memory_stats()["limit"]
    gc.collect()
    _C.empty_cache()
    yield _C.memory_stats
    _C.set_cache_limit(limit)
    _C.empty_cache()


def draw(n: int = 1_000_003) -> bytes:
    return _C.philox_bits(1, 2, 3, n).tobytes()


def python(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_results_do_not_depend_on_thread_count(threads, n):
    x = np.random.default_rng(0).normal(size=300_001).astype(np.float32)
    threads(1)
    expected, total = draw(), _C.sumsq(x)
    threads(n)
    assert _C.get_num_threads() == n
    assert draw() == expected
    assert _C.sumsq(x) == total


@pytest.mark.parametrize("n", [0, -1, 1025, 2**31 - 1])
def test_thread_count_is_checked(n):
    before = _C.get_num_threads()
    with pytest.raises(ValueError, match="1 to 1024"):
        _C.set_num_threads(n)
    assert _C.get_num_threads() == before


def test_python_threads_share_the_pool(threads):
    threads(3)
    expected = draw()
    wrong = []

    def work():
        for _ in range(20):
            if draw() != expected:
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(timeout=60)
    assert not any(w.is_alive() for w in workers)
    assert not wrong


def test_resize_while_another_thread_computes(threads):
    expected = draw()
    stop = threading.Event()
    wrong = []

    def work():
        while not stop.is_set():
            if draw() != expected:
                wrong.append(1)

    worker = threading.Thread(target=work)
    worker.start()
    for i in range(50):
        threads(1 + i % 4)
    stop.set()
    worker.join(timeout=60)
    assert not worker.is_alive()
    assert not wrong


def test_fork_restarts_the_pool_on_both_sides():
    out = python(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import numpy as np
        from gpudl import _C
        _C.set_num_threads(3)
        expected = _C.philox_bits(1, 2, 3, 1_000_003).tobytes()
        good = 0
        for _ in range(5):
            pid = os.fork()
            same = _C.philox_bits(1, 2, 3, 1_000_003).tobytes() == expected
            if pid == 0:
                block = _C.empty((1 << 20,), np.dtype("f4"))
                block[:] = 1
                os._exit(0 if same and block.sum() == 1 << 20 else 1)
            good += same and os.waitpid(pid, 0)[1] == 0
        print(good)
        """
    )
    assert out.strip() == "5"


def test_fork_while_another_thread_computes():
    out = python(
        """
        import os, threading, warnings
        warnings.simplefilter("ignore")
        from gpudl import _C
        _C.set_num_threads(2)
        expected = _C.philox_bits(1, 2, 3, 1_000_003).tobytes()
        stop = threading.Event()
        def work():
            while not stop.is_set():
                _C.philox_bits(1, 2, 3, 1_000_003)
        worker = threading.Thread(target=work)
        worker.start()
        good = 0
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                os._exit(_C.philox_bits(1, 2, 3, 1_000_003).tobytes() != expected)
            good += os.waitpid(pid, 0)[1] == 0
        stop.set()
        worker.join()
        print(good)
        """
    )
    assert out.strip() == "10"


def test_pool_size_comes_from_the_environment():
    code = "from gpudl import _C; print(_C.get_num_threads())"
    cores = len(os.sched_getaffinity(0))
    assert int(python(code, GPUDL_NUM_THREADS="1")) == 1
    assert int(python(code, GPUDL_NUM_THREADS="0", OMP_NUM_THREADS="1")) == 1
    assert int(python(code, GPUDL_NUM_THREADS="1000")) == cores


def test_a_second_array_reuses_the_block(cache):
    _C.reset_memory_stats()
    x = _C.empty((1024, 1024), F32)
    address = x.ctypes.data
    assert cache()["allocated"] == 4 * MIB
    del x
    assert cache()["cached"] == 4 * MIB
    y = _C.empty((4 * MIB,), np.dtype(np.uint8))
    assert y.ctypes.data == address
    stats = cache()
    assert (stats["hits"], stats["misses"], stats["cached"]) == (1, 1, 0)
    del y
    _C.empty_cache()
    assert cache()["cached"] == 0


def test_a_view_keeps_the_block_alive(cache):
    before = cache()["allocated"]
    x = _C.empty((1 << 20,), F32)
    x[:] = 7
    view = x[10:20]
    del x
    assert cache()["allocated"] == before + 4 * MIB
    other = _C.empty((1 << 20,), F32)
    other[:] = 0
    np.testing.assert_array_equal(view, 7)
    del view, other
    assert cache()["allocated"] == before


@pytest.mark.parametrize("n", [262144, 262145, 300_000, 2**21, 2**21 + 1, 5_000_000, 40_000_001])
def test_block_sizes_waste_at_most_an_eighth(cache, n):
    before = cache()["allocated"]
    x = _C.empty((n,), np.dtype(np.uint8))
    used = cache()["allocated"] - before
    assert n <= used <= 1.125 * n
    if used >= 2 * MIB:
        assert x.ctypes.data % (2 * MIB) == 0
    x[0] = x[-1] = 1


def test_small_arrays_are_numpys_own(cache):
    before = cache()["allocated"]
    x = _C.empty((37, 3), F32)
    assert x.flags.owndata
    assert x.shape == (37, 3)
    assert cache()["allocated"] == before


def test_the_limit_drops_the_least_recently_freed(cache):
    base = cache()["allocated"]
    _C.set_cache_limit(10 * MIB)
    blocks = [_C.empty((k * MIB,), np.dtype(np.uint8)) for k in (4, 5, 6)]
    assert cache()["allocated"] - base == 15 * MIB
    while blocks:
        blocks.pop(0)
    assert cache()["cached"] == 6 * MIB  # 4 and 5 were there, 6 pushed both out: 5 + 6 > 10
    x = _C.empty((16 * MIB,), np.dtype(np.uint8))
    del x
    assert cache()["cached"] == 6 * MIB  # larger than the limit: straight back to the system
    _C.set_cache_limit(0)
    assert cache()["cached"] == 0
    with pytest.raises(ValueError, match="0 bytes or more"):
        _C.set_cache_limit(-1)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((-1,), ValueError),
        ((3, -(2**40)), ValueError),
        ((2**62,), MemoryError),
        ((2**31, 2**31, 2**31), MemoryError),
        ((2**70,), MemoryError),
        ((2**62, 0, 2**62), MemoryError),
        ((-1, 2**62, 2**62), ValueError),
        (2**70, MemoryError),
        ((2**45,), MemoryError),
        ((1,) * 65, ValueError),
        ((1.5,), TypeError),
        ("ab", TypeError),
        (None, TypeError),
    ],
)
def test_bad_shapes_are_refused(cache, shape, error):
    before = cache()
    with pytest.raises(error):
        _C.empty(shape, F32)
    assert cache() == before


def test_bad_dtypes_are_refused():
    for dtype in (np.dtype(object), np.dtype([("a", "f4")])):
        with pytest.raises(TypeError, match="not supported"):
            _C.empty((3,), dtype)
    with pytest.raises(TypeError):
        _C.empty((3,), "no such dtype")


def test_zero_sizes():
    assert _C.empty((0,), F32).shape == (0,)
    assert _C.empty((2**40, 0, 37), F32).shape == (2**40, 0, 37)
    assert _C.empty((), F32).shape == ()
    assert _C.empty_strided((3, 0), (4, 4), F32).shape == (3, 0)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (64, 32, 28, 28), (1, 1, 1, 1), (37, 1, 3, 1128)])
def test_empty_strided_channels_last(shape):
    n, c, h, w = shape
    strides = (4 * c * h * w, 4, 4 * c * w, 4 * c)
    x = _C.empty_strided(shape, strides, F32)
    assert x.shape == shape
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous
    x[...] = 1
    assert x.sum() == n * c * h * w


def test_empty_strided_with_gaps_stays_inside_its_block():
    for width in (8, 100_000):
        x = _C.empty_strided((5, 3), (4 * width, 4), F32)
        assert x.strides == (4 * width, 4)
        x[...] = np.arange(15).reshape(5, 3)
        np.testing.assert_array_equal(x, np.arange(15).reshape(5, 3))


@pytest.mark.parametrize(
    ("shape", "strides", "error"),
    [
        ((3, 4), (4, 4), ValueError),
        ((3, 4), (0, 4), ValueError),
        ((3,), (-4,), ValueError),
        ((3, 4), (8, 4), ValueError),
        ((3, 4), (16,), ValueError),
        ((2, 2), (2**62, 4), MemoryError),
        ((4, 2), (2**62, 4), MemoryError),
    ],
)
def test_bad_strides_are_refused(shape, strides, error):
    with pytest.raises(error):
        _C.empty_strided(shape, strides, F32)


def test_cache_is_thread_safe(cache):
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        held = []
        for _ in range(300):
            x = _C.empty((int(rng.integers(70_000, 600_000)),), F32)
            x[0] = x[-1] = seed
            held.append(x)
            if len(held) > 5:
                y = held.pop(0)
                if y[0] != seed or y[-1] != seed:
                    wrong.append(seed)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    before = cache()["allocated"]
    for w in workers:
        w.start()
    for w in workers:
        w.join(timeout=60)
    assert not wrong
    assert cache()["allocated"] == before


def test_a_hit_is_cheap(cache):
    _C.empty((1024, 1024), F32)
    best = min(_time_hits(2000) for _ in range(10))
    assert best < 1.5e-6, f"{best * 1e6:.2f} us per allocation"


def _time_hits(n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        _C.empty((1024, 1024), F32)
    return (time.perf_counter() - start) / n


def test_signals_reach_the_main_thread():
    out = python(
        """
        import os, signal, time
        from gpudl import _C
        _C.set_num_threads(3)
        _C.philox_bits(1, 2, 3, 1_000_003)
        signal.signal(signal.SIGALRM, lambda *_: print("caught"))
        blocked = 0
        for task in os.listdir("/proc/self/task"):
            status = open(f"/proc/self/task/{task}/status").read()
            mask = int(status.split("SigBlk:")[1].split()[0], 16)
            blocked += bool(mask >> (signal.SIGALRM - 1) & 1)
        print(blocked)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(0.2)
        """
    )
    blocked, caught = out.split()
    assert int(blocked) >= 2
    assert caught == "caught"
