"""Every workload, described once and for no library in particular.

A workload is an operation on inputs, a training step, or an optimizer's step. Its FLOPs and bytes
are the essential ones: the arithmetic of matrix products and convolutions, and the memory traffic
of a perfectly fused kernel, which reads every input and writes every output once. The limit of the
machine is the longer of the two times.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .layers import weights
from .models import MODELS

Array = np.ndarray[Any, Any]

GROUPS = {
    "matmul": "matrix products",
    "conv": "convolutions",
    "activation": "elementwise chains, activations, softmax",
    "norm": "batch and layer normalization",
    "pool": "pooling",
    "rnn": "recurrent layers",
    "attention": "scaled dot-product attention",
    "loss": "cross-entropy, embeddings",
    "optimizer": "Adam's step alone",
    "train": "whole training steps",
    "overhead": "operations on 8 elements",
}


@dataclass(frozen=True)
class Input:
    """An array of standard normal numbers times `scale`, or of integers below `below`."""

    shape: tuple[int, ...]
    scale: float = 1.0
    below: int = 0
    grad: bool = True


@dataclass(frozen=True)
class Workload:
    """What is measured.

    mode: "fwd", forward; "rec", forward with the graph recorded; "fb", forward and backward with a
    given gradient of the output; "adam", an optimizer's step; "train", a training step.
    """

    name: str
    group: str
    op: str
    mode: str
    inputs: tuple[Input, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    flops: float = 0.0
    bytes: float = 0.0
    quick: bool = True  # whether the quick selection has it


def arrays(workload: Workload) -> list[Array]:
    """The inputs, the same in every process."""
    rng = np.random.default_rng(zlib.crc32(workload.op.encode()))
    out: list[Array] = []
    for x in workload.inputs:
        if x.below:
            out.append(rng.integers(0, x.below, x.shape))
        else:
            out.append(rng.standard_normal(x.shape, dtype=np.float32) * np.float32(x.scale))
    return out


def cotangent(shape: tuple[int, ...]) -> Array:
    """The gradient that the output is given."""
    return np.random.default_rng(7).standard_normal(shape, dtype=np.float32)


def table(dry: bool = False) -> list[Workload]:
    """All workloads; with `dry`, no extent is above 8, so that they run in no time."""
    size: Callable[[int], int] = (lambda n: min(n, 8)) if dry else (lambda n: n)
    parts = (
        _matmul,
        _conv,
        _activation,
        _norm,
        _pool,
        _rnn,
        _attention,
        _loss,
        _optimizer,
        _train,
        _overhead,
    )
    return [workload for part in parts for workload in part(size)]


def _matmul(size: Callable[[int], int]) -> Iterator[Workload]:
    shapes = ((256, 256, 256), (1024, 1024, 1024), (4096, 4096, 4096), (64, 4096, 4096))
    for shape in shapes:
        m, k, n = map(size, shape)
        name = "matmul_" + (str(shape[0]) if len({*shape}) == 1 else "x".join(map(str, shape)))
        yield Workload(
            name, "matmul", "matmul", "fwd", (Input((m, k)), Input((k, n))),
            flops=2.0 * m * k * n, bytes=4.0 * (m * k + k * n + m * n), quick=shape[0] < 4096,
        )  # fmt: skip
    m, k, n = map(size, (128, 1024, 1024))
    yield Workload(
        "linear_128x1024x1024_fb", "matmul", "linear", "fb",
        (Input((m, k)), Input((n, k), 0.05), Input((n,))),
        flops=6.0 * m * k * n, bytes=8.0 * (m * k + n * k + m * n),
    )  # fmt: skip


def _conv(size: Callable[[int], int]) -> Iterator[Workload]:
    # name, batch, channels in and out, image, kernel, stride, padding, groups, gradient of x
    for name, *numbers, grad in (
        ("3x3_64_64_56", 32, 64, 64, 56, 3, 1, 1, 1, True),
        ("1x1_256_64_56", 32, 256, 64, 56, 1, 1, 0, 1, True),
        ("7x7s2_3_64_224", 8, 3, 64, 224, 7, 2, 3, 1, False),
        ("depthwise3x3_64_56", 32, 64, 64, 56, 3, 1, 1, 64, True),
        ("3x3_1_32_28", 64, 1, 32, 28, 3, 1, 1, 1, False),
        ("3x3_6_16_4", 64, 6, 16, 4, 3, 1, 1, 1, True),
    ):
        n, inputs, outputs, image = map(size, numbers[:4])
        k, stride, padding, groups = numbers[4:]
        groups = size(groups)
        after = (image + 2 * padding - k) // stride + 1
        operands = (
            Input((n, inputs, image, image), grad=grad),
            Input((outputs, inputs // groups, k, k), 0.05),
            Input((outputs,)),
        )
        options = {"stride": stride, "padding": padding, "groups": groups}
        work = 2.0 * n * after**2 * outputs * (inputs // groups) * k * k
        moved = 4.0 * n * (inputs * image**2 + outputs * after**2)
        for mode, times, traffic in (("fwd", 1, 1), ("fb", 3 if grad else 2, 2)):
            yield Workload(
                f"conv_{name}_{mode}", "conv", "conv2d", mode, operands, options,
                flops=times * work, bytes=traffic * moved,
            )  # fmt: skip


def _activation(size: Callable[[int], int]) -> Iterator[Workload]:
    columns = size(1000)
    for label, lines in (("1M", 1000), ("10M", 10_000)):
        shape = (size(lines), columns)
        n = 4.0 * math.prod(shape)
        for op, inputs, once, both in (
            ("add_chain", (Input(shape),) * 3, 4, 7),
            ("gelu_bias", (Input(shape), Input((columns,))), 2, 4),
            ("silu", (Input(shape),), 2, 4),
        ):
            for mode, passes in (("fwd", once), ("fb", both)):
                yield Workload(
                    f"{op}_{label}_{mode}", "activation", op, mode, inputs,
                    bytes=passes * n, quick=label == "1M",
                )  # fmt: skip
    rows = (Input((size(4096), size(1024))),)
    for mode, passes in (("fwd", 2), ("fb", 4)):
        yield Workload(
            f"softmax_4096x1024_{mode}", "activation", "softmax", mode, rows,
            bytes=passes * 4.0 * math.prod(rows[0].shape),
        )  # fmt: skip


def _norm(size: Callable[[int], int]) -> Iterator[Workload]:
    image = (size(32), size(64), size(56), size(56))
    rows = (size(4096), size(1024))
    for op, shape, width, once, both in (
        ("batch_norm", image, image[1], 3, 8),  # the statistics take a pass of their own
        ("layer_norm", rows, rows[1], 2, 4),
        ("rms_norm", rows, rows[1], 2, 4),
    ):
        inputs = (Input(shape), *(Input((width,)),) * (1 + (op != "rms_norm")))
        for mode, passes in (("fwd", once), ("fb", both)):
            yield Workload(
                f"{op}_{mode}", "norm", op, mode, inputs, bytes=passes * 4.0 * math.prod(shape)
            )


def _pool(size: Callable[[int], int]) -> Iterator[Workload]:
    shape = (size(32), size(64), size(56), size(56))
    for op in ("max_pool2d", "avg_pool2d"):
        for mode, passes in (("fwd", 1.25), ("fb", 2.5)):
            yield Workload(
                f"{op}_{mode}", "pool", op, mode, (Input(shape),),
                bytes=passes * 4.0 * math.prod(shape),
            )  # fmt: skip


def _rnn(size: Callable[[int], int]) -> Iterator[Workload]:
    for op, gates in (("lstm", 4), ("gru", 3)):
        for steps, batch, width in ((64, 32, 256), (128, 64, 512)):
            t, n, h = map(size, (steps, batch, width))
            inputs = (
                Input((t, n, h)),
                *(Input((gates * h, h), h**-0.5) for _ in range(2)),
                *(Input((gates * h,), h**-0.5) for _ in range(2)),
            )
            work = 2.0 * t * n * gates * h * 2 * h
            for mode, times in (("fwd", 1), ("fb", 3)):
                yield Workload(
                    f"{op}_{steps}x{batch}x{width}_{mode}", "rnn", op, mode, inputs,
                    flops=times * work, bytes=times * 8.0 * (t * n * h + gates * h * h),
                    quick=width == 256,
                )  # fmt: skip


def _attention(size: Callable[[int], int]) -> Iterator[Workload]:
    # Causal: half of the scores count. Forward two products, backward five.
    for batch, heads, length, width in ((8, 8, 256, 64), (2, 8, 1024, 64), (16, 6, 256, 32)):
        n, h, t, d = map(size, (batch, heads, length, width))
        inputs = (Input((n, h, t, d)),) * 3
        for mode, products, passes in (("fwd", 2, 4), ("fb", 7, 12)):
            yield Workload(
                f"attention_{batch}x{heads}x{length}x{width}_{mode}", "attention", "attention",
                mode, inputs, flops=float(products * n * h * t * t * d),
                bytes=passes * 4.0 * n * h * t * d,
            )  # fmt: skip


def _loss(size: Callable[[int], int]) -> Iterator[Workload]:
    rows, classes = size(2048), size(10_000)
    inputs = (Input((rows, classes)), Input((rows,), below=classes, grad=False))
    for mode, passes in (("fwd", 1), ("fb", 3)):
        yield Workload(
            f"cross_entropy_2048x10000_{mode}", "loss", "cross_entropy", mode, inputs,
            bytes=passes * 4.0 * rows * classes,
        )  # fmt: skip

    rows, width, tokens = size(10_000), size(256), (size(32), size(256))
    inputs = (Input(tokens, below=rows, grad=False), Input((rows, width)))
    moved = 4.0 * math.prod(tokens) * width
    for mode, traffic in (("fwd", 2 * moved), ("fb", 4 * moved + 4.0 * rows * width)):
        yield Workload(
            f"embedding_8192x256_{mode}", "loss", "embedding", mode, inputs, bytes=traffic
        )


def _optimizer(size: Callable[[int], int]) -> Iterator[Workload]:
    # Four reads and three writes of every number: parameter, gradient and two moments.
    small = [w.shape for w in weights(MODELS["mlp"].layers)]
    large = [(size(512), size(512))] * 40 + [(size(512),)] * 40
    for label, shapes in (("mlp", small), ("10M", large)):
        yield Workload(
            f"adam_{label}", "optimizer", "adam", "adam", tuple(Input(s) for s in shapes),
            bytes=28.0 * sum(map(math.prod, shapes)),
        )  # fmt: skip


def _train(size: Callable[[int], int]) -> Iterator[Workload]:
    for name, model in MODELS.items():
        batch = size(model.x[0])
        yield Workload(
            f"train_{name}", "train", name, "train", options={"batch_size": batch},
            flops=model.flops(batch),
        )  # fmt: skip


def _overhead(size: Callable[[int], int]) -> Iterator[Workload]:
    x = Input((8,), 0.3)
    yield Workload("add_8_fwd", "overhead", "add", "fwd", (x, x))
    yield Workload("add_8_recorded", "overhead", "add", "rec", (x, x))
    yield Workload("chain_of_10_fwd", "overhead", "chain", "fwd", (x,))
    yield Workload("chain_of_10_fb", "overhead", "chain", "fb", (x,))
