"""Gathers as `gather.cuh` reads them: the phases of a pass, packed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from .passes import Axis, Problem

PHASES = 8  # of one launch
MOST = 2**30  # rows, positions and steps are below: 32-bit indices have room for what is outside

Strides = tuple[int, int, int, int]


@dataclass(frozen=True)
class Gather:
    """One launch: the struct as bytes, and what its geometry is made of."""

    layout: bytes
    rows: int  # of the largest phase
    phases: int
    taps: int  # the most of a phase


@dataclass(frozen=True)
class Channels:
    """Channels that a group reads and makes, and whether quads of them are aligned in memory."""

    groups: int
    used: int
    made: int
    read_quads: bool = False
    made_quads: bool = False


def divisor(n: int) -> tuple[int, int, int]:
    """Division by `n` as a multiplication, exact below 2^31; 0 is divided as if it were 1."""
    n_or_one = max(n, 1)
    shift = (n_or_one - 1).bit_length()
    return n, -(-(1 << (31 + shift)) // n_or_one), shift


def _several(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def _divisors(values: Sequence[int]) -> bytes:
    return b"".join(struct.pack("<3I", *divisor(n)) for n in values)


def _phase(batch: int, axes: Sequence[Axis]) -> bytes:
    """The taps of an axis lie a constant distance apart, both in the image and in the kernel."""
    first = [axis.taps[0] if axis.taps else (0, 0) for axis in axes]
    pairs = [axis.taps[:2] if len(axis.taps) > 1 else ((0, 0), (0, 0)) for axis in axes]
    return b"".join(
        (
            _divisors([axis.count for axis in axes]),
            _divisors([len(axis.taps) for axis in axes]),
            _several([axis.start for axis in axes]),
            _several([offset for offset, _ in first]),
            _several([b[0] - a[0] for a, b in pairs]),
            _several([tap for _, tap in first]),
            _several([b[1] - a[1] for a, b in pairs]),
            _several([batch * prod(axis.count for axis in axes)]),
        )
    )


PHASE_BYTES = len(_phase(0, [Axis(0, 0, 1, 1, ())] * 3))
GATHER_BYTES = 1216  # sizeof(Gather)


@lru_cache(maxsize=1024)
def gathers(
    problem: Problem, channels: Channels, strides: Strides, backward: bool
) -> tuple[Gather, ...]:
    """The launches of a pass over an image with `strides`, in elements, of its batch and axes."""
    passes = list(problem.backward_axes()) if backward else [problem.forward_axes()]
    extent, result = problem.source, problem.result
    if backward:
        extent, result = result, extent
    found = []
    for first in range(0, len(passes), PHASES):
        some = passes[first : first + PHASES]
        axes = some[0]
        head = struct.pack("<4q", *strides)
        head += _several([*extent, *(axis.step for axis in axes)])
        head += _several([*result, *(axis.spread for axis in axes), *problem.kernel])
        head += _divisors([channels.used])
        quads = (channels.read_quads, channels.made_quads)
        head += _several([channels.made, channels.groups, *map(int, quads), 0])
        phases = b"".join(_phase(problem.batch, axes) for axes in some)
        found.append(
            Gather(
                layout=(head + phases).ljust(GATHER_BYTES, b"\0"),
                rows=max(problem.batch * prod(axis.count for axis in axes) for axes in some),
                phases=len(some),
                taps=max(prod(len(axis.taps) for axis in axes) for axes in some),
            )
        )
    return tuple(found)


def fits(problem: Problem, channels: Channels) -> bool:
    """Whether every row, step and position has room in the kernels' 32-bit indices."""
    reach = [
        n + s * r + abs(low) + k * d
        for n, r, s, low, k, d in zip(
            problem.source,
            problem.result,
            problem.stride,
            problem.low,
            problem.kernel,
            problem.dilation,
            strict=True,
        )
    ]
    rows = problem.batch * max(prod(problem.source), prod(problem.result))
    steps = prod(problem.kernel) * max(channels.used, channels.made)
    return bool(max(*reach, rows, steps, channels.groups) < MOST)
