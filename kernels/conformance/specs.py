"""The products of the conformance family: one a generation of tensor cores, each the fallback of
the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.runtime import Case, Geometry, KernelSpec, Operand

AMPERE_TILE = (64, 64)
HOPPER_TILE, HOPPER_DEPTH, HOPPER_STAGES = (128, 64), 64, 4

Host = np.ndarray[Any, Any]


def _tiled(tile: tuple[int, int], threads: int, shared: int = 0) -> Any:
    """Blocks of one tile of C each, columns first."""

    def geometry(*, M: int, N: int) -> Geometry:
        return Geometry((-(-N // tile[1]), -(-M // tile[0]), 1), (threads, 1, 1), shared)

    return geometry


def _reference(a: Host, b: Host) -> Host:
    return a @ b.T


def _case(op: str, M: int, N: int, K: int, a: Any = "dense", b: Any = "dense") -> Case:
    operands = Operand((M, K), "bfloat16", a), Operand((N, K), "bfloat16", b)
    return Case(op, operands, reference=_reference)


def _cases(op: str) -> tuple[Case, ...]:
    """Odd rows and columns, tails of the depth, more slices than stages, strided operands."""
    return (
        _case(op, 37, 21, 8),
        _case(op, 1, 1, 40),
        _case(op, 67, 65, 64),
        _case(op, 131, 70, 136),
        _case(op, 5, 9, 392),
        _case(op, 64, 128, 64, "transposed", "reversed"),
        _case(op, 3, 17, 72, "strided", "broadcast"),
        _case(op, 0, 5, 8),
        _case(op, 5, 3, 0),
    )


PLAIN = KernelSpec(
    name="conformance_matmul_plain",
    source="conformance/matmul_plain.cu",
    template="matmul_plain",
    signature="PPPiii",
    geometry=_tiled((8, 32), 256),
    cases=_cases("matmul_plain"),
    registers=56,
    sass={"FFMA*": 1},
)

AMPERE = KernelSpec(
    name="conformance_matmul_ampere",
    source="conformance/matmul_ampere.cu",
    template="matmul_ampere",
    signature="PPPiii",
    geometry=_tiled(AMPERE_TILE, 128),
    cases=_cases("matmul_ampere"),
    registers=96,
    archs=("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120"),
    fallback="conformance_matmul_plain",
    shared=3 * 2 * 64 * 32 * 2,
    sass={"HMMA*": 16, "LDSM*": 8, "LDGSTS*": 4},
)

HOPPER = KernelSpec(
    name="conformance_matmul_hopper",
    source="conformance/matmul_hopper.cu",
    template="matmul_hopper",
    signature="SSPiii",
    geometry=_tiled(
        HOPPER_TILE, 384, HOPPER_STAGES * (HOPPER_TILE[0] + HOPPER_TILE[1]) * HOPPER_DEPTH * 2
    ),
    cases=_cases("matmul_hopper"),
    # What setmaxnreg hands around: 128 threads with 40 and 256 with 232 have 384 with 168.
    registers=168,
    archs=("sm_90a",),
    fallback="conformance_matmul_ampere",
    shared=1024,  # the barriers, and what is left of the 1024 bytes that the swizzle needs
    sass={"HGMMA*": 4, "UTMALDG*": 2, "SYNCS*": 4},
)

SPECS = (PLAIN, AMPERE, HOPPER)
