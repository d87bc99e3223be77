"""Values that no function expects, by name. Each call of a maker gives fresh objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpudl as gd


class Lies:
    """Claims to be an array and is none."""

    shape = (3, 4)
    dtype = np.dtype("float32")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no array here")


class BadIndex:
    """An integer that cannot be read."""

    def __index__(self) -> int:
        raise ValueError("no integer here")


def _fortran(shape: tuple[int, ...]) -> Any:
    return gd.asarray(np.asfortranarray(np.ones(shape, np.float32)))


def _overlapping() -> Any:
    base = np.arange(16, dtype=np.float32)
    return gd.asarray(np.lib.stride_tricks.as_strided(base, (4, 4), (4, 4)), copy=False)


def _giant() -> Any:
    """2**31 elements in four bytes of memory."""
    return gd.broadcast_to(gd.ones(1), (2**16, 2**15))


POOL: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "str": lambda: "abc",
    "empty str": lambda: "",
    "bytes": lambda: b"abc",
    "object": object,
    "class": lambda: int,
    "function": lambda: lambda *args: None,
    "lies": Lies,
    "bad index": BadIndex,
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "7": lambda: 7,
    "2**31": lambda: 2**31,
    "2**62": lambda: 2**62,
    "-2**63": lambda: -(2**63),
    "10**30": lambda: 10**30,
    "0.5": lambda: 0.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "complex": lambda: 1j,
    "True": lambda: True,
    "np.float32": lambda: np.float32(2.5),
    "np.int64": lambda: np.int64(-(2**63)),
    "()": lambda: (),
    "[]": list,
    "{}": dict,
    "(-1, -1)": lambda: (-1, -1),
    "(0, 0)": lambda: (0, 0),
    "(1, 1)": lambda: (1, 1),
    "(2**31, 2**31)": lambda: (2**31, 2**31),
    "(2**62, 2**62)": lambda: (2**62, 2**62),
    "(1,) * 70": lambda: (1,) * 70,
    "ragged": lambda: [[1.0], [2.0, 3.0]],
    "nested strings": lambda: [["a", "b"]],
    "list of None": lambda: [None, None],
    "set": lambda: {1, 2},
    "generator": lambda: (i for i in range(3)),
    "slice": lambda: slice(None),
    "ellipsis": lambda: Ellipsis,
    "dtype": lambda: np.dtype("float64"),
    "other dtype": lambda: np.dtype("datetime64[s]"),
    "object array": lambda: np.array([object(), None]),
    "string array": lambda: np.array(["a", "b"]),
    "record array": lambda: np.zeros(3, [("a", "f4"), ("b", "i4")]),
    "longdouble array": lambda: np.zeros(3, np.longdouble),
    "big-endian array": lambda: np.arange(12, dtype=">f4").reshape(3, 4),
    "float64 array": lambda: np.ones((3, 4)),
    "0-d tensor": lambda: gd.tensor(2.0),
    "0-d int tensor": lambda: gd.tensor(2),
    "empty tensor": lambda: gd.zeros((0,)),
    "empty axis": lambda: gd.zeros((3, 0, 2)),
    "vector": lambda: gd.ones(37),
    "matrix": lambda: gd.ones((5, 4)),
    "transposed": lambda: gd.ones((4, 3)).T,
    "fortran": lambda: _fortran((3, 4)),
    "reversed": lambda: gd.flip(gd.ones((3, 4)), axis=(0, 1)),
    "stride 0": lambda: gd.broadcast_to(gd.ones(1), (3, 4)),
    "overlapping": _overlapping,
    "giant": _giant,
    "rank 5": lambda: gd.ones((1, 2, 1, 2, 1)),
    "rank 9": lambda: gd.ones((1,) * 9),
    "NaN tensor": lambda: gd.full((3, 4), float("nan")),
    "inf tensor": lambda: gd.full((3, 4), float("inf")),
    "int tensor": lambda: gd.asarray(np.arange(12).reshape(3, 4)),
    "huge int tensor": lambda: gd.asarray(np.full((3, 4), 2**62)),
    "negative int tensor": lambda: gd.asarray(np.full(3, -(2**63))),
    "uint8 tensor": lambda: gd.ones((3, 4), dtype=gd.uint8),
    "bool tensor": lambda: gd.ones((3, 4), dtype=gd.bool),
    "complex tensor": lambda: gd.ones((3, 4), dtype=gd.complex64),
    "bfloat16 tensor": lambda: gd.ones((3, 4), dtype=gd.bfloat16),
    "float64 tensor": lambda: gd.ones((3, 4), dtype=gd.float64),
    "leaf": lambda: gd.ones((3, 4), requires_grad=True),
    "computed": lambda: gd.ones((3, 4), requires_grad=True) * 2,
    "list of tensors": lambda: [gd.ones(2), gd.ones(3)],
    "list of leaves": lambda: [gd.ones((2, 2), requires_grad=True)] * 2,
    "parameter without gradient": lambda: gd.nn.Parameter(gd.ones(2)),
}
