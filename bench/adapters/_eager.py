"""gpudl and PyTorch, written once: both have the names that are used here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..models import MODELS, Layer, Model, batch, weights
from ..workloads import Workload, arrays, cotangent
from .base import Array, Step, Unsupported

LAYERS = {
    "linear": "Linear",
    "conv": "Conv2d",
    "conv_transpose": "ConvTranspose2d",
    "batch_norm": "BatchNorm2d",
    "max_pool": "MaxPool2d",
    "embedding": "Embedding",
    "flatten": "Flatten",
    "relu": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}


def chain(x: Any) -> Any:
    """Ten operations, elementwise but for the last."""
    y = x * x
    y = y + x
    y = y * 0.5
    y = y.tanh()
    y = y - x
    y = y * y
    y = y.exp()
    y = y + 1.0
    y = y * x
    return y.sum()


class Eager:
    """An adapter around a package with PyTorch's names; a framework overrides what is its own."""

    groups: frozenset[str] | None = None  # the groups that it is measured in, None: all

    def __init__(self, package: Any) -> None:
        self.package = package
        self.nn: Any = package.nn
        self.optim: Any = package.optim
        self.version = str(package.__version__)

    # ----- what is a framework's own -----
    def set_threads(self, n: int) -> None:
        self.package.set_num_threads(n)

    def asarray(self, x: Array) -> Any:
        return self.package.asarray(x)

    def to_numpy(self, x: Any) -> Array:
        return np.asarray(x.detach().numpy())

    def prepare(self, network: Any) -> Any:
        """A network in the layout of the framework's choice."""
        return network

    def optimizer(self, name: str, parameters: list[Any], lr: float) -> Any:
        if name == "adam":
            return self.optim.Adam(parameters, lr=lr)
        return self.optim.SGD(parameters, lr=lr, momentum=0.9)

    def functional_call(self, module: Any, parameters: dict[str, Any], x: Any) -> Any:
        """The result of a module with other parameters than its own."""
        return self.nn.functional_call(module, parameters, x)

    # ----- workloads -----
    def build(self, workload: Workload) -> Step:
        if self.groups is not None and workload.group not in self.groups:
            raise Unsupported
        if workload.mode == "train":
            return self.train(MODELS[workload.op], **workload.options)
        inputs = [self.asarray(x) for x in arrays(workload)]
        if workload.mode == "adam":
            return self.adam(inputs)
        function = self.function(workload.op, workload.options)
        if workload.mode == "fwd":
            return lambda: (function(*inputs),)
        leaves = [
            x.requires_grad_() for x, made in zip(inputs, workload.inputs, strict=True) if made.grad
        ]
        if workload.mode == "rec":
            return lambda: (function(*inputs),)
        shape = tuple(function(*inputs).shape)
        g = self.asarray(cotangent(shape)) if shape else None

        def step() -> tuple[Any, ...]:
            out = function(*inputs)
            out.backward(g)
            grads = [x.grad for x in leaves]
            for x in leaves:
                x.grad = None
            return (out, *grads)

        return step

    def function(self, op: str, options: dict[str, Any]) -> Callable[..., Any]:
        """An operation of the table, as a user writes it."""
        F = self.nn.functional
        table: dict[str, Callable[..., Any]] = {
            "matmul": lambda a, b: a @ b,
            "linear": F.linear,
            "conv2d": lambda x, w, b: F.conv2d(x, w, b, **options),
            "add_chain": lambda x, y, z: x + y + z,
            "gelu_bias": lambda x, b: F.gelu(x + b),
            "silu": F.silu,
            "softmax": lambda x: F.softmax(x, dim=-1),
            "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
            "layer_norm": lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b),
            "max_pool2d": lambda x: F.max_pool2d(x, 2),
            "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
            "lstm": self.recurrent("LSTM"),
            "gru": self.recurrent("GRU"),
            "cross_entropy": F.cross_entropy,
            "add": lambda a, b: a + b,
            "chain": chain,
        }
        return table[op]

    def recurrent(self, kind: str) -> Callable[..., Any]:
        """One layer over x (steps, batch, features), with its four parameters as operands."""
        made: list[Any] = []

        def run(x: Any, *parameters: Any) -> Any:
            if not made:
                made.append(getattr(self.nn, kind)(x.shape[-1], parameters[1].shape[1]))
            names = (name for name, _ in made[0].named_parameters())
            given = dict(zip(names, parameters, strict=True))
            return self.functional_call(made[0], given, x)[0]

        return run

    def adam(self, values: list[Any]) -> Step:
        parameters = [self.nn.Parameter(x) for x in values]
        for p, x in zip(parameters, values, strict=True):
            p.grad = x * 0.01
        optimizer = self.optimizer("adam", parameters, 1e-3)

        def step() -> list[Any]:
            optimizer.step()
            return parameters

        return step

    def layer(self, layer: Layer) -> Any:
        kind, *args = layer
        if kind == "reshape":
            return self.nn.Unflatten(1, args[0])
        if kind == "lstm":
            return self.outputs(self.nn.LSTM(*args, batch_first=True))
        return getattr(self.nn, LAYERS[kind])(*args)

    def outputs(self, recurrent: Any) -> Any:
        """A layer that gives the outputs of a recurrent one and drops its last state."""

        class Outputs(self.nn.Module):  # type: ignore[name-defined,misc]
            def __init__(self) -> None:
                super().__init__()
                self.recurrent = recurrent

            def forward(self, x: Any) -> Any:
                return self.recurrent(x)[0]

        return Outputs()

    def network(self, model: Model) -> Any:
        """The network, in training mode, with the weights that all start from."""
        network = self.nn.Sequential(*map(self.layer, model.layers))
        names = [name for name, _ in network.named_parameters()]
        values = map(self.asarray, weights(model.layers))
        network.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
        return self.prepare(network.train())

    def train(self, model: Model, batch_size: int) -> Step:
        F = self.nn.functional
        x, labels = batch(model, batch_size)
        data = self.asarray(x)
        target = data if labels is None else self.asarray(labels)
        loss_of = F.mse_loss if labels is None else F.cross_entropy
        network = self.network(model)
        optimizer = self.optimizer(model.optimizer, list(network.parameters()), model.lr)

        def step() -> tuple[Any]:
            loss = loss_of(network(data), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return step
