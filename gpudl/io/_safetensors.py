"""The safetensors format: eight bytes of header length, a JSON header, then the tensors,
little-endian in C order.

The reader takes what the reference takes and nothing else. Sizes are checked against the size of
the file before anything is allocated, so a hostile file costs no more memory than it has bytes.
"""

from __future__ import annotations

import json
import mmap as mmap_module
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from ..devices import CPU, allocating
from ..errors import ArgumentTypeError, CheckpointError
from ._atomic import atomic_write

Array = np.ndarray[Any, Any]

MAX_HEADER = 100_000_000
_MAX_RANK = 64  # NumPy's
_LENGTH = struct.Struct("<Q")
_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "F32": np.dtype(np.float32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Entry(NamedTuple):
    """A tensor of a file: where its bytes begin, counted from the start of the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    nbytes: int


class Header(NamedTuple):
    """What a file contains, in the order of its header."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


# ----- reading -----


def load_safetensors(
    path: str | os.PathLike[str], *, names: Iterable[str] | None = None, mmap: bool = False
) -> dict[str, Array]:
    """The arrays of a safetensors file, in the order of its header.

    `names`: only these. `mmap`: arrays that read from the file when they are used and cannot be
    written to; the file must not be truncated meanwhile. bfloat16 and float8 come as dtypes of
    ml_dtypes. Raises `CheckpointError` for a file that is not there, damaged or no safetensors
    file, and for a name it does not have.

    >>> import numpy as np, gpudl as gd, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> gd.io.save_safetensors({"w": np.ones(2)}, path)
    >>> gd.io.load_safetensors(path)
    {'w': array([1., 1.])}
    """
    arrays, _ = read_file("load_safetensors", as_path("load_safetensors", path), names, mmap)
    return arrays


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The `__metadata__` of a safetensors file; raises `CheckpointError` as `load_safetensors`."""
    with _open("read_metadata", as_path("read_metadata", path)) as file:
        return read_header("read_metadata", file).metadata


def read_file(
    op: str, path: Path, names: Iterable[str] | None = None, mmap: bool = False
) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and metadata of a file."""
    with _open(op, path) as file:
        header = read_header(op, file)
        entries = header.entries
        if names is not None:
            if isinstance(names, str) or not isinstance(names, Iterable):
                raise ArgumentTypeError(op, f"names is {names!r:.80}", remedy="a list of names")
            wanted = list(names)
            unknown = [name for name in wanted if not isinstance(name, str) or name not in entries]
            if unknown:
                raise CheckpointError(op, f"{path} has no tensor {unknown[0]!r}")
            entries = {name: entries[name] for name in wanted}
        try:
            if mmap:
                return _mapped(file, entries), header.metadata
            # In the order of the file, so that the disk is read once from front to back.
            read = {
                name: _read(op, file, entry)
                for name, entry in sorted(entries.items(), key=lambda item: item[1].start)
            }
        except OSError as error:
            raise CheckpointError(op, f"cannot read {path}: {error}") from error
        return {name: read[name] for name in entries}, header.metadata


def as_path(op: str, path: Any) -> Path:
    """A path given as a string or a path; raises `ArgumentTypeError`."""
    if not isinstance(path, str | os.PathLike):
        remedy = "gd.save(state, path)" if op == "save" else "a string or a path"
        raise ArgumentTypeError(op, f"path is {type(path).__name__}", remedy=remedy)
    return Path(path)


def _open(op: str, path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise CheckpointError(op, f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(op, f"cannot open {path}: {error}") from None


def _read(op: str, file: BufferedReader, entry: Entry) -> Array:
    flat = CPU.empty((entry.nbytes,), np.dtype(np.uint8))
    file.seek(entry.start)
    if file.readinto(memoryview(flat)) != entry.nbytes:
        raise CheckpointError(op, f"{file.name} became shorter while it was read")
    return _shaped(flat, entry)


def _mapped(file: BufferedReader, entries: Mapping[str, Entry]) -> dict[str, Array]:
    mapped = mmap_module.mmap(file.fileno(), 0, access=mmap_module.ACCESS_READ)
    return {
        name: _shaped(np.frombuffer(mapped, np.uint8, entry.nbytes, entry.start), entry)
        for name, entry in entries.items()
    }


def _shaped(flat: Array, entry: Entry) -> Array:
    dtype = entry.dtype
    if sys.byteorder == "big":
        flat = flat.view(dtype.newbyteorder("<")).astype(dtype)
    elif flat.size == 0:
        flat = flat.view(dtype) if dtype.itemsize == 1 else np.empty(0, dtype)
    else:
        flat = flat.view(dtype)
    return flat.reshape(entry.shape)


def read_header(op: str, file: BufferedReader) -> Header:
    """The checked header of an open file; raises `CheckpointError`."""
    try:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(_LENGTH.size)
        if len(prefix) < _LENGTH.size:
            raise _bad(op, file, f"it has {len(prefix)} bytes, a safetensors file at least 8")
        (length,) = _LENGTH.unpack(prefix)
        if length > MAX_HEADER:
            raise _bad(op, file, f"it claims a header of {length} bytes, the limit is {MAX_HEADER}")
        if _LENGTH.size + length > size:
            raise _bad(op, file, f"it ends after {size} bytes, within its header of {length}")
        text = file.read(length)
    except OSError as error:
        raise _bad(op, file, str(error)) from error
    raw = _parse(op, file, text)
    metadata = _metadata(op, file, raw.pop("__metadata__", {}))
    data = _LENGTH.size + length
    entries = {name: _entry(op, file, name, info, data) for name, info in raw.items()}
    # Without holes and overlaps, in whatever order the header names the tensors.
    end = data
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].nbytes)):
        if entry.start != end:
            what = "overlaps its neighbour" if entry.start < end else "leaves a hole before it"
            raise _bad(op, file, f"tensor {name!r} {what}")
        end += entry.nbytes
    if end != size:
        raise _bad(op, file, f"its tensors end at byte {end}, the file at {size}")
    return Header(entries, metadata)


def _bad(op: str, file: BufferedReader, what: str) -> CheckpointError:
    return CheckpointError(op, f"{file.name} is damaged or no safetensors file: {what}")


def _parse(op: str, file: BufferedReader, text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _bad(op, file, "its header does not begin with '{'")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a name appears twice")
        return table

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique, parse_constant=refuse)
        for name in header:
            name.encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise _bad(op, file, f"its header is no JSON: {error!r:.200}") from None
    return header  # type: ignore[no-any-return]  # it began with '{'


def _metadata(op: str, file: BufferedReader, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _bad(op, file, "__metadata__ is not a table of strings")
    return value


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _entry(op: str, file: BufferedReader, name: str, info: Any, data: int) -> Entry:
    try:
        code, shape, (start, stop) = info["dtype"], info["shape"], info["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise _bad(op, file, f"tensor {name!r} is not described as one") from None
    if not isinstance(code, str) or code not in _DTYPES:
        raise CheckpointError(
            op,
            f"tensor {name!r} of {file.name} has the dtype {code!r:.40}",
            remedy="one of " + ", ".join(_DTYPES),
        )
    if not isinstance(shape, list) or len(shape) > _MAX_RANK or not all(map(_natural, shape)):
        raise _bad(op, file, f"tensor {name!r} has the shape {shape!r:.200}")
    if not (_natural(start) and _natural(stop) and start <= stop):
        raise _bad(op, file, f"tensor {name!r} lies from {start!r:.40} to {stop!r:.40}")
    nbytes = extent = _DTYPES[code].itemsize
    for n in shape:
        nbytes *= n
        extent *= max(n, 1)
    if extent >= 2**63 or nbytes != stop - start:
        raise _bad(
            op, file, f"tensor {name!r} of shape {shape!r:.200} does not fill {stop - start} bytes"
        )
    return Entry(_DTYPES[code], tuple(shape), data + start, nbytes)


# ----- writing -----


def save_safetensors(
    arrays: Mapping[str, Array],
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays as a safetensors file, atomically: a reader sees the old file or the new one.

    Any strides are taken; files hold C order. Raises `CheckpointError` for a dtype that the format
    does not have, for a name or metadata that are not strings, and when the file cannot be written.
    """
    target = as_path("save_safetensors", path)
    if not isinstance(arrays, Mapping) or not isinstance(metadata or {}, Mapping):
        raise ArgumentTypeError("save_safetensors", "arrays and metadata are dicts")
    write_file("save_safetensors", target, arrays, metadata or {})


def write_file(
    op: str, path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write a file; see `save_safetensors`."""
    order = sorted(arrays, key=lambda name: (-_item(op, name, arrays[name])[1], name))
    header: dict[str, Any] = dict.fromkeys(arrays)
    end = 0
    for name in order:
        code, _ = _item(op, name, arrays[name])
        start, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": code,
            "shape": list(arrays[name].shape),
            "data_offsets": [start, end],
        }
    text = _header_text(op, header, metadata)
    try:
        with atomic_write(path) as file:
            file.write(_LENGTH.pack(len(text)) + text)
            for name in order:
                file.write(_bytes(arrays[name]))
    except FileNotFoundError:
        raise CheckpointError(
            op, f"there is no folder {path.parent}", remedy="create it first"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(op, f"cannot write {path}: {error}") from error


def _item(op: str, name: Any, array: Any) -> tuple[str, int]:
    """The code of the dtype, and its size."""
    if not isinstance(name, str) or name == "__metadata__":
        raise CheckpointError(
            op, f"{name!r} cannot be the name of a tensor", remedy="use other strings"
        )
    if not isinstance(array, np.ndarray):
        raise CheckpointError(op, f"{name!r} is {type(array).__name__}, not an array")
    code = _CODES.get(array.dtype if array.dtype.isnative else array.dtype.newbyteorder("="))
    if code is None:
        raise CheckpointError(
            op,
            f"{name!r} has the dtype {array.dtype}",
            remedy="cast to one of " + ", ".join(map(str, _CODES)),
        )
    return code, array.dtype.itemsize


def _header_text(op: str, header: dict[str, Any], metadata: Mapping[str, str]) -> bytes:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise CheckpointError(op, f"metadata {key!r} is not a string with a string")
    if metadata:
        header = {"__metadata__": dict(metadata), **header}
    try:
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise CheckpointError(op, f"a name is no valid text: {error}") from None
    text += b" " * (-len(text) % 8)  # so that the tensors are aligned
    if len(text) > MAX_HEADER:
        raise CheckpointError(op, f"the header has {len(text)} bytes, the limit is {MAX_HEADER}")
    return text


def _bytes(array: Array) -> memoryview:
    # ascontiguousarray would turn a scalar into a vector; as bytes that is the same.
    with allocating("save", array.shape, array.dtype):
        flat = np.ascontiguousarray(array).reshape(-1)
    little = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
    return little.view(np.uint8).data
