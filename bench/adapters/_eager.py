"""gpudl and PyTorch, written once: both have the names that are used here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ..layers import Layer, Layers, weights
from ..models import MODELS, Model, batch
from ..workloads import Workload, arrays, cotangent
from ._blocks import blocks
from .base import Array, Step, Unsupported

LAYERS = {
    "linear": "Linear",
    "conv": "Conv2d",
    "conv_transpose": "ConvTranspose2d",
    "batch_norm": "BatchNorm2d",
    "max_pool": "MaxPool2d",
    "embedding": "Embedding",
    "layer_norm": "LayerNorm",
    "mean_pool": "AdaptiveAvgPool2d",
    "flatten": "Flatten",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
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
            "rms_norm": lambda x, w: F.rms_norm(x, (x.shape[-1],), w),
            "max_pool2d": lambda x: F.max_pool2d(x, 2),
            "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
            "lstm": self.recurrent("LSTM"),
            "gru": self.recurrent("GRU"),
            "attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
            "cross_entropy": F.cross_entropy,
            "embedding": F.embedding,
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
        match kind:
            case "reshape":
                return self.nn.Unflatten(1, args[0])
            case "conv" | "conv_transpose" if args[5:] == [False]:
                return getattr(self.nn, LAYERS[kind])(*args[:5], bias=False)
            case "residual":
                return self.blocks.Residual(*map(self.sequence, args))
            case "positions" | "lstm" | "attention":
                return getattr(self.blocks, kind.capitalize())(*args)
        return getattr(self.nn, LAYERS[kind])(*args)

    def sequence(self, layers: Layers) -> Any:
        return self.nn.Sequential(*map(self.layer, layers))

    @cached_property
    def blocks(self) -> Any:
        return blocks(self.nn, self.package)

    def network(self, layers: Layers) -> Any:
        """The network, in training mode, with the weights that all start from."""
        network = self.sequence(layers)
        names = [name for name, _ in network.named_parameters()]
        values = map(self.asarray, weights(layers))
        network.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
        return self.prepare(network.train())

    def train(self, model: Model, batch_size: int) -> Step:
        F = self.nn.functional
        x, target = (None if v is None else self.asarray(v) for v in batch(model, batch_size))
        network = self.network(model.layers)
        optimizer = self.optimizer(model.optimizer, list(network.parameters()), model.lr)
        if model.critic:
            return self.adversarial(model, network, optimizer, x, target)
        loss_of = F.cross_entropy if model.classes else F.mse_loss
        target = x if target is None else target

        def step() -> tuple[Any]:
            loss = loss_of(network(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return step

    def adversarial(
        self, model: Model, maker: Any, optimizer: Any, noise: Any, images: Any
    ) -> Step:
        """A step of the critic, then one of the network that makes images."""
        critic = self.network(model.critic)
        judge = self.optimizer(model.optimizer, list(critic.parameters()), model.lr)
        loss_of = self.nn.functional.binary_cross_entropy_with_logits
        ones, zeros = (self.asarray(np.full((len(noise), 1), v, np.float32)) for v in (1, 0))

        def step() -> tuple[Any, Any]:
            made = maker(noise)
            judged = loss_of(critic(images), ones) + loss_of(critic(made.detach()), zeros)
            judge.zero_grad()
            judged.backward()
            judge.step()
            loss = loss_of(critic(made), ones)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return judged, loss

        return step
