"""ONNX's optimizers as steps of gpudl's: the state goes in, the tensors and the state come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gpudl as gd

# So late that no moment needs a correction for its start at zero.
LATE = 10**9


def _step(
    make: Callable[[list[Any]], Any], step: Any, names: tuple[str, ...], tensors: tuple[Any, ...]
) -> tuple[Any, ...]:
    """One step of `make(params)`; `tensors` are all X, then all G, then each state by `names`."""
    n = len(tensors) // (2 + len(names))
    xs, gs, *states = (tensors[i : i + n] for i in range(0, len(tensors), n))
    params = [x.copy().requires_grad_() for x in xs]
    optimizer = make(params)
    kept = optimizer.state_dict()
    for i in range(n):
        kept["state"][i] = {name: s[i] for name, s in zip(names, states, strict=True)}
        if step is not None:
            kept["state"][i]["step"] = step
    optimizer.load_state_dict(kept)
    for p, g in zip(params, gs, strict=True):
        p.grad = g
    optimizer.step()
    kept = optimizer.state_dict()["state"]
    return *(p.detach() for p in params), *(kept[i][name] for name in names for i in range(n))


def adam(
    r: Any,
    t: Any,
    *tensors: Any,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> Any:
    """ONNX adds epsilon before the correction of the second moment, and corrects from step 1 on."""
    count = int(t)
    eps = epsilon / (1 - beta**count) ** 0.5 if count else epsilon

    def make(params: list[Any]) -> Any:
        return gd.optim.Adam(params, float(r), (alpha, beta), eps, norm_coefficient)

    return _step(make, count - 1 if count else LATE, ("exp_avg", "exp_avg_sq"), tensors)


def adagrad(
    r: Any,
    t: Any,
    *tensors: Any,
    decay_factor: float = 0.0,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> Any:
    def make(params: list[Any]) -> Any:
        return gd.optim.Adagrad(params, float(r), decay_factor, norm_coefficient, eps=epsilon)

    return _step(make, int(t), ("sum",), tensors)


def momentum(
    r: Any, t: Any, *tensors: Any, alpha: float, beta: float, mode: str, norm_coefficient: float
) -> Any:
    """beta weighs the gradient from step 1 on: PyTorch's `1 - dampening`."""
    dampening = 1 - beta if int(t) else 0.0

    def make(params: list[Any]) -> Any:
        nesterov = mode == "nesterov"
        return gd.optim.SGD(params, float(r), alpha, dampening, norm_coefficient, nesterov)

    return _step(make, None, ("momentum_buffer",), tensors)


OPS: dict[str, Any] = {"Adagrad": adagrad, "Adam": adam, "Momentum": momentum}
