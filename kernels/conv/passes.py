"""A convolution as gathers: forward, data gradient and weight gradient described alike, no data.

Everything is channels-last with three spatial axes; missing ones have extent 1. Result j of an
axis reads, for each tap, source position j * step + offset[tap]; outside [0, extent) it reads
zeros. The forward pass has step = stride and offset = k * dilation - padding. The data gradient is
one pass per residue of the input position modulo the stride, with step 1 and the taps that hit the
residue, so no multiplication by a hole is done (`csrc/conv.h` does the same).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Axis:
    """An axis of a pass: `count` results at start + j * spread, and what each tap reads."""

    count: int
    start: int
    spread: int
    step: int
    taps: tuple[tuple[int, int], ...]  # (offset, index into the weight), by rising offset


@dataclass(frozen=True)
class Pass:
    """One gather. `geometry` and `offsets` are what the loops take."""

    rows: int  # results: batch and positions
    taps: Array  # index of each tap in the weight's flattened spatial axes
    offsets: Array  # (taps, 3)
    geometry: Array  # extents and steps; `GEOMETRY` in numba_loops.py names the places


def _triple(values: Sequence[int], fill: int) -> Triple:
    a, b, c = (*([fill] * (3 - len(values))), *values)
    return a, b, c


def _pass(
    batch: int, source: Triple, result: Triple, kernel: Triple, axes: Sequence[Axis], whole: bool
) -> Pass:
    taps, offsets = [], []
    for chosen in itertools.product(*(axis.taps for axis in axes)):
        offsets.append([offset for offset, _ in chosen])
        i, j, k = (index for _, index in chosen)
        taps.append((i * kernel[1] + j) * kernel[2] + k)
    last = [offset for offset, _ in axes[2].taps]
    # Taps of the last axis that lie side by side, with all channels, are one run of memory.
    run = len(last) if whole and all(b - a == 1 for a, b in itertools.pairwise(last)) else 1
    counts = [axis.count for axis in axes]
    geometry = [*source, *counts, *(axis.step for axis in axes), *result]
    geometry += [*(axis.start for axis in axes), *(axis.spread for axis in axes), max(run, 1)]
    return Pass(
        batch * counts[0] * counts[1] * counts[2],
        np.array(taps, np.int64),
        np.array(offsets, np.int64).reshape(-1, 3),
        np.array(geometry, np.int64),
    )


@dataclass(frozen=True)
class Problem:
    """A convolution of x (N, C, *S) with kernel extents K to y (N, O, *S')."""

    batch: int
    source: Triple
    result: Triple
    kernel: Triple
    stride: Triple
    low: Triple  # padding below
    dilation: Triple
    groups: int

    @classmethod
    def of(
        cls,
        x_shape: Sequence[int],
        y_shape: Sequence[int],
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
        groups: int,
    ) -> Problem:
        """The problem of shapes with one to three spatial axes."""
        low = [pair[0] for pair in padding]
        spatial = (x_shape[2:], y_shape[2:], kernel, stride)
        source, result, taps, steps = (_triple(values, 1) for values in spatial)
        last = (_triple(low, 0), _triple(dilation, 1))
        return cls(x_shape[0], source, result, taps, steps, *last, groups)

    def forward_axes(self) -> tuple[Axis, ...]:
        """Results gather from x, one channel group after the other."""
        return tuple(
            Axis(n, 0, 1, s, tuple((k * d - low, k) for k in range(taps)))
            for n, s, d, low, taps in zip(
                self.result, self.stride, self.dilation, self.low, self.kernel, strict=True
            )
        )

    def backward_axes(self) -> Iterator[tuple[Axis, ...]]:
        """Gradients of x gather from those of y: a pass for each residue of the stride."""
        choices = [
            [self._residue(axis, r) for r in range(min(self.stride[axis], self.source[axis]))]
            for axis in range(3)
        ]
        return itertools.product(*choices)

    def forward(self) -> Pass:
        """The pass over x."""
        whole = self.groups == 1
        return _pass(self.batch, self.source, self.result, self.kernel, self.forward_axes(), whole)

    def backward(self) -> Iterator[Pass]:
        """The passes over the gradient of y."""
        for axes in self.backward_axes():
            whole = self.groups == 1
            yield _pass(self.batch, self.result, self.source, self.kernel, axes, whole)

    def _residue(self, axis: int, r: int) -> Axis:
        stride, dilation = self.stride[axis], self.dilation[axis]
        taps = []
        for k in range(self.kernel[axis]):
            at = r + self.low[axis] - k * dilation
            if at % stride == 0:
                taps.append((at // stride, k))
        count = -(-(self.source[axis] - r) // stride)
        return Axis(count, r, stride, 1, tuple(sorted(taps)))
