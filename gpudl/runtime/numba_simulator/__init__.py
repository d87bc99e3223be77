"""CUDA kernels written in Python for Numba, run on the CPU: exact warps and barriers, with checks.

The source of a kernel becomes a generator that Numba compiles: one a thread, which waits (yields)
at every barrier and warp operation, and a scheduler that lets the threads of a block go on when
all that have to be there are there. It finds accesses out of bounds, divergent barriers, masks
that name lanes that have exited or wait elsewhere, threads that poll for ever, and, by running in
different orders on poisoned shared memory, missing barriers. It is hundreds of times faster than
Numba's own simulator.
"""

from .launch import SimulatedKernel
from .vocabulary import Vocabulary

__all__ = ["SimulatedKernel", "Vocabulary"]
