"""What gpudl runs on: versions, extension, instruction set, threads, devices and folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import devices
from ._version import __version__
from .autograd import compiled
from .devices.cpu import _C
from .errors import ArgumentError, NotSupportedError
from .settings import TABLE, settings
from .shapes import as_int

__all__ = ["config_facts", "get_num_threads", "set_num_threads", "show_config"]

_SIMD = ("base", "AVX2", "AVX-512")
_MAX_THREADS = 1024
# Packages that gpudl uses where they are there, or that decide which extras fit.
_OPTIONAL = (
    "cupy-cuda12x",
    "cupy-cuda13x",
    "nvidia-cuda-nvrtc-cu12",
    "nvidia-cuda-nvrtc",
    "numba",
    "numba-cuda",
    "rich",
    "matplotlib",
)


def get_num_threads() -> int:
    """The threads that one CPU kernel may use.

    >>> import gpudl as gd
    >>> gd.get_num_threads() >= 1
    True
    """
    return _C.get_num_threads() if _C is not None else 1


def set_num_threads(n: int) -> None:
    """Let CPU kernels, and NumPy's BLAS where it can be told, use `n` threads (1 to 1024).

    It holds for the process; what the extension computes does not depend on it. Raises
    `ArgumentError` for another number. Without the extension there is one thread, and more
    raise `NotSupportedError`.

    >>> import gpudl as gd
    >>> before = gd.get_num_threads()
    >>> gd.set_num_threads(1)
    >>> gd.get_num_threads()
    1
    >>> gd.set_num_threads(before)
    """
    n = as_int("set_num_threads", "n", n)
    if not 1 <= n <= _MAX_THREADS:
        raise ArgumentError("set_num_threads", f"n is {n}", remedy=f"1 to {_MAX_THREADS}")
    if _C is None:
        if n == 1:
            return
        raise NotSupportedError(
            "set_num_threads",
            "the extension was not built, and NumPy's threads cannot be changed",
            remedy="set OPENBLAS_NUM_THREADS before Python starts, or see `gpudl doctor`",
        )
    _C.set_num_threads(n)


if _C is not None and settings.num_threads:
    _C.set_num_threads(_C.get_num_threads())  # the pool read the variable itself; BLAS did not


def _version(package: str) -> str | None:
    from importlib import metadata  # not at the top: it takes as long as half of gpudl

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> str:
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[key]) for key in ("name", "version") if blas.get(key)) or "unknown"


def config_facts() -> dict[str, Any]:
    """What `show_config` prints, as values."""
    import platform

    names = [row.env for row in TABLE.values()]
    return {
        "gpudl": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "numpy": np.__version__,
        "ml_dtypes": _version("ml_dtypes"),
        "blas": _blas(),
        "extension": _C is not None,
        "tape": compiled.state(),
        "simd": _SIMD[_C.simd_level()] if _C is not None else "NumPy's",
        "cores": os.cpu_count(),
        "threads": get_num_threads(),
        "devices": [str(device) for device in devices.available()],
        "default device": str(devices.resolve()),
        "packages": {name: found for name in _OPTIONAL if (found := _version(name)) is not None},
        "install": str(Path(__file__).parent),
        "cache": settings.cache_dir,
        "data": settings.data_dir or None,
        "settings": {name: os.environ[name] for name in names if name in os.environ},
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no (slower; see `gpudl doctor`)"
    return "none" if value is None else str(value)


def show_config() -> dict[str, Any]:
    """Print versions, extension, instruction set, threads, BLAS, devices and folders; return them.

    >>> import gpudl as gd
    >>> facts = gd.show_config()  # doctest: +ELLIPSIS
    gpudl ...
    >>> facts["devices"]
    ['cpu']
    """
    facts = config_facts()
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        sys.stdout.write(f"{name:<{width}}{_shown(value)}\n")
    return facts
