"""The tape: nodes, leaves, and the backward pass.

A node knows the primitive that made a value, the nodes of its inputs, and what the gradient rule
needs. Nothing points from a node to the variable it belongs to, so graphs are freed by reference
counts alone. The backward pass is iterative: it visits the nodes that were reached in the reverse
order of their making.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Protocol

from numpy import ndarray

from ..dtypes import is_inexact
from ..errors import AnomalyError, ArgumentTypeError, GradError, ShapeError, StaleValueError
from .primitive import Primitive
from .state import rare, state, tick
from .variable import Alias, Storage, Variable, check_fresh, make, place_text

Hook = Callable[[Any], Any]
_RELEASED: dict[str, Any] = {}


class Extra:
    """What few nodes have: hooks, a gradient that is kept, the forward traceback."""

    __slots__ = ("grad", "hooks", "keep", "trace")

    def __init__(self) -> None:
        self.hooks: dict[int, Hook] = {}
        self.keep = False
        self.grad: Any = None
        self.trace: str | None = None


class Node:
    """The place of a recorded value on the tape."""

    __slots__ = (
        "dtype",
        "extra",
        "level",
        "params",
        "parents",
        "prim",
        "saved",
        "saved_out",
        "seq",
        "shape",
    )

    prim: Any
    params: dict[str, Any]
    parents: tuple[Node | None, ...] | None
    saved: tuple[Variable | None, ...] | None
    saved_out: Any
    shape: tuple[int, ...]
    dtype: Any
    level: int
    seq: int
    extra: Extra | None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def ensure_extra(self) -> Extra:
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    def release(self) -> None:
        """Drop what the gradient rule needed; a second backward through this node raises."""
        self.parents = None
        self.saved = None
        self.saved_out = None
        self.params = _RELEASED  # a call of a custom rule is a parameter, with what it keeps


class _LeafPrimitive:
    """Stands where a node has its primitive; a leaf has none."""

    name = "leaf"


class _PickPrimitive:
    """One result among several: its gradient goes to slot `params["index"]` of its parent."""

    name = "result"


class _PoisonPrimitive:
    """Marks a view that a recorded write made stale: any use raises."""

    name = "stale view"


LEAF, PICK, POISON = _LeafPrimitive(), _PickPrimitive(), _PoisonPrimitive()


def new_node(
    prim: Any,
    params: dict[str, Any],
    parents: tuple[Node | None, ...],
    saved: tuple[Variable | None, ...] | None,
    shape: tuple[int, ...],
    dtype: Any,
    level: int,
) -> Node:
    """A node made now."""
    node = Node()
    node.prim = prim
    node.params = params
    node.parents = parents
    node.saved = saved
    node.saved_out = None
    node.shape = shape
    node.dtype = dtype
    node.level = level
    node.seq = tick()
    node.extra = None
    return node


def new_leaf(shape: tuple[int, ...], dtype: Any) -> Node:
    """The place of a variable that requires a gradient and was not computed."""
    if not is_inexact(dtype):
        raise GradError(
            "requires_grad",
            f"only floating and complex tensors have gradients, not {dtype.name}",
            remedy="cast first: x.astype(gd.float32)",
        )
    leaf = new_node(LEAF, {}, (), None, shape, dtype, state.level)
    leaf.extra = Extra()
    return leaf


def record(
    prim: Primitive, inputs: tuple[Variable, ...], params: dict[str, Any], out: Any
) -> Node | None:
    """The node of the array `out`, computed just now, or None if it carries no gradient."""
    dtype = out.dtype
    if dtype.kind in "biu":
        return None
    parents: tuple[Node | None, ...]
    if len(inputs) == 1:  # written out, as the next: this is most of what recording costs
        x = inputs[0]
        parents = (x._node,)
        level = x._node.level  # type: ignore[union-attr]  # it is recorded
        if x._alias is not None:
            check_fresh(prim.name, x)
    elif len(inputs) == 2:
        x, y = inputs
        a, b = parents = (x._node, y._node)
        lower = b if a is None or (b is not None and b.level < a.level) else a
        level = lower.level  # type: ignore[union-attr]  # one of them is recorded
        if x._alias is not None:
            check_fresh(prim.name, x)
        if y._alias is not None:
            check_fresh(prim.name, y)
    else:
        parents = tuple([x._node for x in inputs])
        level = min([parent.level for parent in parents if parent is not None])
        for x in inputs:
            if x._alias is not None:
                check_fresh(prim.name, x)
    saves = prim.saves
    saved: tuple[Variable | None, ...] | None
    if not saves:
        saved = None
    elif prim.crossed:
        first = inputs[0] if parents[1] is not None else None
        second = inputs[1] if parents[0] is not None else None
        saved = (first, second)
        if len(inputs) > 2:
            saved += (None,) * (len(inputs) - 2)
    elif len(saves) == len(inputs):
        saved = inputs
    else:
        saved = tuple([x if i in saves else None for i, x in enumerate(inputs)])
    node = Node()
    node.prim = prim
    node.params = params
    node.parents = parents
    node.saved = saved
    node.saved_out = None
    node.shape = out.shape
    node.dtype = dtype
    node.level = level
    node.seq = tick()
    node.extra = None
    return node


def save_outputs(node: Node, variables: Sequence[Variable]) -> None:
    """Keep those of several results that the gradient rule reads: their arrays and storages, never
    the variables, which would be a cycle. Of one result, `[array, None]` is kept, and `storage_of`
    puts the storage in once there is one."""
    kept: list[tuple[Any, Storage | None]] = []
    for index, x in enumerate(variables):
        if index not in node.prim.saves_out:
            kept.append((None, None))
            continue
        if x._alias is None:
            x._alias = Alias(Storage(), is_view=False, where=("", 0))
        kept.append((x.data, x._alias.storage))
    node.saved_out = tuple(kept)


def pick(node: Node, index: int, out: Any) -> Node:
    """The place of result `index` of a node with several."""
    return new_node(PICK, {"index": index}, (node,), None, out.shape, out.dtype, node.level)


class Algebra(Protocol):
    """The few operations the backward pass itself needs; the floor of operations provides them."""

    def add(self, a: Any, b: Any) -> Any: ...
    def copy(self, x: Any) -> Any: ...
    def ones(self, like: Any, shape: tuple[int, ...], dtype: Any) -> Any: ...
    def unbroadcast(self, g: Any, shape: tuple[int, ...]) -> Any: ...
    def has_nan(self, x: Any) -> bool: ...


_algebra: Algebra


def set_algebra(algebra: Algebra) -> None:
    """Provide the operations of the backward pass."""
    global _algebra
    _algebra = algebra


def raise_poisoned(op: str, node: Node) -> None:
    """The error for using a view whose memory was overwritten in recorded code."""
    raise StaleValueError(
        op,
        f"a view made at {node.params['made']} is stale: the memory was written at "
        f"{node.params['written']} in recorded code",
        remedy="take the view again after the write, or write out of place (gd.where)",
    )


def _stale(node: Node, storage: Storage, what: str) -> StaleValueError:
    remedy = "write out of place, or clone() before the write"
    if node.extra is not None and node.extra.trace is not None:
        remedy += f"; the forward call:\n{node.extra.trace}"
    else:
        remedy += "; gd.detect_anomaly() around both passes names the line of use"
    return StaleValueError(
        "backward",
        f"{what} of {node.prim.name!r} was overwritten at {place_text(storage.where)} "
        "after it was used",
        remedy=remedy,
    )


def _saved_inputs(node: Node) -> Sequence[Any]:
    """What the rule sees as inputs: saved variables, and parent nodes standing in for the rest."""
    parents, saved = node.parents, node.saved
    assert parents is not None and saved is not None
    inputs: list[Any] = []
    for i, x in enumerate(saved):
        parent = parents[i]
        if x is None:
            inputs.append(parent)
            continue
        alias = x._alias
        if alias is not None and alias.storage.write_time > node.seq:
            raise _stale(node, alias.storage, "an operand")
        # An operand whose place moved on (a recorded write elsewhere) keeps the place it had here.
        inputs.append(x if x._node is parent else make(x.data, parent))
    return inputs


def _saved_result(node: Node) -> Any:
    """What the rule sees as a saved result: its arrays, wrapped again."""
    kept = node.saved_out
    if type(kept) is list:
        if kept[1] is not None and kept[1].write_time > node.seq:
            raise _stale(node, kept[1], "the result")
        return make(kept[0], node)
    ys: list[Any] = []
    for i, (data, storage) in enumerate(kept):
        if storage is None:
            ys.append(None)
            continue
        if storage.write_time > node.seq:
            raise _stale(node, storage, "the result")
        if i >= node.prim.n_diff:
            ys.append(make(data))
        else:
            ys.append(make(data, node if node.prim.n_diff == 1 else pick(node, i, data)))
    return tuple(ys)


def _input_gradients(
    node: Node, g: Any, parents: tuple[Node | None, ...], wanted: set[Node] | None
) -> Sequence[Any]:
    """The gradients of a node's inputs, None where not needed."""
    prim, params = node.prim, node.params
    xs: Any = parents if node.saved is None else _saved_inputs(node)
    y = node if node.saved_out is None else _saved_result(node)
    if wanted is None:
        needs = [parent is not None for parent in parents]
    else:
        needs = [parent in wanted for parent in parents]
    rules = prim.vjp
    if prim.fused is not None and not state.recording:
        grads = prim.fused(g, y, needs, *xs, **params)
    elif type(rules) is tuple:
        if len(rules) == 2 and len(xs) == 2 and not params:  # most of a backward pass
            (first, second), (x0, x1) = rules, xs
            return (
                first(g, y, x0, x1) if needs[0] and first is not None else None,
                second(g, y, x0, x1) if needs[1] and second is not None else None,
            )
        return [
            rule(g, y, *xs, **params) if need and rule is not None else None
            for rule, need in zip(rules, needs, strict=True)
        ]
    elif prim.joint:
        grads = rules(g, y, needs, *xs, **params)
    else:  # one rule for any number of inputs
        return [rules(i, g, y, *xs, **params) if need else None for i, need in enumerate(needs)]
    return [grad if need else None for grad, need in zip(grads, needs, strict=True)]


def _reachable(roots: Sequence[Node]) -> list[Node]:
    """All nodes from which a root was computed, latest first."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        parents = stack.pop().parents
        if parents is None:
            raise GradError(
                "backward",
                "this graph was used by an earlier backward pass and is freed",
                remedy="pass retain_graph=True to the earlier call",
            )
        for parent in parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("seq"), reverse=True)


def _run_hooks(node: Node, g: Any) -> Any:
    assert node.extra is not None
    for hook in list(node.extra.hooks.values()):
        result = hook(g)
        if result is None:
            continue
        if not isinstance(result, Variable):
            raise ArgumentTypeError(
                "register_hook", f"a hook returns None or a gradient, not {result!r:.80}"
            )
        if result.shape != node.shape or result.dtype != node.dtype:
            raise ShapeError(
                "register_hook",
                f"a hook must return None or a gradient of {node.dtype.name}{node.shape}",
                result=result,
            )
        if result is not g:  # it may be a tensor that the user keeps, and `.grad` is written to
            g = _algebra.copy(result)
    return g


def _check_anomaly(node: Node, grads: Sequence[Any]) -> None:
    for i, grad in enumerate(grads):
        if grad is not None and _algebra.has_nan(grad):
            assert node.extra is not None and node.extra.trace is not None
            raise AnomalyError(
                "backward",
                f"the gradient of {node.prim.name!r} with respect to its input {i} has NaN values",
                remedy=f"look at the forward call:\n{node.extra.trace}",
            )


def _add_picked(at: dict[Node, Any], node: Node, g: Any) -> None:
    """Put the gradient of one of several results into its slot at the node that made them."""
    assert node.parents is not None and node.parents[0] is not None
    owner, index = node.parents[0], node.params["index"]
    slots = at.setdefault(owner, [None] * owner.prim.n_diff)
    slots[index] = g if slots[index] is None else _algebra.add(slots[index], g)


def backward(
    roots: Sequence[Node],
    gradients: Sequence[Variable],
    *,
    targets: Sequence[Node] | None,
    retain_graph: bool,
    create_graph: bool,
    deliver: Callable[[Node, Any], None],
) -> None:
    """Walk back from `roots` with `gradients`, and `deliver` what arrives at leaves, kept nodes
    and `targets`.

    With `targets`, only what lies on a way to one of them is computed.
    """
    at: dict[Node, Any] = {}  # what has arrived at each node so far
    sums: set[Node] = set()  # where that is a sum made here
    g: Any
    for root, g in zip(roots, gradients, strict=True):
        at[root] = g if root not in at else _algebra.add(at[root], g)
    order = _reachable(roots)
    wanted = _leading_to(order, targets) if targets is not None else None
    goals = set(targets) if targets is not None else None
    before, state.recording = state.recording, create_graph
    outer = state.backward_of
    try:
        for node in order:
            g = at.pop(node, None)
            if g is None:
                continue
            if node.prim is LEAF:
                g = _run_hooks(node, g)
                if goals is None or node in goals:
                    deliver(node, g)
                continue
            if node.extra is not None:
                g = _run_hooks(node, g)
                if node.extra.keep and goals is None:
                    deliver(node, g)
            if goals is not None and node in goals:
                deliver(node, g)
            if rare.active:
                state.backward_of = node.prim
            _step(node, g, at, sums, wanted)
            if not retain_graph:
                node.release()
    finally:
        state.recording = before
        state.backward_of = outer


def _step(
    node: Node, g: Any, at: dict[Node, Any], sums: set[Node], wanted: set[Node] | None
) -> None:
    """Send the gradient `g` of one node to its parents."""
    parents = node.parents
    assert parents is not None
    prim = node.prim
    if prim is POISON:
        raise_poisoned("backward", node)
    if prim is PICK:
        _add_picked(at, node, g)
        return
    if wanted is not None and not any(parent in wanted for parent in parents):
        return
    grads = _input_gradients(node, g, parents, wanted)
    if node.extra is not None and node.extra.trace is not None:
        _check_anomaly(node, grads)
    broadcasts = prim.broadcasts
    for parent, grad in zip(parents, grads, strict=True):
        if grad is not None:
            assert parent is not None
            if broadcasts and grad.data.shape != parent.shape:
                grad = _algebra.unbroadcast(grad, parent.shape)
            have = at.get(parent)
            if have is None:
                at[parent] = grad
            elif (
                parent in sums
                and not state.recording
                and not rare.active
                and type(have.data) is ndarray
            ):
                total = have.data  # a sum that nobody else has seen yet
                total += grad.data
            else:
                at[parent] = _algebra.add(have, grad)
                sums.add(parent)


def _leading_to(order: Sequence[Node], targets: Sequence[Node]) -> set[Node]:
    """The nodes of `order` (latest first) from which a target can be reached."""
    leading = set(targets)
    for node in reversed(order):
        if node not in leading:
            assert node.parents is not None
            if any(parent in leading for parent in node.parents):
                leading.add(node)
    return leading
