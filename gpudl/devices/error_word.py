"""The sticky error word of a GPU: how a kernel says that an index was out of range.

A kernel that indexes by data cannot raise. It writes the number of the site, the value and the
extent into the word of its device, and touches no memory out of range; the first report wins. The
host reads the word when it synchronizes, and raises the typed error of the site.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import NoReturn

from ..errors import GpudlError, IndexRangeError

# The word is four 64-bit numbers: the site (0: nothing was reported), value, extent, unused.
WORD_SHAPE = (4,)
WORD_DTYPE = "int64"

_sites: list[ErrorSite] = []


class ErrorSlot(ctypes.Structure):
    """What a kernel takes by value: the address of the word, and the site that it reports as."""

    _fields_ = (("word", ctypes.c_void_p), ("site", ctypes.c_int32))


class ErrorSite:
    """A place in a kernel that can report: the operation, a message, and the error to raise.

    `text` may name `{value}` and `{extent}`. Sites are made once, when a module is imported, and
    have a number from 1 on.
    """

    def __init__(
        self, op: str, text: str, exception: Callable[..., GpudlError] = IndexRangeError
    ) -> None:
        self.op, self.text, self.exception = op, text, exception
        _sites.append(self)
        self.number = len(_sites)

    def slot(self, word: int) -> ErrorSlot:
        """The argument of a launch, for the word at address `word`."""
        return ErrorSlot(word, self.number)


def raise_reported(device: object, site: int, value: int, extent: int) -> NoReturn:
    """Raise what a kernel on `device` reported."""
    found = _sites[site - 1]
    text = found.text.format(value=value, extent=extent)
    raise found.exception(found.op, f"{text} (found by the kernel on {device})")
