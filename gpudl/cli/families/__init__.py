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
    "rnn": ("rnn:Recurrent", "a recurrent network that writes, character by character"),
    "rows": ("rows:RowReader", "a recurrent network that reads digits a row at a time"),
    "gan": ("gan:Adversarial", "a generator of images against a critic: WGAN-GP, DCGAN"),
    "autoencoder": (
        "autoencoder:AutoencoderFamily",
        "plain, sparse, convolutional or denoising",
    ),
    "vae": ("vae:Variational", "a variational autoencoder of images"),
    "gpt": ("gpt:Transformer", "a small transformer that writes, character by character"),
    "resnet1001": (
        "resnet1001:DeepResidualNetwork",
        "a residual network of 1,001 layers that reads digits",
    ),
}


def load(name: str) -> type[Family]:
    """The class of a family. Raises `ArgumentError` for a name that is not in the table."""
    if name not in FAMILIES:
        raise ArgumentError("gpudl", f"there is no family {name!r}", remedy=", ".join(FAMILIES))
    module, _, cls = FAMILIES[name][0].partition(":")
    found: type[Family] = getattr(importlib.import_module(f".{module}", __name__), cls)
    return found
