"""`gpudl doctor`: what is wrong with this installation, and for each finding the repair."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._machine import Machine

# CUDA major version -> the NVRTC package of our extra, and the version it is pinned to.
NVRTC = {12: ("nvidia-cuda-nvrtc-cu12", "12.9"), 13: ("nvidia-cuda-nvrtc", "13.0")}


class Finding(NamedTuple):
    """Something wrong, and the one command that repairs it."""

    what: str
    command: str


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "find what is wrong with this installation, and print the commands that repair it"
    subparsers.add_parser("doctor", help=text, description=text).set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 if there are none, else 1."""
    from ._machine import probe

    machine = probe()
    findings = list(diagnose(machine))
    for finding in findings:
        sys.stdout.write(f"problem: {finding.what}\n  repair: {finding.command}\n")
    if not findings:
        gpus = ", ".join(machine.gpus) or "no NVIDIA GPU"
        sys.stdout.write(f"no problem found ({gpus}; cache in {machine.cache_dir})\n")
    return 1 if findings else 0


def diagnose(machine: Machine) -> Iterator[Finding]:
    """Every finding on `machine`."""
    yield from _extension(machine)
    yield from _driver(machine)
    yield from _cupy(machine)
    yield from _nvrtc(machine)
    yield from _cache(machine)


def _extension(machine: Machine) -> Iterator[Finding]:
    if machine.extension_error is None:
        return
    slow = f"the C++ extension is missing, and gpudl is slow ({machine.extension_error})"
    # pip would take the wheel that it made without the extension from its cache again.
    fresh = "--no-cache-dir --no-binary gpudl " if machine.source == "gpudl" else ""
    repair = f"{machine.pip} install --force-reinstall --no-deps {fresh}{machine.source}"
    if machine.compiler is None:
        tools = "g++" if machine.python_header else "g++ python3-dev"
        yield Finding(f"{slow}; there is no C++ compiler", f"sudo apt install {tools} && {repair}")
    elif not machine.python_header:
        yield Finding(f"{slow}; Python.h is missing", f"sudo apt install python3-dev && {repair}")
    else:
        yield Finding(slow, f"GPUDL_EXTENSION=required {repair}")


def _driver(machine: Machine) -> Iterator[Finding]:
    if machine.smi_error is not None:
        if "mismatch" in machine.smi_error.lower():
            yield Finding(
                f"the loaded NVIDIA driver is not the installed one ({machine.smi_error})",
                "sudo reboot",
            )
        else:
            yield Finding(
                f"nvidia-smi fails: {machine.smi_error}",
                "sudo apt install --reinstall nvidia-driver",
            )
    elif machine.gpus and machine.driver_cuda is None:
        yield Finding(
            f"{machine.gpus[0]} is there, but libcuda.so.1 is not found",
            "sudo apt install libcuda1",
        )
    if machine.driver_cuda is not None and machine.driver_cuda[0] < 12:
        version = ".".join(map(str, machine.driver_cuda))
        yield Finding(
            f"the NVIDIA driver speaks CUDA {version}; gpudl needs 12 or later",
            "sudo apt install nvidia-driver",
        )


def _cupy_wheels(machine: Machine) -> dict[str, int | None]:
    """The CuPy distributions, each with the CUDA major version it is for (None: built here)."""
    wheels: dict[str, int | None] = {}
    for name in sorted(machine.packages):
        match = re.fullmatch(r"cupy(?:-cuda(\d\d)\w*)?", name)
        if match:
            wheels[name] = int(match[1]) if match[1] else None
    return wheels


def _extra(machine: Machine) -> str:
    """The extra that fits the driver."""
    driver = machine.driver_cuda
    return "cuda12" if driver is not None and driver[0] == 12 else "cuda13"


def _cupy(machine: Machine) -> Iterator[Finding]:
    wheels = _cupy_wheels(machine)
    install = f"{machine.pip} install {shlex.quote(f'gpudl[{_extra(machine)}]')}"
    usable = machine.driver_cuda is not None and machine.driver_cuda[0] >= 12
    if len(wheels) > 1:
        names = " ".join(wheels)
        yield Finding(
            f"several CuPy packages overwrite each other: {names}",
            f"{machine.pip} uninstall -y {names} && {install}",
        )
        return
    for name, major in wheels.items():
        if major is not None and major not in NVRTC:
            yield Finding(
                f"{name} is for CUDA {major}, which gpudl does not use",
                f"{machine.pip} uninstall -y {name} && {install}",
            )
        elif usable and major is not None and machine.driver_cuda is not None:
            speaks = ".".join(map(str, machine.driver_cuda))
            if major > machine.driver_cuda[0]:
                yield Finding(
                    f"{name} needs CUDA {major}, but the driver speaks CUDA {speaks}",
                    f"{machine.pip} uninstall -y {name} && {install}",
                )
    if not wheels and machine.gpus and usable and machine.cuda_device:
        yield Finding(f"{machine.gpus[0]} is not used: CuPy is not installed", install)


def _nvrtc(machine: Machine) -> Iterator[Finding]:
    majors = {major for major in _cupy_wheels(machine).values() if major in NVRTC}
    if len(majors) != 1:
        return
    package, wanted = NVRTC[majors.pop()]
    found = machine.packages.get(package)
    repair = f"{machine.pip} install {shlex.quote(f'{package}=={wanted}.*')}"
    if found is None:
        yield Finding(f"{package} is not installed; kernels cannot be compiled", repair)
    elif not found.startswith(f"{wanted}."):
        yield Finding(f"{package} is {found}; gpudl compiles with {wanted}", repair)


def _cache(machine: Machine) -> Iterator[Finding]:
    if machine.cache_error is None:
        return
    folder = shlex.quote(machine.cache_dir)
    what = f"nothing can be written to the cache {machine.cache_dir}: {machine.cache_error}"
    lowered = machine.cache_error.lower()
    if "exists" in lowered or "not a directory" in lowered:
        yield Finding(what, f"mv {folder} {folder}.old && mkdir -p {folder}")
    elif "no space" in lowered or "read-only" in lowered:
        yield Finding(what, 'export GPUDL_CACHE_DIR="$(mktemp -d)"')
    else:
        yield Finding(what, f'sudo mkdir -p {folder} && sudo chown -R "$USER" {folder}')
