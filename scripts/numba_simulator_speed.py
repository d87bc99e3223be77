"""Time of one kernel in gpudl's simulator and in that of numba-cuda, each in a process of its own.

python scripts/numba_simulator_speed.py [n]     a tiled product of n x n matrices, 64 by default
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
from numba import cuda, float32

SIDE = 16


def multiply(a, b, out):
    left = cuda.shared.array((SIDE, SIDE), float32)
    right = cuda.shared.array((SIDE, SIDE), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * SIDE + ty, cuda.blockIdx.x * SIDE + tx
    total = float32(0)
    for k0 in range(0, a.shape[1], SIDE):
        left[ty, tx] = a[row, k0 + tx]
        right[ty, tx] = b[k0 + ty, column]
        cuda.syncthreads()
        for k in range(SIDE):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    out[row, column] = total


def measure(simulator: str, n: int) -> float:
    """Seconds of the second run; the first compiles."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, n)).astype(np.float32) for _ in range(2))
    out = np.zeros_like(a)
    grid, block = (n // SIDE, n // SIDE), (SIDE, SIDE)
    if simulator == "numba-cuda":
        compiled = cuda.jit(multiply)
        run = compiled[grid, block]
    else:
        from gpudl.runtime.numba_simulator import SimulatedKernel

        kernel = SimulatedKernel(multiply)

        def run(*args):
            kernel.launch(grid, block, *args)

    for _ in range(2):
        start = time.perf_counter()
        run(a, b, out)
        took = time.perf_counter() - start
    np.testing.assert_allclose(out, a @ b, rtol=1e-3, atol=1e-4)
    return took


def main() -> None:
    """Measure both and print them."""
    if len(sys.argv) == 3:
        print(measure(sys.argv[1], int(sys.argv[2])))
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    took = {}
    for simulator, own in (("gpudl", "0"), ("numba-cuda", "1")):
        done = subprocess.run(
            [sys.executable, __file__, simulator, str(n)],
            env={**os.environ, "NUMBA_ENABLE_CUDASIM": own},
            capture_output=True,
            text=True,
            check=True,
        )
        took[simulator] = float(done.stdout)
        print(f"{simulator:<12} {took[simulator] * 1e3:10.1f} ms")
    print(f"{took['numba-cuda'] / took['gpudl']:.0f} times")


if __name__ == "__main__":
    main()
