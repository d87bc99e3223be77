"""The data of a family by its name on the command line; where it cannot be had, what ships with
gpudl is taken, and the command says so."""

from __future__ import annotations

import sys
from typing import Any

from ..data import load_digits, load_mnist, load_text
from ..errors import DataError
from ..tensor import Tensor

Part = tuple[Tensor, Tensor]


def images_of(name: str) -> tuple[str, Part, Part]:
    """The name of the data that is used, and its images and labels to train and to test."""
    load: Any = {"digits": load_digits, "mnist": load_mnist}[name]
    try:
        return name, load("train"), load("test")
    except DataError as error:
        if name == "digits":
            raise
        _say(error, "the digits")
        return "digits", load_digits("train"), load_digits("test")


def text_of(name: str) -> tuple[str, str]:
    """The name of the text that is used, and the text."""
    load: Any = load_text
    try:
        return name, load(name)
    except DataError as error:
        if name == "sonnets":
            raise
        _say(error, "sonnets")
        return "sonnets", load_text("sonnets")


def _say(error: DataError, instead: str) -> None:
    sys.stderr.write(f"gpudl: {error}\ngpudl: training on {instead} that come with gpudl instead\n")
