"""Hooks around a module's `forward`, and around its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import devices
from ..autograd import Variable
from ..autograd.apply import apply
from ..autograd.primitive import Primitive
from ..autograd.state import state
from ..autograd.variable import share
from ..checks import function
from ..dtypes import is_inexact
from ..errors import ArgumentTypeError

Hook = Callable[..., Any]


class RemovableHandle:
    """What registering a hook gives: `remove()` takes it off again; also a context manager."""

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook off. A second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one module."""

    def __init__(self) -> None:
        self.pre: dict[int, tuple[Hook, bool]] = {}
        self.post: dict[int, tuple[Hook, bool]] = {}
        self.backward: dict[int, tuple[Hook, bool]] = {}
        self.count = 0

    def add(self, when: str, hook: Hook, prepend: bool, with_kwargs: bool) -> RemovableHandle:
        function("register_hook", "hook", hook)
        table: dict[int, tuple[Hook, bool]] = getattr(self, when)
        self.count += 1
        entry = (hook, with_kwargs)
        if prepend:
            rest = dict(table)
            table.clear()
            table[self.count] = entry
            table.update(rest)
        else:
            table[self.count] = entry
        return RemovableHandle(table, self.count)

    def run(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` of `module` with the hooks around it."""
        for hook, with_kwargs in list(self.pre.values()):
            changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if changed is None:
                continue
            if with_kwargs:
                args, kwargs = changed
            else:
                args = changed if isinstance(changed, tuple) else (changed,)
        watch = _Watch(module, self) if self.backward and state.recording else None
        if watch is not None:
            args = watch.inputs(args)
        out = module.forward(*args, **kwargs)
        for hook, with_kwargs in list(self.post.values()):
            changed = hook(module, args, kwargs, out) if with_kwargs else hook(module, args, out)
            out = out if changed is None else changed
        return out if watch is None else watch.outputs(out)


class _Watch:
    """Two gates on the tape, before and after a module, that see the gradients pass."""

    def __init__(self, module: Any, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []
        self.count = 0
        self.grad_output: tuple[Any, ...] = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.count = sum(isinstance(x, Variable) for x in args)
        chosen = [i for i, x in enumerate(args) if isinstance(x, Variable) and x._node is not None]
        tensors = [i for i, x in enumerate(args) if isinstance(x, Variable)]
        self.places = [tensors.index(i) for i in chosen]
        passed = _gate([args[i] for i in chosen], self._at_input)
        fresh = list(args)
        for i, x in zip(chosen, passed, strict=True):
            fresh[i] = x
        return tuple(fresh)

    def outputs(self, out: Any) -> Any:
        several = isinstance(out, (tuple, list))
        values = list(out) if several else [out]
        chosen = [
            i
            for i, y in enumerate(values)
            if isinstance(y, Variable) and y._node is not None and is_inexact(y.dtype)
        ]
        passed = _gate([values[i] for i in chosen], self._at_output)
        for i, y in zip(chosen, passed, strict=True):
            values[i] = y
        return type(out)(values) if several else values[0]

    def _at_output(self, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.grad_output = gs
        if not self.places:  # no input waits for a gradient: the hooks are told now
            self._tell((None,) * self.count)
        return gs

    def _at_input(self, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * self.count
        for place, g in zip(self.places, gs, strict=True):
            full[place] = g
        changed = self._tell(tuple(full))
        return tuple(changed[place] for place in self.places)

    def _tell(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook, _ in list(self.hooks.backward.values()):
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = changed if isinstance(changed, tuple) else (changed,)
                if len(grad_input) != self.count:
                    raise ArgumentTypeError(
                        "full_backward_hook",
                        f"returned {len(grad_input)} gradients for {self.count} inputs",
                    )
        return grad_input


def _gate(xs: list[Any], see: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> list[Any]:
    """`xs` passed on as they are; on the way back `see` maps the tuple of their gradients."""
    if not xs:
        return []
    n = len(xs)

    def pull(g: Any, ys: Any, needs: Any, *inputs: Any) -> tuple[Any, ...]:
        return see((g,) if n == 1 else tuple(g))

    gate = Primitive(
        "module_gate",
        lambda xp, *arrays: arrays[0] if n == 1 else arrays,
        lambda *specs: specs[0] if n == 1 else specs,
        vjp=pull,
        joint=True,
        n_out=n,
        n_diff=n,
    )
    gate.cpu = gate.reference(devices.CPU)  # not the bound method of every row: that is a cycle
    out = apply(gate, *xs)
    passed = [out] if n == 1 else list(out)
    for x, y in zip(xs, passed, strict=True):
        share(x, y)
    return passed
