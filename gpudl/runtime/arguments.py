"""Arguments of a launch: checked against the signature, as bytes and as ranges of memory."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import KernelError, describe
from .spec import KernelSpec

_FORMATS = {"P": "<Q", "i": "<i", "I": "<I", "q": "<q", "Q": "<Q", "f": "<f", "d": "<d"}

_ALIGN = 64


class Range(NamedTuple):
    """Bytes that a kernel may touch, because its argument number `argument` gives them to it."""

    begin: int
    nbytes: int
    argument: int


class ByValue:
    """A struct for an argument "S" with pointers inside: `arrays` are what they point to."""

    __slots__ = ("arrays", "value")

    def __init__(self, value: ctypes.Structure | bytes, arrays: Sequence[Any] = ()) -> None:
        self.value, self.arrays = value, tuple(arrays)


def extent(array: Any) -> tuple[int, int]:
    """The address of the first byte of `array`, a view perhaps with negative strides, and how many
    bytes from there its elements span.
    """
    if not array.size:
        return array.data.ptr, 0
    low = high = 0
    for n, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (n - 1) * stride
        else:
            high += (n - 1) * stride
    return array.data.ptr + low, high - low + array.itemsize


def check(spec: KernelSpec, args: Sequence[Any]) -> None:
    """Raise `KernelError` unless there is an argument for each letter of the signature."""
    if len(args) != len(spec.signature):
        raise KernelError(
            spec.name,
            f"{len(args)} arguments for the signature {spec.signature!r}",
            args=tuple(args),
        )


def packed(spec: KernelSpec, number: int, letter: str, value: Any) -> bytes:
    """The bytes of one argument. Raises `KernelError` for a value that the letter does not take."""
    try:
        if letter == "P":
            value = 0 if value is None else value.data.ptr
        elif letter in "SE":
            return bytes(value.value if isinstance(value, ByValue) else value)
        return struct.pack(_FORMATS[letter], value)
    except (struct.error, TypeError, AttributeError) as error:
        raise KernelError(
            spec.name, f"argument {number} is {describe(value)}, not {letter!r}: {error}"
        ) from None


def placed(values: Sequence[bytes]) -> tuple[ctypes.Array[ctypes.c_char], list[int]]:
    """Arguments in one piece of memory, aligned as tensor maps must be, and their addresses."""
    sizes = [-(-len(value) // _ALIGN) * _ALIGN for value in values]
    memory = ctypes.create_string_buffer(sum(sizes) + _ALIGN)
    at = -(-ctypes.addressof(memory) // _ALIGN) * _ALIGN
    addresses = []
    for value, size in zip(values, sizes, strict=True):
        ctypes.memmove(at, value, len(value))
        addresses.append(at)
        at += size
    return memory, addresses


def ranges(spec: KernelSpec, args: Sequence[Any]) -> list[tuple[Range, Any]]:
    """The memory that the arguments give to the kernel, each with the array it is of."""
    found = []
    for number, (letter, value) in enumerate(zip(spec.signature, args, strict=True)):
        if letter == "P" and value is not None:
            arrays: tuple[Any, ...] = (value,)
        elif isinstance(value, ByValue):
            arrays = value.arrays
        else:
            continue
        for array in arrays:
            if not hasattr(array, "data"):
                raise KernelError(spec.name, f"argument {number} is {array!r}, not {letter!r}")
            if array.size:
                found.append((Range(*extent(array), number), array))
    return found
