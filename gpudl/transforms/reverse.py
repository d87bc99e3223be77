"""Reverse-mode transforms: `grad`, `value_and_grad`, `vjp`, `jacrev`, `hessian`.

Each entry takes a level. The primals enter as new leaves of that level, tied to the outer tape by
an identity, and the backward pass is recorded exactly if the result also depends on a leaf of an
outer level; so transforms nest, and tensors that a function closes over are differentiated through.
Inside `no_grad` a transform gives the same values without history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

from .._namespace.creation import asarray, eye
from .._namespace.manipulation import stack
from ..autograd import Variable, enable_grad, make, new_leaf
from ..autograd import grad as tape_grad
from ..autograd.state import state
from ..checks import function, items
from ..dtypes import is_inexact
from ..errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, ShapeError
from ..ops.create import device_of, full
from ..ops.shape import identity, reshape
from .tree import leaves, map_leaves, rebuild, same_structure

Argnums = int | tuple[int, ...]


class Level(NamedTuple):
    """A transform that was entered: its number, and whether what leaves it may have history."""

    number: int
    outer_records: bool


@contextmanager
def new_level(at_least: int = 0) -> Iterator[Level]:
    """Enter a transform: the level is one above the present, and operations are recorded."""
    before, outer_records = state.level, state.recording
    state.level = max(before + 1, at_least)
    try:
        with enable_grad():
            yield Level(state.level, outer_records)
    finally:
        state.level = before


def _enter(op: str, x: Any) -> Any:
    """`x` as an input of the present level."""
    if not isinstance(x, Variable):
        x = asarray(x)
    if not is_inexact(x.dtype):
        raise DTypeError(
            op, f"no gradient with respect to {x.dtype.name}", x=x, remedy="x.astype(gd.float32)"
        )
    inner = identity(x)
    if inner._node is None:
        inner._node = new_leaf(inner.shape, inner.dtype)
    return inner


def _leave(x: Any, level: Level) -> Any:
    """`x` on its way out of `level`: history that only concerns inner leaves is dropped."""
    if isinstance(x, Variable) and x._node is not None:
        if x._node.level >= level.number or not level.outer_records:
            return _without_history(x)
    return x


def _without_history(x: Variable) -> Any:
    out = make(x.data)
    out._alias = x._alias
    return out


def _pull(outs: list[Any], gs: list[Any], xs: list[Any], level: Level, retain: bool) -> list[Any]:
    """Gradients of `outs` with respect to `xs`, zeros where there is no dependence."""
    tied = [(out, g) for out, g in zip(outs, gs, strict=True) if out._node is not None]
    found: tuple[Any, ...] = (None,) * len(xs)
    if tied:
        outer = level.outer_records and any(
            out._node.level < level.number or g._node is not None for out, g in tied
        )
        found = tape_grad(
            [out for out, _ in tied], xs, [g for _, g in tied], retain_graph=retain or outer,
            create_graph=outer, allow_unused=True,
        )  # fmt: skip
    return [
        full(shape=x.shape, value=0, dtype=x.dtype, device=device_of(x)) if g is None else g
        for g, x in zip(found, xs, strict=True)
    ]


def _chosen(op: str, argnums: Argnums, args: tuple[Any, ...]) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(items(op, "argnums", argnums))
    for i in numbers:
        if isinstance(i, bool) or not isinstance(i, int) or not -len(args) <= i < len(args):
            raise ArgumentError(op, f"argnums={argnums} for {len(args)} positional arguments")
    return tuple(i % len(args) for i in numbers)


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives `(f(...), gradient)`; the gradient has the structure of the argument
    `argnums`.

    `f` returns one element, or `(one element, aux)` with `has_aux`; arguments are any nesting of
    tuples, lists and dicts of tensors. With several `argnums` the gradient is a tuple.

    >>> import gpudl as gd
    >>> value, g = gd.value_and_grad(lambda w: (w["a"] ** 2).sum())({"a": gd.tensor([1.0, 3.0])})
    >>> float(value), g["a"].tolist()
    (10.0, [2.0, 6.0])
    """
    function("value_and_grad", "f", f)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        numbers = _chosen("grad", argnums, args)
        with new_level() as level:
            primals = {i: map_leaves(lambda x: _enter("grad", x), args[i]) for i in numbers}
            result = f(*[primals.get(i, arg) for i, arg in enumerate(args)], **kwargs)
            if has_aux and not (isinstance(result, tuple) and len(result) == 2):
                raise ArgumentTypeError("grad", "with has_aux the function returns (value, aux)")
            value, aux = result if has_aux else (result, None)
            if not isinstance(value, Variable) or value.data.size != 1:
                raise ShapeError(
                    "grad", "the function must return one element", result=value,
                    remedy="reduce it, or use gd.vjp or gd.jacrev",
                )  # fmt: skip
            xs = [x for i in numbers for x in leaves(primals[i])]
            seed = full(shape=value.shape, value=1, dtype=value.dtype, device=device_of(value))
            found = iter(_pull([value], [seed], xs, level, retain=False))
            grads = tuple(rebuild(primals[i], found) for i in numbers)
            grads, value, aux = map_leaves(lambda x: _leave(x, level), (grads, value, aux))
        gradient = grads[0] if isinstance(argnums, int) else grads
        return ((value, aux), gradient) if has_aux else (value, gradient)

    return wrapped


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of `f` with respect to the argument `argnums`.

    Conventions as in `value_and_grad`; with `has_aux` it gives `(gradient, aux)`.

    >>> import gpudl as gd
    >>> gd.grad(gd.grad(lambda x: x**3))(gd.tensor(2.0)).item()
    12.0
    """
    function("grad", "f", f)
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """`(f(*primals), pullback)`; `pullback(g)` gives the gradients of all primals for a gradient
    `g` of the result.

    The pullback can be called more than once.

    >>> import gpudl as gd
    >>> y, pullback = gd.vjp(lambda x: x * x, gd.tensor([1.0, 2.0]))
    >>> pullback(gd.tensor([1.0, 10.0]))[0].tolist()
    [2.0, 40.0]
    """
    function("vjp", "f", f)
    with new_level() as entered:
        inner = map_leaves(lambda x: _enter("vjp", x), tuple(primals))
        out = f(*inner)
        outs = leaves(out)
        for value in outs:
            if not isinstance(value, Variable):
                raise ArgumentTypeError(
                    "vjp", f"the function returned {value!r}, which is no tensor"
                )
        xs = leaves(inner)

    def pullback(g: Any) -> Any:
        if not same_structure(g, out):
            raise ArgumentTypeError("vjp", "the gradient must have the structure of the result")
        gs = leaves(g)
        for value, part in zip(outs, gs, strict=True):
            if (
                not isinstance(part, Variable)
                or part.shape != value.shape
                or part.dtype != value.dtype
            ):
                raise ShapeError(
                    "vjp", "a gradient does not fit the result", result=value, gradient=part
                )
        # A recorded gradient keeps the result on its tape, whatever level it has.
        recorded = state.recording and any(part._node is not None for part in gs)
        with new_level(at_least=entered.number) as now:
            level = Level(entered.number, now.outer_records)
            found = _pull(outs, gs, xs, level, retain=True)
        return rebuild(inner, found if recorded else [_leave(x, level) for x in found])

    return map_leaves(lambda x: _leave(x, entered), out), pullback


def jacrev(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that gives the Jacobian of `f`, one backward pass per element of the result.

    Its leaves have shape `result.shape + argument.shape`, nested as the result and then as the
    argument.

    >>> import gpudl as gd
    >>> gd.jacrev(lambda x: x * x)(gd.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    function("jacrev", "f", f)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        numbers = _chosen("jacrev", argnums, args)
        with new_level() as level:
            primals = {i: map_leaves(lambda x: _enter("jacrev", x), args[i]) for i in numbers}
            out = f(*[primals.get(i, arg) for i, arg in enumerate(args)], **kwargs)
            xs = [x for i in numbers for x in leaves(primals[i])]

            def block(value: Any) -> Any:
                if not isinstance(value, Variable):
                    raise GradError(
                        "jacrev", f"the function returned {value!r}, which is no tensor"
                    )
                found = iter(_jacobian(value, xs, level))
                parts = tuple(rebuild(primals[i], found) for i in numbers)
                return parts[0] if isinstance(argnums, int) else parts

            return map_leaves(lambda x: _leave(x, level), map_leaves(block, out))

    return wrapped


def _jacobian(value: Any, xs: list[Any], level: Level) -> list[Any]:
    n = value.data.size
    if n == 0:
        return [
            full(shape=value.shape + x.shape, value=0, dtype=x.dtype, device=device_of(x))
            for x in xs
        ]
    flat = reshape(value, shape=(n,))
    basis = eye(n, dtype=value.dtype, device=device_of(value))
    rows = [_pull([flat], [basis[i]], xs, level, retain=True) for i in range(n)]
    return [
        reshape(stack([row[j] for row in rows]), shape=value.shape + x.shape)
        for j, x in enumerate(xs)
    ]


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that gives the matrix of second derivatives of `f`, which returns one element.

    >>> import gpudl as gd
    >>> gd.hessian(lambda x: (x**3).sum())(gd.tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    function("hessian", "f", f)
    return jacrev(grad(f, argnums), argnums)
