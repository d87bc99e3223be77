"""`checkpoint`: trade a second forward pass for the memory of what it would save."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..autograd import Node, Variable, enable_grad, is_leaf, make, new_leaf
from ..autograd import grad as tape_grad
from ..autograd.primitive import Primitive
from ..autograd.state import state, tick
from ..autograd.tape import new_node, pick
from ..checks import function
from ..errors import ArgumentTypeError, GradError
from ..random import default_generator
from .tree import leaves, rebuild


class _Segment(Primitive):
    """One call of a checkpointed function, as the primitive of its node.

    The parents of the node are those of the arguments and of what the function closed over.
    """

    __slots__ = ("args", "f", "outer", "random_state")

    def __init__(
        self, f: Callable[..., Any], args: tuple[tuple[Any, ...], dict[str, Any]], n_out: int
    ) -> None:
        super().__init__("checkpoint", _no_value, _no_value, vjp=_pull, joint=True, n_out=n_out)
        self.cpu = _no_value  # not the bound method of every row: that would be a cycle
        self.n_diff = n_out
        self.f, self.args = f, args
        self.random_state = default_generator().get_state()
        self.outer: list[Node] = []

    def filled(self, inputs: list[Any]) -> Any:
        """The arguments with `inputs` in the places of their tensors."""
        given = iter(inputs)
        flat = [next(given) if isinstance(x, Variable) else x for x in leaves(self.args)]
        return rebuild(self.args, flat)

    def run(self, inputs: list[Any]) -> list[Any]:
        """The recorded results of the function for `inputs`."""
        now = default_generator().get_state()
        default_generator().set_state(self.random_state)
        try:
            with enable_grad():
                args, kwargs = self.filled(inputs)
                return leaves(self.f(*args, **kwargs))
        finally:
            default_generator().set_state(now)

    def pull(self, g: Any, ys: Any, needs: tuple[bool, ...], *xs: Any) -> list[Any]:
        """Run forward again, and walk back to the arguments and to what was closed over."""
        inputs = list(xs[: len(xs) - len(self.outer)])
        if not state.recording:
            inputs = [_as_leaf(x) for x in inputs]
        outs = self.run(inputs)
        gs = [g] if self.n_out == 1 else g
        tied = [
            (o, p) for o, p in zip(outs, gs, strict=True) if p is not None and o._node is not None
        ]
        closed = [make(None, node) for node in self.outer]
        targets = [x for x in (*inputs, *closed) if x._node is not None]
        found = iter(
            tape_grad(
                [o for o, _ in tied],
                targets,
                [p for _, p in tied],
                retain_graph=True,
                create_graph=state.recording,
                allow_unused=True,
            )
            if tied and targets
            else [None] * len(targets)
        )
        return [next(found) if x._node is not None else None for x in (*inputs, *closed)]


def _pull(g: Any, ys: Any, needs: tuple[bool, ...], *xs: Any, segment: _Segment) -> list[Any]:
    # The segment reaches its rule as a parameter: a bound method in its own slot would be a cycle.
    return segment.pull(g, ys, needs, *xs)


def _no_value(*_: Any) -> Any:
    raise GradError("checkpoint", "a recorded segment is computed by its function alone")


def _as_leaf(x: Variable) -> Any:
    return x if x._node is None else make(x.data, new_leaf(x.shape, x.dtype))


def _closed_over(outs: list[Any], since: int, inner: set[Node]) -> list[Node]:
    """The nodes from before `since` that the results depend on: what was closed over."""
    stack = [out._node for out in outs if out._node is not None]
    seen = set(stack)
    found = []
    while stack:
        node = stack.pop()
        if node in inner:
            continue
        if node.seq < since:
            found.append(node)
            continue
        for parent in node.parents or ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(found, key=lambda node: node.seq)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, computed again in the backward pass instead of keeping its intermediate values.

    Arguments and results are any nesting of tensors; what `f` closes over (the parameters of a
    module) receives gradients too. The default generator gives the second pass the random numbers
    of the first. Source: Chen, Xu, Zhang, Guestrin 2016, arXiv:1604.06174.

    >>> import gpudl as gd
    >>> f = gd.checkpoint(lambda x: (x * x).exp())
    >>> round(gd.grad(lambda x: f(x).sum())(gd.tensor([1.0])).item(), 3)
    5.437
    """
    function("checkpoint", "f", f)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not state.recording:
            return f(*args, **kwargs)
        since = tick()
        segment = _Segment(f, (args, kwargs), 1)
        inputs = [x for x in leaves(segment.args) if isinstance(x, Variable)]
        fresh = [_as_leaf(x) for x in inputs]
        with enable_grad():
            args, kwargs = segment.filled(fresh)
            out = f(*args, **kwargs)
        return _recorded(segment, inputs, fresh, out, since)

    return wrapped


def _recorded(segment: _Segment, inputs: list[Any], fresh: list[Any], out: Any, since: int) -> Any:
    """The results of a segment with one node in the place of its graph."""
    outs = leaves(out)
    for value in outs:
        if not isinstance(value, Variable):
            raise ArgumentTypeError(
                "checkpoint", f"the function returned {value!r}, which is no tensor"
            )
    inner = {x._node for x in fresh if x._node is not None}
    segment.outer = _closed_over(outs, since, inner)
    segment.n_out = segment.n_diff = len(outs)
    results = [make(value.data) for value in outs]
    parents = (*[x._node for x in inputs], *segment.outer)
    if all(parent is None for parent in parents):
        return rebuild(out, results)
    level = min(parent.level for parent in parents if parent is not None)
    saved = (*inputs, *[None] * len(segment.outer))
    first = results[0]
    node = new_node(segment, {"segment": segment}, parents, saved, first.shape, first.dtype, level)
    for i, (result, value) in enumerate(zip(results, outs, strict=True)):
        if value._node is not None and not is_leaf(value._node):
            result._node = node if len(results) == 1 else pick(node, i, result.data)
    return rebuild(out, results)
