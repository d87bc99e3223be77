"""The cache of compiled kernels on disk: made once, by one process, and never trusted half-written.

An entry is one file, the result followed by a trailer with its checksum. It is written aside and
renamed into place under a lock of its own, so that a reader sees a whole entry or none, whoever is
killed when. An entry whose checksum is wrong counts as missing. The system's loader ignores what
follows a shared object, so an entry of one is loaded from where it lies.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from ..errors import CacheError
from ..notices import notice
from ..settings import settings

_MAGIC = b"gpudl\x00\x01\x00"
_TRAILER = len(_MAGIC) + hashlib.sha256().digest_size


def key(*parts: object) -> str:
    """A key for what `parts` determine: strings, numbers, and tuples and dicts of these.

    >>> key("a", 1) == key("a", 1), key("a", 1) == key("a", "1")
    (True, False)
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def entry(name: str, make: Callable[[], bytes]) -> Path:
    """The file of the entry `name`, a key and a suffix, made by `make()` if it is not there yet.

    Processes that ask at once wait for the one that makes it. Where the folder of the setting
    `cache_dir` cannot be written, a temporary folder of this process stands in, with a notice.
    What `make` raises passes through, and leaves nothing behind. Raises `CacheError` if nothing can
    be written.
    """
    path = Path(settings.cache_dir) / "kernels" / name
    if is_whole(path):
        return path
    try:
        return _make_once(path, make)
    except _Unwritable as error:
        reason = str(error)
    notice("cache", name, lambda: f"{reason}; kept in a temporary folder of this process")
    try:
        return _make_once(_temporary(os.getpid()) / name, make)
    except _Unwritable as error:
        raise CacheError(
            "compile",
            f"no place to keep a compiled kernel: {error}",
            remedy="set GPUDL_CACHE_DIR to a folder with room",
        ) from error


def content(path: Path) -> bytes:
    """What was stored in the entry at `path`."""
    return path.read_bytes()[:-_TRAILER]


def is_whole(path: Path) -> bool:
    """Whether there is an entry at `path` and its checksum is right."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return len(data) >= _TRAILER and data[-_TRAILER:] == _trailer(data[:-_TRAILER])


class _Unwritable(Exception):
    """The folder of an entry cannot be written; the text says why."""


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Unwritable(f"{path.parent}: {error.strerror or error}") from error


def _make_once(path: Path, make: Callable[[], bytes]) -> Path:
    with _lock(path):
        if not is_whole(path):  # else another process made it while this one waited
            payload = make()
            with _writing(path):
                _replace(path, payload)
    return path


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock of an entry. A process that dies drops it."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with _writing(path):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _replace(path: Path, payload: bytes) -> None:
    """Put an entry in place. The caller holds its lock, so what lies aside is of the dead."""
    aside = path.with_name(path.name + ".tmp")
    try:
        with aside.open("wb") as file:
            file.write(payload + _trailer(payload))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def _trailer(payload: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(payload).digest()


@cache
def _temporary(process: int) -> Path:
    """A folder that ends with this process; a forked child gets one of its own."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="gpudl-"))
    except OSError as error:
        raise _Unwritable(f"{tempfile.gettempdir()}: {error.strerror or error}") from error

    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder
