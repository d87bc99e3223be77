"""What gpudl says about its own work: fallbacks, copies and compiles, counted, and printed to
stderr at `GPUDL_DEBUG=1`.

All output of the debug ladder goes through `say`.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal

from .settings import settings

Kind = Literal["fallback", "copy", "compile", "library", "cache", "twin"]

_counts: Counter[Kind] = Counter()
_lock = threading.Lock()


class _Seen(threading.local):
    fallbacks = 0


_seen = _Seen()


def say(level: int, text: str) -> None:
    """Print one line to stderr if the `debug` setting of this thread is at least `level`."""
    if settings.debug >= level:
        print(f"gpudl: {text}", file=sys.stderr)


def notice(kind: Kind, op: str, text: Callable[[], str]) -> None:
    """Count an event of `kind` at operation `op`, and say it at level 1 of the ladder.

    `text` is called only if it is printed: most events happen where microseconds count.
    """
    with _lock:
        _counts[kind] += 1
    if kind == "fallback":
        _seen.fallbacks += 1
    if settings.debug >= 1:
        say(1, f"{kind} {op}: {text()}")


def counts() -> dict[Kind, int]:
    """How many events of each kind there were since the start, over all threads."""
    with _lock:
        return dict(_counts)


def fallbacks_here() -> int:
    """How many fallbacks this thread has seen; whoever runs a kernel compares before and after."""
    return _seen.fallbacks
