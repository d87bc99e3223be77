"""Images in a terminal: two pixels a character in grey or colour, or characters of some ink."""

from __future__ import annotations

import math
import os
import shutil
from typing import Any, TextIO

import numpy as np

Array = np.ndarray[Any, Any]
RAMP = " .:-=+*#%@"  # from paper to ink
GAP = 2  # pixels between images


def size(stream: TextIO) -> tuple[int, bool]:
    """The columns of the terminal, and whether it takes colours."""
    colour = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return shutil.get_terminal_size((100, 24)).columns, colour


def grid(images: Array, width: int) -> Array:
    """Images (N, H, W) or (N, H, W, 3) as one, about square and at most `width` wide; the gaps are
    white on black."""
    N, H, W = images.shape[:3]
    across = max(min(math.ceil(math.sqrt(N)), (width + GAP) // (W + GAP)), 1)
    down = math.ceil(N / across)
    out = np.ones((down * (H + GAP) - GAP, across * (W + GAP) - GAP, *images.shape[3:]))
    for i, image in enumerate(images):
        y, x = divmod(i, across)
        out[y * (H + GAP) : y * (H + GAP) + H, x * (W + GAP) : x * (W + GAP) + W] = image
    return np.clip(out, 0.0, 1.0)


def drawn(image: Array, colour: bool) -> str:
    """An image (H, W) or (H, W, 3) from 0 to 1 as lines of text."""
    rows = image if len(image) % 2 == 0 else np.concatenate([image, image[-1:]])
    upper, lower = rows[::2], rows[1::2]
    if not colour:
        grey = (upper + lower) / 2
        grey = grey.mean(-1) if grey.ndim == 3 else grey
        shades = np.rint(grey * (len(RAMP) - 1)).astype(int)
        return "\n".join("".join(RAMP[s] for s in row).rstrip() for row in shades)
    levels = [np.rint(np.broadcast_to(_rgb(x), (*x.shape[:2], 3)) * 255) for x in (upper, lower)]
    lines = []
    for top, bottom in zip(*(level.astype(int) for level in levels), strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(top, bottom, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _rgb(image: Array) -> Array:
    return image if image.ndim == 3 else image[..., np.newaxis]
