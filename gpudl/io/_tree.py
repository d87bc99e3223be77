"""Trees of Python values as JSON, with the tensors taken out and named by their path."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import CheckpointError

VERSION = 1
_MAX_DEPTH = 100

# JSON's own values stand for themselves; all else is a table with one key that says what it is:
# {"dict": [[key, value], ...]}, {"tuple": [...]}, {"float": "nan"}, {"complex": [re, im]},
# {"bytes": base64}, {"tensor": name}, {"array": name}, {"scalar": name}, and {"pairs": <one of the
# last three>} for complex128, which the file format lacks.


class Packer:
    """Takes a tree apart into arrays and JSON."""

    def __init__(
        self, op: str, is_tensor: Callable[[Any], bool], to_array: Callable[[Any], Any]
    ) -> None:
        self._op, self._is_tensor, self._to_array = op, is_tensor, to_array
        self.arrays: dict[str, Any] = {}
        self._seen: dict[int, tuple[Any, Any]] = {}
        self._open: set[int] = set()

    def text(self, value: Any) -> str:
        """The JSON of the whole tree; its arrays are in `arrays` afterwards."""
        tree = self._pack(value, ())
        return json.dumps(
            {"version": VERSION, "tree": tree}, separators=(",", ":"), allow_nan=False
        )

    def _pack(self, value: Any, path: tuple[str, ...]) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if self._is_tensor(value):
            return self._leaf("tensor", value, self._to_array(value), path)
        if isinstance(value, np.ndarray):
            return self._leaf("array", value, value, path)
        if isinstance(value, np.generic):
            return self._leaf("scalar", value, np.asarray(value), path)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, complex):
            return {"complex": [self._pack(value.real, path), self._pack(value.imag, path)]}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, list | tuple | Mapping):
            return self._container(value, path)
        raise CheckpointError(
            self._op,
            f"cannot save {type(value).__name__} at {_at(path)}",
            remedy="tensors, arrays, numbers, strings, bytes, None; lists, tuples, dicts of them",
        )

    def _container(self, value: Any, path: tuple[str, ...]) -> Any:
        if id(value) in self._open:
            raise CheckpointError(self._op, f"{_at(path)} contains itself")
        if len(path) >= _MAX_DEPTH:
            raise CheckpointError(self._op, f"more than {_MAX_DEPTH} levels at {_at(path[:5])}...")
        self._open.add(id(value))
        try:
            if isinstance(value, Mapping):
                pairs = [
                    [self._key(k, path), self._pack(v, (*path, str(k)))] for k, v in value.items()
                ]
                return {"dict": pairs}
            items = [self._pack(item, (*path, str(i))) for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        finally:
            self._open.discard(id(value))

    def _key(self, key: Any, path: tuple[str, ...]) -> Any:
        if key is not None and not isinstance(key, bool | int | float | str | tuple):
            raise CheckpointError(
                self._op,
                f"a key of type {type(key).__name__} at {_at(path)}",
                remedy="keys are strings, numbers, None, or tuples of them",
            )
        if isinstance(key, tuple):
            return {"tuple": [self._key(part, path) for part in key]}
        return self._pack(key, path)

    def _leaf(self, kind: str, value: Any, array: Any, path: tuple[str, ...]) -> Any:
        # A tensor that appears twice is written once and is one tensor again after loading.
        known = self._seen.get(id(value))
        if known is not None:
            return known[1]
        name = base = ".".join(path) or "value"
        count = 1
        while name in self.arrays or name == "__metadata__":
            count += 1
            name = f"{base}#{count}"
        leaf: Any = {kind: name}
        if array.dtype == np.complex128:
            array = (
                np.ascontiguousarray(array)[..., np.newaxis]
                .view(np.float64)
                .reshape(*array.shape, 2)
            )
            leaf = {"pairs": leaf}
        self.arrays[name] = array
        self._seen[id(value)] = value, leaf  # holding the value keeps its id from being used again
        return leaf


class Unpacker:
    """Puts a tree together again. `names` are those of the arrays that the tree may use."""

    def __init__(self, op: str, arrays: Mapping[str, Any], to_tensor: Callable[[Any], Any]) -> None:
        self._op, self._arrays, self._to_tensor = op, arrays, to_tensor
        self._made: dict[tuple[str, str], Any] = {}

    def value(self, text: str) -> Any:
        """The value whose JSON is `text`; `CheckpointError` for what `Packer` does not write."""
        try:
            packed = json.loads(text)
            if packed["version"] != VERSION:
                raise CheckpointError(
                    self._op,
                    f"the file has the version {packed['version']!r:.40}",
                    remedy="a newer gpudl",
                )
            return self._unpack(packed["tree"])
        except CheckpointError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(
                self._op, f"its tree of values is damaged: {error!r:.200}"
            ) from None

    def _unpack(self, packed: Any) -> Any:
        if isinstance(packed, list):
            return [self._unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        ((kind, content),) = packed.items()
        if kind == "dict":
            return {self._unpack(key): self._unpack(value) for key, value in content}
        if kind == "tuple":
            return tuple(self._unpack(item) for item in content)
        if kind == "float":
            return float(content)
        if kind == "complex":
            real, imag = (self._unpack(part) for part in content)
            return complex(real, imag)
        if kind == "bytes":
            return base64.b64decode(content, validate=True)
        if kind == "pairs":
            ((kind, content),) = content.items()
            return self._leaf(kind, content, pairs=True)
        return self._leaf(kind, content, pairs=False)

    def _leaf(self, kind: str, name: str, *, pairs: bool) -> Any:
        if kind not in ("tensor", "array", "scalar"):
            raise ValueError(f"no such kind of value: {kind!r:.40}")
        made = self._made.get((kind, name))
        if made is not None:
            return made
        array = self._arrays[name]
        if pairs:
            if array.dtype != np.float64 or array.ndim == 0 or array.shape[-1] != 2:
                raise ValueError(f"{name!r} holds no pairs")
            array = array.view(np.complex128)[..., 0]
        made = (
            self._to_tensor(array) if kind == "tensor" else array[()] if kind == "scalar" else array
        )
        self._made[kind, name] = made
        return made


def _at(path: tuple[str, ...]) -> str:
    return ".".join(path) or "the top"
