"""Mutants of the conformance kernels: of the matrix products by each generation of tensor cores."""

from __future__ import annotations

from mutation import Mutant

PLAIN, AMPERE, HOPPER = (f"conformance_matmul_{name}" for name in ("plain", "ampere", "hopper"))

MUTANTS = (
    Mutant(PLAIN, "bound", "if (m >= M || n >= N)", "if (m > M || n >= N)"),
    Mutant(PLAIN, "bound", "if (m >= M || n >= N)", "if (m >= M || n > N)"),
    Mutant(PLAIN, "tail", "k < K; ++k", "k + 1 < K; ++k"),
    Mutant(PLAIN, "index", "b[int64_t(n) * K + k]", "b[int64_t(n) * K + (k ^ 1)]"),
    # ----- cp.async, ldmatrix, mma.sync -----
    Mutant(AMPERE, "barrier", "        __syncthreads();", "        ;"),
    Mutant(AMPERE, "wait", "cp_async_wait<STAGES - 2>();", "cp_async_wait<STAGES - 1>();"),
    Mutant(AMPERE, "wait", "        cp_async_commit();\n", "", 1),
    Mutant(AMPERE, "buffer", "next = s + STAGES - 1;", "next = s + STAGES;"),
    Mutant(AMPERE, "swizzle", "lane / 8 % 2));", "lane / 16 % 2));"),
    Mutant(AMPERE, "swizzle", "(c ^ (row / 2 % 4)) * 8", "(c ^ (row / 2 % 4) * 2) * 8"),
    Mutant(AMPERE, "bound", "row0 + row < rows", "row0 + row <= rows"),
    Mutant(AMPERE, "tail", "&& k < K;", "&& k <= K;"),
    Mutant(AMPERE, "bound", "if (m < M && n < N)", "if (m < M && n <= N)"),
    Mutant(AMPERE, "index", "right[j + 1][0] = pair[2];", "right[j + 1][0] = pair[1];"),
    # ----- the tensor memory accelerator, mbarriers, wgmma -----
    Mutant(HOPPER, "barrier", "    __syncthreads();\n", ""),
    Mutant(HOPPER, "wait", "mbarrier_wait(&emptied[stage], (round ^ 1) & 1);", "(void)round;"),
    Mutant(HOPPER, "wait", "mbarrier_wait(&filled[stage], round & 1);", "(void)round;"),
    Mutant(HOPPER, "wait", "        wgmma_wait<0>();\n", ""),
    Mutant(HOPPER, "wait", "        wgmma_fence();\n", ""),
    Mutant(HOPPER, "tail", "s < slices; ++s", "s <= slices; ++s"),
    Mutant(HOPPER, "phase", "(round ^ 1) & 1", "round & 1"),
    Mutant(HOPPER, "count", "SLICE_BYTES = (A_SLICE + B_SLICE) * 2", "SLICE_BYTES = A_SLICE * 2"),
    Mutant(HOPPER, "count", "&emptied[s], 4 * GROUPS)", "&emptied[s], 4)"),
    Mutant(HOPPER, "swizzle", "right + step * 2,", "right + step * 4,"),
    Mutant(HOPPER, "index", "group * 64 * BK)", "group * 32 * BK)"),
    Mutant(HOPPER, "index", "&a, s * BK, m0,", "&a, m0, s * BK,"),
    Mutant(HOPPER, "bound", "if (m < M && n < N)", "if (m <= M && n < N)"),
)
