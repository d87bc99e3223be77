"""Who holds the memory of a device: for the message of a failed allocation."""

from __future__ import annotations

import gc
from typing import Any


def largest_holders(device: Any, most: int = 3) -> str:
    """The largest arrays on `device`, as text; views count as the array that they look at."""
    owners: dict[int, Any] = {}
    for array in gc.get_objects():
        if type(array) is device.array_type and array.device.id == device.index:
            owner = array if array.base is None else array.base
            owners[owner.data.ptr] = owner
    largest = sorted(owners.values(), key=lambda array: -int(array.nbytes))[:most]
    named = [f"{x.dtype.name}{x.shape} ({x.nbytes} bytes)" for x in largest if x.nbytes]
    return ", ".join(named) or "no array"
