"""Keys with index arrays, taken apart: a basic view, and indices along some axes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpudl import devices

Array = Any
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Selection:
    """`x[view]` indexed by `arrays` along its `axes`; the selected axes stand at `position`."""

    view: Key
    axes: tuple[int, ...]
    arrays: tuple[Array, ...]
    position: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the index arrays broadcast to."""
        return np.broadcast_shapes(*(array.shape for array in self.arrays))

    @property
    def adjacent(self) -> bool:
        """Whether the indexed axes lie side by side where the selected ones stand."""
        return self.axes == tuple(range(self.position, self.position + len(self.axes)))


def _indices(array: Array) -> tuple[Array, ...]:
    """Integer indices: those of a mask are found on the host, since their number is a shape."""
    if array.dtype.kind != "b":
        return (array,)
    device = devices.of(array)
    found = np.nonzero(device.to_host(array))
    return tuple(device.from_host(np.asarray(at, np.int64), copy=True) for at in found)


def select(ndim: int, key: Key, arrays: tuple[Array, ...]) -> Selection | None:
    """The selection of a key whose arrays are replaced by holes; None for one where NumPy's order
    of the axes hangs on an Ellipsis of no axes."""
    rest = iter(arrays)
    parts: list[Any] = [
        next(rest) if part is not None and not isinstance(part, (slice, int, type(...))) else part
        for part in key
    ]
    used = sum(
        part.ndim if _is_mask(part) else part is not None and part is not Ellipsis for part in parts
    )
    if Ellipsis not in [part for part in parts if not hasattr(part, "dtype")]:
        parts.append(Ellipsis)
    elif used == ndim and parts[-1] is not Ellipsis and parts[0] is not Ellipsis:
        return None
    view: list[Any] = []
    axes: list[int] = []
    found: list[Array] = []
    numbers: list[int] = []
    position = axis = 0
    for number, part in enumerate(parts):
        if part is Ellipsis:
            view += [slice(None)] * (ndim - used)
            axis += ndim - used
        elif part is None or isinstance(part, slice):
            view.append(part)
            axis += 1
        else:
            if not numbers:
                position = axis
            numbers.append(number)
            if isinstance(part, int):
                view.append(part)
                continue
            for array in _indices(part):
                view.append(slice(None))
                axes.append(axis)
                found.append(array)
                axis += 1
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        position = 0
    return Selection(tuple(view), tuple(axes), tuple(found), position)


def _is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"
