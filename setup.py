"""Drives CMake for the extension `gpudl._C`; the rest is in pyproject.toml and CMakeLists.txt.

The extension is optional. Without a C++ compiler or Python.h the installation goes on, says so,
and gpudl works, slower. GPUDL_EXTENSION=required makes a failed build an error,
GPUDL_EXTENSION=skip leaves the extension out.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, find_namespace_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
MODE = os.environ.get("GPUDL_EXTENSION", "auto")


class BuildError(Exception):
    """Why the extension could not be built."""


def find_cmake() -> str:
    if importlib.util.find_spec("cmake"):
        from cmake import CMAKE_BIN_DIR

        return str(Path(CMAKE_BIN_DIR) / "cmake")
    found = shutil.which("cmake")
    if found is None:
        raise BuildError("CMake was not found (pip install cmake)")
    return found


def check_tools() -> None:
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    if not any(shutil.which(c.split()[0]) for c in compilers if c.strip()):
        raise BuildError("no C++ compiler was found (Debian: apt install g++)")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        raise BuildError("Python.h was not found (Debian: apt install python3-dev)")
    if importlib.util.find_spec("pybind11") is None:
        raise BuildError("pybind11 was not found (pip install pybind11)")


def run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    if done.returncode:
        raise BuildError("the build failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))


class CMakeBuild(build_ext):
    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        try:
            check_tools()
            self.cmake(target)
        except (BuildError, OSError) as error:
            if MODE == "required":
                raise SystemExit(f"gpudl: the C++ extension is required: {error}") from error
            target.unlink(missing_ok=True)
            lines = [
                f"gpudl: installing WITHOUT the C++ extension: {error}",
                "gpudl: everything works, slower; install what is missing and reinstall.",
            ]
            print("\n".join(lines), file=sys.stderr, flush=True)

    def cmake(self, target: Path) -> None:
        import pybind11

        build = Path(self.build_temp).resolve() / sysconfig.get_config_var("SOABI")
        build.mkdir(parents=True, exist_ok=True)
        cmake = find_cmake()
        command = [
            cmake,
            "-S",
            str(ROOT),
            "-B",
            str(build),
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DGPUDL_OUTPUT_DIR={target.parent}",
        ]
        if shutil.which("ninja") and not (build / "Makefile").exists():
            command += ["-G", "Ninja"]
        run(command + shlex.split(os.environ.get("CMAKE_ARGS", "")))
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1)
        run([cmake, "--build", str(build), "--parallel", jobs])
        if not target.is_file():
            raise BuildError(f"the build left no {target.name}")


def packages() -> list[str]:
    # Namespace packages too, because folders of device code have no __init__.py.
    skip = ["*__pycache__*"]
    inside = find_namespace_packages(str(ROOT), include=["gpudl", "gpudl.*"], exclude=skip)
    kernels = find_namespace_packages(str(ROOT / "kernels"), exclude=skip)
    return [*inside, "gpudl.kernels", *(f"gpudl.kernels.{name}" for name in kernels)]


# Without extension modules the wheel is a pure one, for any system.
setup(
    packages=packages(),
    ext_modules=[] if MODE == "skip" else [Extension("gpudl._C", sources=[], optional=True)],
    cmdclass={"build_ext": CMakeBuild},
)
