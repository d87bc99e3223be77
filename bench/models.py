"""The networks that are trained, as lists of layers, with their weights and FLOPs.

A layer is its name and its arguments, which `nn` of gpudl and of PyTorch take alike:
linear (in, out), conv and conv_transpose (in, out, kernel, stride, padding), batch_norm (channels),
max_pool (size), embedding (rows, features), lstm (in, hidden; batch first, every step's output),
reshape (the shape after the batch), flatten (maybe first and last axis), relu, tanh, sigmoid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Layer = tuple[Any, ...]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A network, its batch, and how it is trained: on `classes`, or to give back its input.

    With `tokens` the input is integers below `classes`, each with a label of its own."""

    layers: tuple[Layer, ...]
    x: Shape
    optimizer: str
    lr: float
    classes: int = 0
    tokens: bool = False


def _block(inputs: int, outputs: int) -> tuple[Layer, ...]:
    return ("conv", inputs, outputs, 3, 1, 1), ("batch_norm", outputs), ("relu",), ("max_pool", 2)


MODELS = {
    "mlp": Model(
        layers=(
            ("linear", 64, 256),
            ("relu",),
            ("linear", 256, 256),
            ("relu",),
            ("linear", 256, 10),
        ),
        x=(128, 64),
        optimizer="adam",
        lr=1e-3,
        classes=10,
    ),
    "cnn": Model(
        layers=(*_block(1, 32), *_block(32, 64), ("flatten",), ("linear", 3136, 10)),
        x=(64, 1, 28, 28),
        optimizer="adam",
        lr=1e-3,
        classes=10,
    ),
    "lenet": Model(
        layers=(
            ("conv", 1, 6, 5, 1, 2),
            ("tanh",),
            ("max_pool", 2),
            ("conv", 6, 16, 3, 1, 1),
            ("tanh",),
            ("max_pool", 2),
            ("flatten",),
            ("linear", 64, 120),
            ("tanh",),
            ("linear", 120, 84),
            ("tanh",),
            ("linear", 84, 10),
        ),
        x=(64, 1, 8, 8),
        optimizer="sgd",
        lr=1e-2,
        classes=10,
    ),
    "autoencoder": Model(
        layers=(
            ("conv", 1, 16, 3, 2, 1),
            ("relu",),
            ("conv", 16, 32, 3, 2, 1),
            ("relu",),
            ("flatten",),
            ("linear", 1568, 64),
            ("linear", 64, 1568),
            ("relu",),
            ("reshape", (32, 7, 7)),
            ("conv_transpose", 32, 16, 4, 2, 1),
            ("relu",),
            ("conv_transpose", 16, 1, 4, 2, 1),
            ("sigmoid",),
        ),
        x=(64, 1, 28, 28),
        optimizer="adam",
        lr=1e-3,
    ),
    "char_lstm": Model(
        layers=(
            ("embedding", 65, 128),
            ("lstm", 128, 256),
            ("flatten", 0, 1),
            ("linear", 256, 65),
        ),
        x=(32, 64),
        optimizer="adam",
        lr=1e-3,
        classes=65,
        tokens=True,
    ),
}


def weights(layers: tuple[Layer, ...]) -> list[Array]:
    """The initial parameters in the order of the layers, the same for every library."""
    rng = np.random.default_rng(1)
    out: list[Array] = []
    for kind, *args in layers:
        if kind == "batch_norm":
            out += [np.ones(args[0], np.float32), np.zeros(args[0], np.float32)]
        elif kind == "embedding":
            out.append(rng.standard_normal(args, dtype=np.float32))
        elif kind == "lstm":
            inputs, hidden = args
            bound = 1 / math.sqrt(hidden)
            for shape in ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,)):
                out.append(rng.uniform(-bound, bound, shape).astype(np.float32))
        elif kind in ("linear", "conv", "conv_transpose"):
            inputs, outputs, *rest = args
            kernel = tuple(rest[:1]) * 2
            first = (inputs, outputs) if kind == "conv_transpose" else (outputs, inputs)
            bound = 1 / math.sqrt(inputs * math.prod(kernel))
            for shape in ((*first, *kernel), (outputs,)):
                out.append(rng.uniform(-bound, bound, shape).astype(np.float32))
    return out


def flops(layers: tuple[Layer, ...], x: Shape) -> float:
    """The FLOPs of the matrix products and convolutions in one forward pass on shape `x`."""
    total, shape = 0.0, x
    for kind, *args in layers:
        if kind == "linear":
            total += 2.0 * shape[0] * args[0] * args[1]
            shape = (shape[0], args[1])
        elif kind in ("conv", "conv_transpose"):
            inputs, outputs, k, stride, padding = args
            n, _, *image = shape
            if kind == "conv":
                after = [(e + 2 * padding - k) // stride + 1 for e in image]
            else:
                after = [(e - 1) * stride - 2 * padding + k for e in image]
            # Each weight meets each position of the smaller image: of the output, or of the input.
            positions = math.prod(after if kind == "conv" else image)
            total += 2.0 * n * positions * inputs * outputs * k * k
            shape = (n, outputs, *after)
        elif kind == "max_pool":
            shape = (*shape[:2], *(e // args[0] for e in shape[2:]))
        elif kind == "embedding":
            shape = (*shape, args[1])
        elif kind == "lstm":
            inputs, hidden = args
            total += 8.0 * shape[0] * shape[1] * hidden * (inputs + hidden)
            shape = (*shape[:2], hidden)
        elif kind == "flatten":
            first, last = args or (1, len(shape) - 1)
            shape = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
        elif kind == "reshape":
            shape = (shape[0], *args[0])
    return total


def batch(model: Model, size: int) -> tuple[Array, Array | None]:
    """Inputs of `size` samples, and their labels where the model has classes."""
    rng = np.random.default_rng(3)
    shape = (size, *model.x[1:])
    if model.tokens:
        tokens = rng.integers(0, model.classes, shape)
        return tokens, rng.integers(0, model.classes, math.prod(shape))
    if not model.classes:
        return rng.random(shape, dtype=np.float32), None
    x = rng.standard_normal(shape, dtype=np.float32)
    return x, rng.integers(0, model.classes, size)
