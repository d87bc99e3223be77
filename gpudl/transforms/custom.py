"""`custom_vjp`: functions with a gradient rule of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from ..autograd import Spec, Variable, no_grad
from ..autograd.primitive import Primitive
from ..autograd.state import state
from ..autograd.tape import pick, record
from ..checks import function
from ..dtypes import is_inexact
from ..errors import ArgumentTypeError, GradError, ShapeError
from ..ops.create import device_of, full
from ..ops.shape import copy as copy_row
from .tree import leaves, rebuild

Rule = Callable[..., Any]


class _Call:
    """One call of a function with its own rule: what its backward pass needs.

    It is a parameter of its node, which drops it after a backward pass that keeps no graph.
    """

    __slots__ = ("args", "function", "residuals", "results", "structure")

    def __init__(
        self, function: custom_vjp, args: tuple[Any, ...], out: Any, residuals: Any
    ) -> None:
        values = leaves(out)
        self.function, self.args, self.residuals = function, args, residuals
        self.structure = rebuild(out, range(len(values)))
        self.results = [Spec(value.shape, value.dtype) for value in values]

    @property
    def name(self) -> str:
        return self.function.__name__

    def primitive(self) -> Primitive:
        """The primitive of the node."""
        n = len(self.results)
        made = Primitive(
            self.name, _no_reference, _no_rule, vjp=_pull, joint=True, n_out=n, n_diff=n
        )
        made.cpu = _no_reference  # not the bound method of every row: that would be a cycle
        return made

    def pull(self, g: Any, ys: Any, needs: tuple[bool, ...], *xs: Any) -> list[Any]:
        """The user's backward rule, its result checked against the arguments."""
        gs = [g] if len(self.results) == 1 else g
        device = device_of(next(part for part in gs if part is not None))
        given = [
            full(shape=spec.shape, value=0, dtype=spec.dtype, device=device)
            if part is None
            else part
            for spec, part in zip(self.results, gs, strict=True)
        ]
        residuals = self.residuals
        if state.recording:
            # Residuals of the first pass carry no history. Made again from the inputs, they can
            # be differentiated.
            values = iter(xs)
            args = rebuild(
                self.args,
                [next(values) if isinstance(x, Variable) else x for x in leaves(self.args)],
            )
            _, residuals = self.function.fwd(*args)
        grads = self.function.bwd(residuals, rebuild(self.structure, given))
        if not isinstance(grads, (tuple, list)) or len(grads) != len(self.args):
            raise ArgumentTypeError(
                self.name,
                "the backward rule must return a tuple with one gradient per argument "
                f"({len(self.args)})",
            )
        return self._checked(grads, gs)

    def _checked(self, grads: Any, gs: Any) -> list[Any]:
        flat: list[Any] = []
        for arg, part in zip(self.args, grads, strict=True):
            expected = leaves(arg)
            given = [None] * len(expected) if part is None else leaves(part)
            if len(given) != len(expected):
                raise ArgumentTypeError(
                    self.name, "a gradient has another structure than its argument"
                )
            for x, g in zip(expected, given, strict=True):
                if not isinstance(x, Variable):
                    continue
                if g is not None and not isinstance(g, Variable):
                    raise ArgumentTypeError(
                        self.name, f"the backward rule gave {g!r:.80}, which is no tensor", x=x
                    )
                if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                    raise ShapeError(
                        self.name,
                        "the backward rule gave a gradient that does not fit",
                        x=x,
                        gradient=g,
                    )
                # A rule may return what it was given to keep: `.grad` must not be that memory.
                flat.append(g if g is None or any(g is part for part in gs) else copy_row(g))
        return flat


def _pull(g: Any, ys: Any, needs: tuple[bool, ...], *xs: Any, call: _Call) -> list[Any]:
    return call.pull(g, ys, needs, *xs)


def _no_reference(xp: Any, *arrays: Any) -> Any:
    raise GradError("custom_vjp", "a recorded call cannot be computed again")


def _no_rule(*specs: Spec) -> Any:
    raise GradError("custom_vjp", "a recorded call has no shape rule")


class custom_vjp:  # the name of the contract, JAX's
    """A function whose gradient rule is given by `defvjp`.

    `fwd(*args)` returns `(result, residuals)` and `bwd(residuals, g)` returns a tuple with the
    gradient of each argument (None for none). Higher derivatives differentiate `bwd`, with
    residuals made again from the arguments.

    >>> import gpudl as gd
    >>> @gd.custom_vjp
    ... def clipped(x):
    ...     return x * 1
    >>> clipped.defvjp(lambda x: (x * 1, None), lambda _, g: (g.clip(-1, 1),))
    >>> gd.grad(lambda x: (5 * clipped(x)).sum())(gd.ones(2)).tolist()
    [1.0, 1.0]
    """

    __name__: str
    fwd: Rule
    bwd: Rule

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = function("custom_vjp", "f", f)
        self._defined = False
        update_wrapper(self, f)
        self.__name__ = getattr(f, "__name__", "custom_vjp")

    def defvjp(self, fwd: Rule, bwd: Rule) -> None:
        """Give the forward rule and the backward rule."""
        self.fwd, self.bwd = function("defvjp", "fwd", fwd), function("defvjp", "bwd", bwd)
        self._defined = True

    def __call__(self, *args: Any) -> Any:
        if not self._defined:
            raise GradError(
                self.__name__, "has no gradient rule", remedy="call defvjp(fwd, bwd) first"
            )
        inputs = [x for x in leaves(tuple(args)) if isinstance(x, Variable)]
        if not state.recording or all(x._node is None for x in inputs):
            with no_grad():
                return self._f(*args)
        with no_grad():
            out, residuals = self.fwd(*args)
        return self._recorded(args, inputs, out, residuals)

    def _recorded(self, args: tuple[Any, ...], inputs: list[Any], out: Any, residuals: Any) -> Any:
        values = leaves(out)
        for value in values:
            if not isinstance(value, Variable) or not is_inexact(value.dtype):
                raise ArgumentTypeError(
                    self.__name__, f"returned {value!r}: results are floating tensors"
                )
        # Results get memory of their own, so that an input handed through does not lose its place.
        results = [copy_row(value) for value in values]
        call = _Call(self, tuple(args), out, residuals)
        node = record(call.primitive(), tuple(inputs), {"call": call}, results[0].data)
        assert node is not None
        node.saved = tuple(inputs)
        for index, result in enumerate(results):
            result._node = node if len(results) == 1 else pick(node, index, result.data)
        return rebuild(out, results)
