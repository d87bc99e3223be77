"""The one table of settings: environment names, defaults, and the scoped override `gpudl.config`.

`docs/settings.md` is made from the table.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import SettingError

KernelChoice = Literal["cuda", "numba", "library"]
EmulatorBuild = Literal["fast", "checked"]


def _integer(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = int(value) if isinstance(value, int) else None
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,20}", value.strip()):
            number = int(value)
        if number is None or not low <= number <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return number

    return parse


def _choice(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return value

    return parse


def _order(value: object) -> str:
    """An order of the emulator's threads; a number is the seed of a random one."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    named = {"forward", "reverse", "eager"}
    if not isinstance(text, str) or not (text in named or re.fullmatch(r"[0-9]{1,9}", text)):
        raise ValueError("forward, reverse, eager, or the number of a seed")
    return text


def _switch(value: object) -> bool:
    if isinstance(value, str):
        if value.lower() not in {"0", "1", "true", "false", "yes", "no", ""}:
            raise ValueError("0 or 1")
        return value.lower() in {"1", "true", "yes"}
    if not isinstance(value, (bool, int)):
        raise ValueError("0 or 1")
    return bool(value)


def _text(value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError("a string or a path")
    return os.fspath(value)


def _default_cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~").expanduser() / ".cache")
    return str(Path(base) / "gpudl")


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    env: str
    default: Any
    parse: Callable[[object], Any]
    takes: str
    doc: str
    scoped: bool = True  # else it holds for the whole process, and `config` refuses it


_BUILD_VARIABLE = "GPUDL_EXTENSION"  # read by setup.py
TABLE: dict[str, Setting] = {
    "debug": Setting(
        "GPUDL_DEBUG",
        0,
        _integer(0, 4),
        "0 to 4",
        "1: fallbacks, layout copies and compiles; 2: a line per operation with time, GFLOP/s and "
        "GB/s; 3: graphs and their passes; 4: generated source",
    ),
    "validate": Setting(
        "GPUDL_VALIDATE",
        False,
        _switch,
        "0, 1",
        "run every kernel's reference too, in float64, and raise `KernelError` if they disagree",
    ),
    "kernels": Setting(
        "GPUDL_KERNELS",
        "cuda",
        _choice("cuda", "numba", "library"),
        "cuda, numba, library",
        "which kernels run: gpudl's own, their Numba twins, or the device's library alone",
    ),
    "emulator": Setting(
        "GPUDL_EMULATOR",
        "checked",
        _choice("checked", "fast"),
        "checked, fast",
        "how the `emu` device runs kernels: looking for races, accesses out of bounds, "
        "uninitialised reads and deadlocks, or as fast as it can",
    ),
    "emulator_order": Setting(
        "GPUDL_EMULATOR_ORDER",
        "forward",
        _order,
        "forward, reverse, eager, a seed",
        "the order of the `emu` device's blocks and threads; eager also finishes asynchronous "
        "copies as early as they may",
    ),
    "device": Setting("GPUDL_DEVICE", "cpu", _text, "a device", "the default device"),
    "num_threads": Setting(
        "GPUDL_NUM_THREADS",
        0,
        _integer(0, 1024),
        "0 to 1024",
        "threads of the CPU kernels, 0: one per core; `gd.set_num_threads` changes it",
        scoped=False,
    ),
    "cache_dir": Setting(
        "GPUDL_CACHE_DIR", None, _text, "a folder", "compiled kernels and downloaded data sets"
    ),
    "data_dir": Setting(
        "GPUDL_DATA", "", _text, "a folder", "where data sets are looked for first"
    ),
    "pool_limit": Setting(
        "GPUDL_POOL_LIMIT",
        0,
        _integer(0, 2**62),
        "bytes",
        "freed blocks the CPU allocator keeps, 0: a quarter of the memory",
        scoped=False,
    ),
}


def _parse(name: str, value: object, source: str) -> Any:
    row = TABLE.get(name)
    if row is None:
        raise SettingError("config", f"no setting {name!r}", remedy="one of " + ", ".join(TABLE))
    try:
        return row.parse(value)
    except (ValueError, TypeError) as error:
        raise SettingError(
            "config", f"{source} is {value!r}", remedy=f"{name} takes {error}"
        ) from None


def _from_environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, row in TABLE.items():
        text = os.environ.get(row.env)
        values[name] = row.default if text is None else _parse(name, text, row.env)
    if values["cache_dir"] is None:
        values["cache_dir"] = _default_cache()
    _warn_of_unknown_names()
    return values


def _warn_of_unknown_names() -> None:
    known = {row.env for row in TABLE.values()} | {_BUILD_VARIABLE}
    for name in os.environ:
        if name.startswith("GPUDL_") and name not in known:
            import difflib  # not at the top: a misspelling is rare, its import is not cheap

            near = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else "; docs/settings.md lists them"
            warnings.warn(f"{name} is no setting of gpudl{meant}", stacklevel=2)


class Settings(threading.local):
    """The values in force on this thread: the environment's, as overridden by `config`."""

    debug: int
    validate: bool
    kernels: KernelChoice
    emulator: EmulatorBuild
    emulator_order: str
    device: str
    num_threads: int
    cache_dir: str
    data_dir: str
    pool_limit: int

    def __init__(self) -> None:
        self.__dict__.update(_ENVIRONMENT)


_ENVIRONMENT = _from_environment()  # once: a thread must not start with other values than the rest
settings = Settings()
_observers: list[Callable[[int], None]] = []


def on_override(observer: Callable[[int], None]) -> None:
    """Call `observer(+1)` when an override begins on a thread, `observer(-1)` when it ends."""
    _observers.append(observer)


def _notify(delta: int) -> None:
    for observer in _observers:
        observer(delta)


@contextmanager
def config(**overrides: object) -> Iterator[None]:
    """Override settings inside a `with` block, on this thread.

    Keyword arguments are names of the table of settings (`gpudl/settings.py`). Raises
    `SettingError` for an unknown name, a value it does not take, or a setting that holds for the
    whole process, before anything is changed.

    >>> import gpudl as gd
    >>> with gd.config(kernels="library"):
    ...     y = gd.ones(3).sum()
    """
    parsed = {name: _parse(name, value, name) for name, value in overrides.items()}
    for name in parsed:
        if not TABLE[name].scoped:
            raise SettingError(
                "config",
                f"{name} holds for the whole process",
                remedy=f"set {TABLE[name].env} before Python starts",
            )
    before = {name: getattr(settings, name) for name in parsed}
    settings.__dict__.update(parsed)
    _notify(+1)
    try:
        yield
    finally:
        settings.__dict__.update(before)
        _notify(-1)
