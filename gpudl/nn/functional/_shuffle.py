"""Elements moved between channels and space, and channels between groups."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops.shape import permute, reshape
from ...shapes import pair
from ._check import tensor


def _factor(op: str, name: str, value: Any) -> int:
    return pair(op, name, value, 1, low=1)[0]


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r r, H, W) as (..., C, H r, W r), with r the factor. Source: Shi et al., CVPR 2016.

    >>> import gpudl as gd
    >>> gd.nn.functional.pixel_shuffle(gd.ones(2, 8, 3, 4), 2).shape
    (2, 2, 6, 8)
    """
    op = "pixel_shuffle"
    x, r = tensor(op, input), _factor(op, "upscale_factor", upscale_factor)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(op, f"needs (..., C, H, W) with C a multiple of {r * r}", input=x)
    *lead, C, H, W = x.shape
    out, n = C // (r * r), len(lead)
    x = reshape(x, shape=(*lead, out, r, r, H, W))
    x = permute(x, axes=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(x, shape=(*lead, out, H * r, W * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(..., C, H r, W r) as (..., C r r, H, W): the inverse of `pixel_shuffle`.

    >>> import gpudl as gd
    >>> gd.nn.functional.pixel_unshuffle(gd.ones(2, 2, 6, 8), 2).shape
    (2, 8, 3, 4)
    """
    op = "pixel_unshuffle"
    x, r = tensor(op, input), _factor(op, "downscale_factor", downscale_factor)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(op, f"needs (..., C, H, W) with H and W multiples of {r}", input=x)
    *lead, C, H, W = x.shape
    n = len(lead)
    x = reshape(x, shape=(*lead, C, H // r, r, W // r, r))
    x = permute(x, axes=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(x, shape=(*lead, C * r * r, H // r, W // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of (N, C, *S), in `groups` groups, dealt out in turn. Source: Zhang et al.
    (ShuffleNet), CVPR 2018.

    >>> import gpudl as gd
    >>> gd.nn.functional.channel_shuffle(gd.arange(4.0).reshape(1, 4, 1), 2).tolist()
    [[[0.0], [2.0], [1.0], [3.0]]]
    """
    op = "channel_shuffle"
    x, g = tensor(op, input), _factor(op, "groups", groups)
    if x.ndim < 3 or x.shape[1] % g:
        raise ShapeError(op, f"needs (N, C, *spatial) with C a multiple of {g}", input=x)
    N, C, *space = x.shape
    x = permute(reshape(x, shape=(N, g, C // g, *space)), axes=(0, 2, 1, *range(3, 3 + len(space))))
    return reshape(x, shape=(N, C, *space))
