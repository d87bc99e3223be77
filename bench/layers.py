"""Networks as lists of layers: their weights, and the FLOPs of a forward pass.

A layer is its name and its arguments, which `nn` of gpudl and of PyTorch take alike:
linear (in, out), conv and conv_transpose (in, out, kernel, stride, padding; no bias with False as a
last argument), batch_norm and layer_norm (channels), max_pool (size), mean_pool, embedding (rows,
features), positions (count, features; added to the input), lstm (in, hidden; batch first, every
step's output), attention (width, heads; causal), residual (layers, layers of the other path, none
for the input itself), reshape (the shape after the batch), flatten (maybe first and last axis),
relu, leaky_relu (slope), gelu, tanh, sigmoid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Layer = tuple[Any, ...]
Layers = tuple[Layer, ...]
Shape = tuple[int, ...]


def weights(layers: Layers) -> list[Array]:
    """The initial parameters in the order of the layers, the same for every library."""
    return _weights(layers, np.random.default_rng(1))


def _weights(layers: Layers, rng: np.random.Generator) -> list[Array]:
    out: list[Array] = []

    def uniform(bound: float, *shapes: Shape) -> None:
        out.extend(rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes)

    for kind, *args in layers:
        if kind == "residual":
            for path in args:
                out += _weights(path, rng)
        elif kind in ("batch_norm", "layer_norm"):
            out += [np.ones(args[0], np.float32), np.zeros(args[0], np.float32)]
        elif kind in ("embedding", "positions"):
            out.append(rng.standard_normal(args, dtype=np.float32))
        elif kind == "lstm":
            inputs, hidden = args
            over = (4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,)
            uniform(1 / math.sqrt(hidden), *over)
        elif kind == "attention":
            width, _ = args
            uniform(
                1 / math.sqrt(width), (3 * width, width), (3 * width,), (width, width), (width,)
            )
        elif kind in ("linear", "conv", "conv_transpose"):
            inputs, outputs, *rest = args
            kernel = tuple(rest[:1]) * 2
            first = (inputs, outputs) if kind == "conv_transpose" else (outputs, inputs)
            bias = () if rest[3:] == [False] else ((outputs,),)
            uniform(1 / math.sqrt(inputs * math.prod(kernel)), (*first, *kernel), *bias)
    return out


def flops(layers: Layers, x: Shape) -> float:
    """The FLOPs of the matrix products and convolutions in one forward pass on shape `x`."""
    total = 0.0
    for layer in layers:
        work, x = _pass(layer, x)
        total += work
    return total


def shape_after(layers: Layers, x: Shape) -> Shape:
    """The shape of the result on shape `x`."""
    for layer in layers:
        x = _pass(layer, x)[1]
    return x


def _pass(layer: Layer, x: Shape) -> tuple[float, Shape]:
    """FLOPs of a layer on shape `x`, and the shape of its result."""
    kind, *args = layer
    match kind:
        case "linear":
            return 2.0 * math.prod(x[:-1]) * args[0] * args[1], (*x[:-1], args[1])
        case "conv" | "conv_transpose":
            return _convolution(kind, args, x)
        case "residual":
            return sum(flops(path, x) for path in args), shape_after(args[0], x)
        case "attention":
            # Four products with weights, and scores and sums of which half are seen.
            n, steps, width = x
            return 8.0 * n * steps * width**2 + 2.0 * n * steps**2 * width, x
        case "max_pool":
            return 0.0, (*x[:2], *(e // args[0] for e in x[2:]))
        case "mean_pool":
            return 0.0, (*x[:2], 1, 1)
        case "embedding":
            return 0.0, (*x, args[1])
        case "lstm":
            inputs, hidden = args
            return 8.0 * x[0] * x[1] * hidden * (inputs + hidden), (*x[:2], hidden)
        case "flatten":
            first, last = args or (1, len(x) - 1)
            return 0.0, (*x[:first], math.prod(x[first : last + 1]), *x[last + 1 :])
        case "reshape":
            return 0.0, (x[0], *args[0])
    return 0.0, x


def _convolution(kind: str, args: list[Any], x: Shape) -> tuple[float, Shape]:
    inputs, outputs, k, stride, padding = args[:5]
    n, _, *image = x
    if kind == "conv":
        after = [(e + 2 * padding - k) // stride + 1 for e in image]
    else:
        after = [(e - 1) * stride - 2 * padding + k for e in image]
    # Each weight meets each position of the smaller image: of the output, or of the input.
    positions = math.prod(after if kind == "conv" else image)
    return 2.0 * n * positions * inputs * outputs * k * k, (n, outputs, *after)
