"""ONNX's operators as calls of gpudl.

A table for each family gives, by the name of an operator, a function of its inputs in ONNX's order
(None where one is left out) and its attributes by name. A function with an argument `outputs` is
told how many results are wanted. An attribute that a function does not know has no counterpart.
"""

from __future__ import annotations

from typing import Any

from . import (
    attention,
    elementwise,
    image,
    layout,
    loss,
    norm,
    optim,
    recurrent,
    reduce,
    window,
)

FAMILIES: dict[str, dict[str, Any]] = {
    "activations": elementwise.ACTIVATIONS,
    "arithmetic": elementwise.ARITHMETIC,
    "attention": attention.OPS,
    "convolution": window.CONVOLUTIONS,
    "images": image.OPS,
    "losses": loss.OPS,
    "normalisation": norm.OPS,
    "optimizers": optim.OPS,
    "pooling": window.POOLS,
    "recurrent": recurrent.OPS,
    "reductions": reduce.OPS,
    "shapes, elements, matrices": layout.OPS,
}
ADAPTERS: dict[str, Any] = {op: f for ops in FAMILIES.values() for op, f in ops.items()}
OTHERS = "without a counterpart"


def family_of(operator: str) -> str:
    return next((family for family, ops in FAMILIES.items() if operator in ops), OTHERS)
