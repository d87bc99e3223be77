"""A small convolutional network for images of digits."""

from __future__ import annotations

from .. import nn
from ..errors import ArgumentError
from ..shapes import as_int, as_shape
from ..tensor import Tensor


def _block(cin: int, cout: int) -> nn.Sequential:
    # The bias of a convolution before batch norm would be subtracted again.
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU()
    )


class CNN(nn.Module):
    """Three 3x3 convolutions with batch norm, two poolings, and one linear layer.

    `shape`: of an image, (C, H, W), at least 4 high and wide; `classes`: how many; `width`: filters
    of the first convolution, which the next two double; `dropout`: before the linear layer.
    `forward` takes images (N, C, H, W) and gives logits (N, classes).

    >>> import gpudl as gd
    >>> gd.models.CNN((1, 28, 28))(gd.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int = 10,
        width: int = 16,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        extents = as_shape("CNN", shape)
        if len(extents) != 3 or min(extents[1:]) < 4 or extents[0] < 1:
            raise ArgumentError(
                "CNN", f"the shape of an image is {extents}", remedy="(C, H, W) with H, W >= 4"
            )
        C, H, W = extents
        for name, value in (("classes", classes), ("width", width)):
            if as_int("CNN", name, value) < 1:
                raise ArgumentError("CNN", f"{name} is {value}", remedy="at least 1")
        self.block1 = _block(C, width)
        self.block2 = _block(width, 2 * width)
        self.block3 = _block(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width * (H // 4) * (W // 4), classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.block1(x))
        x = self.pool(self.block2(x))
        return self.head(self.dropout(self.flatten(self.block3(x))))  # type: ignore[no-any-return]
