"""Who is measured: one adapter per library and way of using it, each loaded only in its process."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field

from .base import Adapter, Step, Unsupported

__all__ = ["FRAMEWORKS", "Adapter", "Framework", "Step", "Unsupported", "installed", "load"]


@dataclass(frozen=True)
class Framework:
    """An adapter: `module` in this folder, the `package` that it needs, its name in tables."""

    module: str
    package: str
    title: str
    env: dict[str, str] = field(default_factory=dict)  # of its process


# Without these, glibc gives large blocks back after every call and takes fresh pages in the next.
KEEP_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
FRAMEWORKS = {
    "gpudl": Framework("gpudl_eager", "gpudl", "gpudl"),
    "gpudl_channels_last": Framework("gpudl_channels_last", "gpudl", "gpudl NHWC"),
    "torch": Framework("torch_eager", "torch", "PyTorch"),
    "torch_tuned": Framework("torch_tuned", "torch", "PyTorch tuned", KEEP_PAGES),
    "numpy": Framework("numpy_plain", "numpy", "NumPy"),
}


def installed(name: str) -> bool:
    """Whether the package of a framework is there."""
    return importlib.util.find_spec(FRAMEWORKS[name].package) is not None


def load(name: str) -> Adapter:
    """The adapter of a framework, which is imported now."""
    module = importlib.import_module(f".{FRAMEWORKS[name].module}", __name__)
    adapter: Adapter = module.make()
    return adapter
