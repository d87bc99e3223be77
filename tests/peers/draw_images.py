"""Drawn arguments of layers on images: convolution, pooling, padding, resizing, normalization."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from random_layers import Case, Draw

Drawn = Callable[[Draw], Case]


def lead(d: Draw, channels: int) -> tuple[int, ...]:
    """A batch, or none, and the channels."""
    return (channels,) if d.flag(0.25) else (d.pick(1, 2, 3), channels)


def spatial(d: Draw, rank: int, low: int = 1) -> tuple[int, ...]:
    large = {1: (7, 11, 37), 2: (7, 9, 12), 3: (5, 6)}[rank]
    return tuple(int(max(low, d.pick(low, low + 1, low + 2, *large))) for _ in range(rank))


# ----- convolution -----
def conv(d: Draw, rank: int, lazy: bool = False) -> Case:
    groups = d.pick(1, 1, 2, 3)
    inside, out = groups * d.pick(1, 2, 3), groups * d.pick(1, 2, 5)
    if d.flag(0.03):
        inside += 1  # which groups may not divide
    options = d.some(
        stride=d.each(rank, 1, 2, 3),
        padding=d.pick("same", "valid", d.each(rank, 0, 1, 2), d.each(rank, 0, 1, 2)),
        dilation=d.each(rank, 1, 1, 2, 3),
        bias=d.flag(),
        padding_mode=d.pick("zeros", "zeros", "reflect", "replicate", "circular"),
    )
    if options.get("padding") == "same" and d.flag(0.8):
        options.pop("stride", None)  # which PyTorch refuses
    args = (out, d.each(rank, 1, 2, 3, 5 if rank < 3 else 2))
    x = d.normal(*lead(d, inside), *spatial(d, rank, 3))
    return Case(args if lazy else (inside, *args), {"groups": groups, **options}, (x,))


def conv_transpose(d: Draw, rank: int, lazy: bool = False) -> Case:
    groups = d.pick(1, 1, 2, 3)
    inside, out = groups * d.pick(1, 2, 3), groups * d.pick(1, 2, 5)
    options = d.some(
        stride=d.each(rank, 1, 2, 3),
        padding=d.each(rank, 0, 1, 2),
        output_padding=d.each(rank, 0, 0, 1),
        dilation=d.each(rank, 1, 1, 2),
        bias=d.flag(),
    )
    args = (out, d.each(rank, 1, 2, 3))
    x = d.normal(*lead(d, inside), *spatial(d, rank, 1 if rank == 1 else 2))
    return Case(args if lazy else (inside, *args), {"groups": groups, **options}, (x,))


# ----- pooling -----
def max_pool(d: Draw, rank: int) -> Case:
    options = d.some(
        stride=d.each(rank, 1, 2, 3),
        padding=d.each(rank, 0, 1),
        dilation=d.each(rank, 1, 1, 2),
        return_indices=d.flag(),
        ceil_mode=d.flag(),
    )
    kernel = d.each(rank, 1, 2, 3)
    return Case((kernel,), options, (d.normal(*lead(d, d.small()), *spatial(d, rank, 2)),))


def average_pool(d: Draw, rank: int) -> Case:
    options = d.some(
        stride=d.each(rank, 1, 2, 3),
        padding=d.each(rank, 0, 1),
        ceil_mode=d.flag(),
        count_include_pad=d.flag(),
        **({"divisor_override": d.pick(1, 3, 7)} if rank > 1 else {}),
    )
    kernel = d.each(rank, 1, 2, 3)
    return Case((kernel,), options, (d.normal(*lead(d, d.small()), *spatial(d, rank, 2)),))


def lp_pool(d: Draw, rank: int) -> Case:
    options = d.some(stride=d.each(rank, 1, 2, 3), ceil_mode=d.flag())
    # One-element kernels as tuples break there.
    args = (d.pick(1, 2, 3.0, 2.5), d.pick(1, 2, 3) if rank == 1 else d.each(rank, 1, 2, 3))
    # Odd powers of negative numbers have no root: positive ones.
    return Case(args, options, (d.uniform(0.1, 3, *lead(d, d.small()), *spatial(d, rank, 3)),))


def adaptive(d: Draw, rank: int, indices: bool) -> Case:
    size = d.each(rank, 1, 2, 3, 5, 7)
    if rank > 1 and d.flag(0.3):
        size = (None, *(d.pick(1, 2, None) for _ in range(rank - 1)))
    options = d.some(return_indices=d.flag()) if indices else {}
    return Case((size,), options, (d.normal(*lead(d, d.small()), *spatial(d, rank)),))


def fractional(d: Draw, rank: int) -> Case:
    head, size = (d.pick(1, 2), d.small()), spatial(d, rank, 5)
    options: dict[str, Any] = d.some(return_indices=d.flag())
    options["_random_samples"] = d.uniform(0, 0.99, *head, rank)
    if d.flag():
        options["output_size"] = d.each(rank, 1, 2, 3)
    else:
        options["output_ratio"] = d.each(rank, 0.4, 0.5, 0.7)
    return Case((d.each(rank, 1, 2),), options, (d.normal(*head, *size),))


def unpool(d: Draw, rank: int) -> Case:
    """Values go to random places, each to its own: where two meet, the order would matter."""
    head, size = lead(d, d.small()), tuple(d.pick(1, 2, 3) for _ in range(rank))
    kernel = d.pick(2, 3)
    whole = 1
    for n in size:
        whole *= n * kernel
    count = 1
    for n in size:
        count *= n
    at = d.rng.random((*head, whole)).argsort(-1)[..., :count].reshape(*head, *size)
    return Case((kernel,), d.some(stride=kernel, padding=0), (d.normal(*head, *size), at))


# ----- padding, resizing -----
def pad(d: Draw, rank: int, constant: bool = False, least: int = 3) -> Case:
    sides = [d.pick(0, 1, 2, 3, -1) for _ in range(2 * rank)]
    amount = tuple(sides) if d.flag(0.7) else d.pick(0, 1, 2)
    args = (amount, d.number(-3, 3)) if constant else (amount,)
    return Case(args, {}, (d.normal(*lead(d, d.small()), *spatial(d, rank, least)),))


def upsample(d: Draw) -> Case:
    rank = d.pick(1, 2, 3)
    smooth = {1: "linear", 2: d.pick("bilinear", "bicubic"), 3: "trilinear"}[rank]
    mode = d.pick("nearest", smooth)
    options: dict[str, Any] = {"mode": mode}
    if d.flag():
        options["size"] = d.each(rank, 1, 2, 5, 7)
    else:
        # Powers of two: the rest is rounded in the image's dtype there.
        options["scale_factor"] = d.each(rank, 0.5, 1.0, 2.0, 4.0)
    if mode != "nearest" and d.flag():
        options["align_corners"] = d.flag()
    return Case((), options, (d.normal(d.pick(1, 2), d.small(), *spatial(d, rank, 2)),))


def upsample_2d(d: Draw) -> Case:
    given = d.pick({"size": d.each(2, 1, 3, 8)}, {"scale_factor": d.each(2, 1, 2, 3)})
    return Case((), given, (d.normal(d.pick(1, 2), d.small(), *spatial(d, 2, 2)),))


def shuffled(d: Draw, kind: str) -> Case:
    r = d.pick(1, 2, 3)
    before = tuple(d.pick(1, 2) for _ in range(d.pick(0, 1, 2)))
    h, w = d.small(), d.small()
    if kind == "pixel":
        shape = (*before, r * r * d.small() + d.flag(0.1), h, w)
    elif kind == "unpixel":
        shape = (*before, d.small(), r * h + d.flag(0.1), r * w)
    else:
        shape = (d.pick(1, 2), r * d.small() + d.flag(0.1), *d.shape(d.pick(1, 2, 3)))
    return Case((r,), {}, (d.normal(*shape),))


def unfold(d: Draw) -> Case:
    options = d.some(
        dilation=d.each(2, 1, 2), padding=d.each(2, 0, 1, 2), stride=d.each(2, 1, 2, 3)
    )
    x = d.normal(*lead(d, d.small()), *spatial(d, 2, 3))
    return Case((d.each(2, 1, 2, 3),), options, (x,))


def fold(d: Draw) -> Case:
    size, kernel = (d.pick(4, 5, 7), d.pick(4, 6, 9)), (d.pick(1, 2), d.pick(1, 2, 3))
    dilation, padding, stride = (
        (d.pick(1, 2), 1), (d.pick(0, 1), d.pick(0, 2)), (d.pick(1, 2), d.pick(1, 3))
    )  # fmt: skip
    blocks = 1
    for n, k, e, p, s in zip(size, kernel, dilation, padding, stride, strict=True):
        blocks *= (n + 2 * p - e * (k - 1) - 1) // s + 1
    x = d.normal(*lead(d, d.small() * kernel[0] * kernel[1]), blocks + d.flag(0.1))
    options = {"dilation": dilation, "padding": padding, "stride": stride}
    return Case((size, kernel), options, (x,))


# ----- normalization -----
def batch_norm(d: Draw, rank: int, lazy: bool = False) -> Case:
    C = d.size()
    options = d.some(
        eps=d.pick(1e-5, 1e-3, 0.1), momentum=d.pick(0.1, 0.7, 1.0, None), affine=d.flag(0.7),
        track_running_stats=d.flag(0.7), bias=d.flag(),
    )  # fmt: skip
    sides = () if rank == 1 and d.flag() else spatial(d, rank)
    x = d.normal(d.pick(1, 2, 3, 7), C, *sides)
    training = True if lazy else d.flag(0.7)
    return Case(() if lazy else (C,), options, (x,), training=training)


def instance_norm(d: Draw, rank: int, lazy: bool = False) -> Case:
    C = d.size()
    options = d.some(
        eps=d.pick(1e-5, 1e-3, 0.1), momentum=d.pick(0.1, 0.7), affine=d.flag(),
        track_running_stats=d.flag(), bias=d.flag(),
    )  # fmt: skip
    # PyTorch's lazy ones take the wrong axis for the channels of an input without a batch.
    head = (d.pick(1, 2, 3), C) if lazy else lead(d, C)
    x = d.normal(*head, *spatial(d, rank, 2))
    return Case(() if lazy else (C,), options, (x,), training=lazy or d.flag(0.7))


def group_norm(d: Draw) -> Case:
    groups = d.pick(1, 2, 3)
    C = groups * d.small() + d.flag(0.05)
    options = d.some(eps=d.pick(1e-5, 0.1), affine=d.flag())
    return Case((groups, C), options, (d.normal(d.pick(2, 3), C, *d.shape(d.pick(0, 1, 2, 3))),))


def layer_norm(d: Draw, rms: bool = False) -> Case:
    shape = d.shape(d.pick(1, 2, 3))
    options = d.some(eps=d.pick(1e-5, 1e-3, 0.1), elementwise_affine=d.flag(0.7))
    if not rms:
        options |= d.some(bias=d.flag())
    x = d.normal(*d.shape(d.pick(0, 1, 2)), *shape)
    return Case((shape[0] if len(shape) == 1 and d.flag() else shape,), options, (x,))


def response_norm(d: Draw) -> Case:
    options = d.some(alpha=d.pick(1e-4, 0.3), beta=d.pick(0.75, 0.5), k=d.pick(1.0, 2.0))
    x = d.normal(2, d.size(), *spatial(d, d.pick(1, 2, 3)))
    return Case((d.pick(1, 2, 3, 5),), options, (x,))


def of_ranks(name: str, draw: Callable[..., Case], **options: Any) -> dict[str, Drawn]:
    """A table of the layers of one, two and three dimensions."""
    return {name.format(rank): partial(draw, rank=rank, **options) for rank in (1, 2, 3)}


IMAGES: dict[str, Drawn] = {
    **of_ranks("Conv{}d", conv),
    **of_ranks("LazyConv{}d", conv, lazy=True),
    **of_ranks("ConvTranspose{}d", conv_transpose),
    **of_ranks("LazyConvTranspose{}d", conv_transpose, lazy=True),
    **of_ranks("MaxPool{}d", max_pool),
    **of_ranks("AvgPool{}d", average_pool),
    **of_ranks("LPPool{}d", lp_pool),
    **of_ranks("AdaptiveAvgPool{}d", adaptive, indices=False),
    **of_ranks("AdaptiveMaxPool{}d", adaptive, indices=True),
    **of_ranks("MaxUnpool{}d", unpool),
    "FractionalMaxPool2d": partial(fractional, rank=2),
    "FractionalMaxPool3d": partial(fractional, rank=3),
    **of_ranks("ConstantPad{}d", pad, constant=True),
    **{k: v for kind in ("Zero", "Replication", "Reflection")
       for k, v in of_ranks(kind + "Pad{}d", pad).items()},
    # What is cut must leave enough to go around: PyTorch does not look.
    **of_ranks("CircularPad{}d", pad, least=5),
    "Upsample": upsample,
    "UpsamplingNearest2d": upsample_2d,
    "UpsamplingBilinear2d": upsample_2d,
    "PixelShuffle": partial(shuffled, kind="pixel"),
    "PixelUnshuffle": partial(shuffled, kind="unpixel"),
    "ChannelShuffle": partial(shuffled, kind="channel"),
    "Unfold": unfold,
    "Fold": fold,
    **of_ranks("BatchNorm{}d", batch_norm),
    **of_ranks("LazyBatchNorm{}d", batch_norm, lazy=True),
    **of_ranks("InstanceNorm{}d", instance_norm),
    **of_ranks("LazyInstanceNorm{}d", instance_norm, lazy=True),
    "GroupNorm": group_norm,
    "LayerNorm": layer_norm,
    "RMSNorm": partial(layer_norm, rms=True),
    "LocalResponseNorm": response_norm,
}  # fmt: skip
