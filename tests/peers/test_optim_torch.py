"""Optimizers against PyTorch: the same gradients, ten steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = pytest.mark.peers

SHAPES = [(), (1,), (37,), (4, 3, 3, 3), (5, 0), (2, 1128)]
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-5}
SGD_CASES: list[dict[str, Any]] = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "maximize": True},
    {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01, "maximize": True},
]
ADAM_CASES: list[dict[str, Any]] = [
    {},
    {"amsgrad": True},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"betas": (0.5, 0.9), "eps": 1e-4},
    {"betas": (0.0, 0.4), "eps": 1e-3},
    {"amsgrad": True, "weight_decay": 0.3, "maximize": True, "lr": 0.1},
]
RMSPROP_CASES: list[dict[str, Any]] = [
    {},
    {"centered": True},
    {"momentum": 0.9},
    {"weight_decay": 0.1},
    {"alpha": 0.3, "eps": 1e-4},
    {"centered": True, "momentum": 0.7, "weight_decay": 0.1, "maximize": True},
]
CASES = [
    *(("SGD", {"lr": 0.05, **case}) for case in SGD_CASES),
    *(("Adam", {"lr": 0.05, **case}) for case in ADAM_CASES),
    *(("AdamW", {"lr": 0.05, **case}) for case in ADAM_CASES),
    *(("RMSprop", {"lr": 0.05, **case}) for case in RMSPROP_CASES),
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options in CASES]


def both(values: list[np.ndarray[Any, Any]]) -> tuple[list[Any], list[Any]]:
    ours = [gd.tensor(v, requires_grad=True) for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    return ours, theirs


def give(ours: list[Any], theirs: list[Any], rng: np.random.Generator, skip: set[int]) -> None:
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if i in skip:
            p.grad, q.grad = None, None
            continue
        g = rng.normal(size=p.shape).astype(p.dtype)
        # A layout of its own, as the gradient of a convolution's weight has.
        p.grad = gd.asarray(np.asarray(g, order="F"))
        q.grad = torch.tensor(g)


def compare(ours: list[Any], theirs: list[Any]) -> None:
    for p, q in zip(ours, theirs, strict=True):
        a, b = p.detach().numpy(), q.detach().numpy()
        if b.size:
            scale = max(float(abs(b).max()), 1e-3)
            assert float(abs(a - b).max()) / scale <= TOLERANCE[a.dtype.type]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_ten_steps(name: str, options: dict[str, Any], dtype: Any) -> None:
    rng = np.random.default_rng(7)
    ours, theirs = both([rng.normal(size=s).astype(dtype) for s in SHAPES])
    a = getattr(gd.optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options)
    for step in range(10):
        give(ours, theirs, rng, skip={1: {2}, 4: {0, 3}, 5: {0, 1, 2, 3, 4, 5}}.get(step, set()))
        a.step()
        b.step()
        compare(ours, theirs)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_first_gradient_comes_late(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = both([rng.normal(size=s) for s in ((3, 4), (5,), (2,))])
    a = getattr(gd.optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options)
    for step in range(10):
        give(ours, theirs, rng, skip={i for i in range(3) if step < 3 * i})
        a.step()
        b.step()
        compare(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_groups_with_options_of_their_own_that_change(name: str) -> None:
    rng = np.random.default_rng(11)
    ours, theirs = both([rng.normal(size=s) for s in ((3,), (4, 2), (6,), (1, 5))])

    def groups(ps: list[Any]) -> list[dict[str, Any]]:
        return [{"params": ps[:2], "lr": 0.2}, {"params": ps[2:3], "weight_decay": 0.3}]

    a = getattr(gd.optim, name)(groups(ours), lr=0.01)
    b = getattr(torch.optim, name)(groups(theirs), lr=0.01)
    for step in range(10):
        if step == 3:
            for opt, ps in ((a, ours), (b, theirs)):
                opt.add_param_group({"params": ps[3:], "lr": 0.5})
        if step == 5:
            for opt in (a, b):
                opt.param_groups[0]["lr"] = 0.07
                opt.param_groups[1]["maximize"] = True
        give(ours, theirs, rng, skip=set())
        a.step()
        b.step()
        compare(ours, theirs)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_pytorchs_state_dict_loads(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    ours, theirs = both([rng.normal(size=s) for s in ((3, 2), (7,))])
    b = getattr(torch.optim, name)(theirs, **options)
    for _ in range(3):
        give(ours, theirs, rng, skip=set())
        b.step()
    ours = [gd.tensor(q.detach().numpy(), requires_grad=True) for q in theirs]
    a = getattr(gd.optim, name)(ours, lr=123.0)
    a.load_state_dict(b.state_dict())
    for _ in range(3):
        give(ours, theirs, rng, skip=set())
        a.step()
        b.step()
        compare(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_our_state_dict_loads_into_pytorch(name: str) -> None:
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {"amsgrad": True}
    rng = np.random.default_rng(6)
    ours, theirs = both([rng.normal(size=s) for s in ((3, 2), (7,))])
    a = getattr(gd.optim, name)(ours, lr=0.03, **options)
    for _ in range(3):
        give(ours, theirs, rng, skip=set())
        a.step()
    theirs = [torch.tensor(p.detach().numpy().copy(), requires_grad=True) for p in ours]
    b = getattr(torch.optim, name)(theirs, lr=9.0, **options)
    saved = a.state_dict()
    for entries in saved["state"].values():
        for key, value in entries.items():
            entries[key] = torch.tensor(value.numpy() if key != "step" else float(value))
    saved["param_groups"] = [
        {**b.state_dict()["param_groups"][i], **group}
        for i, group in enumerate(saved["param_groups"])
    ]
    b.load_state_dict(saved)
    for _ in range(3):
        give(ours, theirs, rng, skip=set())
        a.step()
        b.step()
        compare(ours, theirs)
