"""Layers with drawn arguments, built and run in gpudl and in PyTorch, and the comparison of all
that comes out: outputs, gradients of inputs and parameters, buffers, names of the state, errors.

Values are drawn as float32, so that both dtypes see the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

import gpudl as gd
from gpudl import tolerances
from gpudl.errors import GpudlError

Array = np.ndarray[Any, Any]


# ----- what is drawn -----
@dataclass
class Case:
    """The arguments of a layer and of its call."""

    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)
    training: bool = True
    before: str = ""  # a function that the first input goes through


class Fixed(NamedTuple):
    """A floating input without a gradient: the target of a loss, a mask."""

    array: Array


class Function(NamedTuple):
    """A function of the library's `nn.functional`."""

    name: str


class Layer(NamedTuple):
    """A layer that is an argument of another."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]


class Draw:
    """Random arguments from one seed."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def flag(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def size(self) -> int:
        return int(self.pick(1, 2, 3, 5, 7, 37))

    def small(self) -> int:
        return int(self.pick(1, 2, 3, 5))

    def shape(self, rank: int) -> tuple[int, ...]:
        """Extents of which one at most is large."""
        shape = [self.small() for _ in range(rank)]
        if rank:
            shape[self.rng.integers(rank)] = self.size()
        return tuple(shape)

    def number(self, low: float, high: float) -> float:
        return round(float(self.rng.uniform(low, high)), 3)

    def each(self, rank: int, *values: Any) -> Any:
        """One of the values for all axes, or a tuple of one an axis."""
        if self.flag():
            return self.pick(*values)
        return tuple(self.pick(*values) for _ in range(rank))

    def some(self, **options: Any) -> dict[str, Any]:
        """Options, about a third of them left to their defaults."""
        return {name: value for name, value in options.items() if self.flag(0.65)}

    def normal(self, *shape: int) -> Array:
        return rounded(self.rng.normal(size=shape) * 2)

    def uniform(self, low: float, high: float, *shape: int) -> Array:
        return rounded(self.rng.uniform(low, high, shape))

    def ints(self, low: int, high: int, *shape: int) -> Array:
        return np.asarray(self.rng.integers(low, high, shape))


def rounded(x: Any) -> Array:
    return np.asarray(x, np.float32).astype(np.float64)


def laid_out(x: Array, kind: int) -> Array:
    """`x` in another memory layout: C order, reversed axes, channels last, negative strides, every
    second element, a row for all (where all are equal)."""
    if kind == 1:
        return x.T.copy().T
    if kind == 2 and x.ndim > 2:
        return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    if kind == 3:
        return np.flip(np.flip(x).copy())
    if kind == 4 and x.ndim:
        return np.repeat(x, 2, -1)[..., ::2]
    return x.copy()


# ----- both libraries -----
class Side:
    """One library in one dtype: builds a layer, calls it, collects what came out."""

    def __init__(self, lib: Any, dtype: str) -> None:
        self.lib, self.dtype = lib, dtype
        self.leaves: list[Any] = []

    def tensor(self, x: Array, layout: int = 0) -> Any:
        x = x.astype(self.dtype) if x.dtype == np.float64 else x
        return torch.from_numpy(x.copy()) if self.lib is torch else gd.asarray(laid_out(x, layout))

    def given(self, value: Any, layout: Draw | None = None) -> Any:
        """A drawn value for the library; with `layout` floating arrays are leaves."""
        if isinstance(value, Function):
            return getattr(self.lib.nn.functional, value.name)
        if isinstance(value, Layer):
            return self.build(value.name, value.args, value.options)
        if isinstance(value, Fixed):
            return self.tensor(value.array, layout.pick(*range(5)) if layout else 0)
        if isinstance(value, np.ndarray):
            made = self.tensor(value, layout.pick(*range(5)) if layout else 0)
            if layout is not None and value.dtype == np.float64:
                made.requires_grad = True
                self.leaves.append(made)
            return made
        if type(value) in (tuple, list):
            return type(value)(self.given(v, layout) for v in value)
        return value

    def build(self, name: str, args: Any, options: Any) -> Any:
        layer = getattr(self.lib.nn, name)(
            *[self.given(a) for a in args], **{k: self.given(v) for k, v in options.items()}
        )
        return layer.to(getattr(torch, self.dtype) if self.lib is torch else self.dtype)

    def run(self, layer: Any, case: Case, seed: int) -> dict[str, Any]:
        """One forward and backward pass: outputs, gradients and buffers, as NumPy arrays."""
        layouts, draw = Draw(seed, 1), Draw(seed, 2)
        self.leaves = []
        layer.train(case.training)
        inputs = [self.given(x, layouts) for x in case.inputs]
        if case.before:
            inputs[0] = getattr(self.lib.nn.functional, case.before)(inputs[0], -1)
        out = layer(
            *inputs,
            **{k: self.given(v, layouts) for k, v in case.call.items()},
        )
        found = {f"output {i}": y for i, y in enumerate(flat(out))}
        total = None
        for y in found.values():
            # The gradient is drawn for every output, so that both libraries get the same ones.
            g = draw.normal(*y.shape) if y is not None and "float" in str(y.dtype) else None
            if g is not None and y.requires_grad:
                term = (y * self.tensor(g, layouts.pick(0, 1, 3))).sum()
                total = term if total is None else total + term
        if total is not None:
            total.backward()
        found |= {f"gradient {i}": x.grad for i, x in enumerate(self.leaves)}
        found |= {f"gradient of {n}": p.grad for n, p in layer.named_parameters()}
        found |= {f"buffer {n}": b for n, b in layer.named_buffers()}
        return {k: None if v is None else v.detach().numpy() for k, v in found.items()}


def flat(out: Any) -> list[Any]:
    if isinstance(out, tuple | list):
        return [y for part in out for y in flat(part)]
    return [out]


def state(layer: Any, draw: Draw) -> dict[str, Array]:
    """Random values for all that PyTorch's layer keeps, except the weights of a loss."""
    made = {}
    parameters = dict(layer.named_parameters())
    for name, value in layer.state_dict().items():
        if name.endswith("running_var"):
            made[name] = draw.uniform(0.5, 2, *value.shape)
        elif name.endswith("num_batches_tracked"):
            made[name] = draw.ints(0, 4)
        elif name in parameters or name.endswith("running_mean"):
            # As large as keeps the outputs near 1.
            wide = max(1, int(np.prod(value.shape[1:])))
            made[name] = rounded(draw.normal(*value.shape) / np.sqrt(4 * wide))
        else:
            made[name] = value.detach().numpy().astype(np.float64)
    return made


def built(side: Side, name: str, case: Case, seed: int) -> tuple[Any, dict[str, Array]]:
    """PyTorch's layer with random values, and these."""
    layer = side.build(name, case.args, case.options)
    if name.startswith("Lazy"):
        with torch.no_grad():
            layer(*[side.given(x) for x in case.inputs])
    values = state(layer, Draw(seed, 3))
    layer.load_state_dict({k: side.tensor(v) for k, v in values.items()})
    return layer, values


# ----- the comparison -----
class Outcome(NamedTuple):
    """How a case went: "equal", "raises" where both do, or, for float32, "as near" where sums are
    so ill-conditioned that PyTorch's own result is as far (at least half) from its float64 one."""

    kind: str


def check(name: str, case: Case, seed: int, looser: Callable[[str], float]) -> list[str]:
    """Compare a layer in both dtypes; how each went, as in `Outcome`."""
    exact = Side(torch, "float64")
    try:
        layer, values = built(exact, name, case, seed)
        want = exact.run(layer, case, seed)
    except Exception as error:
        _refused(name, case, seed, error)
        return ["raises"]
    outcomes = []
    for dtype in ("float64", "float32"):
        theirs = Side(torch, dtype)
        if dtype == "float32":
            layer, _ = built(theirs, name, case, seed)
            expected = theirs.run(layer, case, seed)
        else:
            expected = want
        ours = Side(gd, dtype)
        mine = ours.build(name, case.args, case.options)
        mine.load_state_dict({k: ours.tensor(v) for k, v in values.items()})
        actual = ours.run(mine, case, seed)
        _same_state(mine, layer)
        outcomes.append(compare(actual, expected, want, case, looser(dtype)))
    return outcomes


def _refused(name: str, case: Case, seed: int, error: Exception) -> None:
    """PyTorch raised, so must we."""
    side = Side(gd, "float64")
    try:
        side.run(side.build(name, case.args, case.options), case, seed)
    except GpudlError:
        return
    raise AssertionError(f"PyTorch raises {type(error).__name__}: {error}; gpudl does not")


def _same_state(ours: Any, theirs: Any) -> None:
    a = {k: tuple(v.shape) for k, v in ours.state_dict().items()}
    b = {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert list(a.items()) == list(b.items()), f"state {a}, PyTorch's {b}"


def compare(
    actual: dict[str, Any], expected: dict[str, Any], want: dict[str, Any], case: Case, limit: float
) -> str:
    assert list(actual) == list(expected)
    operands = [x for x in flat([*case.inputs, *case.call.values()]) if isinstance(x, np.ndarray)]
    sizes = {
        "gradient": [v for k, v in expected.items() if k.startswith("gradient") and v is not None],
        "output": operands,
        "buffer": operands,
    }
    # How far PyTorch's own results are from those in float64, at most.
    peer = max(
        tolerances.error(b, want[key], tolerances.largest(*sizes[key.split()[0]]))
        for key, b in expected.items()
        if b is not None
    )
    outcome = "equal"
    for key, b in expected.items():
        a = actual[key]
        if a is None or b is None:  # no gradient, where the other gives zeros
            rest = b if a is None else a
            assert rest is None or not np.any(rest), f"{key}: {a} for {b}"
            continue
        assert a.shape == b.shape and a.dtype == b.dtype, f"{key}: {a.dtype}{a.shape}, {b.shape}"
        scale = tolerances.largest(*sizes[key.split()[0]])
        gap = tolerances.error(a, b, scale)
        if gap <= limit:
            continue
        mine = tolerances.error(a, want[key], scale)
        assert mine <= max(limit, 2 * peer), (
            f"{key}: error {gap:.1e}; from float64 {mine:.1e}, PyTorch's {peer:.1e}"
        )
        outcome = "as near"
    return outcome
