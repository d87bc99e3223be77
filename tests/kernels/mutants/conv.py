"""Mutants of the convolution kernels."""

from __future__ import annotations

from mutation import Mutant

GATHER = "gather.cuh"
GEMM = "gpudl/gemm.cuh"
INSIDE = "uint32_t(pixel.i[axis] + tap.i[axis]) < uint32_t(p.extent[axis])"


def bound(spec: str) -> Mutant:
    """One position beyond the image counts as inside."""
    return Mutant(spec, "bound", INSIDE, INSIDE.replace("<", "<="), 0, GATHER)


def dilation(spec: str) -> Mutant:
    """Taps side by side, whatever the dilation."""
    old = "int(at.t[axis]) * phase.dilation[axis]"
    return Mutant(spec, "index", old, "int(at.t[axis])", 0, GATHER)


def barrier(spec: str) -> Mutant:
    """The slices of a product are multiplied before all are there."""
    return Mutant(spec, "barrier", "__syncthreads();", "", 0, GEMM)


TAIL = "phase.rows - k_begin < chunk ? phase.rows : k_begin + chunk"

MUTANTS = (
    bound("conv_fwd"),
    dilation("conv_fwd"),
    barrier("conv_fwd"),
    Mutant("conv_fwd", "index", "x + int64_t(at.group) * p.used.value", "x"),
    bound("conv_dgrad"),
    Mutant(
        "conv_dgrad",
        "index",
        "int(at.t[axis]) * phase.tap_step[axis]",
        "int(at.t[axis])",
        0,
        GATHER,
    ),
    barrier("conv_dgrad"),
    Mutant("conv_dgrad", "index", "p.phase[blockIdx.y]", "p.phase[0]"),
    bound("conv_wgrad"),
    dilation("conv_wgrad"),
    barrier("conv_wgrad"),
    Mutant("conv_wgrad", "tail", TAIL, "k_begin + chunk"),
    bound("depthwise"),
    dilation("depthwise"),
    Mutant("depthwise", "barrier", "__syncthreads();", ""),
    Mutant("depthwise", "index", "weights + t * width + own", "weights + own"),
    bound("depthwise_wgrad"),
    dilation("depthwise_wgrad"),
    Mutant("depthwise_wgrad", "barrier", "__syncthreads();", "", 1),
    Mutant("depthwise_wgrad", "barrier", "__syncthreads();", "", 2),
)
