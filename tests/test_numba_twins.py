"""The Numba twins against float64: on the CPU, on the emulated GPU, and compiled for cards."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba", reason="the twins are compiled by Numba")

import gpudl as gd
from gpudl import devices, kernels, notices, tolerances
from gpudl.autograd import rows
from gpudl.errors import DeviceError, EmulatorError, MissingDependencyError
from gpudl.kernels import FAMILY_OF, numba_copy
from gpudl.kernels.conv import numba_cuda as conv_kernels
from gpudl.kernels.elementwise import numba_cuda as elementwise_kernels
from gpudl.kernels.matmul import numba_cuda as matmul_kernels
from gpudl.runtime import numba_cuda
from gpudl.runtime.numba_cuda import CudaKernel

TWINS = ("matmul", "linear", "conv", "conv_dgrad", "conv_wgrad", "bias_add")
TWINS += ("relu", "relu_bwd", "sigmoid", "tanh", "gelu", "gelu_bwd", "silu", "silu_bwd")
KINDS = ("cpu", "emu")
F = gd.nn.functional


@pytest.fixture(params=KINDS)
def device(request):
    with gd.config(kernels="numba"):
        yield gd.device(request.param)


@contextlib.contextmanager
def only_twins(device):
    """Inside the block every row with a twin is computed by it."""
    before = notices.counts()
    calls = dict(device.library_calls()) if device.kind == "emu" else {}
    yield
    after = notices.counts()
    for kind in ("fallback", "twin"):
        assert after.get(kind, 0) == before.get(kind, 0), kind
    if calls:
        used = {k for k, n in device.library_calls().items() if n != calls.get(k, 0)}
        assert not used & {"matmul", "einsum", "tensordot"}


def close(result, want, *operands):
    """Compare a tensor, or an array of any device, with a float64 array."""
    if isinstance(result, gd.Tensor):
        result = result.detach().data
    a = devices.of(result).to_host(result)
    scale = tolerances.largest(*operands)
    assert a.shape == want.shape
    assert tolerances.error(a, want, scale) <= tolerances.tolerance(a.dtype)


def sample(seed, shape, dtype="f4"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


LAYOUTS = ("dense", "transposed", "reversed", "broadcast")


def laid_out(x, layout, device):
    """`x` on a device; and in a layout, by views."""
    t = gd.asarray(x, device=device)
    if layout == "transposed":
        return gd.asarray(np.ascontiguousarray(x.T), device=device).T, x
    if layout == "reversed":
        return gd.asarray(np.ascontiguousarray(x[::-1]), device=device)[::-1], x
    if layout == "broadcast" and x.size:
        return gd.broadcast_to(t[:1], t.shape), np.broadcast_to(x[:1], x.shape)
    return t, x


# ----- products -----
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (37, 5, 3), (65, 130, 70), (0, 3, 2), (3, 0, 2)])
def test_matmul(device, shape, layout):
    m, k, n = shape
    a, left = laid_out(sample(0, (m, k)), layout, device)
    b, right = laid_out(sample(1, (k, n)), layout, device)
    with only_twins(device):
        y = a @ b
    close(y, left.astype("f8") @ right.astype("f8"), left, right)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_linear_and_its_gradients(device, dtype):
    x, w, b = sample(0, (2, 9, 37), dtype), sample(1, (21, 37), dtype), sample(2, 21, dtype)
    X, W, B = (gd.tensor(v, device=device, requires_grad=True) for v in (x, w, b))
    with only_twins(device):
        y = F.linear(X, W, B)
    close(y, x.astype("f8") @ w.T.astype("f8") + b, x, w)
    g = sample(3, y.shape, dtype)
    y.backward(gd.asarray(g, device=device))
    wide, rows_of = g.astype("f8"), g.astype("f8").reshape(-1, 21)
    close(X.grad, wide @ w, g, w)
    close(W.grad, rows_of.T @ x.reshape(-1, 37), g, x)
    close(B.grad, rows_of.sum(0), g)


def test_a_large_product_on_several_threads():
    a, b = sample(0, (301, 129)), sample(1, (129, 515))
    with gd.config(kernels="numba"):
        y = (gd.asarray(a) @ gd.asarray(b)).numpy()
        threads = gd.get_num_threads() if hasattr(gd, "get_num_threads") else 2
        gd.set_num_threads(1)
        try:
            alone = (gd.asarray(a) @ gd.asarray(b)).numpy()
        finally:
            gd.set_num_threads(threads)
    assert np.array_equal(y, alone)
    assert tolerances.error(y, a.astype("f8") @ b) <= tolerances.tolerance(y.dtype)


# ----- convolution -----
CONVS = [
    ((2, 3, 9), (4, 3, 3), {}),
    ((2, 3, 7, 5), (4, 3, 3, 2), {"stride": 2, "padding": 1}),
    ((1, 4, 8, 6), (6, 2, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}),
    ((2, 5, 6, 7), (5, 1, 3, 3), {"groups": 5, "padding": 1, "stride": (1, 2)}),
    ((1, 2, 4, 5, 3), (3, 2, 2, 2, 2), {"stride": (2, 1, 1)}),
    ((1, 70, 5, 4), (67, 70, 1, 1), {}),
]


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize(("x_shape", "w_shape", "options"), CONVS, ids=str)
def test_conv(device, x_shape, w_shape, options, last):
    x, w = sample(0, x_shape), sample(1, w_shape)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[len(x_shape)]

    def run(place, dtype):
        X, W = (gd.tensor(v.astype(dtype), device=place) for v in (x, w))
        if last:
            axes = range(len(x_shape))
            there = gd.permute_dims(X, (0, *axes[2:], 1))
            there = gd.asarray(np.ascontiguousarray(there.cpu().numpy()), device=place)
            X = gd.permute_dims(there, (0, len(x_shape) - 1, *axes[1:-1]))
        X.requires_grad = W.requires_grad = True
        y = convolve(X, W, **options)
        g = sample(2, y.shape).astype(dtype)
        y.backward(gd.asarray(g, device=place))
        return y, X.grad, W.grad, g

    with gd.config(kernels="library"):
        *want, _ = run("cpu", "f8")
    with only_twins(device):
        *found, g = run(device, "f4")
    for result, expected, operands in zip(found, want, ((x, w), (g, w), (g, x)), strict=True):
        close(result, expected.detach().numpy(), *operands)


def test_conv_of_nothing(device):
    y = F.conv2d(gd.ones((0, 2, 5, 5), device=device), gd.ones((3, 2, 2, 2), device=device))
    assert y.shape == (0, 3, 4, 4)


# ----- activations -----
SPECIAL = np.array([0, -0.0, 1e-30, -1e4, 1e30, np.inf, -np.inf, np.nan, -8, 8])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "silu", "gelu", "gelu_tanh"])
def test_activation(device, name, dtype):
    def f(x):
        if name == "gelu_tanh":
            return F.gelu(x, approximate="tanh")
        return getattr(gd if name == "tanh" else F, name)(x)

    x = np.concatenate([SPECIAL, 3 * sample(0, 27, "f8")]).astype(dtype)

    def run(place, values):
        X = gd.tensor(values, device=place, requires_grad=True)
        y = f(X)
        y.sum().backward()  # a gradient that is broadcast
        return y, X.grad

    with gd.config(kernels="library"), np.errstate(all="ignore"):
        want = run("cpu", x.astype("f8"))
    found = run(device, x)
    finite = np.isfinite(x)
    for result, expected in zip(found, want, strict=True):
        a, b = result.detach().cpu().numpy(), expected.detach().numpy()
        assert tolerances.error(a[finite], b[finite].astype(dtype)) <= tolerances.tolerance(a.dtype)
        assert np.isnan(a[7]) or name == "relu"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (37, 5)])
def test_activation_layouts(device, shape, layout):
    x, host = laid_out(sample(0, shape), layout, device)
    with only_twins(device):
        y = F.silu(x)
    close(y, host / (1 + np.exp(-host.astype("f8"))), host)


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("shape", [(2, 3), (3, 5, 7), (1, 4, 3, 2), (0, 3, 2)])
def test_bias(device, shape, last):
    x, b = sample(0, shape), sample(1, shape[1])
    host = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x
    X = devices.of(gd.asarray(host, device=device).data).from_host(host, copy=True)
    if last:
        X = X.transpose(0, len(shape) - 1, *range(1, len(shape) - 1))
    B = gd.asarray(b, device=device).data
    twin = kernels.numba_twin("bias_add", device.kind)
    want = x.astype("f8") + b.reshape(-1, *[1] * (len(shape) - 2))
    close(twin(X, B), want, x, b)
    if device.kind == "emu":
        close(twin(X, B, activation="relu"), np.maximum(want, 0), x, b)


def test_epilogue_of_the_product():
    emu = gd.device("emu")
    a, b, bias = sample(0, (20, 17)), sample(1, (17, 70)), sample(2, 70)
    up = [emu.from_host(v, copy=True) for v in (a, b, bias)]
    y = matmul_kernels.product(*up, activation="tanh")
    close(y, np.tanh(a.astype("f8") @ b + bias), a, b)


# ----- selection -----
def test_every_twin_exists_for_both_kinds():
    for name in FAMILY_OF:
        for kind in ("cpu", "emu", "cuda"):
            assert (kernels.numba_twin(name, kind) is not None) == (name in TWINS), (name, kind)
            assert name not in TWINS or kernels.numba_twin(name, kind).__name__ == name


def test_notices_where_there_is_no_twin(monkeypatch, capsys):
    for row in rows().values():
        monkeypatch.setattr(row, "impls", {})
    with gd.config(kernels="numba", debug=1):
        F.softmax(gd.ones((2, 3)), 1)
        gd.ones((2, 3, 4)) @ gd.ones((2, 4, 3))
        gd.asarray(np.ones((2, 2), "c8")) @ gd.asarray(np.ones((2, 2), "c8"))
    said = capsys.readouterr().err
    assert "twin softmax: no Numba twin on cpu, computed as without" in said
    assert "twin matmul: not taken by the Numba twin: float32(2, 3, 4)" in said
    assert "twin matmul: not taken by the Numba twin: complex64(2, 2)" in said


def test_a_row_without_any_kernel_gets_its_library(monkeypatch, capsys):
    monkeypatch.setattr(rows()["cumsum"], "impls", {})
    with gd.config(kernels="numba", debug=1):
        gd.cumulative_sum(gd.ones(3))
    said = capsys.readouterr().err
    assert "library cumsum: computed by numpy" in said and "twin" not in said


def test_without_the_extension_the_twin_computes(monkeypatch):
    row = rows()["matmul"]
    monkeypatch.setattr(row, "impls", {})
    monkeypatch.setattr(kernels, "find", lambda name, kind: None)
    with gd.config(kernels="numba"), only_twins(gd.device("cpu")):
        y = gd.ones((3, 4)) @ gd.ones((4, 2))
    assert y.numpy().tolist() == [[4, 4]] * 3


def test_numba_is_missing(monkeypatch):
    monkeypatch.setattr(rows()["matmul"], "impls", {})
    monkeypatch.setitem(sys.modules, "numba", None)
    with gd.config(kernels="numba"), pytest.raises(MissingDependencyError) as caught:
        gd.ones((3, 4)) @ gd.ones((4, 2))
    assert 'pip install "gpudl[numba]"' in str(caught.value)
    assert gd.ones((3, 4)) @ gd.ones((4, 2)) is not None


def test_numba_cuda_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba_cuda", None)
    with pytest.raises(MissingDependencyError) as caught:
        matmul_kernels._multiply.ptx(np.dtype("f4"), (8, 0))
    assert 'pip install "gpudl[cuda13]"' in str(caught.value)


def test_kernels_refuse_the_cpu():
    with pytest.raises(DeviceError, match="runs no CUDA kernels"):
        numba_copy._copy.launch(1, 1, np.zeros((1,) * 5, "f4"), np.zeros(1, "f4"))


def test_lifetimes_are_checked():
    emu = gd.device("emu")
    x = emu.from_host(np.ones(3, "f4"), copy=True)
    stream, out = emu.new_stream(), emu.empty((3,), np.dtype("f4"))
    emu.synchronize()
    emu.use_stream(stream)
    try:
        elementwise_kernels._forward.launch(1, 32, x, out, 1)
    finally:
        emu.use_stream(emu.scheduler.default)
    del x  # its own stream is free to reuse it
    with pytest.raises(EmulatorError, match="was freed") as caught:
        emu.synchronize()
    assert caught.value.kind == "lifetime"


# ----- cards -----
GPU_KERNELS = [
    value
    for module in (matmul_kernels, elementwise_kernels, conv_kernels, numba_copy)
    for name, value in vars(module).items()
    if isinstance(value, CudaKernel) and name == f"_{value.name}"
]


@pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)
@pytest.mark.parametrize("kernel", GPU_KERNELS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize(("dtype", "capability"), [("f4", (7, 5)), ("f8", (9, 0))])
def test_ptx_without_a_card(kernel, dtype, capability):
    try:
        text = kernel.ptx(np.dtype(dtype), capability)
    except RuntimeError as error:  # numba-cuda without the toolkit's libraries
        pytest.skip(f"numba-cuda has no compiler: {error}")
    assert f".target sm_{capability[0]}{capability[1]}" in text and ".entry" in text
    assert kernel.name in text
    assert ("bar.sync" in text) == (kernel.name in ("multiply", "convolve", "weigh"))
    assert "call" not in text or kernel.name not in ("convolve", "weigh", "copy", "add_chunks")


def test_the_launch_on_a_card(monkeypatch):
    """The host code against a stand-in for numba.cuda: it says nothing about a card."""
    ran = []

    class Compiled:
        def __getitem__(self, configuration):
            return lambda *args: ran.append((configuration, args))

    def jit(types=None, **options):
        ran.append((types, options))
        return lambda function: Compiled() if types is not None else function

    fake = SimpleNamespace(
        gpus=[contextlib.nullcontext()] * 2,
        external_stream=lambda pointer: ("stream", pointer),
        as_cuda_array=lambda x, sync: ("array", x, sync),
        jit=jit,
    )
    monkeypatch.setattr(numba_cuda, "module", lambda: fake)
    host = np.ndarray
    card = SimpleNamespace(
        kind="cuda", index=1, array_type=host, stream=lambda: SimpleNamespace(ptr=7)
    )
    monkeypatch.setattr(numba_cuda.devices, "of", lambda x: card)
    kernel = CudaKernel(elementwise_kernels.forward, "R1 W1 i")
    x, y = np.ones(3, "f4"), np.ones(3, "f4")
    kernel.launch(2, 32, x, y, 1)
    kernel.launch(2, 32, x, y, 1)
    compiled = [entry for entry in ran if entry[1] == {"cache": True}]
    launched = [entry for entry in ran if len(entry[0] or ()) == 4]
    assert len(compiled) == 1 and str(compiled[0][0][2]) == "int64"
    assert len(launched) == 2
    configuration, args = launched[0]
    assert configuration == (2, 32, ("stream", 7), 0)
    assert args[0][1] is x and args[1][2] is False and args[2] == 1


@pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)
def test_numba_cuda_has_what_a_launch_uses():
    found = numba_cuda.module()
    for name in ("gpus", "external_stream", "as_cuda_array", "jit", "compile_ptx"):
        assert hasattr(found, name), name
    assert found.config.CUDA_LOW_OCCUPANCY_WARNINGS == 0
