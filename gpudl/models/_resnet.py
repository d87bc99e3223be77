"""Residual networks: ResNet with torchvision's names, and the pre-activation form."""

from __future__ import annotations

import math
from typing import Any

from .. import nn
from ..errors import ArgumentError
from ..nn import functional as F
from ..shapes import as_int
from ..tensor import Tensor


def _conv(cin: int, cout: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity, or a 1x1 convolution where the shape changes."""

    expansion = 1

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(cin, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = _shortcut(cin, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1 that narrow and widen; the stride is the 3x3's."""

    expansion = 4

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = self.expansion * width
        self.conv1, self.bn1 = _conv(cin, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, cout, 1), nn.BatchNorm2d(cout)
        self.downsample = _shortcut(cin, cout, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


def _shortcut(cin: int, cout: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and cin == cout:
        return None
    return nn.Sequential(_conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))


class ResNet(nn.Module):
    """The residual network of He et al. (2015), with the parameter names of torchvision.

    `block`: `BasicBlock` or `Bottleneck`; `layers`: how many in each of the four stages; `width`:
    channels of the first stage, which each next one doubles; `channels`: of the images; `stem`:
    "imagenet" (7x7 convolution of stride 2, then pooling) or "small" (one 3x3 convolution, for
    images of 32 pixels or less). `forward` takes (N, C, H, W) and gives logits (N, num_classes).
    Source: arXiv:1512.03385; weights drawn as there (arXiv:1502.01852).

    >>> import gpudl as gd
    >>> gd.models.resnet18(num_classes=10, channels=1, stem="small", width=8)(
    ...     gd.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        *,
        width: int = 64,
        channels: int = 3,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        if stem not in ("imagenet", "small"):
            raise ArgumentError("ResNet", f"stem is {stem!r}", remedy='"imagenet" or "small"')
        self.conv1 = (
            _conv(channels, width, 7, 2) if stem == "imagenet" else _conv(channels, width, 3)
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "imagenet" else nn.Identity()
        cin = width
        stages = []
        for i, count in enumerate(layers):
            blocks = []
            for j in range(count):
                blocks.append(block(cin, width << i, 2 if i and not j else 1))
                cin = block.expansion * (width << i)
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(cin, num_classes)
        _draw(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def _draw(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-18; `options` as in `ResNet`.

    >>> import gpudl as gd
    >>> sum(p.size for p in gd.models.resnet18().parameters())
    11689512
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options)


def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-50; `options` as in `ResNet`.

    >>> import gpudl as gd
    >>> sum(p.size for p in gd.models.resnet50().parameters())
    25557032
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options)


class PreActBottleneck(nn.Module):
    """Batch norm, ReLU and convolution, three times, added to the input untouched.

    Nothing stands on the path from block to block, so a gradient reaches every block undiminished.
    `skip=False` leaves the input out: the plain network that cannot be trained when it is deep.
    """

    def __init__(self, cin: int, width: int, stride: int, *, skip: bool = True) -> None:
        super().__init__()
        cout = 4 * width
        self.bn1, self.conv1 = nn.BatchNorm2d(cin), _conv(cin, width, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), _conv(width, width, 3, stride)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), _conv(width, cout, 1)
        self.skip = skip
        changes = skip and (stride != 1 or cin != cout)
        self.shortcut = _conv(cin, cout, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(x))
        carried = x if self.shortcut is None else self.shortcut(y)
        y = self.conv1(y)
        y = self.conv2(F.relu(self.bn2(y)))
        y = self.conv3(F.relu(self.bn3(y)))
        return carried + y if self.skip else y  # type: ignore[no-any-return]


class PreActResNet(nn.Module):
    """A pre-activation residual network of `depth` layers, for small images.

    `depth` is 9 n + 2: a 3x3 convolution, three stages of n bottlenecks of three layers, and a
    linear layer; 1001 is the network of the paper. `width`: channels inside the bottlenecks of the
    first stage, doubled in each next one; `skip=False` removes the identities.
    Source: He et al., "Identity Mappings in Deep Residual Networks" (arXiv:1603.05027); what a
    block adds is drawn smaller by the root of their number (Zhang et al., arXiv:1901.09321).

    >>> import gpudl as gd
    >>> gd.models.PreActResNet(29, channels=1, width=4)(gd.zeros((2, 1, 8, 8))).shape
    (2, 10)
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        *,
        channels: int = 3,
        width: int = 16,
        skip: bool = True,
    ) -> None:
        super().__init__()
        if as_int("PreActResNet", "depth", depth) < 11 or (depth - 2) % 9:
            raise ArgumentError(
                "PreActResNet", f"depth is {depth}", remedy="9 n + 2, as 29, 164 and 1001"
            )
        self.conv1 = _conv(channels, width, 3)
        cin, blocks = width, []
        for stage in range(3):
            for j in range((depth - 2) // 9):
                stride = 2 if stage and not j else 1
                blocks.append(PreActBottleneck(cin, width << stage, stride, skip=skip))
                cin = 4 * (width << stage)
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(cin)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(cin, num_classes)
        _draw(self)
        nn.init.kaiming_normal_(self.conv1.weight)
        if skip:
            # The sum over all blocks then varies as its first term does, at any depth: without, the
            # gradient grows a hundredthousandfold on its way to the first layer of a thousand.
            for block in blocks:
                nn.init.kaiming_normal_(block.conv3.weight, a=math.sqrt(2 * len(blocks) - 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.blocks(self.conv1(x))))
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]
