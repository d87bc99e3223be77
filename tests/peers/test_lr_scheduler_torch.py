"""Learning-rate schedules against PyTorch, step by step."""

from __future__ import annotations

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
    ours = getattr(gd.optim.lr_scheduler, name)(a, **options)
    theirs = getattr(torch.optim.lr_scheduler, name)(b, **options)
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
