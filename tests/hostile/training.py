"""Valid calls of optimizers, schedules and averages, for `entries`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import gpudl as gd
from gpudl import nn

Made = tuple[list[Any], dict[str, Any]]


OPTIMIZERS = (
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adafactor",
    "Adamax",
    "NAdam",
    "RAdam",
    "ASGD",
    "Rprop",
    "LAMB",
    "Lion",
)
SCHEDULES: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": lambda step: 0.5},
    "MultiplicativeLR": {"lr_lambda": lambda step: 0.5},
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [1, 2]},
    "ConstantLR": {"factor": 0.5},
    "LinearLR": {"start_factor": 0.5},
    "ExponentialLR": {"gamma": 0.5},
    "PolynomialLR": {"power": 2.0},
    "CosineAnnealingLR": {"T_max": 3},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 9},
}


def _parameters() -> list[Any]:
    made = [nn.Parameter(gd.ones(3)), nn.Parameter(gd.ones((2, 2)))]
    for p in made:
        p.grad = gd.ones(p.shape)
    return made


def _optimizer(name: str) -> Callable[..., Any]:
    cls = getattr(gd.optim, name)

    def run(params: Any, **kwargs: Any) -> Any:
        made = cls(params, **kwargs)
        made.step()
        return made.state_dict()

    run.__signature__ = inspect.signature(cls)  # type: ignore[attr-defined]
    return run


def _schedule(name: str) -> Callable[..., Any]:
    cls = getattr(gd.optim.lr_scheduler, name)

    def run(**kwargs: Any) -> Any:
        made = cls(gd.optim.SGD([nn.Parameter(gd.ones(3))], lr=0.1, momentum=0.9), **kwargs)
        made.step()
        return made.state_dict()

    signature = inspect.signature(cls)
    kept = [p for key, p in signature.parameters.items() if key != "optimizer"]
    run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return run


def _lbfgs(params: Any, **kwargs: Any) -> Any:
    made = gd.optim.LBFGS(params, **kwargs)

    def closure() -> Any:
        made.zero_grad()
        loss = sum((p * p).sum() for p in made.param_groups[0]["params"])
        loss.backward()
        return loss

    made.step(closure)
    return made.state_dict()


_lbfgs.__signature__ = inspect.signature(gd.optim.LBFGS)  # type: ignore[attr-defined]


def _averaged(model: Any, device: Any = None, use_buffers: Any = False) -> Any:
    made = gd.optim.swa_utils.AveragedModel(model, device, use_buffers=use_buffers)
    made.update_parameters(model)
    made.update_parameters(model)
    return made.state_dict()


def entries() -> list[tuple[str, Callable[..., Any], Callable[[], Made]]]:
    """Names, functions and makers of arguments."""
    found: list[tuple[str, Callable[..., Any], Callable[[], Made]]] = [
        (f"optim.{name}", _optimizer(name), lambda: ([_parameters()], {"lr": 0.1}))
        for name in OPTIMIZERS
    ]
    found.append(("optim.Muon", _optimizer("Muon"), lambda: ([_parameters()[1:]], {"lr": 0.1})))
    found.append(("optim.LBFGS", _lbfgs, lambda: ([_parameters()], {"lr": 0.1})))
    for name, given in SCHEDULES.items():
        found.append((f"lr_scheduler.{name}", _schedule(name), lambda g=given: ([], dict(g))))
    linear = gd.asarray(np.linspace(0.1, 1, 12, dtype=np.float32).reshape(3, 4))
    found.append(("nn.summary", nn.summary, lambda: ([nn.Linear(4, 2), linear], {})))
    found.append(("swa_utils.AveragedModel", _averaged, lambda: ([nn.Linear(4, 2)], {})))
    return found
