"""LeNet-5."""

from __future__ import annotations

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling: images (N, 1, 28, 28) to logits (N, classes).

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998); the
    subsampling layers and the radial units of the original are replaced, as is usual today.

    >>> import gpudl as gd
    >>> gd.models.LeNet()(gd.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))
        return self.fc3(x)  # type: ignore[no-any-return]
