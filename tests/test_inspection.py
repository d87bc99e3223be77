"""The debug ladder, validation against references, and detect_anomaly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import gpudl as gd
from gpudl import kernels, notices, ops
from gpudl.autograd import inspection
from gpudl.errors import AnomalyError, KernelError, SettingError
from gpudl.kernels.optim import reference

RNG = np.random.default_rng(0)
CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
native = pytest.mark.skipif(
    gd.kernels.find("conv", "cpu") is None, reason="needs the C++ extension"
)


def array(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def images(dtype="float32", channels=3):
    x = gd.tensor(array(2, channels, 7, 5, dtype=dtype), requires_grad=True)
    w = gd.tensor(array(4, channels, 3, 3, dtype=dtype), requires_grad=True)
    return x, w


# ----- the ladder -----
def test_level_0_is_silent(capfd):
    x, w = images()
    ops.conv.conv(x, w, **CONV).sum().backward()
    assert capfd.readouterr() == ("", "")


@native
def test_level_1_names_a_fallback(capfd):
    half = gd.tensor(array(3, 2, dtype="float16"))
    with gd.config(debug=1):
        ops.activation.relu(half)
    err = capfd.readouterr().err
    assert "fallback relu: not taken by the kernel, computed by numpy: float16(3, 2)" in err


@native
def test_level_1_names_a_layout_copy(capfd):
    x, w = images()
    with gd.config(debug=1):
        before = notices.counts().get("copy", 0)
        y = ops.conv.conv(x, w, **CONV)
        assert "copy packed_pixels: float32(2, 3, 7, 5) to channels-last" in capfd.readouterr().err
        assert notices.counts()["copy"] == before + 1
        # The result is channels-last: the next convolution takes it as it is.
        ops.conv.conv(y, gd.tensor(array(2, 4, 3, 3)), **CONV)
        assert "copy" not in capfd.readouterr().err


LINE = re.compile(
    r"^gpudl: (?P<name>\w+) +(?P<by>kernel|numpy) +(?P<ms>[\d.]+) ms +(?P<flops>[\d.]+|-) GFLOP/s"
    r" +(?P<bytes>[\d.]+|-) GB/s  (?P<shapes>.+)$"
)


def test_level_2_has_a_line_per_operation(capfd):
    a = gd.tensor(array(37, 41), requires_grad=True)
    with gd.config(debug=2):
        (a @ gd.tensor(array(41, 3))).sum().backward()
    lines = [LINE.match(line) for line in capfd.readouterr().err.splitlines()]
    operations = [m for m in lines if m]
    assert [m["name"] for m in operations][:2] == ["matmul", "sum"]
    first = operations[0]
    assert first["shapes"] == "float32(37, 41) float32(41, 3)"
    assert [m["by"] for m in operations[:2]] == ["kernel", "numpy"]
    assert len([m for m in operations if m["name"] == "matmul"]) == 2  # forward, one gradient


def test_work_is_counted():
    x, w = images()
    y = ops.conv.conv(x, w, **CONV)
    ran = inspection.timed(ops.conv.conv, (x, w), CONV, lambda: y)
    assert ran.flops == 2 * (2 * 4 * 7 * 5) * (3 * 3 * 3)
    assert ran.bytes == 4 * (2 * 3 * 7 * 5 + 4 * 3 * 3 * 3 + 2 * 4 * 7 * 5)
    g = {"x_shape": x.shape, **CONV}
    ran = inspection.timed(ops.conv.conv_dgrad, (y, w), g, lambda: x)
    assert ran.flops == 2 * (2 * 4 * 7 * 5) * (3 * 3 * 3)
    a, b = gd.tensor(array(5, 6)), gd.tensor(array(6, 7))
    ran = inspection.timed(ops.matmul.matmul, (a, b), {}, lambda: a @ b)
    assert ran.flops == 2 * 5 * 6 * 7
    ran = inspection.timed(ops.shape.permute, (a,), {"axes": (1, 0)}, lambda: a.T)
    assert ran.bytes == 0
    assert ran.flops is None


def test_settings_hold_for_one_thread(capfd):
    a = gd.tensor(array(3))
    with gd.config(debug=2):
        thread = threading.Thread(target=lambda: a + a)
        thread.start()
        thread.join()
    assert "add" not in capfd.readouterr().err


def test_levels_come_from_the_environment():
    code = "import gpudl as gd; x = gd.ones(3); y = x * x"
    env = os.environ | {"GPUDL_DEBUG": "2"}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert "gpudl: multiply" in out.stderr
    env["GPUDL_DEBUG"] = "loud"
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "GPUDL_DEBUG is 'loud'" in out.stderr


def test_process_wide_settings_are_refused_not_ignored():
    with pytest.raises(SettingError, match="whole process"), gd.config(num_threads=2):
        pass


# ----- validation -----
@native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 37])
def test_correct_kernels_validate(dtype, channels):
    x, w = images(dtype, channels)
    with gd.config(validate=True):
        y = ops.activation.gelu(ops.conv.conv(x, w, **CONV), approximate="none")
        y = ops.activation.relu(
            ops.norm.batch_norm(y, gd.ones(4, dtype=dtype), gd.zeros(4, dtype=dtype), eps=1e-5)[0]
        )
        (ops.activation.softmax(y) * y).sum().backward()
    assert x.grad is not None
    assert w.grad is not None


@native
def test_random_kernels_validate_bit_for_bit():
    with gd.config(validate=True):
        a = gd.random.normal((1000,), generator=gd.Generator(3))
        gd.random.permutation(37, generator=gd.Generator(3))
    assert np.array_equal(a.numpy(), gd.random.normal((1000,), generator=gd.Generator(3)).numpy())


@pytest.fixture
def broken_relu(monkeypatch):
    """Give `relu` a kernel that is slightly, wholly, or not at all wrong."""

    def install(kernel):
        monkeypatch.setattr(gd.kernels, "find", lambda name, kind: kernel)
        monkeypatch.setattr(ops.activation.relu, "impls", {})
        monkeypatch.setattr(ops.activation.relu, "cpu", ops.activation.relu._first_cpu_call)

    return install


def test_a_wrong_kernel_is_found(broken_relu):
    x = gd.tensor(array(5, 7))
    broken_relu(lambda x: np.maximum(x, 0) * np.float32(1.001))
    ops.activation.relu(x)  # unnoticed
    with (
        gd.config(validate=True),
        pytest.raises(KernelError, match=r"(?s)relu.*disagrees.*error 0.001.*x0=float32\(5, 7\)"),
    ):
        ops.activation.relu(x)


def test_a_kernel_that_loses_nan_or_shape_is_found(broken_relu):
    x = gd.tensor(np.float32([1, np.nan, -1]))
    broken_relu(lambda x: np.nan_to_num(np.maximum(x, 0)))
    with gd.config(validate=True), pytest.raises(KernelError, match="error inf"):
        ops.activation.relu(x)
    broken_relu(lambda x: np.maximum(x, 0)[:2])
    with gd.config(validate=True), pytest.raises(KernelError):
        ops.activation.relu(x)


def test_a_right_kernel_and_overflow_pass(broken_relu):
    broken_relu(lambda x: np.maximum(x, 0))
    x = gd.tensor(np.float32([np.inf, -np.inf, np.nan, 3e38]))
    with gd.config(validate=True):
        ops.activation.relu(x)


# ----- optimizer steps, which are no rows -----
def optimizer_step(make):
    p = gd.tensor(array(37, 3), requires_grad=True)
    optimizer = make([p], lr=0.1)
    for _ in range(2):
        p.grad = gd.tensor(array(37, 3))
        optimizer.step()


@pytest.mark.parametrize("make", [gd.optim.SGD, gd.optim.Adam, gd.optim.AdamW, gd.optim.RMSprop])
def test_optimizer_steps_validate_bit_for_bit(make, capfd):
    with gd.config(validate=True, debug=2):
        optimizer_step(make)
    steps = [m for line in capfd.readouterr().err.splitlines() if (m := LINE.match(line))]
    assert [m["by"] for m in steps if m["name"] in ("sgd", "adam", "rmsprop")] == ["kernel"] * 2


def test_a_wrong_optimizer_step_is_found(monkeypatch):
    from gpudl.kernels.optim import cpu

    def wrong(p, g, *buffers, **options):
        reference.sgd(p, g, *buffers, **options)
        p[5] = np.nextafter(p[5], np.float32(9))

    monkeypatch.setattr(cpu, "sgd", wrong)
    optimizer_step(gd.optim.SGD)  # unnoticed
    with gd.config(validate=True), pytest.raises(KernelError, match=r"1 of .* operand 0 differ"):
        optimizer_step(gd.optim.SGD)


# ----- detect_anomaly -----
def users_model(x):
    return ops.elementwise.sqrt(x)  # the forward line


def test_anomaly_names_the_forward_line():
    x = gd.tensor([0.0, 1.0], requires_grad=True)
    with gd.detect_anomaly():
        loss = (users_model(x) * 0).sum()
        with pytest.raises(AnomalyError) as caught:
            loss.backward()
    message = str(caught.value)
    assert "'sqrt'" in message
    assert "the forward line" in message
    assert "users_model" in message
    assert f"{os.sep}gpudl{os.sep}autograd" not in message


def test_anomaly_of_a_primitive_with_several_results():
    x = gd.tensor(array(2, 1, 1, 1) * np.float32(np.nan), requires_grad=True)
    with gd.detect_anomaly():
        y = ops.norm.batch_norm(x, gd.ones(1), gd.zeros(1), eps=1e-5)[0]
        with pytest.raises(AnomalyError, match="batch_norm"):
            y.sum().backward()


def test_without_anomaly_nothing_is_kept_or_raised():
    x = gd.tensor([0.0, 1.0], requires_grad=True)
    with gd.detect_anomaly():
        (x * x).sum().backward()
    y = users_model(x)
    assert y._node.extra is None
    (y * 0).sum().backward()
    assert np.isnan(x.grad.numpy()[0])


def test_anomaly_in_a_second_derivative_names_both():
    x = gd.tensor([0.0, 1.0], requires_grad=True)
    with gd.detect_anomaly():
        (g,) = gd.autograd.grad(users_model(x).sum(), x, create_graph=True)
        with pytest.raises(AnomalyError, match=r"'divide'(?s:.*)in the gradient of 'sqrt'"):
            (g * 0).sum().backward()


def test_a_faulty_kernel_module_is_not_taken_for_a_missing_one(monkeypatch):
    find = kernels._family.__wrapped__
    assert find("conv", "no_such_device") is None

    def fail(name):
        raise ImportError("no such name", name="gpudl.kernels.layout")

    monkeypatch.setattr(kernels.importlib, "import_module", fail)
    with pytest.raises(ImportError):
        find("conv", "cpu")


# ----- the environment -----
@pytest.mark.parametrize(
    ("name", "meant"), [("GPUDL_DEBG", "GPUDL_DEBUG"), ("GPUDL_XYZZY", "docs/settings.md")]
)
def test_a_misspelt_setting_is_named(name, meant):
    done = subprocess.run(
        [sys.executable, "-c", "import gpudl"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, name: "1"},
    )
    assert f"{name} is no setting of gpudl" in done.stderr
    assert meant in done.stderr
