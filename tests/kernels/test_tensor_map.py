"""Tensor maps: what the hardware does not take is refused before a launch, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import KernelError
from gpudl.kernels.conformance.wrappers import THEMES
from gpudl.runtime import tensor_map

SPEC = THEMES["tma"]


def array(shape=(8, 64), dtype="float32"):
    return gd.device("emu").from_host(np.zeros(shape, dtype), copy=True)


def test_a_map_has_its_bytes_and_its_array(emulator):
    x = array()
    found = tensor_map(SPEC, x, (8, 32), swizzle=128)
    assert len(found.value) == 128
    assert found.arrays == (x,)


@pytest.mark.parametrize("swizzle", [0, 32, 64, 128])
def test_swizzles_take_rows_of_as_many_bytes(swizzle, emulator):
    tensor_map(SPEC, array(), (4, (swizzle or 128) // 4), swizzle)
    if swizzle:
        with pytest.raises(KernelError, match="no tensor map"):
            tensor_map(SPEC, array(), (4, swizzle // 4 + 4), swizzle)


@pytest.mark.parametrize(
    ("view", "box", "swizzle"),
    [
        (lambda x: x, (8,), 0),
        (lambda x: x, (0, 32), 0),
        (lambda x: x, (8, 257), 0),
        (lambda x: x, (8, 3), 0),
        (lambda x: x, (8, 32), 7),
        (lambda x: x[:, 1:], (8, 32), 0),
        (lambda x: x[::-1], (8, 32), 0),
        (lambda x: x[:, ::2], (8, 32), 0),
        (lambda x: x[:0], (8, 32), 0),
        (lambda x: x.transpose(), (8, 32), 0),
        (lambda x: array((8, 63)), (8, 32), 0),
        (lambda x: array(dtype="int16"), (8, 32), 0),
    ],
)
def test_what_the_hardware_does_not_take_is_refused(view, box, swizzle, emulator):
    with pytest.raises(KernelError, match="no tensor map"):
        tensor_map(SPEC, view(array()), box, swizzle)
