"""Run hostile calls in forked children, so that a crash or a hang is an outcome like any other."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpudl as gd
from gpudl.autograd.state import rare, state
from gpudl.errors import GpudlError

from .entries import Entry, folder
from .pool import POOL

SECONDS = 8
MEMORY = 2 << 30  # less than one byte for each element of the giant
HERE = str(Path(__file__).parent)
# Two thousand million Python objects take longer than the alarm.
TOO_LONG = {("Tensor.tolist", "giant")}
# A foreign array in the place of a flag or of a name refuses by itself.
OWN_OF_ARRAYS = ("The truth value of an array", "Cannot compare structured or void")
# accepted; typed: a GpudlError; signature: Python's TypeError for a wrong number or name of
# arguments; own: an exception of the hostile value itself; the rest must not happen.
GOOD = ("accepted", "typed", "signature", "own")
BAD = ("untyped", "crash", "hang", "changed")


class Case(NamedTuple):
    """A call of an entry with one argument replaced."""

    entry: Entry
    slot: int | str
    value: str

    def __str__(self) -> str:
        return f"{self.entry.name}({self.slot}={self.value})"


def slots(entry: Entry) -> list[int | str]:
    """Positions and names of the arguments that can be replaced, one beyond the last included."""
    args, kwargs = entry.arguments()
    found: list[int | str] = [*range(len(args)), *kwargs]
    taken = 0
    for p in inspect.signature(entry.function).parameters.values():
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and taken < len(args):
            taken += 1
        elif p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in kwargs:
            found.append(p.name)
    return found or [len(args)]


def cases(entry: Entry, limit: int | None = None) -> list[Case]:
    """All calls, or a choice of `limit` that only depends on the name."""
    method = entry.name.startswith("Tensor.")
    every = [
        Case(entry, slot, value)
        for slot in slots(entry)
        for value in POOL
        if (entry.name, value) not in TOO_LONG
        and (not (method and slot == 0) or isinstance(POOL[value](), gd.Tensor))
    ]
    if limit is None or limit >= len(every):
        return every
    return random.Random(zlib.crc32(entry.name.encode())).sample(every, limit)


def arguments(case: Case) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = case.entry.arguments()
    value = POOL[case.value]()
    if case.slot == "input" and isinstance(kwargs.get("input"), list):
        kwargs["input"][0] = value  # the tensor that a layer is called with
    elif isinstance(case.slot, str):
        kwargs[case.slot] = value
    elif case.slot < len(args):
        args[case.slot] = value
    else:
        args.append(value)
    return args, kwargs


def tensors(tree: Any) -> Iterator[gd.Tensor]:
    if isinstance(tree, gd.Tensor):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from tensors(part)
    elif isinstance(tree, dict):
        yield from tensors(list(tree.values()))


def snapshot(tree: Any) -> list[Any]:
    """What an error must leave as it was: bytes, times of writing, places on the tape, the state of
    the thread."""
    seen: list[Any] = [state.recording, state.level, state.hooks, state.inside_hook, rare.reasons]
    for x in tensors(tree):
        small = x.data.size < 10_000
        storage = x._alias.storage if x._alias is not None else None
        grad = None if x.grad is None else id(x.grad)
        seen.append((x.data.tobytes() if small else 0, id(x.data), x.shape, id(x._node), grad))
        seen.append(storage.write_time if storage is not None else 0)
    return seen


def outcome(case: Case) -> tuple[str, str]:
    """How one call ends, with the place of an exception that is not typed."""
    args, kwargs = arguments(case)
    before = snapshot((args, kwargs))
    try:
        case.entry.function(*args, **kwargs)
        return "accepted", ""
    except GpudlError as error:
        if before != snapshot((args, kwargs)):
            return "changed", f"{type(error).__name__}: {error}"
        return ("typed", "") if str(error) else ("untyped", "an empty message")
    except BufferError as error:  # what the protocol of DLPack asks for
        return ("typed" if "dlpack" in case.entry.name else "untyped"), str(error)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if last.filename.startswith(HERE) and last.filename.endswith("pool.py"):
            return "own", ""
        if last.filename.startswith(HERE) and last.name == "<lambda>":
            return "own", ""  # the function that a transform was given
        if str(error).startswith(OWN_OF_ARRAYS):
            return "own", ""
        if type(error) is TypeError and str(error).startswith("unsupported operand type(s) for"):
            return (
                ("signature", "")
                if case.entry.name.startswith("Tensor.__i")
                else ("untyped", str(error))
            )
        if type(error) is TypeError and last.filename.startswith((HERE, contextlib.__file__)):
            return "signature", ""
        return "untyped", f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"


def _child(todo: list[Case], pipe: int) -> None:
    """Run the calls one after the other, writing each outcome into `pipe`."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(tempfile.mkdtemp(dir=folder()))  # "abc" is a path, too
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    for case in todo:
        signal.alarm(SECONDS)
        line = json.dumps(outcome(case)).encode()
        signal.alarm(0)
        os.write(pipe, struct.pack("<I", len(line)) + line)


def _lines(pipe: int) -> Iterator[tuple[str, str]]:
    with os.fdopen(pipe, "rb") as f:
        while head := f.read(4):
            kind, text = json.loads(f.read(struct.unpack("<I", head)[0]))
            yield kind, text


def run(todo: list[Case]) -> list[tuple[Case, str, str]]:
    """The outcome of every call. A child that dies is replaced; its last call gets the blame.

    A call that outlasts the alarm is made once more: on a loaded machine a slow call is no hang.
    """
    done: list[tuple[Case, str, str]] = []
    late = -1
    folder().mkdir(exist_ok=True)
    while len(done) < len(todo):
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # forking a process that has threads
            pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                _child(todo[len(done) :], writing)
                os._exit(0)
            except BaseException:
                os._exit(17)
        os.close(writing)
        for kind, text in _lines(reading):
            done.append((todo[len(done)], kind, text))
        _, status = os.waitpid(pid, 0)
        if len(done) < len(todo):
            killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            if killed == signal.SIGALRM and late != len(done):
                late = len(done)
                continue
            kind = "hang" if killed == signal.SIGALRM else "crash"
            done.append(
                (
                    todo[len(done)],
                    kind,
                    f"signal {killed}" if killed else f"exit {os.WEXITSTATUS(status)}",
                )
            )
    return done


def main() -> None:
    """`python -m hostile.runner NAME...`: every call of entries whose names begin so; prints
    failures."""
    from .entries import entries

    for entry in entries():
        if any(entry.name.startswith(name) for name in sys.argv[1:]):
            for case, kind, text in run(cases(entry)):
                if kind in BAD:
                    print(kind, case, text)


if __name__ == "__main__":
    main()
