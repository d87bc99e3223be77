"""`gd.save` and `gd.load`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._namespace.creation import asarray
from ..dtypes import ALL
from ..errors import CheckpointError
from ..tensor import Tensor
from ._safetensors import as_path, read_file, write_file
from ._tree import Packer, Unpacker

_KEY = "gpudl"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _to_array(value: Tensor) -> np.ndarray[Any, Any]:
    return value.detach().cpu().numpy()


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write a value to a file, atomically: a reader sees the old file or the new one.

    `obj`: tensors, arrays, numbers, strings, bytes, None, and lists, tuples and dicts of them in
    any nesting. The file is a safetensors file; what is no tensor goes into its metadata as JSON. A
    dict from strings to tensors, such as a `state_dict`, is a plain one that any reader of the
    format can read. Nothing is pickled. Raises `CheckpointError` for other values, and when the
    file cannot be written.

    >>> import gpudl as gd, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> gd.save({"w": gd.ones(3), "step": 7}, path)
    >>> gd.load(path)["step"]
    7
    """
    target = as_path("save", path)
    plain = isinstance(obj, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) and value.dtype != np.complex128
        for key, value in obj.items()
    )
    if plain and obj and "__metadata__" not in obj:
        write_file("save", target, {name: _to_array(value) for name, value in obj.items()}, {})
        return
    packer = Packer("save", _is_tensor, _to_array)
    text = packer.text(obj)
    write_file("save", target, packer.arrays, {_KEY: text})


def load(path: str | os.PathLike[str], device: Any = None) -> Any:
    """Read what `save` wrote, or a safetensors file of any other program as a dict of tensors.

    `device`: where the tensors go, the default device if None. They require no gradient. Raises
    `CheckpointError` for a file that is not there, damaged, or of a dtype that tensors do not have.
    Loading runs no code from the file.

    >>> import gpudl as gd, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "w.safetensors"
    >>> gd.save({"w": gd.ones(2)}, path)
    >>> gd.load(path)["w"].tolist()
    [1.0, 1.0]
    """
    target = as_path("load", path)
    arrays, metadata = read_file("load", target)

    def to_tensor(array: np.ndarray[Any, Any]) -> Tensor:
        if array.dtype not in ALL:
            raise CheckpointError(
                "load",
                f"{target} has a tensor of dtype {array.dtype}, which tensors do not have",
                remedy="gd.io.load_safetensors(path) gives NumPy arrays",
            )
        return asarray(array, device=device)  # a tensor

    if _KEY in metadata:
        return Unpacker("load", arrays, to_tensor).value(metadata[_KEY])
    return {name: to_tensor(array) for name, array in arrays.items()}
