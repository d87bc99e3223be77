"""Kernel sources: where they lie, and a file with everything it includes, as text.

The text is what a binary depends on, so it goes into the key of the cache; no path does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)
EMULATOR = Path(__file__).parent / "emulator"


@cache
def kernels_folder() -> Path:
    """The folder of the package `gpudl.kernels`, found without importing it."""
    from importlib.util import find_spec  # not at the top: a floor above, looked up by name only

    spec = find_spec("gpudl.kernels")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def include_folder() -> Path:
    """The folder that kernels include from."""
    return kernels_folder() / "include"


def closure(path: Path, roots: Sequence[Path]) -> dict[str, str]:
    """What the file at `path` includes, directly or not: the name in `#include` -> text.

    Names are looked up in `roots`, then beside the file that includes them; what is in none of
    these belongs to the compiler, whose version stands for it.
    """
    found: dict[str, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        for name in _INCLUDE.findall(file.read_text()):
            for folder in (*roots, file.parent):
                if (folder / name).is_file():
                    if name not in found:
                        found[name] = (folder / name).read_text()
                        waiting.append(folder / name)
                    break
    return found
