"""Mutants of the kernels of softmax and cross-entropy."""

from __future__ import annotations

from mutation import Mutant

ROWS = "gpudl/rows.cuh"
ONLINE = "online.cuh"
HELD = "row < rows ? cols : 0"


def barrier(spec: str, nth: int) -> Mutant:
    """Without the barrier of `group_reduce` (0) or of `block_merge` (1)."""
    return Mutant(spec, "barrier", "__syncthreads();", "", nth, ROWS)


MUTANTS = (
    # ----- softmax, rows in registers -----
    barrier("softmax_fwd", 0),
    Mutant("softmax_fwd", "bound", HELD, "row <= rows ? cols : 0"),
    Mutant("softmax_fwd", "tail", "held, -T(INFINITY)", "held, T(0)"),
    Mutant("softmax_fwd", "index", "threadIdx.x) / LANES", "threadIdx.x) / 32", 0, ROWS),
    Mutant("softmax_fwd", "reduction", "d > 0; d /= 2) x =", "d > 1; d /= 2) x =", 0, ROWS),
    barrier("softmax_bwd", 0),
    Mutant("softmax_bwd", "bound", HELD, "row <= rows ? cols : 0", 1),
    Mutant(
        "softmax_bwd",
        "tail",
        "up.load(g + row * cols, held, T(0))",
        "up.load(g + row * cols, held, T(1))",
    ),
    Mutant("softmax_bwd", "index", "gx + row * cols, held", "gx + row * cols + 1, held"),
    # ----- long rows -----
    barrier("softmax_fwd_long", 1),
    Mutant("softmax_fwd_long", "index", "T* to = y + int64_t(blockIdx.x) * cols", "T* to = y"),
    Mutant("softmax_fwd_long", "reduction", "sum *= weight(top, best);", "", 0, ONLINE),
    Mutant("softmax_fwd_long", "tail", "state.sum += state.top - state.top;", "", 0, ONLINE),
    Mutant("softmax_fwd_long", "bound", "c < cols; c +=", "c <= cols; c +=", 0, ROWS),
    barrier("softmax_bwd_long", 0),
    Mutant("softmax_bwd_long", "index", "(y + start + c)", "(y + start + c + VEC)"),
    Mutant("softmax_bwd_long", "reduction", "scratch[w])", "scratch[w - 1])", 0, ROWS),
    Mutant("softmax_bwd_long", "bound", "c < cols; c +=", "c <= cols; c +=", 0, ROWS),
    # ----- cross-entropy, rows in registers -----
    barrier("cross_entropy_fwd", 0),
    Mutant("cross_entropy_fwd", "bound", "row < rows && Tile::lane() == 0", "Tile::lane() == 0"),
    Mutant(
        "cross_entropy_fwd", "tail", "if (Tile::column(i) < held) s.below += d;", "s.below += d;"
    ),
    Mutant("cross_entropy_fwd", "index", "x[label] - s.top", "x[label + 1] - s.top"),
    barrier("cross_entropy_bwd", 0),
    Mutant("cross_entropy_bwd", "bound", "if (row >= rows) return;", "if (row > rows) return;"),
    Mutant("cross_entropy_bwd", "index", "column == label ?", "column == label + 1 ?"),
    Mutant("cross_entropy_bwd", "tail", "held, -T(INFINITY)", "held, T(0)", 1),
    # ----- long rows -----
    barrier("cross_entropy_fwd_long", 1),
    Mutant("cross_entropy_fwd_long", "index", "x[label] - s.top", "x[label + 1] - s.top"),
    Mutant(
        "cross_entropy_fwd_long",
        "bound",
        "if (threadIdx.x == 0) write",
        "if (threadIdx.x < 2) write",
    ),
    Mutant(
        "cross_entropy_fwd_long",
        "reduction",
        "group_reduce<kLongThreads>(s.below, Sum{}, scratch);",
        "group_reduce<kLongThreads>(s.below, Largest{}, scratch);",
    ),
    barrier("cross_entropy_bwd_long", 1),
    Mutant("cross_entropy_bwd_long", "index", "column == label ?", "column == label + 1 ?"),
    Mutant("cross_entropy_bwd_long", "reduction", "scale = T(1) / all.sum;", "scale = T(1);"),
    Mutant("cross_entropy_bwd_long", "bound", "c < cols; c +=", "c <= cols; c +=", 0, ROWS),
)
