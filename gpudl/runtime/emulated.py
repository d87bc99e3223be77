"""Running a kernel in the emulator: its library is loaded once, a launch is a call of it.

The C interface is that of `gpudl/runtime/emulator/emulator.h`.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path
from weakref import WeakKeyDictionary

from ..errors import EmulatorError, KernelError
from . import gcc
from .arguments import Range, placed
from .spec import LETTERS, Geometry, KernelSpec, Variant

TIME_LIMIT = 120.0  # seconds; a kernel that spins is a deadlock
_ORDERS = {"forward": 0, "reverse": 1}
_SEEDED = 2
_MAP_BYTES = 128  # of a TensorMap

# One launch at a time in a process: the emulator's signal handlers are the process's.
_lock = threading.Lock()
_fibers = c_void_p()  # the stacks of the emulated threads, of all libraries


class _Range(ctypes.Structure):
    _fields_ = (
        ("begin", c_void_p),
        ("bytes", c_size_t),
        ("argument", c_int),
        ("fresh", c_int),
    )


class _Options(ctypes.Structure):
    _fields_ = (
        ("checked", c_int),
        ("eager", c_int),
        ("order", c_int),
        ("seed", c_uint64),
        ("cooperative", c_int),
        ("time_limit", c_double),
        ("fibers", POINTER(c_void_p)),
    )


class Statistics(ctypes.Structure):
    """What the last launch of a library did."""

    threads: int
    switches: int
    accesses: int
    matrix_loads: int
    bank_conflicts: int
    _fields_ = (
        ("threads", c_uint64),
        ("switches", c_uint64),
        ("accesses", c_uint64),
        ("matrix_loads", c_uint64),
        ("bank_conflicts", c_uint64),
    )


class Library:
    """The emulated variants of one spec."""

    def __init__(self, spec: KernelSpec, path: Path, checked: bool) -> None:
        self.spec, self.path, self.checked = spec, path, checked
        self.dll = ctypes.CDLL(str(path))
        self.dll.gpudl_emu_error.restype = c_char_p
        self.dll.gpudl_emu_error_kind.restype = c_char_p
        self.dll.gpudl_emu_launch.argtypes = [
            c_char_p,
            POINTER(c_uint),
            POINTER(c_uint),
            c_uint,
            POINTER(c_void_p),
            POINTER(_Range),
            c_int,
            POINTER(_Options),
        ]
        for variant in spec.variants:
            self._check_signature(spec.key(variant))

    def _check_signature(self, key: str) -> None:
        """Raise `KernelError` where the signature of the spec is not that of the C++ function."""
        sizes, pointers = (c_int * 64)(), (c_int * 64)()
        n = self.dll.gpudl_emu_signature(key.encode(), sizes, pointers)
        letters = self.spec.signature
        fits = n == len(letters) and all(
            bool(pointers[i]) == (letter == "P") and LETTERS[letter] in (0, sizes[i])
            for i, letter in enumerate(letters)
        )
        if not fits:
            taken = ", ".join("a pointer" if pointers[i] else f"{sizes[i]} bytes" for i in range(n))
            raise KernelError(
                self.spec.name,
                f"the signature is {letters!r}, but [{key}] takes: {taken or 'nothing'}",
            )

    def launch(
        self,
        variant: Variant,
        geometry: Geometry,
        values: Sequence[bytes],
        ranges: Sequence[tuple[Range, bool]],
        order: str,
    ) -> None:
        """Run a kernel to its end. `values` are the bytes of its arguments; with each range comes
        whether its memory was never written. Raises `EmulatorError` with what the emulator found.
        """
        key = self.spec.key(variant)
        memory, addresses = placed(values)
        given = (_Range * max(1, len(ranges)))(
            *(_Range(r.begin, r.nbytes, r.argument, fresh) for r, fresh in ranges)
        )
        seeded = order.isdigit()
        options = _Options(
            self.checked,
            order == "eager",
            _SEEDED if seeded else _ORDERS.get(order, 0),
            int(order) if seeded else 0,
            geometry.cooperative,
            TIME_LIMIT,
            ctypes.pointer(_fibers),
        )
        grid, block = (c_uint * 3)(*geometry.grid), (c_uint * 3)(*geometry.block)
        with _lock:
            failed = self.dll.gpudl_emu_launch(
                key.encode(),
                grid,
                block,
                geometry.shared,
                (c_void_p * max(1, len(addresses)))(*addresses),
                given,
                len(ranges),
                ctypes.byref(options),
            )
            del memory
            if failed:
                kind = self.dll.gpudl_emu_error_kind().decode()
                text = self.dll.gpudl_emu_error().decode(errors="replace")
        if failed:
            raise EmulatorError(
                self.spec.name,
                f"{text} [{key}] grid {geometry.grid} block {geometry.block}",
                kind=kind,
            )

    def tensor_map(
        self,
        itemsize: int,
        address: int,
        sizes: Sequence[int],
        strides: Sequence[int],
        box: Sequence[int],
        swizzle: int,
    ) -> bytes:
        """The bytes of a tensor map, axes innermost first. Raises `KernelError` if refused."""
        image = ctypes.create_string_buffer(_MAP_BYTES)
        rank = len(sizes)
        with _lock:
            refused = self.dll.gpudl_emu_encode_tensor_map(
                image,
                rank,
                itemsize,
                c_void_p(address),
                (c_uint64 * rank)(*sizes),
                (c_uint64 * rank)(*strides),
                (ctypes.c_uint32 * rank)(*box),
                swizzle,
            )
            text = self.dll.gpudl_emu_error().decode() if refused else ""
        if refused:
            raise KernelError(self.spec.name, text)
        return image.raw

    def statistics(self) -> Statistics:
        """What the last launch did."""
        found = Statistics()
        self.dll.gpudl_emu_statistics(ctypes.byref(found))
        return found


_libraries: WeakKeyDictionary[KernelSpec, dict[bool, Library]] = WeakKeyDictionary()
_loading = threading.Lock()


def library(spec: KernelSpec, checked: bool) -> Library:
    """The library of a spec, built if need be.

    Raises `CompileError` with what g++ said, `MissingDependencyError` without g++.
    """
    loaded = _libraries.get(spec, {})
    if checked not in loaded:
        with _loading:
            loaded = _libraries.setdefault(spec, {})
            if checked not in loaded:
                loaded[checked] = Library(spec, gcc.build_library(spec, checked), checked)
    return loaded[checked]
