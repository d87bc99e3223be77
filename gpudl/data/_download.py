"""Downloads into the cache: checked, locked, atomic."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DataError

try:
    import fcntl
except ImportError:  # no POSIX: two processes may then both download, and the later rename wins
    HAVE_LOCKS = False
else:
    HAVE_LOCKS = True

_SECONDS = 30.0
_CHUNK = 1 << 18

Check = Callable[[Path], None]


def fetch(op: str, urls: Sequence[str], target: Path, check: Check, max_bytes: int) -> Path:
    """Make sure that `target` is there and passes `check`, from the first of `urls` that serves it.

    `check` raises `DataError`. Raises `DataError` naming every place that was tried.
    """
    with contextlib.suppress(DataError, OSError):
        check(target)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.parent / f".{target.name}.lock"):
            # Another process may have brought it while this one waited.
            with contextlib.suppress(DataError, OSError):
                check(target)
                return target
            return _from_any(op, urls, target, check, max_bytes)
    except OSError as error:
        raise DataError(
            op, f"cannot write {target}: {error}", remedy="set GPUDL_CACHE_DIR"
        ) from error


def _from_any(op: str, urls: Sequence[str], target: Path, check: Check, max_bytes: int) -> Path:
    problems = []
    for url in urls:
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                _copy(url, file, target.name, max_bytes)
            check(part)
            part.replace(target)
            return target
        except (urllib.error.URLError, OSError, DataError, ValueError) as error:
            reason = error.message if isinstance(error, DataError) else str(error)
            problems.append(f"{url}: {reason}")
        finally:
            part.unlink(missing_ok=True)
    listed = "\n    ".join(problems)
    raise DataError(op, f"{target.name} could not be downloaded:\n    {listed}")


def _copy(url: str, file: Any, label: str, max_bytes: int) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "gpudl"})
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        done = 0
        with progress(label, total) as advance:
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                if done > max_bytes:
                    raise DataError("download", f"is longer than the {max_bytes} bytes expected")
                file.write(chunk)
                advance(len(chunk))
        if total is not None and done != total:
            raise DataError("download", f"ended after {done} of {total} bytes")


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar in bytes: rich if it is installed, else a line on stderr."""
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TransferSpeedColumn,
        )
    except ImportError:
        with _plain(label, total) as advance:
            yield advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _plain(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done, shown = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if time.monotonic() - shown >= 1.0:
            shown = time.monotonic()
            whole = f" of {total / 1e6:.1f}" if total else ""
            print(f"{label}: {done / 1e6:.1f}{whole} MB", file=sys.stderr)

    yield advance
    print(f"{label}: {done / 1e6:.1f} MB, done", file=sys.stderr)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        if HAVE_LOCKS:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
