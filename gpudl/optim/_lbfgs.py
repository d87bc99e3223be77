"""L-BFGS: a quasi-Newton method for losses that can be evaluated again and again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import devices
from .._namespace.creation import zeros
from .._namespace.manipulation import concat
from ..autograd import enable_grad, no_grad
from ..autograd.writes import overwrite
from ..checks import function
from ..dtypes import accumulator
from ..errors import ArgumentError, GradError, StateDictError
from ..shapes import as_int
from ..tensor import Tensor
from ._line_search import Point, strong_wolfe
from ._optimizer import Group, Optimizer, number
from ._pack import State

LEAST_CURVATURE = 1e-10  # pairs of changes below it would spoil the estimate of the Hessian


class LBFGS(Optimizer):
    """L-BFGS: Newton's method with an inverse Hessian estimated from the last `history_size` steps.

    `lr`: the step, or the first that the line search tries; `max_iter`, `max_eval`: iterations and
    evaluations in one `step` at most (`max_eval` None: 1.25 `max_iter`); `tolerance_grad`: stop
    when no element of the gradient is larger; `tolerance_change`: stop when the parameters or the
    loss change less; `line_search_fn`: `"strong_wolfe"`, or None for steps of `lr`. There is one
    group, of one dtype and device; its parameters stay where they are, and its state, which belongs
    to the first of them, holds vectors over all. Raises `ArgumentError` for values out of range.

    Source: D. Liu and J. Nocedal, On the limited memory BFGS method (1989); Nocedal and Wright,
    Numerical optimization (2006), algorithm 7.4.

    >>> import gpudl as gd
    >>> w = gd.tensor([-1.2, 1.0], dtype=gd.float64, requires_grad=True)
    >>> opt = gd.optim.LBFGS([w], max_iter=60, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    ...     loss.backward()
    ...     return loss
    >>> first = opt.step(closure)
    >>> bool((abs(w - 1) < 1e-4).all())
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = as_int("LBFGS", "max_iter", max_iter) * 5 // 4
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "tolerance_grad", "tolerance_change"):
            number("LBFGS", name, options[name])
        for name in ("max_iter", "max_eval", "history_size"):
            value = as_int("LBFGS", name, options[name])
            if value < 1:
                raise ArgumentError("LBFGS", f"{name} is {value}", remedy="at least 1")
        rule = options["line_search_fn"]
        if rule is not None and rule != "strong_wolfe":
            raise ArgumentError(
                "LBFGS", f"line_search_fn is {rule!r:.60}", remedy="'strong_wolfe' or None"
            )

    def add_param_group(self, param_group: Group) -> None:
        """Take the one group. Raises `ArgumentError` for a second, or for two dtypes or devices."""
        if self.param_groups:
            raise ArgumentError(
                "LBFGS", "there can be one group only", remedy="one list of tensors"
            )
        super().add_param_group(param_group)
        kinds = {(p.dtype, devices.of(p.data)) for p in self.param_groups[0]["params"]}
        if len(kinds) > 1:
            self.param_groups.clear()
            raise ArgumentError("LBFGS", "the parameters differ in dtype or device")

    # ----- parameters and gradients as vectors, in C order -----
    def _flat(self, tensors: list[Any]) -> Any:
        """`tensors`, one for each parameter, None for zeros, as one vector."""
        params = self.param_groups[0]["params"]
        wide = accumulator(params[0].dtype)
        parts = [
            zeros(p.size, dtype=wide, device=p.device)
            if x is None
            else x.detach().astype(wide, copy=False).reshape((p.size,))
            for p, x in zip(params, tensors, strict=True)
        ]
        return concat(parts) if len(parts) > 1 else parts[0].clone()

    def _place(self, x: Any) -> None:
        """Write the vector `x` into the parameters, rounding once."""
        start = 0
        for p in self.param_groups[0]["params"]:
            part = x[start : start + p.size].reshape(p.shape)
            overwrite("step", p, part.astype(p.dtype, copy=False))
            start += p.size

    # ----- the step -----
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go on by up to `max_iter` iterations; returns the loss before the first.

        `closure` clears the gradients, computes the loss and its gradients, and returns the loss;
        it is called several times. An error in it leaves parameters and state as they were. Raises
        `GradError` for a first gradient that is not finite, before anything changes.
        """
        call = function("LBFGS.step", "closure", closure)
        params = self.param_groups[0]["params"]

        def evaluate() -> tuple[Any, Any]:
            with enable_grad():
                loss = call()
            return loss, self._flat([p.grad for p in params])

        with no_grad():
            before = self._flat(params)
            state = {
                key: list(value) if isinstance(value, list) else value
                for key, value in self.state.get(params[0], {}).items()
            }
            loss, gradient = evaluate()
            largest = abs(gradient).max().item() if gradient.size else 0.0
            if not math.isfinite(largest):
                raise GradError(
                    "step",
                    "the gradient has elements that are NaN or infinite",
                    remedy="nothing was changed; gd.detect_anomaly() finds where it begins",
                )
            try:
                self._iterate(state, before, float(loss), gradient, largest, evaluate)
            except BaseException:
                self._place(before)
                raise
        self.state[params[0]] = state
        return loss

    def _iterate(
        self,
        state: State,
        x: Any,
        f: float,
        g: Any,
        largest: float,
        evaluate: Callable[[], tuple[Any, Any]],
    ) -> None:
        """Iterations from the parameters `x` on, where the loss is `f` and its gradient `g`."""
        group = self.param_groups[0]
        lr, tolerance = float(group["lr"]), float(group["tolerance_change"])
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if largest <= group["tolerance_grad"]:
            return
        evaluations = 1
        for iteration in range(group["max_iter"]):
            state["n_iter"] += 1
            d = self._direction(state, g)
            state["d"], state["prev_flat_grad"], state["prev_loss"] = d, g, f
            first = min(1.0, 1.0 / abs(g).sum().item()) * lr if state["n_iter"] == 1 else lr
            state["t"] = first
            slope = (g @ d).item()
            if slope > -tolerance:
                return
            previous, size = f, abs(d).max().item()
            if group["line_search_fn"]:
                start = Point(0.0, f, g, slope)
                point, calls = strong_wolfe(
                    lambda t, x=x, d=d: self._at(x, d, t, evaluate),  # type: ignore[misc]
                    start,
                    first,
                    size,
                    tolerance=tolerance,
                    most=group["max_eval"] - evaluations,
                )
                f, g, state["t"] = point.f, point.g, point.t
                x = x + point.t * d
                self._place(x)
            else:
                x, calls = x + first * d, 0
                self._place(x)
                if iteration + 1 < group["max_iter"]:  # else nobody asks for the new gradient
                    loss, g = evaluate()
                    f, calls = float(loss), 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or abs(g).max().item() <= group["tolerance_grad"]
                or size * abs(state["t"]) <= tolerance
                or abs(f - previous) < tolerance
            ):
                return

    def _at(self, x: Any, d: Any, t: float, evaluate: Callable[[], tuple[Any, Any]]) -> Point:
        self._place(x + t * d)
        loss, g = evaluate()
        return Point(t, float(loss), g, (g @ d).item())

    def _direction(self, state: State, g: Any) -> Any:
        """Minus the inverse Hessian times `g`, after the pair of the last step has been noted."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        ys, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = (y @ s).item()
        if curvature > LEAST_CURVATURE:
            if len(ys) == self.param_groups[0]["history_size"]:
                for history in (ys, ss, ro):
                    history.pop(0)
            ys.append(y)
            ss.append(s)
            ro.append(1.0 / curvature)
            state["H_diag"] = curvature / (y @ y).item()
        q = -g
        shares = []
        for y, s, r in zip(reversed(ys), reversed(ss), reversed(ro), strict=True):
            shares.append((s @ q) * r)
            q = q - shares[-1] * y
        d = q * state["H_diag"]
        for y, s, r, share in zip(ys, ss, ro, reversed(shares), strict=True):
            d = d + (share - (y @ d) * r) * s
        return d

    # ----- state -----
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options that `state_dict` gave, here or in PyTorch."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state.pop("al", None)  # PyTorch's scratch space

    def _loaded(self, key: str, value: Any, p: Tensor) -> Any:
        """A number, a vector over all parameters, or a list of them."""
        if key == "al":
            return None
        if key in ("t", "H_diag", "prev_loss"):
            return None if value is None else float(value)
        if key == "ro":
            return [float(item) for item in value]
        if isinstance(value, (list, tuple)):
            return [self._loaded("", item, p) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        loaded = Tensor(value, device=devices.of(p.data))
        total = sum(q.size for q in self.param_groups[0]["params"])
        if loaded.shape != (total,):
            raise StateDictError(
                "load_state_dict", f"{key} is no vector of {total} elements", state=loaded
            )
        return loaded
