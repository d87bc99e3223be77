"""What the tests of kernels need: compilers, and a device with empty queues."""

from __future__ import annotations

import functools

import pytest

import gpudl as gd
from gpudl.errors import MissingDependencyError
from gpudl.runtime import _nvrtc_library, binary, gcc


@functools.cache
def _reason(tool: str) -> str | None:
    """Why a tool is not there, or None."""
    try:
        {"g++": gcc.compiler, "nvrtc": _nvrtc_library.library}[tool]()
    except MissingDependencyError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def emulator():
    """The emulated device, where g++ is."""
    if reason := _reason("g++"):
        pytest.skip(reason)
    return gd.device("emu")


@pytest.fixture(scope="session")
def nvrtc():
    """NVRTC, where it is installed."""
    if reason := _reason("nvrtc"):
        pytest.skip(reason)
    return _nvrtc_library.library()


@pytest.fixture(scope="session")
def nvdisasm():
    """nvdisasm, where it is installed."""
    if binary.disassembler() is None:
        pytest.skip("nvdisasm is not installed (pip install nvidia-cuda-nvdisasm)")
