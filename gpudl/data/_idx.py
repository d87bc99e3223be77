"""The idx format of MNIST: two zero bytes, dtype, rank, big-endian sizes, then the data."""

from __future__ import annotations

import gzip
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 2**32  # of one array; also what stops a gzip bomb


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """The array in an idx file, gzipped if the name ends with .gz.

    Raises `DataError` for anything but exactly one well-formed array.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _parse(file, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError("read_idx", f"cannot read {path}: {error}") from error


def _parse(file: BufferedIOBase, path: Path) -> np.ndarray[Any, Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _DTYPES or not 1 <= head[3] <= 8:
        raise DataError(
            "read_idx", f"{path} is no idx file: it begins with {head.hex() or 'nothing'}"
        )
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DataError("read_idx", f"{path} ends within its header")
    shape = struct.unpack(f">{head[3]}I", sizes)
    dtype = np.dtype(_DTYPES[head[2]])
    nbytes = dtype.itemsize
    for extent in shape:
        nbytes *= extent
    if nbytes > MAX_BYTES or any(extent == 0 for extent in shape):
        raise DataError(
            "read_idx",
            f"{path} claims the shape {shape}",
            remedy="at most 4 GiB, no axis of size 0",
        )
    # One byte more than it should have shows a file that is too long. Memory grows with what is
    # there, not with what the header claims.
    chunks, left = [], nbytes + 1
    while left and (chunk := file.read(min(left, 1 << 20))):
        chunks.append(chunk)
        left -= len(chunk)
    body = b"".join(chunks)
    if len(body) != nbytes:
        have = "more" if len(body) > nbytes else str(len(body))
        raise DataError(
            "read_idx", f"{path} has {have} bytes of data, its shape {shape} needs {nbytes}"
        )
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))
