"""The data sets that gpudl can load by name, as tensors."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np

from ..tensor import Tensor
from . import _files
from ._seed import as_seed
from ._tensors import to_tensor


def load_digits(
    split: Literal["train", "test"] | None = None, *, test_fraction: float = 0.2, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The 1,797 handwritten digits of 8x8 pixels that come with gpudl.

    Returns images, float32 (N, 1, 8, 8) from 0 to 1, and labels, int64 (N,). `split` is None for
    all of them, or a part of a stratified split that depends on `test_fraction` and `seed` alone.
    Raises `ArgumentError` for others.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0 (its test part).

    >>> import gpudl as gd
    >>> images, labels = gd.data.load_digits("test")
    >>> images.shape, labels.dtype.name
    ((359, 1, 8, 8), 'int64')
    """
    images, labels = _files.digits(split, test_fraction, as_seed("load_digits", seed))
    return to_tensor(_scaled(images, 16)), to_tensor(labels.astype(np.int64))


def load_mnist(
    split: Literal["train", "test"] = "train", root: str | os.PathLike[str] | None = None
) -> tuple[Tensor, Tensor]:
    """The MNIST digits: 60,000 for training, 10,000 for testing.

    Returns images, float32 (N, 1, 28, 28) from 0 to 1, and labels, int64 (N,). The idx files
    (`-ubyte` or `-ubyte.gz`) are taken from `root`, else from `mnist/` in the folder that
    GPUDL_DATA names, else from the cache, into which they are downloaded once and checked. Raises
    `DataError` when that fails, or when a file is damaged.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits (1998).
    """
    images, labels = _files.mnist(split, root)
    return to_tensor(_scaled(images, 255)), to_tensor(labels.astype(np.int64))


def load_text(
    name: Literal["tinyshakespeare", "sonnets"] = "tinyshakespeare",
    root: str | os.PathLike[str] | None = None,
) -> str:
    """A text that small language models are trained on.

    * `"tinyshakespeare"`: 1,115,394 characters of Shakespeare's plays. `input.txt` is taken from
      `root`, else from `tinyshakespeare/` in the folder that GPUDL_DATA names, else from the cache,
      into which it is downloaded once and checked. Raises `DataError` when that fails. Source:
      A. Karpathy, char-rnn (2015).
    * `"sonnets"`: some sonnets of Shakespeare, which come with gpudl.

    Both are in the public domain. Raises `ArgumentError` for another name.

    >>> import gpudl as gd
    >>> gd.data.load_text("sonnets").splitlines()[0]
    'From fairest creatures we desire increase,'
    """
    return _files.text(name, root)


def _scaled(images: np.ndarray[Any, Any], largest: int) -> np.ndarray[Any, Any]:
    scaled = images[:, np.newaxis].astype(np.float32)
    scaled /= np.float32(largest)
    return scaled
