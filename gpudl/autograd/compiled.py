"""The modules that every operation passes through, compiled by mypyc where the build could.

All of them are in one library, in a folder beside the sources, which has the hash of the sources
as its name: after an edit there is no library of that name, and Python runs the sources. `setup.py`
reads this file too, so it imports nothing of gpudl at the top.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import source_hash, spec_from_file_location
from pathlib import Path
from types import ModuleType

# `engine.py` is not among them: a wrong argument would raise mypyc's own TypeError there.
MODULES = ("apply", "tape", "variable")
GROUP = "gpudl_tape"
FOLDER = "_compiled"

_SOURCES = Path(__file__).parent
_SUFFIX = EXTENSION_SUFFIXES[0]


def library_name(sources: Path) -> str:
    """The name of the library of the sources as they are now, without the suffix."""
    text = b"".join((sources / f"{name}.py").read_bytes() for name in MODULES)
    return "tape_" + source_hash(text).hex()


def _library() -> Path:
    return _SOURCES / FOLDER / (library_name(_SOURCES) + _SUFFIX)


def _built() -> bool:
    return any((_SOURCES / FOLDER).glob(f"*{_SUFFIX}"))


def state() -> str:
    """What runs here: `compiled`, `interpreted` (nothing was built), or `interpreted, stale` (a
    source was edited since)."""
    if f"{GROUP}__mypyc" in sys.modules:
        return "compiled"
    return "interpreted, stale" if _built() else "interpreted"


class _Finder:
    """Finds `MODULES`, and what mypyc's modules share, in the library."""

    def __init__(self, library: Path) -> None:
        self.library = str(library)
        self.names = {f"{__package__}.{name}" for name in MODULES} | {f"{GROUP}__mypyc"}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.names:
            return None
        loader = ExtensionFileLoader(name, self.library)
        return spec_from_file_location(name, self.library, loader=loader)


def load() -> None:
    """Import the compiled modules if they are of these sources, and say it if they are not."""
    from ..notices import say

    library = _library()
    if not library.is_file():
        if _built():
            say(1, "the compiled tape is of other sources, so the sources run (make ext compiles)")
        return
    finder = _Finder(library)
    sys.meta_path.insert(0, finder)
    try:
        from . import apply as apply
    finally:
        sys.meta_path.remove(finder)
