"""From a kernel's source to a cubin, by NVRTC, through the cache on disk.

Cubins, not PTX: what is tested here is what a card runs, and no driver compiles at load time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..notices import notice, say
from . import cache
from ._nvrtc_library import library
from .sources import closure, include_folder
from .spec import KernelSpec, Variant

OPTIONS = (
    "--std=c++17",
    "-lineinfo",
    "--ptxas-options=-v",
)


@dataclass(frozen=True)
class Cubin:
    """Code for one architecture: the ELF image, the names of its functions, the compiler's log."""

    image: bytes
    names: tuple[str, ...]
    log: str

    def pack(self) -> bytes:
        head = json.dumps({"names": self.names, "log": self.log}).encode()
        return head + b"\n" + self.image

    @classmethod
    def unpack(cls, data: bytes) -> Cubin:
        head, _, image = data.partition(b"\n")
        known = json.loads(head)
        return cls(image, tuple(known["names"]), known["log"])


def compile_cubin(spec: KernelSpec, variants: Sequence[Variant], arch: str) -> Cubin:
    """The code of `variants` of a kernel for `arch`, such as "sm_90a".

    The launcher asks for one variant at a time, so that nothing is compiled which does not run.
    Raises `CompileError` with NVRTC's log, `MissingDependencyError` without NVRTC.
    """
    nvrtc = library()
    path = spec.path
    text, headers = path.read_text(), closure(path, [include_folder()])
    options = (*OPTIONS, f"--gpu-architecture={arch}")
    expressions = [spec.expression(variant) for variant in variants]
    key = cache.key("cubin", nvrtc.version, spec.source, text, headers, options, expressions)

    def make() -> bytes:
        notice("compile", spec.name, lambda: f"{', '.join(expressions)} for {arch} by NVRTC")
        say(4, f"{spec.source}:\n{text}")
        return Cubin(*nvrtc.compile(spec.source, text, headers, options, expressions)).pack()

    return Cubin.unpack(cache.content(cache.entry(f"{key}.cubin", make)))
