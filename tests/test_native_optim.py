"""Optimizer steps over flat buffers: native against NumPy bit by bit, and both against PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpudl.kernels.optim import cpu, reference

N = 1128
SEGMENTS = [(0, 37), (64, 64), (100, N)]
REALS = [np.float32, np.float64]


def variants(**choices):
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def name(case):
    return "-".join(f"{k}={v}" for k, v in case.items())


SGD = [
    c
    for c in variants(
        momentum=(0.0, 0.9),
        dampening=(0.0, 0.1),
        weight_decay=(0.0, 0.01),
        nesterov=(False, True),
        maximize=(False, True),
    )
    if not c["nesterov"] or (c["momentum"] and not c["dampening"])
]
ADAM = variants(
    beta1=(0.9, 0.3),
    weight_decay=(0.0, 0.01),
    decoupled=(False, True),
    amsgrad=(False, True),
    maximize=(False, True),
)
RMSPROP = variants(
    alpha=(0.99, 0.4),
    weight_decay=(0.0, 0.01),
    momentum=(0.0, 0.9),
    centered=(False, True),
    maximize=(False, True),
)


def buffers(dtype, count, n=N, seed=0):
    p = np.random.default_rng(seed).normal(size=n).astype(dtype)
    return [p, *(np.zeros(n, dtype) for _ in range(count - 1))]


def call(module, kind, state, g, case, step, segments=SEGMENTS):
    """One step of `kind` on the buffers of `state`, in place; `step` counts from 0."""
    p, rest = state[0], state[1:]
    if kind == "sgd":
        module.sgd(p, g, *rest, lr=0.1, first=step == 0, segments=segments, **case)
    elif kind == "adam":
        fixed = {"step": step + 1, "lr": 0.1, "beta2": 0.999, "eps": 1e-8}
        module.adam(p, g, *rest, **fixed, segments=segments, **case)
    else:
        module.rmsprop(p, g, *rest, lr=0.1, eps=1e-8, segments=segments, **case)


COUNTS = {"sgd": 2, "adam": 4, "rmsprop": 4}  # buffers a step updates
OPTIONS = {"sgd": SGD, "adam": ADAM, "rmsprop": RMSPROP}
CASES = [(kind, COUNTS[kind], case) for kind, cases in OPTIONS.items() for case in cases]
IDS = [f"{kind}-{name(case)}" for kind, _, case in CASES]


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("kind", "count", "case"), CASES, ids=IDS)
def test_native_equals_the_reference(kind, count, case, dtype):
    native = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")
    rng = np.random.default_rng(1)
    state, expected = buffers(dtype, count), buffers(dtype, count)
    for step in range(3):
        g = rng.normal(size=N).astype(dtype)
        call(native, kind, state, g, case, step)
        call(reference, kind, expected, g, case, step)
        for a, b in zip(state, expected, strict=True):
            assert a.tobytes() == b.tobytes()


def torch_optimizer(torch, kind, p, case):
    options = {"lr": 0.1, "foreach": False, **case}
    if kind == "sgd":
        return torch.optim.SGD([p], **options)
    if kind == "rmsprop":
        return torch.optim.RMSprop([p], **options)
    beta1, decoupled = options.pop("beta1"), options.pop("decoupled")
    make = torch.optim.AdamW if decoupled else torch.optim.Adam
    return make([p], betas=(beta1, 0.999), **options)


@pytest.mark.peers
@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("kind", "count", "case"), CASES, ids=IDS)
def test_steps_equal_pytorch(kind, count, case, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(1)
    state = buffers(dtype, count)
    start = state[0].copy()
    p = torch.tensor(start.copy(), requires_grad=True)
    optimizer = torch_optimizer(torch, kind, p, case)
    updated = np.zeros(N, bool)
    for a, b in SEGMENTS:
        updated[a:b] = True
    for step in range(10):
        g = rng.normal(size=N).astype(dtype)
        call(cpu, kind, state, g, case, step)
        p.grad = torch.tensor(g)
        optimizer.step()
    expected = p.detach().numpy()[updated]
    error = np.max(np.abs(state[0][updated] - expected)) / np.max(np.abs(expected))
    assert error < (1e-5 if dtype == np.float32 else 1e-13)
    np.testing.assert_array_equal(state[0][~updated], start[~updated])


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("n", [0, 1, 5, 37, 1128, 16384, 100_003])
def test_sumsq(n, dtype):
    g = (np.random.default_rng(2).normal(size=n) * 100).astype(dtype)
    exact = float(np.sum(g.astype(np.longdouble) ** 2))
    assert cpu.sumsq(g) == pytest.approx(exact, rel=1e-13)
    assert cpu.sumsq(g) == reference.sumsq(g)
    parts = [(0, n // 3), (n // 2, n)]
    some = np.concatenate([g[a:b] for a, b in parts]).astype(np.longdouble)
    assert cpu.sumsq(g, segments=parts) == pytest.approx(float(np.sum(some**2)), rel=1e-13)
    assert cpu.sumsq(g, segments=parts) == reference.sumsq(g, segments=parts)


def test_results_do_not_depend_on_thread_count():
    native = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")
    before = native.get_num_threads()
    n = 200_003
    g = np.random.default_rng(3).normal(size=n).astype(np.float32)
    segments = [(i, min(i + 1000, n)) for i in range(0, n, 1024)]
    seen = set()
    try:
        for threads in (1, 2, 3):
            native.set_num_threads(threads)
            state = buffers(np.float32, 4, n)
            call(native, "adam", state, g, ADAM[-1], 0, segments)
            seen.add((b"".join(x.tobytes() for x in state), native.sumsq(g, segments=segments)))
    finally:
        native.set_num_threads(before)
    assert len(seen) == 1


@pytest.mark.parametrize("module", [cpu, reference], ids=["cpu", "reference"])
@pytest.mark.parametrize("segments", [[(-1, 3)], [(0, 38)], [(5, 4)], [(2**62, 2**62 + 1)]])
def test_segments_outside_are_refused(module, segments):
    state = buffers(np.float32, 2, 37)
    before = [x.copy() for x in state]
    with pytest.raises(IndexError, match="not inside"):
        call(module, "sgd", state, np.ones(37, np.float32), SGD[0], 0, segments)
    for a, b in zip(state, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("module", [cpu, reference], ids=["cpu", "reference"])
def test_overlapping_segments_are_refused(module):
    with pytest.raises(ValueError, match="overlap"):
        module.sumsq(np.ones(37), segments=[(0, 10), (9, 20)])


@pytest.mark.parametrize("module", [cpu, reference], ids=["cpu", "reference"])
def test_missing_buffers_are_refused(module):
    p, g = np.ones(5), np.ones(5)
    with pytest.raises(ValueError, match="buf"):
        call(module, "sgd", [p, None], g, {**SGD[0], "momentum": 0.9}, 0, None)
    with pytest.raises(ValueError, match="vmax"):
        call(module, "adam", [p, g, g, None], g, {**ADAM[0], "amsgrad": True}, 0, None)
    with pytest.raises(ValueError, match="step"):
        call(module, "adam", [p, g, g, None], g, ADAM[0], -1, None)
    with pytest.raises(ValueError, match="ga"):
        call(module, "rmsprop", [p, g, None, None], g, {**RMSPROP[0], "centered": True}, 0, None)


def test_bad_buffers_are_refused_by_the_native_steps():
    native = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")
    good = np.ones(6, np.float32)
    read_only = np.ones(6, np.float32)
    read_only.flags.writeable = False
    bad = [
        (np.ones(5, np.float32), ValueError),
        (np.ones(6), TypeError),
        (np.ones((2, 3), np.float32), ValueError),
        (np.ones(12, np.float32)[::2], ValueError),
        (np.ones(6, np.int32), TypeError),
    ]
    for g, error in bad:
        with pytest.raises(error):
            call(native, "sgd", [good.copy(), None], g, SGD[0], 0, None)
    for p, error in [*bad[1:], (read_only, ValueError)]:
        with pytest.raises(error):
            call(native, "sgd", [p, None], good, SGD[0], 0, None)


def test_nan_gradients_reach_the_parameters():
    for module in (cpu, reference):
        state = buffers(np.float32, 4, 37)
        g = np.ones(37, np.float32)
        g[5] = np.nan
        call(module, "adam", state, g, {**ADAM[0], "amsgrad": True}, 0, None)
        assert np.isnan(state[0]).nonzero()[0].tolist() == [5]
        assert np.isnan(state[3]).nonzero()[0].tolist() == [5]
