"""Drives CMake for the extension `gpudl._C`, and mypyc for the modules of the tape that
`gpudl/autograd/compiled.py` names; the rest is in pyproject.toml and CMakeLists.txt.

Both extensions are optional. Without a C++ compiler or Python.h the installation goes on, says so,
and gpudl works, slower. GPUDL_EXTENSION=required makes a failed build an error,
GPUDL_EXTENSION=skip leaves both out.
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
from types import ModuleType

from setuptools import Extension, find_namespace_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError

ROOT = Path(__file__).parent.resolve()
MODE = os.environ.get("GPUDL_EXTENSION", "auto")


class BuildError(Exception):
    """Why an extension could not be built."""


def load_compiled() -> ModuleType:
    """`gpudl/autograd/compiled.py` alone: gpudl cannot be imported while it is built."""
    path = ROOT / "gpudl" / "autograd" / "compiled.py"
    spec = importlib.util.spec_from_file_location("compiled", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


compiled = load_compiled()
AUTOGRAD = ROOT / "gpudl" / "autograd"
TAPE = f"gpudl.autograd.{compiled.FOLDER}.{compiled.library_name(AUTOGRAD)}"


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


def run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    if done.returncode:
        raise BuildError("the build failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))


class Build(build_ext):
    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        what = "the compiled tape" if ext.name == TAPE else "the C++ extension"
        try:
            check_tools()
            if ext.name == TAPE:
                self.mypyc(ext, target)
            else:
                self.cmake(target)
        except (BuildError, CCompilerError, OSError) as error:
            if MODE == "required":
                raise SystemExit(f"gpudl: {what} is required: {error}") from error
            target.unlink(missing_ok=True)
            lines = [
                f"gpudl: installing WITHOUT {what}: {error}",
                "gpudl: everything works, slower; install what is missing and reinstall.",
            ]
            print("\n".join(lines), file=sys.stderr, flush=True)

    def mypyc(self, ext: Extension, target: Path) -> None:
        """One library with all modules, named after the hash of their sources."""
        for folder in (target.parent, AUTOGRAD / compiled.FOLDER):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                old.unlink()
        try:
            from mypyc.build import mypycify
        except ImportError:
            raise BuildError("mypyc was not found (pip install mypy)") from None
        folder = Path(self.build_temp).resolve() / "tape"
        modules = [f"gpudl/autograd/{name}.py" for name in compiled.MODULES]
        try:
            # Other modules are not read, so the code does not depend on what is installed.
            parts = mypycify(
                [
                    "--config-file=",
                    f"--cache-dir={folder / 'mypy'}",
                    "--follow-imports=skip",
                    "--ignore-missing-imports",
                    "gpudl/autograd/native.py",
                    *modules,
                ],
                only_compile_paths=modules,
                group_name=compiled.GROUP,
                target_dir=str(folder),
                debug_level="0",
            )
        except SystemExit as error:
            raise BuildError(f"mypyc failed: {error}") from None
        # mypyc expects a library a module; in one of all, a symbol that each defines is in the way.
        joined = folder / "modules.c"
        joined.write_text(
            "".join(
                f"#define PyInit___init__ PyInit_unused_{name}\n"
                f'#include "gpudl/autograd/{name}.c"\n#undef PyInit___init__\n'
                for name in compiled.MODULES
            )
        )
        group = next(part for part in parts if part.name == f"{compiled.GROUP}__mypyc")
        ext.sources = [*group.sources, str(joined)]
        ext.include_dirs = sorted({path for part in parts for path in part.include_dirs})
        ext.extra_compile_args = [a for a in group.extra_compile_args if a != "-Werror"]
        super().build_extension(ext)

    def cmake(self, target: Path) -> None:
        try:
            import pybind11
        except ImportError:
            raise BuildError("pybind11 was not found (pip install pybind11)") from None

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
    skip = ["*__pycache__*", f"*.{compiled.FOLDER}"]
    inside = find_namespace_packages(str(ROOT), include=["gpudl", "gpudl.*"], exclude=skip)
    kernels = find_namespace_packages(str(ROOT / "kernels"), exclude=skip)
    return [*inside, "gpudl.kernels", *(f"gpudl.kernels.{name}" for name in kernels)]


# Without extension modules the wheel is a pure one, for any system.
setup(
    packages=packages(),
    ext_modules=[]
    if MODE == "skip"
    else [Extension(name, sources=[], optional=True) for name in ("gpudl._C", TAPE)],
    cmdclass={"build_ext": Build},
)
