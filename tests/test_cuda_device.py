"""The `cuda` device: against a stand-in for CuPy, and without a driver or CuPy."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time

import fake_cupy
import numpy as np
import pytest

import gpudl as gd
from gpudl.autograd import rows
from gpudl.devices import cuda
from gpudl.devices.error_word import ErrorSite
from gpudl.errors import (
    ArgumentError,
    DeviceError,
    IndexRangeError,
    LostDeviceError,
    MissingDependencyError,
    OutOfMemoryError,
)


@pytest.fixture
def cupy(monkeypatch):
    # No kernels: there is no card that could run them.
    for row in rows().values():
        monkeypatch.setattr(row, "impls", {})
    module = fake_cupy.install(monkeypatch)
    with gd.config(kernels="library"):
        yield module
    cuda._cupy.cache_clear()
    cuda.cuda.cache_clear()


# ----- without a card -----
def test_no_driver(monkeypatch):
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    cuda._cupy.cache_clear()
    assert not gd.cuda.is_available() and gd.cuda.device_count() == 0
    with pytest.raises(DeviceError, match=r"driver(.|\n)*pip install \"gpudl\[cuda13\]\""):
        gd.device("cuda")


def test_no_cupy(monkeypatch):
    monkeypatch.setattr(cuda, "has_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "cupy", None)
    cuda._cupy.cache_clear()
    assert not gd.cuda.is_available()
    with pytest.raises(MissingDependencyError, match=r"without CuPy(.|\n)*pip install"):
        gd.device("cuda:0")
    with pytest.raises(MissingDependencyError):
        gd.ones(3).cuda()


def test_a_driver_that_does_not_work(cupy):
    cupy.broken = 35
    assert gd.cuda.device_count() == 0
    with pytest.raises(DeviceError, match="cudaError 35"):
        gd.device("cuda")
    cupy.broken = 0
    assert gd.cuda.device_count() == 2
    with pytest.raises(DeviceError, match="2 GPUs, no cuda:7"):
        gd.device("cuda:7")


def test_asking_is_quick_and_imports_nothing():
    code = (
        "import sys, gpudl as gd; gd.cuda.is_available();"
        "assert gd.cuda.is_available() or 'cupy' not in sys.modules"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert time.perf_counter() - start < 60


# ----- with the stand-in -----
def test_arrays_go_and_come(cupy):
    for x in (np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1), np.zeros((0, 3)), np.array(2.5)):
        y = gd.asarray(x, device="cuda")
        assert y.device == "cuda" and type(y.data) is fake_cupy.ndarray
        assert np.array_equal(y.cpu().numpy(), x)
        assert not x.size or y.data.strides == x.strides == y.cpu().data.strides
    assert repr(gd.ones(2, device="cuda")) == "tensor([1., 1.], device=cuda:0)"
    assert gd.ones(2).cuda(1).device == "cuda:1"


def test_elementwise_results_keep_the_layout(cupy):
    device = gd.device("cuda")
    x = device.from_host(np.zeros((2, 4, 3), "f4").transpose(0, 2, 1), copy=True)
    assert device.empty_elementwise((2, 3, 4), x.dtype, (x,)).strides == x.strides
    assert device.empty_elementwise((3, 4), x.dtype, (x,)).flags.c_contiguous


def test_the_driver_is_looked_for_without_cupy(monkeypatch):
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: name)
    assert cuda.has_driver()


@gd.config(kernels="library")  # the stand-in computes, but there is no card to launch on
def test_the_engine_runs_on_it(cupy):
    gd.manual_seed(0)
    model = gd.nn.Sequential(gd.nn.Linear(5, 8), gd.nn.GELU(), gd.nn.Linear(8, 3)).cuda(1)
    opt = gd.optim.Adam(model.parameters(), lr=0.1)
    x = gd.random.normal((6, 5), device="cuda:1")
    labels = gd.tensor([0, 1, 2, 0, 1, 2], device="cuda:1")
    losses = []
    for _ in range(5):
        opt.zero_grad()
        loss = gd.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert {p.device for p in model.parameters()} == {gd.device("cuda:1")}
    assert gd.unique_values(labels).tolist() == [0, 1, 2]
    assert gd.unique_values(labels).device == "cuda:1"


def test_two_cards(cupy):
    a, b = gd.ones(3, device="cuda:0"), gd.full((3,), 2.0, device="cuda:1")
    with pytest.raises(DeviceError, match="cuda:0 and cuda:1"):
        a + b
    assert (a.to("cuda:1") + b).tolist() == [3, 3, 3]
    assert gd.device("cuda") == gd.device("cuda:0") == "cuda" != gd.device("cuda:1")
    assert pickle.loads(pickle.dumps(gd.device("cuda:1"))) is gd.device("cuda:1")
    assert pickle.loads(pickle.dumps(b)).device == "cuda:1"
    assert [str(d) for d in gd.__array_namespace_info__().devices()] == ["cpu", "cuda:0", "cuda:1"]


def test_one_card_needs_no_switching(monkeypatch):
    fake_cupy.install(monkeypatch, count=1)
    device = gd.device("cuda")
    assert device.scoped(abs) is abs
    cuda._cupy.cache_clear()
    cuda.cuda.cache_clear()


def test_arrays_of_cupy_are_taken_as_they_are(cupy):
    raw = cupy.cards[1].from_host(np.ones(3), copy=True)
    x = gd.asarray(raw)
    assert x.data is raw and x.device == "cuda:1"

    class Exporter:
        array = raw

        def __dlpack_device__(self):
            return (2, 1)

        def __dlpack__(self, **options):
            raise AssertionError("the library asks for it")

    assert gd.from_dlpack(Exporter()).data is raw
    assert gd.from_dlpack(Exporter(), device="cpu").tolist() == [1, 1, 1]
    with pytest.raises(ArgumentError, match="copy is needed"):
        gd.from_dlpack(Exporter(), device="cpu", copy=False)


def test_special_functions(cupy):
    x = gd.tensor([-0.5, 0.0, 0.9], device="cuda", dtype="float64")
    y = rows()["erf"](x)
    assert np.allclose(y.cpu().numpy(), [-0.520499878, 0, 0.796908212])
    assert np.allclose(rows()["erfinv"](y).cpu().numpy(), [-0.5, 0, 0.9])


# ----- memory -----
def test_memory_figures(cupy):
    x = gd.zeros(1000, device="cuda:1")
    assert gd.cuda.memory_allocated("cuda:1") >= 4000 and gd.cuda.memory_allocated(0) == 0
    assert gd.cuda.memory_reserved(1) >= gd.cuda.memory_allocated(1)
    del x
    gd.cuda.empty_cache(1)
    assert gd.cuda.memory_stats(1) == {"allocated": 0, "cached": 0}
    with gd.default_device("cuda:1"):
        assert gd.cuda.memory_stats() == {"allocated": 0, "cached": 0}


def test_out_of_memory(cupy):
    big = gd.zeros((100, 100), device="cuda")
    cupy.full_pool = 1
    assert gd.empty(3, device="cuda").shape == (3,) and "free_all_blocks" in cupy.calls
    cupy.full_pool = 2
    with pytest.raises(OutOfMemoryError, match=r"1000 of 5000 bytes are free(.|\n)*\(100, 100\)"):
        gd.device("cuda").empty((10, 10), np.dtype("f4"))
    assert (big + 1).shape == (100, 100)


def test_a_library_without_workspace_is_tried_again(cupy, monkeypatch):
    x = gd.ones((4, 4), device="cuda")
    failures = [MemoryError("workspace"), None]
    solve = cupy.cards[0].xp.linalg.inv

    def inv(a):
        error = failures.pop(0) if failures else MemoryError("workspace")
        if error is not None:
            raise error
        return solve(a)

    monkeypatch.setattr(cupy.cards[0].xp.linalg, "inv", inv)
    y = x + gd.eye(4, device="cuda")
    assert gd.linalg.inv(y).shape == (4, 4)
    with pytest.raises(OutOfMemoryError, match="inv"):
        gd.linalg.inv(y)


# ----- streams, errors -----
def test_streams_and_events(cupy):
    side = gd.cuda.Stream("cuda:1")
    outer = gd.cuda.current_stream(1)
    with side:
        assert gd.cuda.current_stream(1).raw.ptr == side.raw.ptr
        start = side.record_event()
        y = gd.ones(3, device="cuda:1") * 2
        end = side.record_event()
    outer.wait_stream(side)
    plain = gd.cuda.Event(1)
    plain.record()
    plain.synchronize()
    side.synchronize()
    gd.cuda.synchronize(1)
    assert y.tolist() == [2, 2, 2] and start.elapsed_time(end) >= 0
    assert gd.cuda.get_device_name() == "Fake H100"
    assert gd.cuda.get_device_capability(1) == (9, 0)


def test_the_error_word(cupy):
    device = gd.device("cuda")
    device.raise_reported()
    site = ErrorSite("gather", "index {value} of {extent}")
    slot = device.error_slot(site)
    assert slot.site == site.number and device.error_slot(site).word == slot.word
    device._word.set(np.array([site.number + 1, 9, 4, 0]))
    with pytest.raises(IndexRangeError, match="index 9 of 4"):
        gd.cuda.synchronize()
    gd.cuda.synchronize()


@pytest.mark.parametrize(("status", "lost"), [(700, True), (719, True), (2, False)])
def test_errors_of_cuda(cupy, status, lost):
    x = gd.ones(3, device="cuda")
    cupy.broken = status
    with pytest.raises(LostDeviceError if lost else DeviceError, match=f"cudaError {status}"):
        gd.cuda.synchronize()
    if not lost:
        cupy.broken = 0
        assert (x + x).tolist() == [2, 2, 2]
        return
    makes = lambda: gd.zeros(3, device="cuda")  # noqa: E731
    for call in (x.cpu, x.tolist, lambda: x + x, makes, gd.cuda.synchronize):
        with pytest.raises(LostDeviceError, match=f"cudaError {status}"):
            call()
