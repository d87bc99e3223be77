"""What this namespace supports, for code that works with several array libraries."""

from __future__ import annotations

from typing import Any

from .. import devices as _devices
from ..dtypes import ALL, DType, bfloat16, default_complex, default_float, default_int, float16
from ..errors import ArgumentError
from ..shapes import MAX_RANK
from .datatypes import KINDS

STANDARD = tuple(dtype for dtype in ALL if dtype not in (float16, bfloat16))


class NamespaceInfo:
    """The inspection functions of the array standard."""

    def capabilities(self) -> dict[str, Any]:
        """What the standard leaves open: all of it is there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": MAX_RANK}

    def default_device(self) -> _devices.Device:
        """The device of new tensors."""
        return _devices.resolve()

    def devices(self) -> tuple[_devices.Device, ...]:
        """The devices of this machine."""
        return tuple(_devices.available())

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """The dtypes that Python numbers become."""
        return {
            "real floating": default_float,
            "complex floating": default_complex,
            "integral": default_int,
            "indexing": default_int,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """The dtypes of the standard, of one kind or of a tuple of kinds. float16 and bfloat16
        exist beside them.
        """
        kinds = (
            kind if isinstance(kind, tuple) else ("bool", "numeric") if kind is None else (kind,)
        )
        for name in kinds:
            if name not in KINDS:
                raise ArgumentError("dtypes", f"{name!r} is no kind", remedy=", ".join(KINDS))
        wanted = {dtype for name in kinds for dtype in KINDS[name]}
        return {dtype.name: dtype for dtype in STANDARD if dtype in wanted}


def __array_namespace_info__() -> NamespaceInfo:
    """An object that answers what this namespace supports: devices, dtypes, defaults, capabilities.

    >>> import gpudl as gd
    >>> gd.__array_namespace_info__().default_dtypes()["real floating"]
    dtype('float32')
    """
    return NamespaceInfo()
