"""Valid calls of resizing, pooling, padding, look-ups and their layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .values import call, ints, t

Call = tuple[list[Any], dict[str, Any]]
IMAGES = {1: (2, 4, 9), 2: (2, 4, 6, 5), 3: (2, 4, 5, 4, 4)}


def _image(d: int) -> Any:
    return t(2, 2, *(6, 5, 4)[:d])


FUNCTIONS: dict[str, Callable[[], Call]] = {
    **{f"F.adaptive_max_pool{d}d": (lambda d=d: call(_image(d), 2)) for d in (1, 2, 3)},
    **{
        f"F.fractional_max_pool{d}d": (
            lambda d=d: call(_image(d), 2, output_size=2, output_ratio=None)
        )
        for d in (2, 3)
    },
    **{f"F.lp_pool{d}d": (lambda d=d: call(_image(d), 2, 2, stride=1)) for d in (1, 2, 3)},
    **{
        f"F.max_unpool{d}d": (
            lambda d=d: call(t(2, 2, *(2,) * d), ints(2, 2, *(2,) * d), 2, stride=2, padding=0)
        )
        for d in (1, 2, 3)
    },
    "F.affine_grid": lambda: call(t(2, 2, 3), (2, 1, 3, 4), align_corners=False),
    "F.grid_sample": lambda: call(t(2, 3, 4, 5), t(2, 3, 2, 2), "bilinear", "border", False),
    "F.interpolate": lambda: call(t(2, 3, 4, 5), (3, 7), mode="bilinear", align_corners=False),
    **{
        f"F.{n}": lambda: call(t(2, 3, 4, 5), (3, 7))
        for n in ("upsample", "upsample_nearest", "upsample_bilinear")
    },
    "F.pixel_shuffle": lambda: call(t(2, 8, 3, 4), 2),
    "F.pixel_unshuffle": lambda: call(t(2, 3, 4, 6), 2),
    "F.channel_shuffle": lambda: call(t(2, 6, 3), 2),
    "F.unfold": lambda: call(t(2, 3, 5, 6), 2, dilation=1, padding=1, stride=2),
    "F.fold": lambda: call(t(2, 12, 20), (5, 6), 2),
    "F.embedding_bag": lambda: call(ints(6), t(5, 4), ints(2), mode="sum"),
    "F.ctc_loss": lambda: call(t(6, 2, 4), ints(2, 2, high=2) + 1, [6, 5], [2, 1]),
    "F.conv_tbc": lambda: call(t(6, 2, 3), t(2, 3, 4), t(4), pad=1),
    "F.multi_margin_loss": lambda: call(t(3, 4), ints(3), weight=t(4)),
    "F.multilabel_margin_loss": lambda: call(t(3, 4), ints(3, 4)),
    "F.linear_cross_entropy": lambda: call(t(3, 4), t(5, 4), ints(3), linear_bias=t(5)),
    "F.gumbel_softmax": lambda: call(t(3, 4)),
    **{
        f"F.{n}": lambda: call(t(3, 4), 0.5, True)
        for n in ("alpha_dropout", "feature_alpha_dropout")
    },
}

_BY_RANK: dict[str, Callable[[], Call]] = {
    "AdaptiveMaxPool": lambda: call(2),
    "LPPool": lambda: call(2, 2),
    "ConstantPad": lambda: call(1, 0.5),
    **{f"{kind}Pad": lambda: call(1) for kind in ("Zero", "Reflection", "Replication", "Circular")},
}
LAYERS: dict[str, tuple[Callable[[], Call], Callable[[], list[Any]]]] = {
    **{
        f"{kind}{d}d": (made, (lambda d=d: [t(*IMAGES[d])]))
        for d in (1, 2, 3)
        for kind, made in _BY_RANK.items()
    },
    **{
        f"FractionalMaxPool{d}d": (lambda: call(2, output_size=2), (lambda d=d: [t(*IMAGES[d])]))
        for d in (2, 3)
    },
    **{
        f"MaxUnpool{d}d": (
            lambda: call(2),
            (lambda d=d: [t(2, 2, *(2,) * d), ints(2, 2, *(2,) * d)]),
        )
        for d in (1, 2, 3)
    },
    "LazyLinear": (lambda: call(3), lambda: [t(3, 4)]),
    **{
        f"Lazy{kind}{d}d": (made, (lambda d=d: [t(*IMAGES[d])]))
        for d in (1, 2, 3)
        for kind, made in {
            "Conv": lambda: call(4, 2),
            "ConvTranspose": lambda: call(4, 2),
            "BatchNorm": lambda: call(),
            "InstanceNorm": lambda: call(),
        }.items()
    },
    "Upsample": (lambda: call((3, 7), mode="bilinear"), lambda: [t(2, 3, 4, 5)]),
    "UpsamplingNearest2d": (lambda: call((3, 7)), lambda: [t(2, 3, 4, 5)]),
    "UpsamplingBilinear2d": (lambda: call((3, 7)), lambda: [t(2, 3, 4, 5)]),
    "PixelShuffle": (lambda: call(2), lambda: [t(2, 8, 3, 4)]),
    "PixelUnshuffle": (lambda: call(2), lambda: [t(2, 3, 4, 6)]),
    "ChannelShuffle": (lambda: call(2), lambda: [t(2, 6, 3)]),
    "Unfold": (lambda: call(2), lambda: [t(2, 3, 5, 6)]),
    "Fold": (lambda: call((5, 6), 2), lambda: [t(2, 12, 20)]),
    "Softmax2d": (lambda: call(), lambda: [t(2, 3, 4, 5)]),
    "EmbeddingBag": (lambda: call(5, 4), lambda: [ints(3, 2)]),
    "CosineSimilarity": (lambda: call(), lambda: [t(3, 4), t(3, 4)]),
    "PairwiseDistance": (lambda: call(), lambda: [t(3, 4), t(3, 4)]),
    "AdaptiveLogSoftmaxWithLoss": (lambda: call(4, 9, [2, 5]), lambda: [t(3, 4), ints(3)]),
    "LinearCrossEntropyLoss": (lambda: call(4, 5), lambda: [t(3, 4), ints(3)]),
    "NLLLoss2d": (lambda: call(), lambda: [t(2, 3, 4, 5), ints(2, 4, 5)]),
    "CTCLoss": (lambda: call(), lambda: [t(6, 2, 4), ints(2, 2, high=2) + 1, [6, 5], [2, 1]]),
    "MultiMarginLoss": (lambda: call(), lambda: [t(3, 4), ints(3)]),
    "MultiLabelMarginLoss": (lambda: call(), lambda: [t(3, 4), ints(3, 4)]),
    **{
        name: (lambda: call(), lambda: [t(3, 4), t(3, 4)])
        for name in ("MultiLabelSoftMarginLoss", "SoftMarginLoss")
    },
    "TripletMarginWithDistanceLoss": (lambda: call(), lambda: [t(3, 4), t(3, 4), t(3, 4)]),
}
