"""A label that is no class is reported by the kernels of cross-entropy, and never used as a place.

No case of a spec can be an error, so these are by hand.
"""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import IndexRangeError
from gpudl.kernels import find
from gpudl.testing.kernel_cases import recover

OPTIONS = {"ignore_index": -100, "label_smoothing": 0.0}


def up(x):
    return gd.device("emu").from_host(np.asarray(x), copy=True)


@pytest.mark.parametrize("cols", [3, 5000])
@pytest.mark.parametrize("wrong", [0, -1, 1 << 40])
def test_a_label_beyond_the_classes_is_reported(cols, wrong, emulator):
    label = cols + wrong if wrong >= 0 else wrong
    x = np.zeros((2, cols), np.float32)
    labels = np.array([0, label])  # in the last row, behind which nothing is
    said = rf"{label} .*\b{cols}\b"
    with pytest.raises(IndexRangeError, match=said):
        find("cross_entropy", "emu")(up(x), up(labels), **OPTIONS)
    recover(emulator)
    lse = np.full(2, np.log(cols), np.float32)
    g = np.ones(2, np.float32)
    with pytest.raises(IndexRangeError, match=said):
        find("cross_entropy_bwd", "emu")(up(g), up(x), up(labels), up(lse), **OPTIONS)
    recover(emulator)
