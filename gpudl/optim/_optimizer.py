"""`Optimizer`: groups of parameters, their state, and one step over their flat buffers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from .. import devices
from ..autograd import enable_grad
from ..autograd.writes import assign, wrote_all
from ..checks import flag, real
from ..dtypes import check_kind
from ..errors import ArgumentError, ArgumentTypeError, StateDictError, undefined
from ..ops.elementwise import zero
from ..tensor import Tensor
from ._pack import Pack, State

Group = dict[str, Any]
FLAGS = (
    "amsgrad",
    "bias_correction",
    "centered",
    "decoupled_weight_decay",
    "maximize",
    "nesterov",
)


def number(
    op: str,
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = math.inf,
    *,
    open_high: bool = False,
) -> float:
    """`value` as a float from `low` to `high`; raises a typed error."""
    result = real(op, name, value)
    if not low <= result <= high or (open_high and result == high) or math.isinf(result):
        end = ")" if open_high or math.isinf(high) else "]"
        raise ArgumentError(op, f"{name} is {result}", remedy=f"a number in [{low}, {high}{end}")
    return result


def pair(op: str, name: str, value: Any) -> tuple[Any, Any]:
    """`value`, which must be two values in a tuple or list."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentTypeError(op, f"{name} are two numbers, not {value!r:.80}")
    return value[0], value[1]


def check_betas(op: str, value: Any) -> None:
    """Raise a typed error unless `value` is two numbers in [0, 1)."""
    for i, beta in enumerate(pair(op, "betas", value)):
        number(op, f"betas[{i}]", beta, high=1.0, open_high=True)


def advance(states: list[State]) -> list[int]:
    """Count one more step in each of the `states`; the numbers of steps."""
    for state in states:
        state["step"] = state.get("step", 0) + 1
    return [state["step"] for state in states]


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value.clone() if isinstance(value, Tensor) else value


def _share(a: Any, b: Any) -> bool:
    """Whether two arrays whose ranges overlap have an element in common; yes where that is hard to
    tell, as on a GPU."""
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return type(a) is type(b)
    candidates: Any = 100_000  # the stubs of NumPy 2.4 know only two values
    try:
        return np.shares_memory(a, b, max_work=candidates)
    except np.exceptions.TooHardError:
        return True


class Optimizer:
    """Base of the optimizers: groups of parameters, each with its own options.

    `params`: tensors, or `(name, tensor)` pairs, or dicts with `"params"` and options of their own;
    `defaults`: the options of groups that give none. `param_groups` and `state` are as in PyTorch;
    an option changed in a group counts from the next step on.

    The first step packs the parameters into flat buffers, one per group, dtype and device, and
    makes each `.data` a slice of one. The parameters stay the same tensors; one that is moved or
    replaced later is packed again. NumPy views taken earlier no longer see them.

    A subclass names its options in `check_options` and updates one pack in `update`.
    """

    param_groups: list[Group]
    state: defaultdict[Tensor, State]
    scalars: ClassVar[dict[str, Callable[[Any], Any]]] = {"step": int}  # numbers of the state

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups = []
        self.state = defaultdict(dict)
        self._packs: dict[int, list[Pack]] = {}
        self._check(defaults)
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise ArgumentTypeError(
                self.name, f"params is {type(params).__name__}", remedy="model.parameters()"
            )
        groups = list(params)
        if not groups:
            raise ArgumentError(self.name, "there are no parameters", remedy="model.parameters()")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def name(self) -> str:
        """The name of the class, for messages."""
        return type(self).__name__

    def check_options(self, options: dict[str, Any]) -> None:
        """Raise `ArgumentError` for an option of a group that is not allowed."""
        raise undefined(self, "check_options")

    def update(self, group: Group, pack: Pack, active: list[int], states: list[State]) -> None:
        """Update the parameters number `active` of a pack whose gradients have been gathered."""
        raise undefined(self, "update")

    def _check(self, options: dict[str, Any]) -> None:
        self.check_options(options)
        for name in FLAGS:
            if name in options:
                flag(self.name, name, options[name])

    # ----- groups -----
    def add_param_group(self, param_group: Group) -> None:
        """Add a group: a dict with `"params"` and options that differ from the defaults.

        A tensor that is listed twice (a tied weight) is updated once. Raises `ArgumentError` for a
        parameter of another group, one that was computed, or two that share memory.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ArgumentTypeError(
                self.name, f"a group is a dict with 'params', not {param_group!r:.80}"
            )
        group = dict(param_group)
        given = group["params"]
        listed = [given] if isinstance(given, Tensor) else list(given)
        names = [item[0] for item in listed if isinstance(item, tuple)]
        tensors = [item[1] if isinstance(item, tuple) else item for item in listed]
        for p in tensors:
            self._check_param(p)
        unique = {id(p): i for i, p in reversed(list(enumerate(tensors)))}
        order = sorted(unique.values())
        group["params"] = [tensors[i] for i in order]
        if len(names) == len(tensors) and names:
            group["param_names"] = [names[i] for i in order]
        for option, value in self.defaults.items():
            group.setdefault(option, value)
        self._check(group)
        self._check_memory(group["params"])
        self.param_groups.append(group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise ArgumentTypeError(self.name, f"a parameter is a tensor, not {type(p).__name__}")
        check_kind(self.name, p.dtype, "f", param=p)
        if not p.is_leaf:
            raise ArgumentError(
                self.name,
                "a parameter was computed",
                remedy="pass the leaf, or x.detach()",
                param=p,
            )
        if any(p is q for group in self.param_groups for q in group["params"]):
            raise ArgumentError(self.name, "a parameter is in two groups", param=p)

    def _check_memory(self, params: list[Tensor]) -> None:
        """Two tensors over one memory would part when they are packed."""
        ours = [q for group in self.param_groups for q in group["params"]] + params
        spans = []
        for i, p in enumerate(ours):
            if p.size:
                spans.append((*devices.byte_bounds(p.data), i))
        spans.sort()
        last = 0
        for k in range(1, len(spans)):
            if spans[k][0] >= spans[last][1]:
                last = k
                continue
            a, b = ours[spans[last][2]], ours[spans[k][2]]
            if _share(a.data, b.data):
                raise ArgumentError(
                    self.name, "two parameters share memory",
                    remedy="use one tensor in both places, or clone() one", a=a, b=b,
                )  # fmt: skip
            if spans[k][1] > spans[last][1]:
                last = k

    def _name_of(self, p: Tensor) -> str:
        for g, group in enumerate(self.param_groups):
            for i, q in enumerate(group["params"]):
                if q is p:
                    names = group.get("param_names")
                    return repr(names[i]) if names else f"parameter {i} of group {g}"
        return "a parameter"

    # ----- the step -----
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None or set_to_none:
                    p.grad = None
                    continue
                if p.grad._node is not None:
                    p.grad = p.grad.detach()
                assign(p.grad.data, zero(p.grad).data)
                wrote_all([p.grad])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; the others, and their state, stay.

        `closure`, called first with recording on, computes the loss and the gradients; its result
        is returned. Raises `GradError` for a gradient that is not finite, before anything changes.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise ArgumentTypeError("step", f"closure must be callable, not {closure!r:.60}")
            with enable_grad():
                loss = closure()
        plan = []
        for group in self.param_groups:
            for pack in self._packed(group):
                active = pack.gather()
                if active:
                    pack.check_finite(active, self._name_of)
                    plan.append((group, pack, active))
        for group, pack, active in plan:
            params = [pack.params[i] for i in active]
            pack.load()
            self.update(group, pack, active, [self.state[p] for p in params])
            pack.store()
            wrote_all(params)
        return loss

    def _packed(self, group: Group) -> list[Pack]:
        """The packs of the parameters that require a gradient, made again where one has moved."""
        params = [p for p in group["params"] if p._node is not None]
        packs = self._packs.get(id(group))
        if packs is not None:
            held = [p for pack in packs for p in pack.params]
            known = {id(p) for p in held}
            same = len(held) == len(params) and all(id(p) in known for p in params)
            if same and all(pack.holds() for pack in packs):
                return packs
        kinds: dict[Any, list[Tensor]] = {}
        for p in params:
            kinds.setdefault((p.dtype, devices.of(p.data)), []).append(p)
        packs = self._packs[id(group)] = [Pack(members) for members in kinds.values()]
        return packs

    # ----- state -----
    def state_dict(self) -> dict[str, Any]:
        """The state and the options, shaped as PyTorch's: `{"state": {number: {name: value}},
        "param_groups": [{..., "params": [number, ...]}]}`. The tensors are copies."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[id(p)] = len(numbers)
            saved = {key: value for key, value in group.items() if key != "params"}
            groups.append({**saved, "params": [numbers[id(p)] for p in group["params"]]})
        state = {
            numbers[id(p)]: {key: _copied(value) for key, value in entries.items()}
            for p, entries in self.state.items()
            if id(p) in numbers
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options that `state_dict` gave, here or in PyTorch.

        Raises `StateDictError`, before anything changes, if the groups or the shapes do not fit.
        """
        groups, entries = self._checked(state_dict)
        state: defaultdict[Tensor, State] = defaultdict(dict)
        for saved, group in zip(groups, self.param_groups, strict=True):
            for number_, p in zip(saved["params"], group["params"], strict=True):
                if number_ in entries:
                    state[p] = {
                        key: self._loaded(key, value, p) for key, value in entries[number_].items()
                    }
        for saved, group in zip(groups, self.param_groups, strict=True):
            kept = {
                key: value for key, value in saved.items() if key not in ("params", "param_names")
            }
            group.update(kept)
        self.state = state

    def _checked(self, state_dict: Any) -> tuple[list[Group], dict[Any, State]]:
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            raise StateDictError(
                "load_state_dict", "not the state of an optimizer", remedy="optimizer.state_dict()"
            )
        groups, state = state_dict["param_groups"], state_dict["state"]
        listed = isinstance(groups, (list, tuple)) and all(
            isinstance(group, dict) and isinstance(group.get("params"), (list, tuple))
            for group in groups
        )
        if not listed or not isinstance(state, dict):
            raise StateDictError(
                "load_state_dict", "not the state of an optimizer", remedy="optimizer.state_dict()"
            )
        have = [len(group["params"]) for group in self.param_groups]
        sizes = [len(group["params"]) for group in groups]
        if have != sizes:
            raise StateDictError(
                "load_state_dict", f"groups of {sizes} parameters, the optimizer has {have}"
            )
        strange = set(state) - {number_ for group in groups for number_ in group["params"]}
        if strange:
            raise StateDictError(
                "load_state_dict",
                f"state of no parameter: {', '.join(map(repr, strange)):.80}",
                remedy="keys are the numbers that the groups list, integers as state_dict() gave",
            )
        for group in groups:
            absent = [option for option in self.defaults if option not in group]
            if absent:
                raise StateDictError(
                    "load_state_dict", f"a group lacks {', '.join(absent)}",
                    remedy=f"a state_dict of {self.name}",
                )  # fmt: skip
            self._check(group)
        return groups, state

    def _loaded(self, key: str, value: Any, p: Tensor) -> Any:
        if key in self.scalars:
            return self.scalars[key](value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        loaded = Tensor(value, device=devices.of(p.data))
        if loaded.shape != p.shape:
            raise StateDictError(
                "load_state_dict", f"{key} has another shape", param=p, state=loaded
            )
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_packs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._packs = {}

    def __repr__(self) -> str:
        lines = [f"{self.name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [
                f"    {k}: {group[k]}" for k in sorted(group) if k not in ("params", "param_names")
            ]
        return "\n".join([*lines, ")"])
