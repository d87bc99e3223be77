"""Mutants of the kernels of batch and layer normalisation."""

from __future__ import annotations

from mutation import Mutant

ROWS = "gpudl/rows.cuh"
COLUMNS = "columns.cuh"
MOMENTS = "moments.cuh"
HELD = "row < rows ? cols : 0"
LAST = "first + chunk < rows ? first + chunk : rows"


def fold_barrier(spec: str) -> Mutant:
    """Without the barrier between two halvings of the threads of a column."""
    return Mutant(spec, "barrier", "__syncthreads();", "", 0, COLUMNS)


def last_chunk(spec: str) -> Mutant:
    """The last chunk runs past the last row."""
    return Mutant(
        spec, "tail", LAST, "first + chunk < rows ? first + chunk : first + chunk", 0, COLUMNS
    )


def row_barrier(spec: str, nth: int) -> Mutant:
    """Without the barrier of `group_reduce` (0) or of `block_merge` (1)."""
    return Mutant(spec, "barrier", "__syncthreads();", "", nth, ROWS)


CHANNEL = "if (c >= channels) return;\n    "

MUTANTS = (
    # ----- batch norm -----
    fold_barrier("batch_norm_moments"),
    last_chunk("batch_norm_moments"),
    Mutant(
        "batch_norm_moments",
        "index",
        "int64_t(blockIdx.y) * 2 * channels",
        "int64_t(blockIdx.y) * channels",
    ),
    Mutant(
        "batch_norm_moments", "reduction", "int(blockDim.y) / 2", "int(blockDim.y) / 4", 0, COLUMNS
    ),
    Mutant("batch_norm_moments", "bound", "if (c < channels) {", "if (c <= channels) {"),
    fold_barrier("batch_norm_finish"),
    Mutant("batch_norm_finish", "bound", "i < chunks;", "i <= chunks;"),
    Mutant(
        "batch_norm_finish", "tail", "left < chunk ? left : chunk", "left < chunk ? chunk : chunk"
    ),
    Mutant("batch_norm_finish", "index", "part[0], part[channels]", "part[0], part[0]"),
    last_chunk("batch_norm_apply"),
    Mutant("batch_norm_apply", "bound", CHANNEL + "T m[VEC], rest", "T m[VEC], rest"),
    Mutant(
        "batch_norm_apply",
        "index",
        "scale[k] = folded[channels + c + k]",
        "scale[k] = folded[c + k]",
    ),
    fold_barrier("batch_norm_products"),
    last_chunk("batch_norm_products"),
    Mutant("batch_norm_products", "index", "own[VEC + k] += up.v[k]", "own[VEC + k] += up.v[0]"),
    Mutant(
        "batch_norm_products",
        "bound",
        "if (threadIdx.y != 0 || c >= channels)",
        "if (c >= channels)",
        2,
    ),
    fold_barrier("batch_norm_bwd_finish"),
    Mutant("batch_norm_bwd_finish", "bound", "i < chunks;", "i <= chunks;", 1),
    Mutant("batch_norm_bwd_finish", "index", "own[1] += sums[channels]", "own[1] += sums[0]"),
    last_chunk("batch_norm_gx"),
    Mutant("batch_norm_gx", "bound", CHANNEL + "T m[VEC], scale", "T m[VEC], scale"),
    Mutant("batch_norm_gx", "index", "folded[2 * channels + c + k]", "folded[channels + c + k]"),
    # ----- running statistics -----
    Mutant(
        "running_stats",
        "bound",
        CHANNEL + "const T keep",
        "if (c > channels) return;\n    const T keep",
    ),
    Mutant("running_stats", "tail", "(var < T(0) ? T(0) : var)", "var"),
    Mutant("running_stats", "index", "mean[c] * T(momentum)", "mean[0] * T(momentum)"),
    # ----- layer norm -----
    row_barrier("layer_norm_fwd", 0),
    Mutant("layer_norm_fwd", "bound", HELD, "row <= rows ? cols : 0"),
    Mutant("layer_norm_fwd", "tail", "if (Tile::column(i) < held) squares", "squares"),
    Mutant("layer_norm_fwd", "index", "normal *= weight[c]", "normal *= weight[0]"),
    row_barrier("layer_norm_fwd_long", 1),
    Mutant("layer_norm_fwd_long", "index", "y + row * cols + c", "y + c"),
    Mutant("layer_norm_fwd_long", "reduction", "d * d * (n * share)", "d * d * share", 0, MOMENTS),
    Mutant(
        "layer_norm_fwd_long",
        "bound",
        "if (threadIdx.x != 0) return;",
        "if (threadIdx.x > 1) return;",
    ),
    row_barrier("layer_norm_bwd", 0),
    Mutant("layer_norm_bwd", "bound", HELD, "row <= rows ? cols : 0", 1),
    Mutant("layer_norm_bwd", "index", "*= weight[Tile::column(i)]", "*= weight[0]"),
    Mutant(
        "layer_norm_bwd",
        "tail",
        "up.load(g + row * cols, held, T(0))",
        "up.load(g + row * cols, held, T(1))",
    ),
    row_barrier("layer_norm_bwd_long", 0),
    Mutant("layer_norm_bwd_long", "index", "gx + start + c", "gx + c"),
    Mutant("layer_norm_bwd_long", "bound", "c < cols; c +=", "c <= cols; c +=", 0, ROWS),
    Mutant("layer_norm_bwd_long", "reduction", "scratch[w])", "scratch[w - 1])", 0, ROWS),
    fold_barrier("layer_norm_products"),
    last_chunk("layer_norm_products"),
    Mutant("layer_norm_products", "index", "scale = rstd[r]", "scale = rstd[0]"),
    Mutant(
        "layer_norm_products", "bound", "if (c < cols) {\n        each_row", "{\n        each_row"
    ),
    fold_barrier("layer_norm_finish"),
    Mutant("layer_norm_finish", "bound", "i < chunks;", "i <= chunks;"),
    Mutant("layer_norm_finish", "index", "own[1] += sums[cols]", "own[1] += sums[0]"),
)
