"""Optimizers that PyTorch has not, L-BFGS, averages, clipping; on the emulated device too."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    GradError,
    ShapeError,
    StateDictError,
)
from gpudl.optim import swa_utils
from gpudl.tolerances import error, tolerance

SHAPES = [(), (1,), (37,), (4, 3, 3, 3), (5, 0), (2, 1128)]


def leaves(seed: int, shapes: Any = SHAPES, dtype: Any = np.float64, device: str = "cpu") -> Any:
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=s).astype(dtype) for s in shapes]
    return [gd.tensor(v, device=device, requires_grad=True) for v in values]


def give(params: list[Any], seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    grads = [rng.normal(size=p.shape).astype(p.dtype) for p in params]
    for p, g in zip(params, grads, strict=True):
        p.grad = gd.asarray(np.asarray(g, order="F"), device=p.device)
    return grads


def host(params: list[Any]) -> list[Any]:
    return [p.detach().cpu().numpy().copy() for p in params]


# ----- LAMB and Lion, tensor by tensor -----
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.0, "betas": (0.5, 0.9), "eps": 1e-3},
        {"bias_correction": False, "weight_decay": 0.3},
        {"maximize": True},
    ],
)
def test_lamb_tensor_by_tensor(options: dict[str, Any], dtype: Any) -> None:
    params = leaves(0, dtype=dtype)
    params.append(gd.zeros(3, dtype=dtype, requires_grad=True))  # of norm 0: not scaled
    opt = gd.optim.LAMB(params, lr=0.02, **options)
    full = {"betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01, **options}
    beta1, beta2 = full["betas"]
    want = [x.astype(np.float64) for x in host(params)]
    m = [np.zeros_like(x) for x in want]
    v = [np.zeros_like(x) for x in want]
    for step in range(1, 11):
        for i, g in enumerate(give(params, step)):
            d = -g.astype(np.float64) if options.get("maximize") else g.astype(np.float64)
            m[i] = beta1 * m[i] + (1 - beta1) * d
            v[i] = beta2 * v[i] + (1 - beta2) * d * d
            correct = options.get("bias_correction", True)
            mean = m[i] / (1 - beta1**step) if correct else m[i]
            square = v[i] / (1 - beta2**step) if correct else v[i]
            r = mean / (np.sqrt(square) + full["eps"]) + full["weight_decay"] * want[i]
            a, b = np.linalg.norm(want[i]), np.linalg.norm(r)
            want[i] = want[i] - 0.02 * (a / b if a > 0 and b > 0 else 1.0) * r
        opt.step()
        for got, x in zip(host(params), want, strict=True):
            assert error(got, x.astype(dtype), 1.0) <= tolerance(np.dtype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.3, "betas": (0.5, 0.8)}, {"maximize": True}]
)
def test_lion_tensor_by_tensor(options: dict[str, Any], dtype: Any) -> None:
    params = leaves(1, dtype=dtype)
    opt = gd.optim.Lion(params, lr=0.02, **options)
    beta1, beta2 = options.get("betas", (0.9, 0.99))
    want = [x.astype(np.float64) for x in host(params)]
    m = [np.zeros_like(x) for x in want]
    for step in range(10):
        for i, g in enumerate(give(params, step)):
            d = -g.astype(np.float64) if options.get("maximize") else g.astype(np.float64)
            want[i] = want[i] * (1 - 0.02 * options.get("weight_decay", 0.0))
            want[i] = want[i] - 0.02 * np.sign(beta1 * m[i] + (1 - beta1) * d)
            m[i] = beta2 * m[i] + (1 - beta2) * d
        opt.step()
        for got, x in zip(host(params), want, strict=True):
            assert error(got, x.astype(dtype), 1.0) <= tolerance(np.dtype(dtype))


def test_zeros_move_nothing_and_make_no_nan() -> None:
    for name in ("Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion", "LAMB", "Adafactor"):
        w = gd.zeros((3, 2), requires_grad=True)
        opt = getattr(gd.optim, name)([w])
        for _ in range(7):
            w.grad = gd.zeros((3, 2))
            opt.step()
        assert not w.detach().numpy().any(), name


def test_muon_makes_steps_orthogonal() -> None:
    w = gd.zeros((5, 3), requires_grad=True)
    opt = gd.optim.Muon(
        [w], lr=1.0, ns_steps=60, ns_coefficients=(1.5, -0.5, 0.0), adjust_lr_fn="original"
    )
    give([w], 3)
    opt.step()
    x = w.detach().numpy() / np.sqrt(5 / 3)
    assert np.allclose(x.T @ x, np.eye(3), atol=1e-5)


# ----- one formula for all devices -----
NEW = ["Adagrad", "Adadelta", "Adafactor", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop", "Lion"]
NEW += ["LAMB", "Muon"]


@pytest.mark.parametrize("name", NEW)
def test_the_emulated_device_gives_the_same_numbers(name: str) -> None:
    shapes = [(3, 2), (4, 9)] if name == "Muon" else [(37,), (4, 3), ()]
    here, there = leaves(5, shapes, np.float32), leaves(5, shapes, np.float32, "emu")
    opts = [getattr(gd.optim, name)(ps, lr=0.1) for ps in (here, there)]
    for step in range(3):
        for ps, opt in zip((here, there), opts, strict=True):
            give(ps, step)
            opt.step()
    for a, b in zip(host(here), host(there), strict=True):
        assert np.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_lbfgs_on_the_emulated_device() -> None:
    results = []
    for device in ("cpu", "emu"):
        w = gd.tensor([-1.2, 1.0, 0.3], device=device, requires_grad=True)
        opt = gd.optim.LBFGS([w], max_iter=5, line_search_fn="strong_wolfe")
        opt.step(bowl(opt, w))
        results.append(w.detach().cpu().numpy())
    assert np.allclose(*results, rtol=1e-4, atol=1e-5)


# ----- L-BFGS -----
def bowl(opt: Any, w: Any, fail_at: int = -1) -> Any:
    calls = []

    def closure() -> Any:
        if len(calls) == fail_at:
            raise ZeroDivisionError("the closure fails")
        calls.append(1)
        opt.zero_grad()
        scale = gd.asarray(np.array([1.0, 30.0, 400.0], w.dtype), device=w.device)
        loss = (scale * w * w).sum() + (w**4).sum()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_resumes_in_the_same_bits(search: str | None, tmp_path: Any) -> None:
    def make(w: Any) -> Any:
        return gd.optim.LBFGS(
            [w], lr=0.5, max_iter=3, history_size=2, line_search_fn=search, tolerance_grad=0.0
        )

    w = gd.tensor([3.0, -2.0, 1.0], requires_grad=True)
    opt = make(w)
    for _ in range(3):
        opt.step(bowl(opt, w))
    gd.save({"w": w.detach(), "opt": opt.state_dict()}, tmp_path / "saved.safetensors")
    for _ in range(3):
        opt.step(bowl(opt, w))
    saved = gd.load(tmp_path / "saved.safetensors")
    again = gd.tensor(saved["w"], requires_grad=True)
    fresh = make(again)
    fresh.load_state_dict(saved["opt"])
    for _ in range(3):
        fresh.step(bowl(fresh, again))
    assert np.array_equal(w.detach().numpy(), again.detach().numpy())


@pytest.mark.parametrize("fail_at", [0, 1, 3])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_an_error_in_the_closure_changes_nothing(search: str | None, fail_at: int) -> None:
    w = gd.tensor([3.0, -2.0, 1.0], requires_grad=True)
    opt = gd.optim.LBFGS([w], lr=0.01, line_search_fn=search)
    opt.step(bowl(opt, w))
    before, state = w.detach().numpy().copy(), copy.deepcopy(opt.state_dict())
    with pytest.raises(ZeroDivisionError):
        opt.step(bowl(opt, w, fail_at))
    assert np.array_equal(w.detach().numpy(), before)
    left = opt.state_dict()["state"][0]
    for key, value in state["state"][0].items():
        same = left[key]
        assert (
            np.array_equal(np.asarray(same), np.asarray(value))
            if key != "old_dirs"
            else (len(same) == len(value))
        )


def test_lbfgs_in_half_precision() -> None:
    w = gd.tensor(np.array([3.0, -2.0, 1.0], np.float16), requires_grad=True)
    opt = gd.optim.LBFGS([w], max_iter=30, line_search_fn="strong_wolfe")
    opt.step(bowl(opt, w))
    assert w.dtype == gd.float16
    assert abs(w.detach().numpy().astype(float)).max() < 0.05


def test_lbfgs_errors() -> None:
    w = gd.ones(2, requires_grad=True)
    opt = gd.optim.LBFGS([w])
    with pytest.raises(ArgumentTypeError, match="closure"):
        opt.step()
    with pytest.raises(ArgumentError, match="one group"):
        opt.add_param_group({"params": [gd.ones(2, requires_grad=True)]})
    with pytest.raises(ArgumentError, match="dtype or device"):
        gd.optim.LBFGS([w, gd.ones(2, dtype=gd.float64, requires_grad=True)])
    with pytest.raises(ArgumentError, match="line_search_fn"):
        gd.optim.LBFGS([w], line_search_fn="golden section")

    def infinite() -> Any:
        w.grad = gd.tensor([np.inf, 0.0])
        return gd.tensor(1.0)

    with pytest.raises(GradError, match="NaN or infinite"):
        opt.step(infinite)
    assert w.detach().tolist() == [1.0, 1.0]
    saved = opt.state_dict()
    saved["state"] = {0: {"d": gd.ones(5)}}
    with pytest.raises(StateDictError, match="vector of 2"):
        opt.load_state_dict(saved)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adagrad", {"lr_decay": -1.0}),
        ("Adadelta", {"rho": 1.5}),
        ("Adafactor", {"beta2_decay": 0.5}),
        ("Adafactor", {"d": 0.5}),
        ("Adamax", {"betas": (1.0, 0.9)}),
        ("NAdam", {"momentum_decay": -1.0}),
        ("RAdam", {"eps": -1.0}),
        ("ASGD", {"t0": -1.0}),
        ("Rprop", {"etas": (1.5, 1.2)}),
        ("Lion", {"lr": -1.0}),
        ("LAMB", {"weight_decay": float("nan")}),
        ("Muon", {"ns_steps": 100}),
        ("Muon", {"adjust_lr_fn": "mine"}),
        ("LBFGS", {"history_size": 0}),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=name):
        getattr(gd.optim, name)([gd.ones((2, 2), requires_grad=True)], **options)


def test_muon_takes_matrices_only() -> None:
    with pytest.raises(ShapeError, match="AdamW"):
        gd.optim.Muon([gd.ones(3, requires_grad=True)])


def test_adamw_stays_decoupled_with_the_state_of_an_adam() -> None:
    w = gd.ones(3, requires_grad=True)
    adam, adamw = gd.optim.Adam([w]), gd.optim.AdamW([w])
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True


# ----- averages and clipping -----
def test_averages_check_what_they_are_given() -> None:
    model = gd.nn.Linear(2, 2)
    one = swa_utils.get_ema_avg_fn(0.9)
    with pytest.raises(ArgumentError, match="two functions"):
        swa_utils.AveragedModel(model, avg_fn=one, multi_avg_fn=swa_utils.get_swa_multi_avg_fn())
    with pytest.raises(ArgumentTypeError, match="a module"):
        swa_utils.AveragedModel(gd.ones(2))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="decay"):
        swa_utils.get_ema_multi_avg_fn(1.5)
    averaged = swa_utils.AveragedModel(model, avg_fn=one)
    averaged.update_parameters(model)
    before = copy.deepcopy(averaged.state_dict())
    with pytest.raises(ShapeError, match="built"):
        averaged.update_parameters(gd.nn.Linear(3, 2))
    assert int(averaged.n_averaged) == 1
    assert all(
        np.array_equal(before[k].numpy(), v.numpy()) for k, v in averaged.state_dict().items()
    )


def test_batch_statistics_are_as_before_after_an_error() -> None:
    model = gd.nn.Sequential(gd.nn.BatchNorm1d(3), gd.nn.Dropout(0.5))
    model[1].eval()
    with pytest.raises(gd.errors.GpudlError):
        swa_utils.update_bn([gd.ones((4, 2))], model)
    assert model[0].momentum == 0.1
    assert model[0].training
    assert not model[1].training


def test_norms_that_are_not_finite() -> None:
    bad = [gd.tensor([1.0, np.nan])]
    assert np.isnan(gd.nn.utils.get_total_norm(bad).item())
    with pytest.raises(ArgumentError, match="norm of the gradients"):
        gd.nn.utils.get_total_norm(bad, error_if_nonfinite=True)


@pytest.mark.parametrize("norm", [0.5, 1.0, 2.0, np.inf])
def test_clipping_in_two_parts_is_clipping(norm: float) -> None:
    a, b = leaves(3), leaves(3)
    give(a, 1)
    give(b, 1)
    total = gd.nn.utils.clip_grad_norm_(a, 0.7, norm)
    gd.nn.utils.clip_grads_with_norm_(b, 0.7, gd.nn.utils.get_total_norm([p.grad for p in b], norm))
    assert total.item() > 0.7
    for p, q in zip(a, b, strict=True):
        assert np.array_equal(p.grad.numpy(), q.grad.numpy())
