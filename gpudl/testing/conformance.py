"""Comparing the wrappers of `device.cuh` on two devices, and keeping what a card gave.

`scripts/gpu_check.py` writes the outputs of a card, the tests compare the emulator with them.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

Host = np.ndarray[Any, Any]


def difference(wrapper: Any, got: Host, want: Host) -> str | None:
    """Where two outputs of a wrapper first differ by more than it allows, or None.

    Without a tolerance the bits are compared, and a NaN equals any other. Else the difference is
    relative to the larger of the wanted value and 1.
    """
    if wrapper.tolerance is None:
        unsigned = np.dtype(f"uint{8 * got.itemsize}")
        same = got.view(unsigned) == want.view(unsigned)
    else:
        with np.errstate(all="ignore"):
            size = np.maximum(np.abs(want.astype(np.float64)), 1)
            near = np.abs(got.astype(np.float64) - want) <= wrapper.tolerance * size
        same = (got == want) | (near & np.isfinite(want))
    if got.dtype.kind == "f":
        same |= np.isnan(got) & np.isnan(want)
    wrong = np.flatnonzero(~same)
    if not wrong.size:
        return None
    i = int(wrong[0])
    return f"{wrong.size} of {got.size} differ; element {i} is {got[i]!r}, not {want[i]!r}"


def encoded(out: Host) -> str:
    """An output as text: its bytes, little-endian, compressed by zlib, in base 64."""
    return base64.b64encode(zlib.compress(out.tobytes(), 9)).decode()


def decoded(wrapper: Any, text: str) -> Host:
    """The output that was `encoded`."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), wrapper.dtype)
