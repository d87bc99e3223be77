"""Batches of any nesting: how many samples they have, and moving them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentTypeError
from ..tensor import Tensor


def moved(batch: Any, device: Any) -> Any:
    """The batch with its tensors on `device`; None leaves them where they are."""
    if isinstance(batch, Tensor):
        return batch if device is None else batch.to(device=device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(moved(value, device) for value in batch)
    return batch


def samples(batch: Any) -> int:
    """How many samples a batch has: the length of its first tensor."""
    found = _length(batch)
    if found is None:
        raise ArgumentTypeError("Trainer", f"a batch without a tensor: {batch!r:.60}")
    return found


def _length(batch: Any) -> int | None:
    shape = getattr(batch, "shape", None)
    if isinstance(shape, tuple):
        return int(shape[0]) if shape else 1
    if isinstance(batch, Mapping):
        batch = batch.values()
    elif not isinstance(batch, list | tuple):
        return None
    return next((n for n in map(_length, batch) if n is not None), None)


def numbers(named: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats. Raises `ArgumentTypeError` for what is no number."""
    found = {}
    for name, value in named.items():
        try:
            found[str(name)] = float(value.item() if isinstance(value, Tensor) else value)
        except (TypeError, ValueError):
            raise ArgumentTypeError(
                "Trainer", f"the metric {name!r} is no number", remedy="numbers, or x.mean()",
                metric=value,
            ) from None  # fmt: skip
    return found
