"""The families of networks that `gpudl train` knows: one module each, named in this table.

A module is imported when its family is asked for, so that `gpudl --help` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ...errors import ArgumentError

if TYPE_CHECKING:
    from ._family import Family

# name -> the class, as module:class, and what it is.
FAMILIES = {
    "cnn": ("cnn:ConvolutionalNetwork", "a small convolutional network that reads digits"),
}


def load(name: str) -> type[Family]:
    """The class of a family. Raises `ArgumentError` for a name that is not in the table."""
    if name not in FAMILIES:
        raise ArgumentError("gpudl", f"there is no family {name!r}", remedy=", ".join(FAMILIES))
    module, _, cls = FAMILIES[name][0].partition(":")
    found: type[Family] = getattr(importlib.import_module(f".{module}", __name__), cls)
    return found
