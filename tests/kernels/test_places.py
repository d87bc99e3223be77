"""A place that is no pixel is reported by the kernels of max pooling, and never used.

No case of a spec can be an error, so these are by hand.
"""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import IndexRangeError
from gpudl.kernels import find
from gpudl.testing.kernel_cases import recover

PIXELS = 4


def up(x):
    return gd.device("emu").from_host(np.asarray(x), copy=True)


@pytest.mark.parametrize("wrong", [PIXELS, -2, 1 << 40])
def test_a_place_beyond_the_pixels_is_reported(wrong, emulator):
    at = np.array([[[0, -1]], [[3, wrong]]])  # in the last plane, behind which nothing is
    said = rf"{wrong} .*\b{PIXELS} pixels"
    with pytest.raises(IndexRangeError, match=said):
        find("max_pool_bwd", "emu")(up(np.ones((2, 1, 2), "f4")), up(at), x_shape=(2, 1, PIXELS))
    recover(emulator)
    with pytest.raises(IndexRangeError, match=said):
        find("max_pool_gather", "emu")(up(np.ones((2, 1, PIXELS), "f4")), up(at))
    recover(emulator)
