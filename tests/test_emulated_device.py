"""The emulated GPU: opaque arrays with NumPy's shapes and strides, memory, streams, errors."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

import gpudl as gd
from gpudl import devices
from gpudl.devices.error_word import ErrorSite
from gpudl.errors import (
    ArgumentError,
    DeviceError,
    EmulatorError,
    IndexRangeError,
    LostDeviceError,
    OutOfMemoryError,
)

EMU = gd.device("emu")
OTHER = gd.device("emu:1")


def up(x):
    return EMU.from_host(np.asarray(x), copy=True)


@pytest.fixture(autouse=True)
def clean():
    yield
    EMU.scheduler.drain()
    EMU.scheduler.reorder(0)


# ----- arrays -----
KEYS = [0, -1, slice(1, None, 2), (slice(None), 2), (..., None), (slice(None, None, -1), None, -2)]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_views_are_numpys_and_no_library_calls(key):
    host = np.arange(12.0, dtype="f4").reshape(3, 4)
    x = up(host)
    before = EMU.library_calls()
    view, want = x[key], host[key]
    assert (view.shape, view.strides) == (want.shape, want.strides)
    assert view.data.ptr - x.data.ptr == np.asarray(want).ctypes.data - host.ctypes.data or not (
        np.ndim(want)
    )
    assert view.base is x and view.T.base is x
    assert EMU.library_calls() == before
    assert np.array_equal(view.get(), want)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (37, 5), (2, 3, 4)])
def test_attributes(shape):
    host = np.zeros(shape, "i4")
    x = up(host)
    for name in ("shape", "dtype", "strides", "ndim", "size", "itemsize", "nbytes"):
        assert getattr(x, name) == getattr(host, name)
    assert x.flags.c_contiguous and x.flags.owndata and not x.reshape(-1).flags.owndata
    assert (x.data.ptr == 0) == (host.size == 0)
    assert x.data.ptr % 512 == 0 and x.data.mem.size == host.nbytes
    assert x.transpose().strides == host.transpose().strides
    assert x.view("u1" if shape and shape[-1] else "f4").itemsize in (1, 4)


def test_reshape_copies_only_where_it_must():
    x = up(np.arange(6.0).reshape(2, 3))
    before = EMU.library_calls().get("reshape", 0)
    assert x.reshape(3, 2).base is x and x.T.T.reshape(-1).base is x
    assert EMU.library_calls().get("reshape", 0) == before
    copied = x.T.reshape(6)
    assert copied.base is None and copied.get().tolist() == [0, 3, 1, 4, 2, 5]
    assert EMU.library_calls()["reshape"] == before + 1


@pytest.mark.parametrize(
    "use",
    [np.asarray, np.exp, np.concatenate, np.sum, lambda x: np.add(x, x), lambda x: np.zeros(3) + x],
)
def test_numpy_cannot_compute_behind_ones_back(use):
    with pytest.raises(DeviceError, match=r"\.get\(\)"):
        use(up([1.0, 2.0, 3.0]))


def test_operators_are_counted_library_calls():
    x = up([1.0, 2.0])
    before = EMU.library_calls()
    assert (2 * x + x).get().tolist() == [3.0, 6.0]
    assert (np.float32(2) * x).dtype == "f8"
    assert bool((x < 3).all())
    x += 1
    assert x.get().tolist() == [2.0, 3.0]
    after = EMU.library_calls()
    counted = {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
    assert counted == {"multiply": 2, "add": 2, "less": 1, "all": 1}


def test_the_library_has_no_more_than_cupy():
    for name in ("float_power", "busday_count", "frompyfunc"):
        assert hasattr(np, name) and not hasattr(EMU.xp, name)
    with pytest.raises(TypeError, match="Unsupported type"):
        EMU.xp.add(up([1.0]), np.ones(1))


def test_two_devices_do_not_mix():
    x, y = gd.ones(3, device="emu"), gd.ones(3, device="emu:1")
    assert (x.device, y.device) == (EMU, OTHER) and EMU != OTHER and EMU == "emu"
    with pytest.raises(DeviceError, match=r"emu:0 and emu:1(.|\n)*x\.to"):
        x + y
    with pytest.raises(DeviceError):
        x + gd.ones(3)
    with pytest.raises(DeviceError):
        x[0] = y[0]
    with pytest.raises(DeviceError):
        EMU.xp.add(x.data, y.data)
    assert (x.to("emu:1") + y).device == OTHER
    assert pickle.loads(pickle.dumps(OTHER)) is OTHER
    with pytest.raises(DeviceError, match="2 emulated devices"):
        gd.device("emu:2")


# ----- memory -----
def test_fresh_and_freed_blocks_are_poisoned():
    x = EMU.empty((5,), np.dtype("f4"))
    assert np.isnan(x.get()).all()
    address, view = x.data.ptr, x[1:]
    del x
    assert not EMU.heap.find(address).freed, "a view keeps the block"
    assert EMU.heap.find(address + 19).start == address
    other = EMU.heap.find(address + 20)
    assert other is None or other.start != address
    buffer = view._block.buffer
    view._host[...] = 1
    del view
    assert EMU.heap.find(address).freed and (buffer == 0xFF).all()
    with pytest.raises(EmulatorError, match="was freed") as caught:
        EMU.heap.check_alive("kernel", address)
    assert caught.value.kind == "lifetime"
    EMU.empty_cache()
    assert EMU.heap.find(address) is None


def test_quarantine_is_bounded():
    for _ in range(40):
        EMU.empty((4 << 20,), np.dtype("u1"))
    assert EMU.memory_stats()["cached"] <= 64 << 20


def test_memory_figures():
    gc.collect()
    before = gd.cuda.memory_allocated("emu")
    x = gd.zeros(1000, device="emu")
    assert gd.cuda.memory_allocated("emu") == before + 4000
    assert gd.cuda.memory_reserved("emu") >= before + 4000
    del x
    gd.cuda.empty_cache("emu")
    assert gd.cuda.memory_allocated("emu") == before == gd.cuda.memory_reserved("emu")
    assert gd.cuda.memory_stats("emu")["peak"] >= before + 4000


def test_out_of_memory_frees_tries_again_and_says_who_holds_what():
    big = gd.zeros((1000, 100), device="emu")
    try:
        EMU.empty_cache()
        EMU.heap.limit = EMU.heap.live_bytes + 100_000
        cached = gd.zeros(20_000, device="emu")
        del cached
        assert gd.ones(24_000, device="emu").sum().item() == 24_000, "the cache was given back"
        with pytest.raises(OutOfMemoryError, match=r"float32\(1000, 100\) \(400000 bytes\)") as e:
            big * 2
        assert "emu:0" in str(e.value) and isinstance(e.value, MemoryError)
        assert gd.ones(10, device="emu").sum().item() == 10
    finally:
        EMU.heap.limit = None
    assert (big * 2).shape == (1000, 100)


def test_a_lost_context_gives_one_error_for_every_later_call():
    x = gd.ones(3, device="emu:1")
    try:
        OTHER.lose("an illegal address")
        for call in (
            lambda: x + x,
            lambda: x.cpu(),
            lambda: x.item(),
            lambda: gd.zeros(3, device="emu:1"),
            lambda: gd.cuda.synchronize("emu:1"),
            lambda: x.sum().backward(),
            lambda: gd.ones(3).to("emu:1"),
            lambda: OTHER.stream().enqueue(lambda: None),
        ):
            with pytest.raises((LostDeviceError, gd.errors.ShapeError)) as caught:
                call()
            if not isinstance(caught.value, gd.errors.ShapeError):
                assert "an illegal address" in str(caught.value)
        assert gd.ones(3, device="emu").sum().item() == 3, "the other device works on"
    finally:
        OTHER._lost = None
    assert x.sum().item() == 3


# ----- streams -----
def recorded(order):
    EMU.scheduler.reorder(order)
    seen = []
    streams = [EMU.new_stream() for _ in range(3)]
    for i in range(4):
        for k, stream in enumerate(streams):
            stream.enqueue(lambda i=i, k=k: seen.append((k, i)))
    EMU.synchronize()
    return seen


def test_streams_keep_their_order_and_interleave_by_seed():
    runs = [recorded(order) for order in ("forward", "reverse", 1, 2)]
    for run in runs:
        assert sorted(run) == [(k, i) for k in range(3) for i in range(4)]
        for k in range(3):
            assert [i for stream, i in run if stream == k] == [0, 1, 2, 3]
    assert len({tuple(run) for run in runs}) == 4
    assert recorded(1) == runs[2]


@pytest.mark.parametrize("order", ["forward", "reverse", 0, 1, 2, 3])
def test_events_order_streams(order):
    EMU.scheduler.reorder(order)
    seen = []
    a, b = EMU.new_stream(), EMU.new_stream()
    event = EMU.event()
    b.enqueue(lambda: seen.append("before"))
    a.enqueue(lambda: seen.append("produce"))
    event.record(a)
    b.wait_event(event)
    b.enqueue(lambda: seen.append("consume"))
    b.synchronize()
    assert seen.index("produce") < seen.index("consume") and "before" in seen
    a.enqueue(lambda: seen.append("later"))
    event.record(a)
    event.synchronize()
    assert seen[-1] == "later"


def test_streams_that_wait_for_each_other_are_a_deadlock():
    a, b = EMU.new_stream(), EMU.new_stream()
    first, second = EMU.event(), EMU.event()
    first.recorded = second.recorded = 1  # as if other threads had recorded them
    a.wait_event(second)
    b.wait_event(first)
    with pytest.raises(EmulatorError, match="wait for") as caught:
        EMU.synchronize()
    assert caught.value.kind == "deadlock"
    first.reached = second.reached = 1


def test_work_runs_at_synchronisation_and_errors_leave_the_rest_queued():
    seen = []

    def fail():
        raise EmulatorError("kernel", "a race", kind="race")

    stream = EMU.stream()
    stream.enqueue(lambda: seen.append(1))
    stream.enqueue(fail)
    stream.enqueue(lambda: seen.append(2))
    assert not seen
    with pytest.raises(EmulatorError):
        EMU.synchronize()
    assert seen == [1]
    up([1.0]).get()
    assert seen == [1, 2]


def test_memory_freed_on_one_stream_while_another_uses_it_is_found():
    found = []
    for order in range(8):
        EMU.scheduler.reorder(order)
        side = gd.cuda.Stream("emu")
        EMU.stream().enqueue(lambda: None)  # the stream that the block belongs to is busy
        x = EMU.empty((4,), np.dtype("f4"))
        address = x.data.ptr
        side.raw.enqueue(lambda address=address: EMU.heap.check_alive("kernel", address))
        del x
        try:
            EMU.synchronize()
        except EmulatorError as error:
            found.append(error.kind)
    assert 0 < len(found) < 8 and set(found) == {"lifetime"}


def test_cuda_streams_and_events_on_emu():
    side = gd.cuda.Stream("emu")
    assert gd.cuda.current_stream("emu").raw is EMU.scheduler.default
    with side:
        assert gd.cuda.current_stream("emu").raw is side.raw
        start = side.record_event()
        y = gd.ones(3, device="emu") * 2
        end = side.record_event()
    assert gd.cuda.current_stream("emu").raw is EMU.scheduler.default
    gd.cuda.current_stream("emu").wait_stream(side)
    side.synchronize()
    assert y.tolist() == [2, 2, 2] and start.elapsed_time(end) >= 0
    assert gd.cuda.get_device_name("emu") and gd.cuda.get_device_capability("emu") == (9, 0)
    with pytest.raises(ArgumentError, match="no GPU"):
        gd.cuda.Stream("cpu")


# ----- the error word -----
SITE = ErrorSite("gather", "index {value} is out of range for an axis of extent {extent}")


def test_the_error_word_raises_once_and_is_cleared():
    slot = EMU.error_slot(SITE)
    assert slot.site == SITE.number and EMU.heap.find(slot.word)
    x = up([1.0])

    def kernel():
        word = EMU._error_word()._host
        if not word[0]:
            word[:3] = slot.site, 7, 3

    EMU.stream().enqueue(kernel)
    with pytest.raises(IndexRangeError, match="index 7 is out of range for an axis of extent 3"):
        EMU.to_host(x)
    EMU.synchronize()
    assert x.get().tolist() == [1.0]


def test_gpu_arrays_can_be_wrapped():
    raw = up([1.0, 2.0])
    x = gd.asarray(raw)
    assert x.data is raw and devices.of(x.data) is EMU
    assert gd.asarray(raw, device="cpu").tolist() == [1.0, 2.0]
