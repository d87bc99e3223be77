"""NVRTC, NVIDIA's run-time compiler: finding the library, and its functions by ctypes.

It works without a card and without a driver.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from ctypes.util import find_library
from functools import cache
from pathlib import Path

from ..errors import CompileError, MissingDependencyError

# Where the wheels put it: nvidia-cuda-nvrtc, and nvidia-cuda-nvrtc-cu12.
_WHEELS = ("nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib")
_COMPILATION_FAILED = 6  # NVRTC_ERROR_COMPILATION: the log says why


def candidates() -> Iterator[str]:
    """Where NVRTC may be, the pinned wheels of the extras first."""
    for folder in dict.fromkeys(sys.path):
        for wheel in _WHEELS:
            for path in sorted(
                Path(folder or ".").joinpath(wheel).glob("libnvrtc.so.*"), reverse=True
            ):
                if "alt" not in path.name:
                    yield str(path)
    for name in ("CUDA_PATH", "CUDA_HOME"):
        if root := os.environ.get(name):
            for path in sorted(Path(root).glob("lib*/libnvrtc.so.*"), reverse=True):
                if "alt" not in path.name:
                    yield str(path)
    if found := find_library("nvrtc"):
        yield found


def missing_library(op: str) -> MissingDependencyError:
    """The error for a machine without NVRTC."""
    return MissingDependencyError(
        op,
        "NVRTC, which compiles CUDA kernels, was not found",
        remedy='pip install "gpudl[cuda13]" ("gpudl[cuda12]" for drivers before 580)',
    )


class Library:
    """The functions of one NVRTC."""

    def __init__(self, path: str) -> None:
        self.path = path
        # NVRTC asks the loader for its builtins by name alone: they must be there already.
        for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(builtins))
        self.dll = ctypes.CDLL(path)
        self.dll.nvrtcGetErrorString.restype = c_char_p
        major, minor = c_int(), c_int()
        self.call("nvrtcVersion", byref(major), byref(minor))
        self.version = (major.value, minor.value)
        count = c_int()
        self.call("nvrtcGetNumSupportedArchs", byref(count))
        numbers = (c_int * count.value)()
        self.call("nvrtcGetSupportedArchs", numbers)
        self.archs = tuple(numbers)  # 75, 80, ... 120

    def call(self, name: str, *args: object) -> None:
        """Call a function; raise `CompileError` for a status that is not success."""
        status = getattr(self.dll, name)(*args)
        if status:
            raise CompileError("nvrtc", f"{name}: {self.dll.nvrtcGetErrorString(status).decode()}")

    def compile(
        self,
        name: str,
        source: str,
        headers: Mapping[str, str],
        options: Sequence[str],
        expressions: Sequence[str],
    ) -> tuple[bytes, tuple[str, ...], str]:
        """Compile a program: the cubin, the lowered name of each of `expressions`, and the log.

        `headers` maps names in `#include` to text. Raises `CompileError` with the log.
        """
        handle = c_void_p()
        n = len(headers)
        self.call(
            "nvrtcCreateProgram",
            byref(handle),
            source.encode(),
            name.encode(),
            n,
            (c_char_p * n)(*(text.encode() for text in headers.values())),
            (c_char_p * n)(*(header.encode() for header in headers)),
        )
        try:
            for expression in expressions:
                self.call("nvrtcAddNameExpression", handle, expression.encode())
            given = (c_char_p * len(options))(*(option.encode() for option in options))
            status = self.dll.nvrtcCompileProgram(handle, len(options), given)
            log = self._text("nvrtcGetProgramLog", handle)
            if status == _COMPILATION_FAILED:
                raise CompileError(name, f"NVRTC refused {', '.join(expressions)}:\n{log}")
            if status:
                raise CompileError(name, self.dll.nvrtcGetErrorString(status).decode())
            lowered = []
            for expression in expressions:
                text = c_char_p()
                self.call("nvrtcGetLoweredName", handle, expression.encode(), byref(text))
                assert text.value is not None
                lowered.append(text.value.decode())
            return self._bytes("nvrtcGetCUBIN", handle), tuple(lowered), log
        finally:
            self.dll.nvrtcDestroyProgram(byref(handle))

    def _bytes(self, name: str, handle: c_void_p) -> bytes:
        size = c_size_t()
        self.call(name + "Size", handle, byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(name, handle, buffer)
        return buffer.raw

    def _text(self, name: str, handle: c_void_p) -> str:
        return self._bytes(name, handle).rstrip(b"\0").decode(errors="replace").strip()


@cache
def library() -> Library:
    """The NVRTC of this machine. Raises `MissingDependencyError` where there is none."""
    for path in candidates():
        try:
            return Library(path)
        except (OSError, AttributeError):  # not loadable here, or too old to make cubins
            continue
    raise missing_library("nvrtc")
