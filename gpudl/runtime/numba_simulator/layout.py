"""What the generated code, its library and the scheduler share: the arrays of a running block.

The lanes have a row for what each thread of the block gives (GIVEN), the mask that it names
(MASK), what all gave when the operation happened (SEEN), and who took part (PRESENT). The context
holds the block's index, its extents and those of the grid, three numbers each, and the place in the
source that was reached (PLACE).
"""

GIVEN, MASK, SEEN, PRESENT = range(4)
LANE_ROWS = 4
BLOCK_INDEX, BLOCK_EXTENTS, GRID_EXTENTS = slice(0, 3), slice(3, 6), slice(6, 9)
PLACE = 9
CONTEXT_SIZE = 10
WARP = 32
