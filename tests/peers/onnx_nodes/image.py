"""ONNX's operators that resample images as calls of gpudl."""

from __future__ import annotations

import math
from typing import Any

import gpudl as gd
from gpudl.nn import functional as F

from .arguments import listed

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
# Coordinates and rounding of ONNX's nearest neighbour, as PyTorch names them.
NEAREST = {
    ("asymmetric", "floor"): "nearest",
    ("half_pixel", "round_prefer_floor"): "nearest-exact",
}


def _whole(x: Any, given: Any, axes: list[int], default: Any) -> list[Any]:
    """One value an axis of `x`, from one for each of `axes`."""
    values = list(default)
    for axis, value in zip(axes, listed(given), strict=True):
        values[axis] = value
    return values


def _fitted(x: Any, sizes: list[int], axes: list[int], policy: str) -> list[int]:
    """Sizes with the aspect ratio of `x`."""
    choose = min if policy == "not_larger" else max
    scale = choose(sizes[a] / x.shape[a] for a in axes)
    return [math.floor(scale * n + 0.5) if a in axes else n for a, n in enumerate(x.shape)]


def resize(
    x: Any,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:
    if roi is not None or exclude_outside or cubic_coeff_a != -0.75:
        raise NotImplementedError("crops, and other kernels than PyTorch's")
    where = coordinate_transformation_mode
    axes = [a % x.ndim for a in axes] if axes else list(range(x.ndim))
    options: dict[str, Any] = {}
    if mode == "nearest":
        options["mode"] = NEAREST[where, nearest_mode]
    else:
        options["mode"] = {"linear": LINEAR[x.ndim], "cubic": "bicubic"}[mode]
        known = {"half_pixel": False, "pytorch_half_pixel": False, "align_corners": True}
        options["align_corners"] = known[where]
        options["antialias"] = bool(antialias)
    if sizes is not None:
        wanted = _whole(x, sizes, axes, x.shape)
        if keep_aspect_ratio_policy != "stretch":
            wanted = _fitted(x, wanted, axes, keep_aspect_ratio_policy)
        assert tuple(wanted[:2]) == x.shape[:2]
        if options["mode"] != "nearest-exact":
            return F.interpolate(x, size=tuple(wanted[2:]), **options)
        # Halfway between two neighbours PyTorch takes the upper one: the lower one of a
        # flipped image.
        spatial = tuple(range(2, x.ndim))
        y = F.interpolate(gd.flip(x, axis=spatial), size=tuple(wanted[2:]), **options)
        return gd.flip(y, axis=spatial)
    factors = _whole(x, scales, axes, [1.0] * x.ndim)
    assert factors[:2] == [1.0, 1.0]
    return F.interpolate(x, scale_factor=tuple(factors[2:]), **options)


def upsample(x: Any, scales: Any, mode: str = "nearest") -> Any:
    return resize(
        x,
        None,
        scales,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def grid_sample(
    x: Any,
    grid: Any,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Any:
    name = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}[mode]
    return F.grid_sample(x, grid, name, padding_mode, bool(align_corners))


def col2im(
    x: Any,
    image_shape: Any,
    block_shape: Any,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    n = len(image_shape)
    pads = pads or [0] * 2 * n
    assert pads[:n] == pads[n:]
    return F.fold(
        x,
        tuple(listed(image_shape)),
        tuple(listed(block_shape)),
        tuple(dilations or [1] * n),
        tuple(pads[:n]),
        tuple(strides or [1] * n),
    )


def affine_grid(theta: Any, size: Any, align_corners: int = 0) -> Any:
    return F.affine_grid(theta, tuple(listed(size)), bool(align_corners))


OPS: dict[str, Any] = {
    "AffineGrid": affine_grid,
    "Col2Im": col2im,
    "GridSample": grid_sample,
    "Resize": resize,
    "Upsample": upsample,
}
