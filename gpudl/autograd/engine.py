"""`backward` and `grad`: the backward pass as the user calls it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import items
from ..errors import ArgumentTypeError, DTypeError, GradError, ShapeError
from . import tape
from .tape import LEAF, Node
from .variable import Variable, make


def _root(op: str, output: Any, gradient: Any) -> tuple[Node, Variable]:
    if not isinstance(output, Variable):
        raise ArgumentTypeError(op, f"needs a tensor, not {output!r}")
    node = output._node
    if node is None:
        raise GradError(
            op,
            "the tensor does not require a gradient",
            remedy="compute it, outside no_grad, from a tensor with requires_grad=True",
            tensor=output,
        )
    if node.prim is tape.POISON:
        tape.raise_poisoned(op, node)
    if gradient is None:
        if output.data.size != 1:
            raise GradError(
                op,
                "only a tensor with one element has an implicit gradient",
                remedy="pass `gradient`, or reduce first: y.sum().backward()",
                tensor=output,
            )
        return node, tape._algebra.ones(output, node.shape, node.dtype)
    if not isinstance(gradient, Variable):
        raise ArgumentTypeError(op, f"the gradient must be a tensor, not {gradient!r}")
    if gradient.shape != node.shape:
        raise ShapeError(op, "the gradient has another shape", tensor=output, gradient=gradient)
    if gradient.dtype != node.dtype:
        raise DTypeError(
            op, "the gradient has another dtype", tensor=output, gradient=gradient,
            remedy=f"gradient.astype(gd.{node.dtype.name})",
        )  # fmt: skip
    return node, gradient


# Threads may share leaves: between the reading and the writing of `.grad` there is an addition.
_accumulating = threading.RLock()


class _Receiver:
    """Puts gradients where `.grad` finds them. Each gradient gets an array of its own."""

    def __init__(self, gradients: Sequence[Variable]) -> None:
        self.given = {id(g.data): g.data for g in gradients}

    def own(self, g: Any) -> Any:
        """`g`, copied if its array is a view, or was given away already."""
        array = g.data
        if g._node is None and (isinstance(array.base, type(array)) or id(array) in self.given):
            g = make(array.copy()) if type(array) is np.ndarray else tape._algebra.copy(g)
        self.given[id(g.data)] = g.data
        return g

    def __call__(self, node: Node, g: Any) -> None:
        extra = node.ensure_extra()
        with _accumulating:
            extra.grad = self.own(g) if extra.grad is None else tape._algebra.add(extra.grad, g)


def backward(
    output: Any,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Any] | Any | None = None,
) -> None:
    """Accumulate the gradient of `output` into `.grad` of the leaves it was computed from.

    `gradient` has the shape and dtype of `output` and may be left out for one element. With
    `create_graph` the gradients are recorded and can be differentiated; `retain_graph` (default:
    `create_graph`) keeps the graph for another call; with `inputs` only these tensors receive
    gradients. Raises `GradError` if nothing requires a gradient or the graph is freed,
    `StaleValueError` if a value it needs was overwritten.
    """
    node, g = _root("backward", output, gradient)
    targets = None
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Variable) else items("backward", "inputs", inputs)
        targets = [_target("backward", x) for x in chosen]
    tape.backward(
        [node],
        [g],
        targets=targets,
        retain_graph=bool(create_graph if retain_graph is None else retain_graph),
        create_graph=bool(create_graph),
        deliver=_Receiver([g]),
    )


def _target(op: str, x: Any) -> Node:
    if not isinstance(x, Variable) or x._node is None:
        raise GradError(op, "an input does not require a gradient", input=x)
    return x._node


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` (a tensor or several) with respect to `inputs`, without touching
    `.grad`.

    `grad_outputs` are the gradients of the outputs, None for ones where an output has one
    element. An input that the outputs do not depend on raises `GradError`, or gives None with
    `allow_unused`.

    >>> import gpudl as gd
    >>> x = gd.tensor([1.0, 2.0], requires_grad=True)
    >>> gd.autograd.grad((x * x).sum(), x)[0].tolist()
    [2.0, 4.0]
    """
    outs = [outputs] if isinstance(outputs, Variable) else items("grad", "outputs", outputs)
    xs = [inputs] if isinstance(inputs, Variable) else items("grad", "inputs", inputs)
    if grad_outputs is None:
        gs: list[Any] = [None] * len(outs)
    elif isinstance(grad_outputs, Variable):
        gs = [grad_outputs]
    else:
        gs = items("grad", "grad_outputs", grad_outputs)
    if len(gs) != len(outs):
        raise ShapeError("grad", f"{len(outs)} outputs and {len(gs)} gradients of them")
    roots = [_root("grad", out, g) for out, g in zip(outs, gs, strict=True)]
    targets = [_target("grad", x) for x in xs]
    found: dict[Node, Any] = {}

    receiver = _Receiver([g for _, g in roots])

    def deliver(node: Node, g: Any) -> None:
        found[node] = receiver.own(g)

    tape.backward(
        [node for node, _ in roots],
        [g for _, g in roots],
        targets=targets,
        retain_graph=bool(create_graph if retain_graph is None else retain_graph),
        create_graph=bool(create_graph),
        deliver=deliver,
    )
    if not allow_unused:
        for i, node in enumerate(targets):
            if node not in found:
                raise GradError(
                    "grad", f"the outputs do not depend on input {i}", input=xs[i],
                    remedy="allow_unused=True gives None for it",
                )  # fmt: skip
    return tuple(found.get(node) for node in targets)


def is_leaf(node: Node | None) -> bool:
    """Whether a variable at `node` was not computed by recorded operations."""
    return node is None or node.prim is LEAF
