"""A table of a model: layers, output shapes, parameters, FLOPs, memory of activations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..autograd import Variable, hooked, no_grad
from ..autograd.inspection import work
from ..errors import ArgumentTypeError
from ._hooks import RemovableHandle
from ._module import Module
from ._tree import PARAMETER


class Row(NamedTuple):
    """One call of one layer. `depth`: how deep it stands in the tree; `params`: elements of its own
    parameters that no earlier row has; `flops`: of the call, layers inside included; `memory`:
    bytes of its results."""

    name: str
    type: str
    depth: int
    shape: Any
    params: int
    flops: int
    memory: int


class Summary:
    """What `summary` found: `rows` in the order of the calls, and totals over the model: `params`,
    of which `trainable`, `flops`, `memory` (bytes of the results of layers without children, or
    with parameters of their own). `str` is the table."""

    def __init__(
        self, rows: list[Row], params: int, trainable: int, flops: int, memory: int
    ) -> None:
        self.rows, self.params, self.trainable = rows, params, trainable
        self.flops, self.memory = flops, memory

    def __repr__(self) -> str:
        return f"<Summary of {len(self.rows)} rows; print it>"

    def __str__(self) -> str:
        head = ("layer", "type", "output", "params", "FLOPs", "memory")
        cells = [head]
        for row in self.rows:
            cells.append(
                (
                    "  " * row.depth + row.name,
                    row.type,
                    str(row.shape),
                    f"{row.params:,}",
                    f"{row.flops:,}",
                    _bytes(row.memory),
                )
            )
        widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
        lines = [
            "  ".join(
                f"{text:<{w}}" if i < 3 else f"{text:>{w}}"
                for i, (text, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        return "\n".join(
            [
                *lines,
                f"{self.params:,} parameters, {self.trainable:,} of them trained; "
                f"{self.flops:,} FLOPs; {_bytes(self.memory)} of activations",
            ]
        )


def _bytes(n: int) -> str:
    size = float(n)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _shape(value: Any) -> Any:
    """The shape of a tensor, or those of several in the same nesting."""
    if isinstance(value, Variable):
        return value.shape
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_shape(item) for item in value]
    return None


class _Watch:
    """Rows of the calls that are under way."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.open: list[tuple[int, int]] = []  # the row, and the FLOPs when the call began
        self.flops = self.memory = 0
        self.seen: set[int] = set()

    def note(
        self, prim: Any, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any:
        result = proceed()
        self.flops += work(prim, inputs, params, result) or 0
        return result

    def add(self, name: str, module: Module) -> tuple[RemovableHandle, RemovableHandle]:
        own = [p for _, p in module._own(PARAMETER) if p is not None]
        counts = bool(own) or not any(True for _ in module.children())

        def before(module: Module, args: Any) -> None:
            fresh = [p for p in own if id(p) not in self.seen]
            self.seen.update(map(id, fresh))
            params = sum(p.size for p in {id(p): p for p in fresh}.values())
            row = Row(name, type(module).__name__, len(self.open), None, params, 0, 0)
            self.open.append((len(self.rows), self.flops))
            self.rows.append(row)

        def after(module: Module, args: Any, output: Any) -> None:
            index, start = self.open.pop()
            memory = sum(x.size * x.dtype.itemsize for x in _tensors(output))
            if counts:
                self.memory += memory
            self.rows[index] = self.rows[index]._replace(
                shape=_shape(output), flops=self.flops - start, memory=memory
            )

        return (
            module.register_forward_pre_hook(before, prepend=True),
            module.register_forward_hook(after),
        )


def summary(model: Module, input: Any) -> Summary:
    """Run `model` once on `input`, a tensor or a tuple of them, without recording, and say what
    each layer is and does.

    Every call of a module is a row, so a shared module has several, the first of which has its
    parameters. FLOPs are those that the operations declare: 2 for each multiplication with
    addition of products and convolutions, 1 for each result of an elementwise operation, of which
    the bias of a convolution is one; the bias of `Linear`, reductions, pooling and normalisation
    count as 0. The mode of the model (`train`, `eval`) and its running statistics stay.
    Raises `ArgumentTypeError` for what is no module, or takes another number of inputs.

    >>> import gpudl as gd
    >>> model = gd.nn.Sequential(gd.nn.Linear(3, 5), gd.nn.ReLU())
    >>> print(gd.nn.summary(model, gd.ones((2, 3))))
    layer       type        output  params  FLOPs  memory
    Sequential  Sequential  (2, 5)       0     70    40 B
      0         Linear      (2, 5)      20     60    40 B
      1         ReLU        (2, 5)       0     10    40 B
    20 parameters, 20 of them trained; 70 FLOPs; 80 B of activations
    """
    if not isinstance(model, Module):
        raise ArgumentTypeError("summary", f"model is a module, not {type(model).__name__}")
    args = tuple(input) if isinstance(input, (tuple, list)) else (input,)
    try:
        inspect.signature(model.forward).bind(*args)
    except TypeError as error:
        raise ArgumentTypeError(
            "summary",
            f"{type(model).__name__} does not take {len(args)} inputs: {error}",
            remedy="summary(model, (x, y)) for a model that is called as model(x, y)",
        ) from None
    watch = _Watch()
    handles: list[RemovableHandle] = []
    buffers = [(buffer, buffer.data.copy()) for buffer in model.buffers()]
    try:
        for name, module in model.named_modules():
            handles += watch.add(name or type(module).__name__, module)
        with no_grad(), hooked(watch.note):
            model(*args)
    finally:
        for handle in handles:
            handle.remove()
        for buffer, before in buffers:
            buffer.data[...] = before
    params = list(model.parameters())
    return Summary(
        watch.rows,
        sum(p.size for p in params),
        sum(p.size for p in params if p.requires_grad),
        watch.flops,
        watch.memory,
    )
