"""The machine: what it is, what it can do at most, and what others do on it meanwhile."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gpudl.system import config_facts

PEAK_FLOPS_PER_ROUND = 2 * 12 * 16


def busy_seconds() -> float:
    """The seconds that all cores together have worked since the start of the machine."""
    ticks = [int(t) for t in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def facts(threads: int) -> dict[str, Any]:
    """Processor and versions."""
    found = config_facts()
    names = ("gpudl", "extension", "tape", "simd", "python", "numpy", "blas", "platform")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        **{name: found[name] for name in names},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def limits(threads: int, seconds: float = 0.5) -> dict[str, Any]:
    """FLOP/s and bytes/s with `threads` threads, each the best of `seconds` seconds."""
    probe = _peak_probe(threads)
    by = "multiply-adds on registers" if probe else "NumPy's product of matrices (no C compiler)"
    compute = probe or _matmul_probe()
    return {
        "flops": _best(compute, seconds),
        "flops_by": by,
        "bytes": _best(_copy_probe(threads), seconds),
        "bytes_by": "copy of 64 MB a thread by NumPy",
    }


def _best(probe: Callable[[], float], seconds: float) -> float:
    """The largest work per second of a probe, which returns its work."""
    best, end = 0.0, time.perf_counter() + seconds
    while not best or time.perf_counter() < end:
        start = time.perf_counter()
        work = probe()
        best = max(best, work / (time.perf_counter() - start))
    return best


def _peak_probe(threads: int) -> Callable[[], float] | None:
    """The probe of `peak.c`, or None without a C compiler that can build it."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "peak.so"
        native = "-mcpu=native" if platform.machine() == "aarch64" else "-march=native"
        flags = ["-O3", native, "-ffp-contract=fast", "-shared", "-fPIC"]
        command = [compiler, *flags, str(Path(__file__).with_name("peak.c")), "-o", str(library)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        peak = ctypes.CDLL(str(library)).peak
    peak.argtypes, peak.restype = [ctypes.c_long], ctypes.c_float
    rounds, pool = 2_000_000, ThreadPoolExecutor(threads)

    def probe() -> float:
        list(pool.map(peak, [rounds] * threads))  # ctypes lets go of the GIL
        return float(PEAK_FLOPS_PER_ROUND * rounds * threads)

    return probe


def _matmul_probe() -> Callable[[], float]:
    n = 1024
    a = np.ones((n, n), np.float32)
    out = np.empty_like(a)

    def probe() -> float:
        np.matmul(a, a, out=out)
        return 2.0 * n**3

    return probe


def _copy_probe(threads: int) -> Callable[[], float]:
    """Both the read and the write are counted, as STREAM does."""
    sources = [np.ones(16 << 20, np.float32) for _ in range(threads)]
    targets = [np.zeros_like(source) for source in sources]
    pool = ThreadPoolExecutor(threads)

    def probe() -> float:
        list(pool.map(np.copyto, targets, sources))  # so does NumPy
        return 2.0 * sum(source.nbytes for source in sources)

    return probe
