"""The named data sets as NumPy arrays: where their files are, and how they are checked."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError
from ..settings import settings
from ._checks import as_folder, number
from ._idx import read_idx
from ._seed import permutation

Array = np.ndarray[Any, Any]

_MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Of the idx files, not of their gzip wrappings, of which there are several.
_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_MNIST_MAX_BYTES = 64_000_000
_SHAKESPEARE_URLS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
)
_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_SHAKESPEARE_MAX_BYTES = 1_115_394

FILES = Path(__file__).parent / "files"


def digits(split: str | None, test_fraction: float, seed: int) -> tuple[Array, Array]:
    """Images uint8 (N, 8, 8) from 0 to 16 and labels uint8 (N,) of the split."""
    if split not in ("train", "test", None):
        raise ArgumentError("load_digits", f"split is {split!r}", remedy='"train", "test" or None')
    if not 0.0 < number("load_digits", "test_fraction", test_fraction) < 1.0:
        raise ArgumentError(
            "load_digits", f"test_fraction is {test_fraction}", remedy="between 0 and 1"
        )
    images = read_idx(FILES / "digits-images-idx3-ubyte.gz")
    labels = read_idx(FILES / "digits-labels-idx1-ubyte.gz")
    if split is None:
        return images, labels
    held_out = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        where = np.flatnonzero(labels == label)
        order = permutation(len(where), seed, label)
        held_out[where[order[: round(len(where) * test_fraction)]]] = True
    chosen = held_out if split == "test" else ~held_out
    return images[chosen], labels[chosen]


def mnist(split: str, root: str | os.PathLike[str] | None) -> tuple[Array, Array]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,)."""
    if split not in ("train", "test"):
        raise ArgumentError("load_mnist", f"split is {split!r}", remedy='"train" or "test"')
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(_mnist_file(f"{prefix}-images-idx3-ubyte", root))
    labels = read_idx(_mnist_file(f"{prefix}-labels-idx1-ubyte", root))
    for array, rank in ((images, 3), (labels, 1)):
        if array.dtype != np.uint8 or array.ndim != rank or len(array) != len(images):
            raise DataError(
                "load_mnist", "not images and labels of MNIST", images=images, labels=labels
            )
    if labels.max() > 9:
        raise DataError("load_mnist", f"a label is {labels.max()}", remedy="labels are from 0 to 9")
    return images, labels


def text(name: str, root: str | os.PathLike[str] | None) -> str:
    """The text of that name."""
    if name not in ("tinyshakespeare", "sonnets"):
        raise ArgumentError(
            "load_text", f"there is no text {name!r:.80}", remedy='"tinyshakespeare" or "sonnets"'
        )
    if name == "sonnets":
        return (FILES / "sonnets.txt").read_text(encoding="utf-8")
    path = _given("load_text", name, ("input.txt",), root)
    if path is None:
        path = _cached(
            "load_text",
            "tinyshakespeare/input.txt",
            _SHAKESPEARE_URLS,
            _SHAKESPEARE_SHA256,
            _SHAKESPEARE_MAX_BYTES,
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("load_text", f"cannot read {path}: {error}") from error


def _mnist_file(name: str, root: str | os.PathLike[str] | None) -> Path:
    # Some copies of the files are named with a dot before "idx".
    names = [f"{n}{end}" for n in (name, name.replace("-idx", ".idx")) for end in (".gz", "")]
    path = _given("load_mnist", "mnist", names, root)
    if path is not None:
        return path
    urls = [f"{base}{name}.gz" for base in _MNIST_URLS]
    return _cached("load_mnist", f"mnist/{name}.gz", urls, _MNIST_SHA256[name], _MNIST_MAX_BYTES)


def _given(
    op: str, folder: str, names: Sequence[str], root: str | os.PathLike[str] | None
) -> Path | None:
    """The user's own file, in `root` or in the data folder of the settings."""
    if root is not None:
        root = as_folder(op, "root", root)
        places = [Path(root), Path(root) / folder]
    elif settings.data_dir:
        places = [Path(settings.data_dir) / folder]
    else:
        return None
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    if root is not None:
        raise DataError(op, f"there is no {' or '.join(names)} in {os.fspath(root)}")
    return None


def _cached(op: str, name: str, urls: Sequence[str], digest: str, max_bytes: int) -> Path:
    # Imported where it is used: urllib costs more than the rest of the package.
    from ._download import fetch

    target = Path(settings.cache_dir) / "data" / name
    try:
        return fetch(op, urls, target, partial(_check, op, digest, max_bytes), max_bytes)
    except DataError as error:
        folder, file = name.split("/")
        raise DataError(
            op,
            error.message,
            remedy=f"put {file} into a folder {folder}/ and set GPUDL_DATA to the folder above it",
        ) from error.__cause__


def _check(op: str, digest: str, max_bytes: int, path: Path) -> None:
    """Raise `DataError` unless the content of `path`, unwrapped, has the SHA-256 `digest`."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        plain = "" if zipped else hashlib.file_digest(file, "sha256").hexdigest()
    have = _unwrapped_sha256(op, path, max_bytes) if zipped else plain
    if have != digest:
        raise DataError(op, f"has the SHA-256 {have}, expected {digest}")


def _unwrapped_sha256(op: str, path: Path, max_bytes: int) -> str:
    state, left = hashlib.sha256(), max_bytes
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 20):
                left -= len(chunk)
                if left < 0:
                    raise DataError(op, f"unpacks to more than {max_bytes} bytes")
                state.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(op, f"does not unpack: {error}") from error
    return state.hexdigest()
