"""Transforms of single images, NumPy arrays of shape (C, H, W), drawn from the sample's generator.

A data set applies them in `__getitem__`; through `gd.data.sample_rng()` a sample comes out the same
for any number and kind of workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..shapes import as_int, pair
from ._checks import function, iterable, number
from ._dataset import raw
from ._seed import sample_rng

Array = np.ndarray[Any, Any]


def _image(op: str, x: Any) -> Array:
    image = raw(x)
    if image.ndim != 3:
        raise ShapeError(op, "takes an image of shape (C, H, W)", image=image)
    return image


class Compose:
    """Several transforms, one after another.

    >>> import numpy as np, gpudl as gd
    >>> f = gd.data.transforms.Compose([gd.data.transforms.Normalize(0.5, 0.5)])
    >>> float(f(np.ones((1, 2, 2), np.float32)).max())
    1.0
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = [
            function("Compose", "each transform", step)
            for step in iterable("Compose", "transforms", transforms)
        ]

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x


class Normalize:
    """`(x - mean) / std` per channel; `mean` and `std` are numbers or sequences of C numbers.

    Raises `ArgumentError` for a `std` that is not positive, `ShapeError` when C does not fit.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        try:
            self.mean = np.reshape(np.asarray(mean, np.float32), (-1, 1, 1))
            self.std = np.reshape(np.asarray(std, np.float32), (-1, 1, 1))
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError("Normalize", f"mean and std must be numbers: {error}") from None
        if not np.all(self.std > 0):
            raise ArgumentError("Normalize", f"std is {std}", remedy="every std above 0")

    def __call__(self, x: Any) -> Array:
        image = _image("Normalize", x)
        if any(len(p) not in (1, len(image)) for p in (self.mean, self.std)):
            raise ShapeError(
                "Normalize", "as many means and stds as channels", image=image, mean=self.mean
            )
        return np.asarray((image - self.mean) / self.std)


class RandomHorizontalFlip:
    """The image mirrored left to right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= number("RandomHorizontalFlip", "p", p) <= 1.0:
            raise ArgumentError("RandomHorizontalFlip", f"p is {p}", remedy="from 0 to 1")
        self.p = p

    def __call__(self, x: Any) -> Array:
        image = _image("RandomHorizontalFlip", x)
        return image[:, :, ::-1] if sample_rng().random() < self.p else image


class RandomCrop:
    """A window of `size` (H, W) at a random place, after `padding` zeros are put around the image.

    Raises `ShapeError` when the window does not fit.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        self.size = pair("RandomCrop", "size", size, 2, low=1)
        if as_int("RandomCrop", "padding", padding) < 0:
            raise ArgumentError(
                "RandomCrop",
                f"size is {size}, padding {padding}",
                remedy="size at least 1, padding 0",
            )
        self.padding = padding

    def __call__(self, x: Any) -> Array:
        image = _image("RandomCrop", x)
        p = self.padding
        padded = np.pad(image, ((0, 0), (p, p), (p, p))) if p else image
        (H, W), (h, w) = padded.shape[1:], self.size
        if h > H or w > W:
            raise ShapeError("RandomCrop", f"a window of {self.size} does not fit", image=image)
        top, left = sample_rng().integers(0, (H - h + 1, W - w + 1))
        return padded[:, top : top + h, left : left + w]


class RandomAffine:
    """A random rotation, shift and scale about the centre, with bilinear sampling and zeros
    outside.

    `degrees`: the angle is from -degrees to degrees. `translate`: the shift is up to these
    fractions of (height, width). `scale`: the range of the factor.

    >>> import numpy as np, gpudl as gd
    >>> gd.data.transforms.RandomAffine(10, (0.1, 0.1))(np.ones((1, 8, 8), np.float32)).shape
    (1, 8, 8)
    """

    def __init__(
        self,
        degrees: float = 0.0,
        translate: tuple[float, float] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        for name, values in (("degrees", (degrees,)), ("translate", translate), ("scale", scale)):
            for value in iterable("RandomAffine", name, values):
                number("RandomAffine", name, value)
        if len(translate) != 2 or len(scale) != 2:
            raise ArgumentError("RandomAffine", "translate and scale are pairs of numbers")
        finite = math.isfinite(degrees + sum(translate) + scale[1])
        if not finite or degrees < 0 or min(translate) < 0 or not 0 < scale[0] <= scale[1]:
            raise ArgumentError(
                "RandomAffine",
                f"degrees={degrees}, translate={translate}, scale={scale}",
                remedy="no negative numbers, and a scale (low, high) above 0",
            )
        self.degrees, self.translate, self.scale = degrees, translate, scale

    def __call__(self, x: Any) -> Array:
        image = _image("RandomAffine", x)
        H, W = image.shape[1:]
        rng = sample_rng()
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        dy = rng.uniform(-self.translate[0], self.translate[0]) * H
        dx = rng.uniform(-self.translate[1], self.translate[1]) * W
        factor = rng.uniform(*self.scale)
        # Each pixel of the result asks where it came from: the inverse of scale, rotation and
        # shift.
        rows, columns = np.mgrid[0:H, 0:W].astype(np.float32)
        cy, cx = (H - 1) / 2, (W - 1) / 2
        y, x_ = rows - cy - dy, columns - cx - dx
        cos, sin = math.cos(angle) / factor, math.sin(angle) / factor
        return _bilinear(image, cos * y - sin * x_ + cy, sin * y + cos * x_ + cx)


def _bilinear(image: Array, y: Array, x: Array) -> Array:
    H, W = image.shape[1:]
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    # Coordinates in the padded image; whatever lies beyond its border of zeros lies on it.
    y, x = np.clip(y + 1, 0, H + 1), np.clip(x + 1, 0, W + 1)
    top, left = np.minimum(y.astype(np.int64), H), np.minimum(x.astype(np.int64), W)
    fy, fx = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = padded[:, top, left] * (1 - fx) + padded[:, top, left + 1] * fx
    lower = padded[:, top + 1, left] * (1 - fx) + padded[:, top + 1, left + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy).astype(
        np.result_type(image.dtype, np.float32), copy=False
    )
