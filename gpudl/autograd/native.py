"""The decorator by which mypyc is told how to compile a class; without mypyc it does nothing.

mypyc knows it by its name in `mypy_extensions`, which is needed neither here nor at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:
    T = TypeVar("T", bound=type)

    def mypyc_attr(**options: object) -> Callable[[T], T]:
        """The class as it is."""
        return lambda cls: cls
