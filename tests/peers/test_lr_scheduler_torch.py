"""Learning-rate schedules against PyTorch, step by step."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest

import gpudl as gd

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = pytest.mark.peers

CASES: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda t: 0.9**t + t / 7}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.7}),
    ("CosineAnnealingLR", {"T_max": 7}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": [0.5, 0.1], "epochs": 5, "steps_per_epoch": 5, "pct_start": 0.2}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25, "three_phase": True, "div_factor": 10}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 25, "pct_start": 0.1}),
    ("MultiplicativeLR", {"lr_lambda": lambda t: 0.9 + t / 100}),
    ("MultiplicativeLR", {"lr_lambda": [lambda t: 0.9, lambda t: 1.1]}),
    ("MultiStepLR", {"milestones": [7, 3, 3, 12]}),
    ("MultiStepLR", {"milestones": (2, 5), "gamma": 0.7}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.2, "total_iters": 1}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 8}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 30, "power": 2.5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.4, "step_size_up": 5}),
    (
        "CyclicLR",
        {
            "base_lr": [0.0, 0.1],
            "max_lr": [0.4, 0.2],
            "step_size_up": 3,
            "step_size_down": 4,
            "mode": "triangular2",
        },
    ),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 0.4,
            "step_size_up": 2,
            "mode": "exp_range",
            "gamma": 0.9,
            "base_momentum": 0.5,
        },
    ),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 0.4,
            "step_size_up": 4,
            "cycle_momentum": False,
            "scale_fn": lambda c: 1 / c,
            "scale_mode": "cycle",
        },
    ),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.02}),
    ("SWALR", {"swa_lr": 0.05}),
    ("SWALR", {"swa_lr": [0.05, 0.5], "anneal_epochs": 4, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}),
]


def pair(name: str) -> tuple[Any, Any]:
    made = []
    for lib, leaf in ((gd, gd.ones(1, requires_grad=True)), (torch, torch.ones(1))):
        other = gd.ones(2, requires_grad=True) if lib is gd else torch.ones(2)
        groups = [{"params": [leaf]}, {"params": [other], "lr": 0.3}]
        extra = {"momentum": 0.9} if name == "SGD" else {}
        made.append(getattr(lib.optim, name)(groups, lr=0.2, **extra))
    return made[0], made[1]


def options_of(opt: Any) -> list[float]:
    return [
        float(x)
        for g in opt.param_groups
        for x in (g["lr"], g.get("momentum", 0), *g.get("betas", ()))
    ]


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates(name: str, options: dict[str, Any], optimizer: str) -> None:
    a, b = pair(optimizer)
    page = "swa_utils" if name == "SWALR" else "lr_scheduler"
    ours = getattr(getattr(gd.optim, page), name)(a, **options)
    theirs = getattr(getattr(torch.optim, page), name)(b, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch misses the optimizer's steps
        for _ in range(24):
            assert np.allclose(options_of(a), options_of(b), rtol=1e-12, atol=1e-15)
            assert np.allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-15)
            ours.step()
            theirs.step()
    assert np.allclose(options_of(a), options_of(b), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 0, "cooldown": 3, "factor": 0.5},
        {"patience": 1, "threshold_mode": "abs", "threshold": 0.2, "min_lr": 0.05},
        {"patience": 0, "min_lr": [0.1, 0.02], "eps": 0.01},
    ],
)
def test_plateau(options: dict[str, Any], mode: str) -> None:
    a, b = pair("SGD")
    ours = gd.optim.lr_scheduler.ReduceLROnPlateau(a, mode=mode, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(b, mode=mode, **options)
    rng = np.random.default_rng(3)
    for step in range(40):
        metric = math.exp(-step / 10) + float(rng.normal()) / 5
        ours.step(metric)
        theirs.step(metric)
        assert np.allclose(options_of(a), options_of(b), rtol=1e-12)


def _warm_up_then_cosine(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    parts = [s.LinearLR(opt, 0.1, total_iters=4), s.CosineAnnealingLR(opt, 9)]
    return s.SequentialLR(opt, parts, milestones=[5])


def _three_in_turn(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    parts = [s.ConstantLR(opt, 0.3, 2), s.ExponentialLR(opt, 0.9), s.StepLR(opt, 3)]
    return s.SequentialLR(opt, parts, milestones=[3, 11])


def _all_that_multiply(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    parts = [
        s.ConstantLR(opt, 0.3, 4),
        s.ExponentialLR(opt, 0.9),
        s.MultiStepLR(opt, [3, 9]),
        s.LinearLR(opt, 0.5, total_iters=7),
        s.PolynomialLR(opt, 40, 2.0),
        s.StepLR(opt, 5, 0.8),
    ]
    return s.ChainedScheduler(parts)


def _a_cosine_of_a_chain(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    return s.ChainedScheduler([s.CosineAnnealingLR(opt, 30), s.ExponentialLR(opt, 0.9)], opt)


@pytest.mark.parametrize(
    "make", [_warm_up_then_cosine, _three_in_turn, _all_that_multiply, _a_cosine_of_a_chain]
)
def test_combined(make: Any) -> None:
    a, b = pair("SGD")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = make(gd, a), make(torch, b)
        for _ in range(24):
            assert np.allclose(options_of(a), options_of(b), rtol=1e-11, atol=1e-15)
            assert np.allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-11, atol=1e-15)
            ours.step()
            theirs.step()


def test_restarts_at_a_given_epoch() -> None:
    a, b = pair("SGD")
    ours = gd.optim.lr_scheduler.CosineAnnealingWarmRestarts(a, 4, 2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 4, 2)
    for epoch in (0.5, 1.25, 3.9, 5.0, 11.5, 12.0, 12.1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours.step(epoch)
            theirs.step(epoch)
        assert np.allclose(options_of(a), options_of(b), rtol=1e-9)


def test_every_schedule_of_pytorch_is_here() -> None:
    """With the arguments of the same names, order and defaults."""
    for name in torch.optim.lr_scheduler.__all__:
        theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
        mine = inspect.signature(getattr(gd.optim.lr_scheduler, name)).parameters
        assert [(k, p.default) for k, p in mine.items()] == [
            (k, p.default) for k, p in theirs.items()
        ], name
