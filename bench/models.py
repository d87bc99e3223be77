"""The networks that are trained, as lists of layers (`layers.py`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .layers import Array, Layer, Layers, Shape, flops, shape_after


@dataclass(frozen=True)
class Model:
    """A network, its batch, and how it is trained: on `classes`, or to give back its input.

    With `tokens` the input is integers below `classes`, each with a label of its own. With a
    `critic` the network makes images from noise, and the two are trained against each other."""

    layers: Layers
    x: Shape
    optimizer: str
    lr: float
    classes: int = 0
    tokens: bool = False
    critic: Layers = ()

    def flops(self, batch_size: int) -> float:
        """Of a training step: a backward pass is twice a forward one."""
        x = (batch_size, *self.x[1:])
        total = 3.0 * flops(self.layers, x)
        if self.critic:
            # Forward on real images and twice on made ones, each with its backward pass.
            total += 9.0 * flops(self.critic, shape_after(self.layers, x))
        return total


def _block(inputs: int, outputs: int) -> Layers:
    return ("conv", inputs, outputs, 3, 1, 1), ("batch_norm", outputs), ("relu",), ("max_pool", 2)


def _basic(inputs: int, outputs: int, stride: int) -> Layers:
    """A basic block of a residual network."""
    main: Layers = (
        ("conv", inputs, outputs, 3, stride, 1, False),
        ("batch_norm", outputs),
        ("relu",),
        ("conv", outputs, outputs, 3, 1, 1, False),
        ("batch_norm", outputs),
    )
    other: Layers = ()
    if stride > 1:
        other = ("conv", inputs, outputs, 1, stride, 0, False), ("batch_norm", outputs)
    return ("residual", main, other), ("relu",)


def _stages(*widths: int) -> Layers:
    layers: list[Layer] = []
    for i, width in enumerate(widths):
        layers += _basic(widths[max(i - 1, 0)], width, 1 + (i > 0))
        layers += _basic(width, width, 1)
    return tuple(layers)


def _transformer(width: int, heads: int) -> Layers:
    """A block that normalizes first."""
    attend: Layers = ("layer_norm", width), ("attention", width, heads)
    think: Layers = (
        ("layer_norm", width),
        ("linear", width, 4 * width),
        ("gelu",),
        ("linear", 4 * width, width),
    )
    return ("residual", attend, ()), ("residual", think, ())


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
    "gpt": Model(
        layers=(
            ("embedding", 65, 128),
            ("positions", 128, 128),
            *_transformer(128, 4) * 4,
            ("layer_norm", 128),
            ("flatten", 0, 1),
            ("linear", 128, 65),
        ),
        x=(16, 128),
        optimizer="adam",
        lr=1e-3,
        classes=65,
        tokens=True,
    ),
    "resnet18": Model(
        layers=(
            ("conv", 3, 64, 3, 1, 1, False),
            ("batch_norm", 64),
            ("relu",),
            *_stages(64, 128, 256, 512),
            ("mean_pool", 1),
            ("flatten",),
            ("linear", 512, 10),
        ),
        x=(16, 3, 32, 32),
        optimizer="sgd",
        lr=1e-3,
        classes=10,
    ),
    "dcgan": Model(
        layers=(
            ("linear", 64, 3136),
            ("reshape", (64, 7, 7)),
            ("batch_norm", 64),
            ("relu",),
            ("conv_transpose", 64, 32, 4, 2, 1),
            ("batch_norm", 32),
            ("relu",),
            ("conv_transpose", 32, 1, 4, 2, 1),
            ("tanh",),
        ),
        x=(64, 64),
        optimizer="adam",
        lr=2e-4,
        critic=(
            ("conv", 1, 32, 4, 2, 1),
            ("leaky_relu", 0.2),
            ("conv", 32, 64, 4, 2, 1),
            ("batch_norm", 64),
            ("leaky_relu", 0.2),
            ("flatten",),
            ("linear", 3136, 1),
        ),
    ),
}


def batch(model: Model, size: int) -> tuple[Array, Array | None]:
    """Inputs of `size` samples, and their labels where the model has classes, or real images where
    it has a critic."""
    rng = np.random.default_rng(3)
    shape = (size, *model.x[1:])
    if model.tokens:
        tokens = rng.integers(0, model.classes, shape)
        return tokens, rng.integers(0, model.classes, math.prod(shape))
    if model.critic:
        images = shape_after(model.layers, shape)
        noise = rng.standard_normal(shape, dtype=np.float32)
        return noise, 2 * rng.random(images, dtype=np.float32) - 1
    if not model.classes:
        return rng.random(shape, dtype=np.float32), None
    x = rng.standard_normal(shape, dtype=np.float32)
    return x, rng.integers(0, model.classes, size)
