"""Blocks of matrix products for the Numba twins on the CPU: packing, and the product of two blocks.

Plain Python, compiled with the loops that call it. The right operand is packed in panels of
`WIDTH` columns, [panel][depth][WIDTH], the left one in rows; rows and depth are filled with zeros
to a multiple of `HEIGHT` and `STEP`. With a constant distance between rows, and slices that start
at the row, LLVM sees that the inner loop vectorises without tests. Every element is summed in the
order of the depth, whatever block it lies in, so the split into tasks does not change a bit.
"""

from __future__ import annotations

from typing import Any

WIDTH = 256  # columns of a panel
ROWS = 64  # rows of a block of the result
DEPTH = 128  # depth of a block: a panel's part lies in the second cache
HEIGHT, STEP = 4, 8  # rows and depth of the innermost loop: the best of eight shapes measured
LANES = 16  # widths are rounded up to a multiple: no scalar remainder


def rounded(n: int, unit: int) -> int:
    """The next multiple of `unit`."""
    return (n + unit - 1) // unit * unit


def pack_panels(
    begin: int, end: int, source: Any, taps: Any, packed: Any, panels: int, depth: int
) -> None:
    """Panels [begin, end) of `source` (groups, taps, channels, columns) in any layout.

    A row of the packed matrix is a channel of a tap of the list `taps`.
    """
    channels, columns = source.shape[2], source.shape[3]
    for task in range(begin, end):
        group = task // panels
        first = (task - group * panels) * WIDTH
        used = min(WIDTH, columns - first)
        panel = packed[task * depth * WIDTH : (task + 1) * depth * WIDTH]
        row = 0
        for t in range(taps.size):
            tap = taps[t]
            for c in range(channels):
                line = panel[row * WIDTH : (row + 1) * WIDTH]
                values = source[group, tap, c, first : first + used]
                for j in range(used):
                    line[j] = values[j]
                line[used:] = 0
                row += 1
        panel[row * WIDTH : depth * WIDTH] = 0


def add_product(
    a: Any, row_step: int, depth_step: int, b: Any, c: Any, rows: int, depth: int, width: int
) -> None:
    """c (rows, WIDTH) += a (rows, depth) @ b (depth, WIDTH), in the first `width` columns.

    Element (i, k) of `a` is at i * row_step + k * depth_step; one of the two is 1.
    """
    s = depth_step
    for i in range(0, rows, HEIGHT):
        out = c[i * WIDTH : (i + HEIGHT) * WIDTH]
        for k in range(0, depth, STEP):
            p = i * row_step + k * s
            a00, a01, a02, a03 = a[p], a[p + s], a[p + 2 * s], a[p + 3 * s]
            a04, a05, a06, a07 = a[p + 4 * s], a[p + 5 * s], a[p + 6 * s], a[p + 7 * s]
            p += row_step
            a10, a11, a12, a13 = a[p], a[p + s], a[p + 2 * s], a[p + 3 * s]
            a14, a15, a16, a17 = a[p + 4 * s], a[p + 5 * s], a[p + 6 * s], a[p + 7 * s]
            p += row_step
            a20, a21, a22, a23 = a[p], a[p + s], a[p + 2 * s], a[p + 3 * s]
            a24, a25, a26, a27 = a[p + 4 * s], a[p + 5 * s], a[p + 6 * s], a[p + 7 * s]
            p += row_step
            a30, a31, a32, a33 = a[p], a[p + s], a[p + 2 * s], a[p + 3 * s]
            a34, a35, a36, a37 = a[p + 4 * s], a[p + 5 * s], a[p + 6 * s], a[p + 7 * s]
            right = b[k * WIDTH : (k + STEP) * WIDTH]
            for j in range(width):
                b0, b1 = right[j], right[WIDTH + j]
                b2, b3 = right[2 * WIDTH + j], right[3 * WIDTH + j]
                b4, b5 = right[4 * WIDTH + j], right[5 * WIDTH + j]
                b6, b7 = right[6 * WIDTH + j], right[7 * WIDTH + j]
                y0 = out[j] + a00 * b0 + a01 * b1 + a02 * b2 + a03 * b3
                y0 = y0 + a04 * b4 + a05 * b5 + a06 * b6 + a07 * b7
                y1 = out[WIDTH + j] + a10 * b0 + a11 * b1 + a12 * b2 + a13 * b3
                y1 = y1 + a14 * b4 + a15 * b5 + a16 * b6 + a17 * b7
                y2 = out[2 * WIDTH + j] + a20 * b0 + a21 * b1 + a22 * b2 + a23 * b3
                y2 = y2 + a24 * b4 + a25 * b5 + a26 * b6 + a27 * b7
                y3 = out[3 * WIDTH + j] + a30 * b0 + a31 * b1 + a32 * b2 + a33 * b3
                y3 = y3 + a34 * b4 + a35 * b5 + a36 * b6 + a37 * b7
                out[j], out[WIDTH + j] = y0, y1
                out[2 * WIDTH + j], out[3 * WIDTH + j] = y2, y3


def product_panel(a: Any, b: Any, tile: Any, rows: int, depth: int, width: int) -> None:
    """tile (rows, WIDTH) = a (rows, depth) @ b (depth, WIDTH), block after block of the depth."""
    tile[:] = 0
    for k in range(0, depth, DEPTH):
        part = b[k * WIDTH : min(k + DEPTH, depth) * WIDTH]
        add_product(a[k:], depth, 1, part, tile, rows, min(DEPTH, depth - k), width)
