"""The emulator finds planted bugs, each for the right reason and with its line, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import EmulatorError
from gpudl.runtime import Geometry, KernelSpec, launch
from gpudl.testing.kernel_cases import ORDERS, recover

FOLDER = Path(__file__).parent
N = 64

# kernel -> kind, and the launch where it is not one block of 64 threads
BUGS = {
    "missing_barrier": ("race", {}),
    "barrier_before_reuse": ("race", {}),
    "write_write": ("race", {}),
    "missing_syncwarp": ("race", {}),
    "between_warps": ("race", {}),
    "same_result": ("race", {}),
    "between_blocks": ("race", {"grid": 2}),
    "sum_without_atomic": ("race", {}),
    "missing_fence": ("race", {"grid": 2}),
    "plain_and_atomic": ("race", {}),
    "read_above": ("bounds", {}),
    "read_below": ("bounds", {}),
    "write_above": ("bounds", {}),
    "write_below": ("bounds", {}),
    "null_pointer": ("bounds", {}),
    "static_index": ("bounds", {}),
    "member_index": ("bounds", {}),
    "dynamic_overrun": ("bounds", {"shared": 4 * N}),
    "wide_tail": ("bounds", {}),
    "unwritten_shared": ("uninitialised", {}),
    "half_written": ("uninitialised", {}),
    "unwritten_dynamic": ("uninitialised", {"shared": 4 * N}),
    "fresh_array": ("uninitialised", {}),
    "two_barriers": ("divergence", {}),
    "exited_lane": ("divergence", {}),
    "not_in_mask": ("divergence", {}),
    "absent_source": ("divergence", {}),
    "different_collectives": ("divergence", {}),
    "odd_count": ("barrier", {}),
    "no_such_barrier": ("barrier", {}),
    "counts_differ": ("barrier", {"threads": 128}),
    "mbarrier_not_initialised": ("barrier", {}),
    "too_many_arrivals": ("barrier", {}),
    "spin": ("deadlock", {}),
    "never_arrives": ("deadlock", {}),
    "half_a_barrier": ("deadlock", {}),
    "read_before_wait": ("wait", {}),
    "not_committed": ("wait", {}),
    "wrong_group": ("wait", {}),
    "refilled_in_flight": ("wait", {}),
    "wgmma_without_fence": ("wait", {"threads": 128}),
    "proxy_fence": ("proxy", {"threads": 128, "shared": 16384}),
    "endless_recursion": ("fault", {}),
    "misaligned_vector": ("alignment", {}),
    "misaligned_copy": ("alignment", {}),
    "overflow": ("arithmetic", {}),
    "shift": ("arithmetic", {}),
    "division_by_zero": ("arithmetic", {}),
    "grid_sync_alone": ("launch", {}),
    "registers": ("launch", {}),
}
X = np.arange(N, dtype=np.float32)
# kernel -> what the first elements of y become, and the launch
CORRECT = {
    "last_block": ({16: 6.0}, {"grid": 4}),
    "exchange_in_a_warp": ({0: 1.0, 63: 62.0}, {}),
    "early_exit": ({0: 31.0, 31: 0.0}, {}),
    "neighbouring_bytes": ({0: 63.0, 63: 0.0}, {}),
    "two_buffers": ({0: 252.0, 63: 0.0}, {}),
    "producer_and_consumer": ({0: 33.0, 31: 2.0}, {}),
    "phases": ({0: 5.0, 63: 5.0}, {}),
    "counted_up": ({0: 64.0}, {}),
    "across_the_grid": ({32: 0.0, 39: 7.0, 47: 7.0}, {"grid": 2, "cooperative": True}),
}


def _geometry(
    *, grid: int = 1, threads: int = N, shared: int = 0, cooperative: bool = False
) -> Geometry:
    return Geometry((grid, 1, 1), (threads, 1, 1), shared, cooperative=cooperative)


def _spec(name: str, kernels: dict) -> KernelSpec:
    return KernelSpec(
        name=name,
        source=f"emulator/{name}.cu",
        folder=FOLDER,
        template="{K}",
        signature="PPi",
        geometry=_geometry,
        variants=tuple({"K": kernel} for kernel in kernels),
        cases=(),
        registers=255,
    )


BUGGY, LEGAL = _spec("bugs", BUGS), _spec("correct", CORRECT)


def upload(device, values):
    return device.from_host(np.array(values, np.float32), copy=True)


def run(spec, name, x, y, how):
    launch(spec, {"K": name}, (x, y, N), **how)
    gd.device("emu").synchronize()


def marked(name: str) -> set[int]:
    """The lines of the kernel `name` that are marked as its bug."""
    lines = (FOLDER / "emulator" / "bugs.cu").read_text().splitlines()
    found = {i for i, line in enumerate(lines, 1) if re.search(rf"// BUG {name}$", line)}
    assert found
    return found


@pytest.mark.parametrize("order", ["forward", "reverse", pytest.param("7", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", BUGS)
def test_bugs_are_found(name, order, emulator, count):
    kind, how = BUGS[name]
    x = upload(emulator, np.zeros(N) if name == "spin" else X)
    y = emulator.empty((N,), np.dtype(np.float32))
    if name != "fresh_array":
        y[...] = 0
    with gd.config(emulator="checked", emulator_order=order), pytest.raises(EmulatorError) as error:
        run(BUGGY, name, x, y, how)
    recover(emulator)
    text = str(error.value)
    assert error.value.kind == kind, text
    lines = {int(n) for n in re.findall(r"bugs\.cu:(\d+)", text)}
    assert lines & marked(name), text
    count("planted bugs found, with kind and line", 1, 1)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CORRECT)
def test_correct_kernels_are_not_reported(name, order, emulator):
    want, how = CORRECT[name]
    x, y = upload(emulator, X), upload(emulator, np.zeros(N))
    if name == "across_the_grid":
        x[32:] = 0
    with gd.config(emulator="checked", emulator_order=order):
        run(LEGAL, name, x, y, how)
    got = y.get()
    assert {i: got[i] for i in want} == want


def test_there_are_enough_kinds():
    assert len(BUGS) >= 40
    assert len({kind for kind, _ in BUGS.values()}) >= 12
