"""Atomic writes: a reader sees the old file or the new one, whatever happens to the writer."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # no POSIX: temporary files that a killed writer left are then not recognised
    HAVE_LOCKS = False
else:
    HAVE_LOCKS = True

_SUFFIX = ".gpudl-tmp"


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which becomes `path` when the block ends without an error.

    It lies in the same folder and is synchronised to the disk before it is renamed, the folder
    after. What killed writers of the same path left behind is removed.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    _clean(path)
    part, file = _create(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _create(path: Path) -> tuple[Path, BinaryIO]:
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_SUFFIX}")
        file = part.open("xb")
        if not HAVE_LOCKS:
            return part, file
        # The lock lasts as long as the writer lives, which is how `_clean` tells what is stale.
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return part, file
        file.close()  # somebody cleaned up between the creation and the lock


def _clean(path: Path) -> None:
    if not HAVE_LOCKS:
        return
    prefix = f".{path.name}."
    for name in os.listdir(path.parent):  # noqa: PTH208  # a glob would read the name as a pattern
        if name.startswith(prefix) and name.endswith(_SUFFIX):
            stale = path.with_name(name)
            with contextlib.suppress(OSError), stale.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stale.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
