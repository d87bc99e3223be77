"""The loops of the Numba convolutions: gathering rows, products with packed weights, depthwise.

Plain Python, compiled by `numba.py`. Images are flat, channels-last, in C order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..numba_blocks import HEIGHT, LANES, ROWS, STEP, WIDTH, add_product, product_panel, rounded

# Places in `Pass.geometry`, three each: extents of the source, results of the pass, their steps in
# the source, extents of the result, start and spread of the pass in it; then taps in one run.
EXTENT, COUNT, STEPS, RESULT, START, SPREAD, RUN = 0, 3, 6, 9, 12, 15, 18


def copy(source: Any, at: int, out: Any, to: int, n: int) -> None:
    """out[to : to + n] = source[at : at + n]."""
    values = source[at : at + n]
    line = out[to : to + n]
    for i in range(n):
        line[i] = values[i]


def place(row: int, geometry: Any) -> Any:
    """Image and position of a result of the pass."""
    j2 = row % geometry[COUNT + 2]
    row //= geometry[COUNT + 2]
    j1 = row % geometry[COUNT + 1]
    row //= geometry[COUNT + 1]
    j0 = row % geometry[COUNT]
    return row // geometry[COUNT], j0, j1, j2


def result_pixel(row: int, geometry: Any) -> Any:
    """The pixel of the result that `row` of the pass is."""
    n, j0, j1, j2 = place(row, geometry)
    p0 = geometry[START] + geometry[SPREAD] * j0
    p1 = geometry[START + 1] + geometry[SPREAD + 1] * j1
    p2 = geometry[START + 2] + geometry[SPREAD + 2] * j2
    return ((n * geometry[RESULT] + p0) * geometry[RESULT + 1] + p1) * geometry[RESULT + 2] + p2


def gather(
    source: Any, buffer: Any, distance: int, first: int, count: int, geometry: Any, offsets: Any,
    tap_begin: int, tap_end: int, channel: int, used: int, channels: int,
) -> None:  # fmt: skip
    """What rows [first, first + count) read for some taps, a row of `buffer` each, zeros outside.

    `used` of the source's `channels` from `channel` on are read. Rows are `distance` apart.
    """
    e0, e1, e2 = geometry[EXTENT], geometry[EXTENT + 1], geometry[EXTENT + 2]
    run = geometry[RUN] if (tap_end - tap_begin) % geometry[RUN] == 0 else 1
    for row in range(count):
        n, j0, j1, j2 = place(first + row, geometry)
        j0, j1, j2 = j0 * geometry[STEPS], j1 * geometry[STEPS + 1], j2 * geometry[STEPS + 2]
        to = row * distance
        for t in range(tap_begin, tap_end, run):
            i0, i1, i2 = j0 + offsets[t, 0], j1 + offsets[t, 1], j2 + offsets[t, 2]
            below = min(max(-i2, 0), run)
            inside = max(min(e2 - i2, run) - below, 0)
            if i0 < 0 or i0 >= e0 or i1 < 0 or i1 >= e1:
                below, inside = run, 0
            buffer[to : to + below * used] = 0
            if inside > 0:
                pixel = ((n * e0 + i0) * e1 + i1) * e2 + i2 + below
                copy(source, pixel * channels + channel, buffer, to + below * used, inside * used)
            buffer[to + (below + inside) * used : to + run * used] = 0
            to += run * used


def convolve(
    begin: int, end: int, source: Any, packed: Any, out: Any, geometry: Any, offsets: Any,
    rows: int, groups: int, used: int, made: int,
) -> None:  # fmt: skip
    """Tasks [begin, end): a block of rows of a group, gathered and multiplied.

    A group reads `used` channels and makes `made`.
    """
    taps = offsets.shape[0]
    inner = taps * used
    depth = rounded(inner, STEP)
    panels = (made + WIDTH - 1) // WIDTH
    block = np.zeros(ROWS * depth, out.dtype)
    tile = np.empty(ROWS * WIDTH, out.dtype)
    for task in range(begin, end):
        group = task % groups
        first = task // groups * ROWS
        count = min(ROWS, rows - first)
        channel = group * used
        gather(
            source, block, depth, first, count, geometry, offsets,
            0, taps, channel, used, groups * used,
        )  # fmt: skip
        for panel in range(panels):
            column = panel * WIDTH
            width = min(WIDTH, made - column)
            start = (group * panels + panel) * depth * WIDTH
            weights = packed[start : start + depth * WIDTH]
            height = rounded(count, HEIGHT)
            product_panel(block, weights, tile, height, depth, rounded(width, LANES))
            for row in range(count):
                to = result_pixel(first + row, geometry) * groups * made + group * made + column
                copy(tile, row * WIDTH, out, to, width)


def convolve_channels(
    begin: int, end: int, source: Any, weight: Any, out: Any, geometry: Any, offsets: Any,
    rows: int, channels: int,
) -> None:  # fmt: skip
    """Depthwise: blocks of rows [begin, end), every channel for itself, `weight` [tap][channel]."""
    e0, e1, e2 = geometry[EXTENT], geometry[EXTENT + 1], geometry[EXTENT + 2]
    for row in range(begin * ROWS, min(end * ROWS, rows)):
        n, j0, j1, j2 = place(row, geometry)
        to = result_pixel(row, geometry) * channels
        line = out[to : to + channels]
        line[:] = 0
        for t in range(offsets.shape[0]):
            i0 = j0 * geometry[STEPS] + offsets[t, 0]
            i1 = j1 * geometry[STEPS + 1] + offsets[t, 1]
            i2 = j2 * geometry[STEPS + 2] + offsets[t, 2]
            if 0 <= i0 < e0 and 0 <= i1 < e1 and 0 <= i2 < e2:
                at = (((n * e0 + i0) * e1 + i1) * e2 + i2) * channels
                values = source[at : at + channels]
                factors = weight[t * channels : (t + 1) * channels]
                for c in range(channels):
                    line[c] += values[c] * factors[c]


def weigh(
    begin: int, end: int, source: Any, g: Any, partial: Any, geometry: Any, offsets: Any,
    rows: int, groups: int, used: int, made: int, tap_step: int, chunk_rows: int,
) -> None:  # fmt: skip
    """Tasks [begin, end) of the weight's gradient: some taps of a group, summed over some rows.

    `partial` is (chunks, groups, taps, used, made); it is added up afterwards.
    """
    taps = offsets.shape[0]
    parts = (taps + tap_step - 1) // tap_step
    panels = (made + WIDTH - 1) // WIDTH
    most = rounded(tap_step * used, HEIGHT)
    block = np.zeros(ROWS * most, g.dtype)
    right = np.zeros(ROWS * WIDTH, g.dtype)
    sums = np.empty(panels * most * WIDTH, g.dtype)
    for task in range(begin, end):
        part = task % parts
        group = task // parts % groups
        chunk = task // (parts * groups)
        tap = part * tap_step
        last = min(tap + tap_step, taps)
        sums[:] = 0
        stop = min((chunk + 1) * chunk_rows, rows)
        for first in range(chunk * chunk_rows, stop, ROWS):
            count = min(ROWS, stop - first)
            gather(
                source, block, most, first, count, geometry, offsets,
                tap, last, group * used, used, groups * used,
            )  # fmt: skip
            for panel in range(panels):
                column = panel * WIDTH
                width = min(WIDTH, made - column)
                for row in range(count):
                    at = (first + row) * groups * made + group * made + column
                    copy(g, at, right, row * WIDTH, width)
                    right[row * WIDTH + width : row * WIDTH + rounded(width, LANES)] = 0
                right[count * WIDTH :] = 0
                tile = sums[panel * most * WIDTH : (panel + 1) * most * WIDTH]
                height = rounded((last - tap) * used, HEIGHT)
                wide = rounded(width, LANES)
                add_product(block, 1, most, right, tile, height, rounded(count, STEP), wide)
        base = ((chunk * groups + group) * taps + tap) * used
        for panel in range(panels):
            column = panel * WIDTH
            width = min(WIDTH, made - column)
            for row in range((last - tap) * used):
                to = (base + row) * made + column
                copy(sums, (panel * most + row) * WIDTH, partial, to, width)


def weigh_channels(
    begin: int, end: int, source: Any, g: Any, partial: Any, geometry: Any, offsets: Any,
    rows: int, channels: int, chunk_rows: int,
) -> None:  # fmt: skip
    """Depthwise: chunks of rows [begin, end), `partial` [chunk][tap][channel]."""
    taps = offsets.shape[0]
    e0, e1, e2 = geometry[EXTENT], geometry[EXTENT + 1], geometry[EXTENT + 2]
    for chunk in range(begin, end):
        sums = partial[chunk * taps * channels : (chunk + 1) * taps * channels]
        sums[:] = 0
        for row in range(chunk * chunk_rows, min((chunk + 1) * chunk_rows, rows)):
            n, j0, j1, j2 = place(row, geometry)
            ups = g[row * channels : (row + 1) * channels]
            for t in range(taps):
                i0 = j0 * geometry[STEPS] + offsets[t, 0]
                i1 = j1 * geometry[STEPS + 1] + offsets[t, 1]
                i2 = j2 * geometry[STEPS + 2] + offsets[t, 2]
                if 0 <= i0 < e0 and 0 <= i1 < e1 and 0 <= i2 < e2:
                    at = (((n * e0 + i0) * e1 + i1) * e2 + i2) * channels
                    values = source[at : at + channels]
                    line = sums[t * channels : (t + 1) * channels]
                    for c in range(channels):
                        line[c] += values[c] * ups[c]
