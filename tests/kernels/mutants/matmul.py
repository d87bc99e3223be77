"""Mutants of the kernels of matrix products."""

from __future__ import annotations

from mutation import Mutant

GEMM = "gpudl/gemm.cuh"

MUTANTS = (
    # ----- the tiled product -----
    Mutant("matmul", "barrier", "        __syncthreads();\n", "", 0, GEMM),
    Mutant("matmul", "wait", "        copies_landed();\n", "", 0, GEMM),
    Mutant("matmul", "buffer", "a_slices + (now ^ 1) *", "a_slices + now *", 0, GEMM),
    Mutant("matmul", "bound", "i < extent ?", "i <= extent ?"),
    Mutant("matmul", "tail", "k < k_end ?", "k <= k_end ?"),
    Mutant("matmul", "bound", "if (m >= M) continue;", "if (m > M) continue;", 0, GEMM),
    Mutant("matmul", "index", "lane % 8 * 4;", "lane % 8 * 4 + 1;", 0, GEMM),
    Mutant("matmul", "swizzle", "m + i / 4 * 16 + i % 4", "m + i / 4 * 16 + (i ^ 1) % 4", 0, GEMM),
    Mutant("matmul", "index", "a += i * p.a_batch[axis];", "a += i * p.b_batch[axis];"),
    # ----- the sum of the parts -----
    Mutant("sum_parts", "bound", "if (i >= size) return;", "if (i > size) return;"),
    Mutant("sum_parts", "tail", "part < count; ++part", "part + 1 < count; ++part"),
    Mutant("sum_parts", "index", "bias[i % columns]", "bias[i / columns]"),
    Mutant("sum_parts", "index", "parts[part * size + i]", "parts[part * columns + i]"),
    # ----- a matrix times a vector -----
    Mutant("matrix_vector", "bound", "if (row >= rows) return;", "if (row > rows) return;"),
    Mutant("matrix_vector", "tail", "k < K; k += 32", "k <= K; k += 32"),
    Mutant("matrix_vector", "index", "bias[row * bias_step]", "bias[row * bias_step + 1]"),
    Mutant("matrix_vector", "reduction", "int d = 16; d > 0;", "int d = 16; d > 1;"),
)
