"""Where gradients vanish, explode or turn NaN: norms of every layer, step by step."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

from ..autograd import Variable, make, no_grad
from ..autograd.state import state
from ..dtypes import accumulator, is_inexact
from ..errors import ArgumentError, ArgumentTypeError, missing
from ..ops import elementwise as ew
from ..ops.reduce import max_, sum_
from ..shapes import as_int
from ._diagnosis import DRIFT as DRIFT
from ._diagnosis import JUMP as JUMP
from ._diagnosis import Finding as Finding
from ._diagnosis import Reading as Reading
from ._diagnosis import diagnose
from ._hooks import RemovableHandle
from ._module import Module
from ._tree import PARAMETER

__all__ = ["Finding", "Monitor", "Reading"]

KINDS = ("activation", "gradient", "weights")


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors with real or complex values in any nesting of tuples, lists and dicts."""
    if isinstance(value, Variable):
        if is_inexact(value.dtype):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _leaf(x: Any) -> Any:
    """A tensor of the same memory that asks for a gradient, if `x` is one that may."""
    if isinstance(x, Variable) and is_inexact(x.dtype):
        return make(x.data).requires_grad_()
    return x


class _Sum:
    """A norm that is added up over the calls of a layer in one step, without waiting for a device.

    Values are scaled by the largest before they are squared: only what is not finite gives NaN.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[Any, Any]] = []
        self.size = 0

    def add(self, value: Any) -> None:
        for x in _tensors(value):
            if not x.size:
                continue
            size = ew.absolute(x.detach())
            wide = accumulator(size.dtype)
            size = ew.cast(size, dtype=wide) if size.dtype != wide else size
            axes = tuple(range(size.ndim))
            largest = max_(size, axis=axes, keepdims=False)
            scaled = size / (largest + (largest == 0))
            self.parts.append((largest, sum_(ew.square(scaled), axis=axes, keepdims=False)))
            self.size += x.size

    def norm(self) -> float | None:
        """The 2-norm of all that was added; None if that is nothing."""
        if not self.parts:
            return None
        pairs = [(float(largest.item()), float(squares.item())) for largest, squares in self.parts]
        if not all(math.isfinite(value) for pair in pairs for value in pair):
            return math.nan
        return math.hypot(*(largest * math.sqrt(squares) for largest, squares in pairs))

    def rms(self) -> float | None:
        """The root mean square of all that was added."""
        norm = self.norm()
        return None if norm is None else norm / math.sqrt(self.size)


class _Layer:
    """What one layer did since the last step was noted."""

    def __init__(self) -> None:
        self.inputs, self.activation = _Sum(), _Sum()
        self.grad_input, self.gradient, self.weights = _Sum(), _Sum(), _Sum()

    def reading(self) -> Reading:
        return Reading(
            self.inputs.rms(),
            self.activation.rms(),
            self.grad_input.norm(),
            self.gradient.norm(),
            self.weights.norm(),
        )


class Monitor:
    """Records norms of activations and gradients, layer by layer and step by step.

    Layers are the modules that have parameters of their own or no children. Call the monitor once
    a step, after `backward()` and before the gradients are cleared; `close()` it, or use it as a
    context manager, to take its hooks off the model. The results of the model do not change.

        with Monitor(model) as monitor:
            for x, y in loader:
                opt.zero_grad()
                loss_fn(model(x), y).backward()
                monitor()
                opt.step()
        print(monitor.table())
        monitor.diagnose()

    `steps` has a dict of `Reading`s for each step, `layers` the names in forward order.

    `diagnose` names the layer to blame, by these rules, the first that finds something:

    1. NaN: of the first step with a value that is not finite, the first activation in forward
       order, else the first gradient in backward order.
    2. A jump: a layer that multiplies the norm of the gradient, from its output to its input, by a
       factor 1000 times (`JUMP` = 3 decades) smaller or larger than that of the median layer, or
       whose activation has a root mean square 1000 times larger than any before it. Factors are
       medians over the last ten steps; below five layers the comparison is with a factor of 1. In
       forward order, since a layer that is out of order upsets those after it (a saturated tanh).
    3. A drift: the first layer in backward order whose gradient is 10,000 times (`DRIFT` = 4
       decades) smaller or larger than that of the last layer.

    >>> import gpudl as gd
    >>> _ = gd.manual_seed(0)
    >>> layers = [gd.nn.Linear(32, 32, bias=False) for _ in range(8)]
    >>> layers[3].weight.data[...] *= 1e-6
    >>> model = gd.nn.Sequential(*layers)
    >>> with gd.nn.monitor.Monitor(model) as monitor:
    ...     (model(gd.ones((4, 32))) ** 2).mean().backward()
    ...     monitor()
    >>> [(finding.kind, finding.layer) for finding in monitor.diagnose()]
    [('vanishing', '3')]
    """

    def __init__(self, model: Module) -> None:
        if not isinstance(model, Module):
            raise ArgumentTypeError("Monitor", f"model is a module, not {type(model).__name__}")
        self.layers: list[str] = []
        self.steps: list[dict[str, Reading]] = []
        self._types: dict[str, str] = {}
        self._now: dict[str, _Layer] = {}
        self._modules: dict[str, Module] = {}
        self._handles: list[RemovableHandle] = []
        for name, module in model.named_modules():
            own = any(p is not None for _, p in module._own(PARAMETER))
            if own or not any(True for _ in module.children()):
                self._watch(name or type(module).__name__, module)

    def _watch(self, name: str, module: Module) -> None:
        self._modules[name] = module
        self._types[name] = type(module).__name__

        def before(module: Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            layer = self._layer(name)
            with no_grad():
                layer.inputs.add(args)
            floats = list(_tensors(list(args)))
            if not state.recording or any(x._node is not None for x in floats):
                return None
            # The first layer has a gradient of its input too, so that it can be judged.
            return tuple(_leaf(x) for x in args)

        def after(module: Module, args: tuple[Any, ...], output: Any) -> None:
            with no_grad():
                self._layer(name).activation.add(output)

        def backward(module: Module, grad_input: Any, grad_output: Any) -> None:
            layer = self._layer(name)
            with no_grad():
                layer.grad_input.add(grad_input)
                layer.gradient.add(grad_output)

        self._handles += [
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after),
            module.register_full_backward_hook(backward),
        ]

    def _layer(self, name: str) -> _Layer:
        if name not in self._now:
            self._now[name] = _Layer()
            if name not in self.layers:
                self.layers.append(name)
        return self._now[name]

    def __call__(self) -> None:
        """End a step: take the norms of the gradients of parameters, and note all in `steps`."""
        with no_grad():
            for name, layer in self._now.items():
                for _, p in self._modules[name]._own(PARAMETER):
                    if p is not None and p.grad is not None:
                        layer.weights.add(p.grad)
        self.steps.append({name: layer.reading() for name, layer in self._now.items()})
        self._now = {}

    def close(self) -> None:
        """Take the hooks off the model; what was recorded stays."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ----- what was recorded -----
    def history(self, kind: str = "gradient") -> list[list[float | None]]:
        """For each layer, in forward order, its values in all steps: `kind` is `"activation"`
        (root mean squares), `"gradient"` (of the output) or `"weights"` (of the parameters)."""
        if kind not in KINDS:
            raise ArgumentError("history", f"kind is {kind!r:.60}", remedy=" or ".join(KINDS))
        return [
            [getattr(step[name], kind) if name in step else None for step in self.steps]
            for name in self.layers
        ]

    def diagnose(self, last: int = 10) -> list[Finding]:
        """What is wrong, the likely cause first; empty if nothing is. The rules are those of the
        class; those about finite values look at the `last` steps."""
        count = as_int("diagnose", "last", last)
        if count < 1:
            raise ArgumentError("diagnose", f"last is {count}", remedy="at least 1")
        return diagnose(self.steps, self.layers, count)

    def table(self, step: int = -1) -> str:
        """The readings of a step as text, a line a layer, and the diagnosis. Raises `ArgumentError`
        if there is no such step."""
        if not -len(self.steps) <= step < len(self.steps):
            raise ArgumentError(
                "table", f"step {step} of {len(self.steps)}", remedy="call the monitor every step"
            )
        width = max([len("layer"), *map(len, self.layers)])
        kind = max([len("type"), *map(len, self._types.values())])
        lines = [
            f"{'layer':<{width}}  {'type':<{kind}}  {'activation':>10}  {'gradient':>10}  "
            f"{'weights':>10}"
        ]
        for name in self.layers:
            reading = self.steps[step].get(name, Reading())
            shown = [
                f"{'-' if value is None else format(value, '.2e'):>10}"
                for value in (reading.activation, reading.gradient, reading.weights)
            ]
            lines.append(f"{name:<{width}}  {self._types[name]:<{kind}}  " + "  ".join(shown))
        return "\n".join([*lines, *map(str, self.diagnose())])

    def plot(self, kind: str = "gradient") -> Any:
        """A matplotlib figure: log10 of the norms as a heat map, layers by steps, and as lines.

        `kind`: as in `history`. Raises `MissingDependencyError` without matplotlib, `ArgumentError`
        if nothing was recorded.
        """
        rows = self.history(kind)
        if not rows or not self.steps:
            raise ArgumentError(
                "plot", "nothing was recorded", remedy="call the monitor every step"
            )
        if importlib.util.find_spec("matplotlib") is None:
            raise missing("matplotlib", "train", "plot")
        from matplotlib import colormaps
        from matplotlib.figure import Figure

        # Zeros, values that are not finite and missing ones stay blank.
        logs = [
            [math.log10(v) if v and math.isfinite(v) else math.nan for v in row] for row in rows
        ]
        figure = Figure(figsize=(11, max(3.0, 1.0 + 0.25 * len(rows))), layout="constrained")
        heat, lines = figure.subplots(1, 2)
        image = heat.imshow(logs, aspect="auto", interpolation="nearest")
        heat.set(xlabel="step", title=f"log10 of the {kind} norm")
        heat.set_yticks(range(len(rows)), self.layers)
        figure.colorbar(image, ax=heat)
        for i, (name, row) in enumerate(zip(self.layers, logs, strict=True)):
            colour = colormaps["plasma"](i / len(rows))  # by depth
            lines.plot(row, marker="." if len(row) < 20 else "", label=name, color=colour)
        lines.set(xlabel="step", ylabel=f"log10 of the {kind} norm")
        if len(rows) <= 12:
            lines.legend(fontsize="small")
        return figure
