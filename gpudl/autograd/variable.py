"""`Variable`: an array with a place on the tape, and the rules for views and writes.

A variable holds `data` (the raw array; what it is decides who computes), `_node` (None, or its
place on the tape) and `_alias` (None until the memory is shared with a view or written to).
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from ..errors import StaleValueError
from .native import mypyc_attr
from .state import state, tick

if TYPE_CHECKING:
    from .tape import Node

Place = tuple[str, int]  # file and line
_UNRECORDED: Place = ("code under no_grad", 0)


def user_place() -> Place:
    """File and line of the innermost frame outside gpudl."""
    frame = sys._getframe()  # compiled functions have no frames, and this one is passed over
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("gpudl."):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def place_text(place: Place) -> str:
    """`file:line`, for messages."""
    return f"{place[0]}:{place[1]}"


class Storage:
    """Memory that variables may share: when it was last written to, and when by recorded code."""

    __slots__ = ("graph_time", "views", "where", "write_time")

    def __init__(self) -> None:
        self.write_time = 0
        self.graph_time = 0
        self.where: Place = ("", 0)
        self.views: list[weakref.ref[Variable]] = []

    def untracked_views(self) -> list[Variable]:
        """Living views without history, which a recorded write makes stale."""
        alive = [view for ref in self.views if (view := ref()) is not None]
        return [view for view in alive if view._node is None]

    def add_view(self, view: Variable) -> None:
        if len(self.views) >= 32 and len(self.views) & (len(self.views) - 1) == 0:
            self.views = [ref for ref in self.views if ref() is not None]
        self.views.append(weakref.ref(view))


class Alias:
    """One variable's relation to its storage: since when, and whether it is a view (made where)."""

    __slots__ = ("is_view", "storage", "time", "where")

    def __init__(self, storage: Storage, *, is_view: bool, where: Place) -> None:
        self.storage, self.is_view, self.where = storage, is_view, where
        self.time = tick()


@mypyc_attr(allow_interpreted_subclasses=True)
class Variable:
    """An array with a place on the tape. `Tensor` is its public form."""

    __slots__ = ("_alias", "_node", "data")

    data: Any
    _node: Node | None
    _alias: Alias | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim  # type: ignore[no-any-return]


_class: type[Variable] = Variable
_new: Any = Variable.__new__


def set_result_class(cls: type[Variable]) -> None:
    """Make `cls` the class of every result: called once, by the floor of the public tensor."""
    global _class, _new
    _class, _new = cls, cls.__new__


def result_class() -> type[Variable]:
    """The class of every result."""
    return _class


def make(data: Any, node: Node | None = None) -> Any:
    """A variable of the public class over `data`."""
    variable: Variable = _new(_class)
    variable.data = data
    variable._node = node
    variable._alias = None
    return variable


def storage_of(x: Variable) -> Storage:
    """The storage of `x`, made at the first need."""
    if x._alias is None:
        x._alias = Alias(_first_storage(x), is_view=False, where=("", 0))
    return x._alias.storage


def _first_storage(x: Variable) -> Storage:
    """A new storage, made known to the node that keeps the array of `x` for its gradient rule."""
    kept = None if x._node is None else x._node.saved_out
    if type(kept) is not list or kept[0] is not x.data:
        return Storage()
    if kept[1] is None:
        kept[1] = Storage()
    return kept[1]  # type: ignore[no-any-return]


def share(base: Variable, view: Variable) -> None:
    """Note that `view` shares the memory of `base`."""
    storage = storage_of(base)
    where = user_place() if state.recording else _UNRECORDED
    view._alias = Alias(storage, is_view=True, where=where)
    if view._node is None:
        storage.add_view(view)


def check_fresh(op: str, x: Variable) -> None:
    """Raise `StaleValueError` if `x` was made before a recorded write to its memory."""
    alias = x._alias
    if alias is not None and alias.time < alias.storage.graph_time:
        raise StaleValueError(
            op,
            f"a view made at {place_text(alias.where)} is stale: the memory was written at "
            f"{place_text(alias.storage.where)} in recorded code",
            remedy="take the view again after the write, or write out of place (gd.where)",
            view=x,
        )


def note_write(x: Variable, *, recorded: bool) -> None:
    """Advance the clock of the memory of `x`; a recorded write leaves only `x` up to date."""
    storage = storage_of(x)
    storage.write_time = tick()
    storage.where = user_place()
    if recorded:
        storage.graph_time = storage.write_time
        assert x._alias is not None
        x._alias.time = storage.write_time
