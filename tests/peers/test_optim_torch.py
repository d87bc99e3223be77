"""Optimizers against PyTorch: the same gradients, ten steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
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
NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"]
NAMES += ["ASGD", "Rprop"]
RMSPROP_CASES: list[dict[str, Any]] = [
    {},
    {"centered": True},
    {"momentum": 0.9},
    {"weight_decay": 0.1},
    {"alpha": 0.3, "eps": 1e-4},
    {"centered": True, "momentum": 0.7, "weight_decay": 0.1, "maximize": True},
]
LR_CASES: dict[str, list[dict[str, Any]]] = {
    "Adagrad": [
        {},
        {"lr_decay": 0.3},
        {"weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"eps": 1e-2, "maximize": True},
    ],
    "Adadelta": [{}, {"rho": 0.5, "eps": 1e-3}, {"weight_decay": 0.1, "maximize": True}],
    "Adamax": [{}, {"betas": (0.5, 0.9), "eps": 1e-4}, {"weight_decay": 0.1, "maximize": True}],
    "NAdam": [
        {},
        {"betas": (0.5, 0.9), "eps": 1e-4, "momentum_decay": 0.1},
        {"weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "RAdam": [
        {},
        {"betas": (0.5, 0.9), "eps": 1e-4},
        {"weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "ASGD": [
        {},
        {"lambd": 0.1, "alpha": 0.5, "t0": 3},
        {"weight_decay": 0.1, "t0": 0, "maximize": True},
    ],
    "Rprop": [
        {},
        {"etas": (0.3, 1.9), "step_sizes": (1e-3, 0.1)},
        {"maximize": True},
    ],
}
CASES = [
    *((name, {"lr": 0.05, **case}) for name, cases in LR_CASES.items() for case in cases),
    *(("SGD", {"lr": 0.05, **case}) for case in SGD_CASES),
    *(("Adam", {"lr": 0.05, **case}) for case in ADAM_CASES),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    *(("AdamW", {"lr": 0.05, **case}) for case in ADAM_CASES),
    *(("RMSprop", {"lr": 0.05, **case}) for case in RMSPROP_CASES),
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options in CASES]


@pytest.fixture(autouse=True)
def scalars_in_double() -> Iterator[None]:
    """PyTorch keeps numbers of the state (`mu_product`, `eta`) in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


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


@pytest.mark.parametrize("name", NAMES)
def test_groups_with_options_of_their_own_that_change(name: str) -> None:
    rng = np.random.default_rng(11)
    ours, theirs = both([rng.normal(size=s) for s in ((3,), (4, 2), (6,), (1, 5))])

    def groups(ps: list[Any]) -> list[dict[str, Any]]:
        other = {"lr": 0.07} if name == "Rprop" else {"weight_decay": 0.3}
        return [{"params": ps[:2], "lr": 0.2}, {"params": ps[2:3], **other}]

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


@pytest.mark.parametrize("name", NAMES)
def test_our_state_dict_loads_into_pytorch(name: str) -> None:
    options: dict[str, Any] = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    if name in ("Adam", "AdamW"):
        options = {"amsgrad": True}
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
            entries[key] = torch.tensor(
                value.numpy() if isinstance(value, gd.Tensor) else float(value)
            )
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


# ----- Muon -----
MUON_CASES: list[dict[str, Any]] = [
    {},
    {"nesterov": False, "momentum": 0.5},
    {"weight_decay": 0.3, "adjust_lr_fn": "match_rms_adamw"},
    {"ns_steps": 2, "ns_coefficients": (1.5, -0.5, 0.0), "adjust_lr_fn": "original", "eps": 1e-3},
]
MATRICES = [(1, 1), (37, 5), (4, 19), (8, 8)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", MUON_CASES)
def test_muon(options: dict[str, Any], dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch rounds the iterations to bfloat16; without that the numbers are the same."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    rng = np.random.default_rng(7)
    ours, theirs = both([rng.normal(size=s).astype(dtype) for s in MATRICES])
    a, b = gd.optim.Muon(ours, lr=0.05, **options), torch.optim.Muon(theirs, lr=0.05, **options)
    for step in range(10):
        give(ours, theirs, rng, skip={3: {1}, 6: {0, 1, 2, 3}}.get(step, set()))
        a.step()
        b.step()
        compare(ours, theirs)
    fresh = [gd.tensor(q.detach().numpy(), requires_grad=True) for q in theirs]
    loaded = gd.optim.Muon(fresh)
    loaded.load_state_dict(b.state_dict())
    give(fresh, theirs, rng, skip=set())
    loaded.step()
    b.step()
    compare(fresh, theirs)


def test_muon_and_pytorchs_bfloat16() -> None:
    rng = np.random.default_rng(8)
    ours, theirs = both([rng.normal(size=s) for s in MATRICES])
    a, b = gd.optim.Muon(ours, lr=1.0), torch.optim.Muon(theirs, lr=1.0)
    give(ours, theirs, rng, skip=set())
    a.step()
    b.step()
    for p, q in zip(ours, theirs, strict=True):
        assert abs(p.detach().numpy() - q.detach().numpy()).max() < 0.05


# ----- Adafactor -----
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 2.0},
        {"weight_decay": 0.3, "maximize": True},
    ],
)
def test_adafactor(options: dict[str, Any], dtype: Any) -> None:
    shapes = [(), (1,), (37,), (4, 3, 3, 3), (2, 1128), (1, 1)]
    rng = np.random.default_rng(7)
    ours, theirs = both([rng.normal(size=s).astype(dtype) for s in shapes])
    a, b = gd.optim.Adafactor(ours, **options), torch.optim.Adafactor(theirs, **options)
    for step in range(10):
        give(ours, theirs, rng, skip={1: {2}, 4: {0, 3}}.get(step, set()))
        a.step()
        b.step()
        compare(ours, theirs)
    fresh = [gd.tensor(q.detach().numpy(), requires_grad=True) for q in theirs]
    loaded = gd.optim.Adafactor(fresh)
    loaded.load_state_dict(b.state_dict())
    give(fresh, theirs, rng, skip=set())
    loaded.step()
    b.step()
    compare(fresh, theirs)


# ----- L-BFGS -----
LBFGS_CASES: list[dict[str, Any]] = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_iter": 5, "max_eval": 9},
    {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-3, "tolerance_grad": 1e-2},
    {"lr": 0.1},
    {"lr": 0.1, "history_size": 3, "max_iter": 4, "max_eval": 3},
]


def valley(x: Any, y: Any) -> Any:
    """Rosenbrock's valley, with a second tensor bent to the first."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() + (
        (y - 0.3 * x[:2]) ** 4
    ).sum()


def closure(opt: Any, params: list[Any], calls: list[int]) -> Any:
    def call() -> Any:
        opt.zero_grad()
        loss = valley(*params)
        loss.backward()
        calls.append(1)
        return loss

    return call


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", LBFGS_CASES)
def test_lbfgs(options: dict[str, Any], dtype: Any) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = both([rng.normal(size=s).astype(dtype) for s in ((5,), (3, 2))])
    a, b = gd.optim.LBFGS(ours, **options), torch.optim.LBFGS(theirs, **options)
    mine: list[int] = []
    wanted: list[int] = []
    # In float32 a search that branches on comparisons parts from another after a few steps.
    for _ in range(1 if dtype is np.float32 else 4):
        one = a.step(closure(a, ours, mine))
        two = b.step(closure(b, theirs, wanted))
        assert one.item() == pytest.approx(two.item(), rel=1e-6)
    if dtype is np.float32:
        assert valley(*ours).item() <= one.item()
        return
    assert len(mine) == len(wanted)
    for p, q in zip(ours, theirs, strict=True):
        assert np.allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9)
    fresh = [gd.tensor(q.detach().numpy(), requires_grad=True) for q in theirs]
    loaded = gd.optim.LBFGS(fresh)
    loaded.load_state_dict(b.state_dict())
    loaded.step(closure(loaded, fresh, mine))
    b.step(closure(b, theirs, wanted))
    for p, q in zip(fresh, theirs, strict=True):
        assert np.allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9)


# ----- averages of weights -----
@pytest.mark.parametrize("kind", ["swa", "ema", "ema-one", "buffers"])
def test_averaged_models(kind: str) -> None:
    def net(lib: Any) -> Any:
        return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2))

    def averaged(lib: Any, model: Any) -> Any:
        tools = lib.optim.swa_utils
        options = {
            "swa": {},
            "ema": {"multi_avg_fn": tools.get_ema_multi_avg_fn(0.9)},
            "ema-one": {"avg_fn": tools.get_ema_avg_fn(0.7)},
            "buffers": {"multi_avg_fn": tools.get_ema_multi_avg_fn(0.9), "use_buffers": True},
        }
        return tools.AveragedModel(model, **options[kind])

    theirs = net(torch).double()
    ours = net(gd).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    a, b = averaged(gd, ours), averaged(torch, theirs)
    rng = np.random.default_rng(4)
    for _ in range(5):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            fresh = rng.normal(size=p.shape)
            p.data[...] = fresh
            q.data.copy_(torch.tensor(fresh))
        x = rng.normal(size=(7, 3))
        ours(gd.asarray(x))
        theirs(torch.tensor(x))
        a.update_parameters(ours)
        b.update_parameters(theirs)
    mine, wanted = a.state_dict(), b.state_dict()
    assert sorted(mine) == sorted(wanted)
    for key in wanted:
        assert np.allclose(mine[key].numpy(), wanted[key].numpy(), rtol=1e-12, atol=1e-14), key
    batches = [rng.normal(size=(5, 3)) for _ in range(3)]
    gd.optim.swa_utils.update_bn([gd.asarray(x) for x in batches], a)
    torch.optim.swa_utils.update_bn([torch.tensor(x) for x in batches], b)
    ours_var, theirs_var = a.module[1].running_var, b.module[1].running_var
    assert np.allclose(ours_var.numpy(), theirs_var.numpy(), rtol=1e-12)


def test_every_optimizer_of_pytorch_is_here() -> None:
    """With the arguments of the same names and defaults, but those of PyTorch's ways to run."""
    own = {"foreach", "fused", "capturable", "differentiable"}
    for name, cls in vars(torch.optim).items():
        # gpudl has no sparse tensors.
        if not isinstance(cls, type) or name in ("Optimizer", "SparseAdam"):
            continue
        theirs = inspect.signature(cls).parameters
        mine = inspect.signature(getattr(gd.optim, name)).parameters
        kept = {k: p.default for k, p in theirs.items() if k not in own}
        assert {k: p.default for k, p in mine.items()} == kept, name
        order = [k for k, p in theirs.items() if k in mine and p.kind is not p.KEYWORD_ONLY]
        assert list(mine)[: len(order)] == order, name


def test_helpers_over_parameters_have_pytorchs_arguments() -> None:
    for name in (
        "clip_grad_norm_",
        "clip_grad_value_",
        "clip_grads_with_norm_",
        "get_total_norm",
        "parameters_to_vector",
        "vector_to_parameters",
    ):
        mine = inspect.signature(getattr(gd.nn.utils, name)).parameters
        theirs = inspect.signature(getattr(torch.nn.utils, name)).parameters
        wanted = [(k, p.default) for k, p in theirs.items()]
        assert [(k, p.default) for k, p in mine.items()] == wanted, name
    for name in torch.optim.swa_utils.__all__:
        mine = inspect.signature(getattr(gd.optim.swa_utils, name)).parameters
        theirs = inspect.signature(getattr(torch.optim.swa_utils, name)).parameters
        wanted = [(k, p.default) for k, p in theirs.items()]
        assert [(k, p.default) for k, p in mine.items()] == wanted, name
