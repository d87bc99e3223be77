"""gpudl as it comes."""

from __future__ import annotations

import gpudl

from ._eager import Eager


def make() -> Eager:
    """The adapter."""
    return Eager(gpudl)
