"""What a thread is doing: recording or not, the transform level, hooks around every operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

from .. import settings as _settings


class Hook(Protocol):
    """Something that runs around every operation: a profiler, a debugger, later a trace.

    `hook(prim, inputs, params, proceed)` returns what `proceed()` returns.
    """

    def __call__(
        self, prim: Any, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
    ) -> Any: ...


class ThreadState(threading.local):
    """Per-thread state of the tape."""

    recording = True
    level = 0
    hooks: tuple[Hook, ...] = ()
    inside_hook = False
    # The operation whose gradient is being computed; kept up to date while hooks are active.
    backward_of: Any = None


state = ThreadState()

# One clock for everything that has an order: nodes, writes and views. A node made before a write,
# whose saved value the write changed, is recognised by comparing two numbers, and no operation
# pays for a version counter of its own.
tick = count(1).__next__


class _Rare:
    """Counts the reasons, over all threads, to leave the fast path of `apply`."""

    def __init__(self) -> None:
        self.reasons = 0
        self.lock = threading.Lock()
        self.active = False

    def change(self, delta: int) -> None:
        with self.lock:
            self.reasons += delta
            self.active = self.reasons > 0


rare = _Rare()
_settings.on_override(rare.change)


@contextmanager
def no_grad() -> Iterator[None]:
    """Do not record operations inside the block, on this thread. Also a decorator.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> with gd.no_grad():
    ...     print((w * 2).requires_grad)
    False
    """
    before, state.recording = state.recording, False
    try:
        yield
    finally:
        state.recording = before


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record operations inside the block, also within `no_grad`. Also a decorator.

    >>> import gpudl as gd
    >>> w = gd.ones(2, requires_grad=True)
    >>> with gd.no_grad(), gd.enable_grad():
    ...     print((w * 2).requires_grad)
    True
    """
    before, state.recording = state.recording, True
    try:
        yield
    finally:
        state.recording = before


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require gradients are recorded, on this thread.

    >>> import gpudl as gd
    >>> with gd.no_grad():
    ...     print(gd.is_grad_enabled())
    False
    """
    return state.recording


@contextmanager
def hooked(hook: Hook) -> Iterator[None]:
    """Run `hook` around every operation of this thread inside the block."""
    before, state.hooks = state.hooks, (*state.hooks, hook)
    rare.change(+1)
    try:
        yield
    finally:
        state.hooks = before
        rare.change(-1)
