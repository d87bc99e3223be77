"""The cache of compiled kernels: whole entries or none, made once, whatever happens to whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gpudl as gd
from gpudl import notices
from gpudl.runtime import cache

PAYLOAD = bytes(range(256)) * 64


@pytest.fixture
def folder(tmp_path):
    with gd.config(cache_dir=str(tmp_path)):
        yield tmp_path / "kernels"


class Maker:
    """Makes the payload, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> bytes:
        self.calls += 1
        return PAYLOAD


def test_an_entry_is_made_once(folder):
    make = Maker()
    first = cache.entry("a.so", make)
    assert first == folder / "a.so"
    assert cache.content(first) == PAYLOAD
    assert cache.entry("a.so", make) == first
    assert make.calls == 1


def test_keys_tell_parts_apart():
    assert cache.key("a", ("b",)) != cache.key("a", "b")
    assert cache.key(1, 2) != cache.key(12)
    assert cache.key({"a": "b"}) == cache.key({"a": "b"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
        lambda data: data + b"x",
        lambda data: b"\0" * len(data),
    ],
    ids=["empty", "half", "cut", "first bit", "checksum", "longer", "zeros"],
)
def test_a_damaged_entry_is_a_miss(folder, damage):
    make = Maker()
    path = cache.entry("a.so", make)
    path.write_bytes(damage(path.read_bytes()))
    assert not cache.is_whole(path)
    assert cache.content(cache.entry("a.so", make)) == PAYLOAD
    assert make.calls == 2
    assert cache.is_whole(path)


def test_every_flipped_byte_is_noticed(folder):
    path = cache.entry("a.so", lambda: b"payload")
    whole = path.read_bytes()
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0x10]) + whole[i + 1 :])
        assert not cache.is_whole(path), i


def test_a_failing_compiler_leaves_nothing(folder):
    def fail() -> bytes:
        raise OSError("the compiler broke")

    with pytest.raises(OSError, match="the compiler broke"):
        cache.entry("a.so", fail)
    assert not (folder / "a.so").exists()
    assert cache.content(cache.entry("a.so", Maker())) == PAYLOAD


SCRIPT = """
import os, sys, time
from pathlib import Path
from gpudl.runtime import cache

def make():
    with open(sys.argv[1], "a") as log:
        log.write(f"{os.getpid()}\\n")
    time.sleep(float(sys.argv[2]))
    return bytes(range(256)) * 64

path = cache.entry("a.so", make)
assert cache.content(path) == bytes(range(256)) * 64
print(path, flush=True)
"""


def start(tmp_path: Path, seconds: float) -> subprocess.Popen:
    """A process that asks for the entry, whose making takes a while."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "log"), str(seconds)]
    env = {**os.environ, "GPUDL_CACHE_DIR": str(tmp_path)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def test_eight_processes_make_it_once(tmp_path):
    running = [start(tmp_path, 0.3) for _ in range(8)]
    said = {process.communicate(timeout=120)[0] for process in running}
    assert [process.returncode for process in running] == [0] * 8
    assert said == {f"{tmp_path / 'kernels' / 'a.so'}\n"}
    assert len((tmp_path / "log").read_text().split()) == 1


def test_a_killed_process_leaves_no_half_entry_and_no_lock(tmp_path, folder):
    process = start(tmp_path, 60)
    log = tmp_path / "log"
    deadline = time.monotonic() + 60
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (folder / "a.so").exists()
    make = Maker()
    assert cache.content(cache.entry("a.so", make)) == PAYLOAD
    assert make.calls == 1


def test_what_a_killed_writer_left_aside_is_replaced(folder):
    folder.mkdir()
    (folder / "a.so.tmp").write_bytes(b"half")
    assert cache.content(cache.entry("a.so", Maker())) == PAYLOAD
    assert not (folder / "a.so.tmp").exists()


def test_an_unwritable_folder_falls_back_with_a_notice(tmp_path, capfd):
    (tmp_path / "file").write_text("no folder")
    make = Maker()
    before = notices.counts().get("cache", 0)
    with gd.config(cache_dir=str(tmp_path / "file"), debug=1):
        path = cache.entry("a.so", make)
        assert cache.content(path) == PAYLOAD
        assert cache.entry("a.so", make) == path
    assert make.calls == 1
    assert not path.is_relative_to(tmp_path)
    assert notices.counts()["cache"] > before
    assert "temporary folder" in capfd.readouterr().err


def test_a_read_only_folder_still_serves_what_it_has(folder, monkeypatch):
    make = Maker()
    path = cache.entry("a.so", make)
    monkeypatch.setattr(os, "open", _read_only)
    assert cache.entry("a.so", make) == path
    elsewhere = cache.entry("b.so", make)
    assert elsewhere.parent != folder
    assert make.calls == 2


def _read_only(path, flags, mode=0o777, *, dir_fd=None):
    if "gpudl-" in str(path):  # the temporary folder
        return _OPEN(path, flags, mode, dir_fd=dir_fd)
    raise OSError(30, "Read-only file system")


_OPEN = os.open


def test_no_room_at_all_is_a_typed_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cache, "_temporary", lambda process: tmp_path / "file" / "x")
    with gd.config(cache_dir=str(tmp_path / "file")), pytest.raises(gd.errors.CacheError) as found:
        cache.entry("a.so", Maker())
    assert "GPUDL_CACHE_DIR" in str(found.value)


def test_the_temporary_folder_ends_with_the_process(tmp_path):
    (tmp_path / "file").write_text("")
    code = (
        "from gpudl.runtime import cache\n"
        "path = cache.entry('a.so', lambda: b'x')\n"
        "assert cache.content(path) == b'x'\n"
        "print(path)"
    )
    env = {**os.environ, "GPUDL_CACHE_DIR": str(tmp_path / "file")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()
