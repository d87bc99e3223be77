"""What `gpudl doctor` looks at, gathered once, so that the diagnosis is a function of values."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote


@dataclass(frozen=True)
class Machine:
    """The facts. The defaults describe a healthy machine without a GPU."""

    packages: dict[str, str] = field(default_factory=dict)  # normalized name -> version
    pip: str = "pip"
    source: str = "gpudl"  # what pip installs gpudl from
    extension_error: str | None = None  # why gpudl._C cannot be imported
    compiler: str | None = "g++"
    python_header: bool = True
    driver_cuda: tuple[int, int] | None = None  # the newest CUDA that libcuda speaks
    smi_error: str | None = None  # what nvidia-smi said, if it is there and fails
    gpus: tuple[str, ...] = ()
    cuda_device: bool = False  # whether this gpudl can use a GPU at all
    cache_dir: str = "~/.cache/gpudl"
    cache_error: str | None = None


def probe() -> Machine:
    """The facts of this machine."""
    from ..devices import kinds
    from ..settings import settings

    gpus, smi_error = _nvidia_smi()
    return Machine(
        packages=_packages(),
        pip=f"{shlex.quote(sys.executable)} -m pip",
        source=_source(),
        extension_error=_extension_error(),
        compiler=_compiler(),
        python_header=(Path(sysconfig.get_path("include")) / "Python.h").is_file(),
        driver_cuda=_driver_cuda(),
        smi_error=smi_error,
        gpus=gpus,
        cuda_device="cuda" in kinds(),
        cache_dir=settings.cache_dir,
        cache_error=_cache_error(Path(settings.cache_dir)),
    )


def normalized(name: str) -> str:
    """A package name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name:
            found[normalized(name)] = dist.version
    return found


def _source() -> str:
    """What pip can build gpudl from: the index, or the folder or sdist that it came from."""
    try:
        text = importlib.metadata.distribution("gpudl").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return "gpudl"
    origin = json.loads(text) if text else {}
    url = str(origin.get("url", ""))
    if not url.startswith("file://") or url.endswith(".whl"):
        return "gpudl"
    folder = shlex.quote(unquote(url.removeprefix("file://")))
    return f"-e {folder}" if origin.get("dir_info", {}).get("editable") else folder


def _extension_error() -> str | None:
    try:
        from .. import _C  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


def _compiler() -> str | None:
    named = os.environ.get("CXX", "").split()[:1]
    for name in (*named, "c++", "g++", "clang++"):
        if shutil.which(name):
            return name
    return None


def _driver_cuda() -> tuple[int, int] | None:
    for name in ("libcuda.so.1", "libcuda.so"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        version = ctypes.c_int(0)
        if library.cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value:
            return version.value // 1000, version.value % 1000 // 10
    return None


def _nvidia_smi() -> tuple[tuple[str, ...], str | None]:
    """The names of the cards, and what nvidia-smi said if it failed."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return (), None
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), str(error)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        return (), lines[0] if lines else f"exit status {done.returncode}"
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()), None


def _cache_error(folder: Path) -> str | None:
    """Why nothing can be written under `folder`, if so. The folder is made if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"gpudl")
    except OSError as error:
        return error.strerror or str(error)
    return None
