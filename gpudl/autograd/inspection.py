"""What the settings `debug` and `validate` do around every operation."""

from __future__ import annotations

from ..settings import settings
from .state import Hook, rare


def setting_hooks() -> tuple[Hook, ...]:
    """The hooks that the settings of this thread ask for."""
    return ()


if settings.debug >= 2 or settings.validate or settings.kernels != "cuda":
    rare.change(+1)
