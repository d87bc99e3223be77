"""MobileNetV2, with the parameter names of torchvision."""

from __future__ import annotations

from .. import nn
from ..tensor import Tensor

# expansion, channels, blocks, stride of the first: table 2 of the paper
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _channels(value: float) -> int:
    """The nearest multiple of 8 that is not below 90 % of `value`."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _unit(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """A 1x1 convolution that widens, a depthwise 3x3, a 1x1 that narrows without activation."""

    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = cin * expansion
        wide = [] if expansion == 1 else [_unit(cin, hidden, 1)]
        self.conv = nn.Sequential(
            *wide,
            _unit(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2: images (N, channels, H, W) to logits (N, num_classes).

    `width_mult` scales the channels of every layer. Source: Sandler et al., arXiv:1801.04381.

    >>> import gpudl as gd
    >>> model = gd.models.MobileNetV2()
    >>> sum(p.size for p in model.parameters())
    3504872
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        *,
        channels: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        cin = _channels(32 * width_mult)
        features: list[nn.Module] = [_unit(channels, cin, 3, 2)]
        for expansion, channels_of, blocks, stride in STAGES:
            cout = _channels(channels_of * width_mult)
            for i in range(blocks):
                features.append(InvertedResidual(cin, cout, 1 if i else stride, expansion))
                cin = cout
        last = _channels(1280 * max(1.0, width_mult))
        self.features = nn.Sequential(*features, _unit(cin, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(axis=(2, 3)))  # type: ignore[no-any-return]
