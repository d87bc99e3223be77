"""`KernelSpec`: all that is known about a kernel beside its code.

The launcher reads its source, signature and geometry; the tests are generated from the rest:
architectures, budgets, required instructions and cases.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .sources import kernels_folder

Dims = tuple[int, int, int]
Layout = Literal["dense", "transposed", "reversed", "strided", "broadcast", "channels_last"]
LAYOUTS: tuple[Layout, ...] = (
    "dense",
    "transposed",
    "reversed",
    "strided",
    "broadcast",
    "channels_last",
)
Variant = Mapping[str, str]

# The architectures that kernels are compiled for, oldest first. The suffix "a" stands for the
# instructions of exactly that generation, such as wgmma.
ALL = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120")

# A letter for each kind of kernel argument, with its bytes (0: as many as the value has).
LETTERS: dict[str, int] = {
    "P": 8,  # an array, or None for a null pointer
    "i": 4,  # int32_t
    "I": 4,  # uint32_t
    "q": 8,  # int64_t
    "Q": 8,  # uint64_t
    "f": 4,  # float
    "d": 8,  # double
    "S": 0,  # a struct by value: a ctypes.Structure, or bytes
    "E": 16,  # an ErrorSlot: where the kernel reports an index out of range
}

MAX_THREADS = 1024
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_BLOCK = (1024, 1024, 64)
MAX_CLUSTER = 8  # portable; 16 needs an attribute of its own


@dataclass(frozen=True)
class Geometry:
    """The shape of a launch: blocks, threads a block, bytes of dynamic shared memory."""

    grid: Dims
    block: Dims
    shared: int = 0
    cluster: Dims = (1, 1, 1)
    cooperative: bool = False

    def problem(self) -> str | None:
        """What a card would refuse in this geometry, or None."""
        for name, dims, most in (
            ("grid", self.grid, MAX_GRID),
            ("block", self.block, MAX_BLOCK),
            ("cluster", self.cluster, (MAX_CLUSTER,) * 3),
        ):
            if len(dims) != 3 or any(d < 1 or d > m for d, m in zip(dims, most, strict=False)):
                return f"{name} {dims} is not within 1 to {most}"
        if _volume(self.block) > MAX_THREADS:
            return f"block {self.block} has more than {MAX_THREADS} threads"
        if _volume(self.cluster) > MAX_CLUSTER:
            return f"cluster {self.cluster} has more than {MAX_CLUSTER} blocks"
        if any(g % c for g, c in zip(self.grid, self.cluster, strict=True)):
            return f"grid {self.grid} is no multiple of the cluster {self.cluster}"
        if self.shared < 0:
            return f"{self.shared} bytes of shared memory"
        return None


def _volume(dims: Dims) -> int:
    return dims[0] * dims[1] * dims[2]


Sampler = Callable[[np.random.Generator, tuple[int, ...], np.dtype[Any]], np.ndarray[Any, Any]]


@dataclass(frozen=True, eq=False)
class Operand:
    """An operand of a test case: its shape, dtype, layout in memory, and values.

    `sample(rng, shape, dtype)` gives the values; by default they are normal, or small integers.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    layout: Layout = "dense"
    sample: Sampler | None = None

    def __post_init__(self) -> None:
        _demand(self.layout in LAYOUTS, f"Operand: layout {self.layout!r} is none of {LAYOUTS}")
        if self.layout == "channels_last":
            _demand(len(self.shape) >= 3, f"Operand: channels_last needs 3 axes, not {self.shape}")


@dataclass(frozen=True, eq=False)
class Case:
    """A call of the wrapper `op`, and what it is compared with.

    `reference(*arrays, **params)` computes on float64 arrays of the host; None takes the row that
    is named `op`, or whose kernel is. `inplace` lists the operands that are results.
    """

    op: str
    operands: tuple[Operand | None, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[..., Any] | None = None
    inplace: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for i in self.inplace:
            there = 0 <= i < len(self.operands) and self.operands[i] is not None
            _demand(there, f"Case {self.op}: there is no operand {i} to write")

    def __str__(self) -> str:
        shown = [
            "none"
            if o is None
            else f"{o.dtype}[{'x'.join(map(str, o.shape))}]"
            + ("" if o.layout == "dense" else f".{o.layout}")
            for o in self.operands
        ]
        given = [f"{name}={_short(value)}" for name, value in self.params.items()]
        return f"{self.op}({', '.join(shown + given)})"


def _short(value: object) -> str:
    return getattr(value, "name", None) or str(value)


@dataclass(frozen=True, eq=False, kw_only=True)
class KernelSpec:
    """A kernel: where its code is, how it is launched, what it may cost, how it is tested.

    `source` lies below `kernels/`; `template` is the C++ expression of the function, formatted with
    a variant, each of which is compiled by itself. `signature` has one letter for each argument
    (`LETTERS`). `geometry(**shapes)` gets what the launch passes. `fallback` names the spec that
    does the same work on the architectures which `archs` leaves out. `registers` a thread and
    `shared` bytes a block, static and dynamic, are budgets; nothing may spill. `sass` says how
    often an instruction must at least be there. `folder` is where `source` lies, if not in
    `kernels/`.
    """

    name: str
    source: str
    template: str
    signature: str
    geometry: Callable[..., Geometry]
    cases: tuple[Case, ...]
    registers: int
    variants: tuple[Variant, ...] = field(default_factory=lambda: ({},))
    archs: tuple[str, ...] = ALL
    fallback: str | None = None
    shared: int = 0
    sass: Mapping[str, int] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        where = f"KernelSpec {self.name!r}"
        _demand(self.name.isidentifier(), f"{where}: the name is no identifier")
        clean = self.source.endswith(".cu") and not self.source.startswith(("/", "."))
        _demand(clean, f"{where}: source {self.source!r} is no .cu file below kernels/")
        strange = sorted(set(self.signature) - set(LETTERS))
        _demand(not strange, f"{where}: letters {strange} of the signature are none of {LETTERS}")
        _demand(bool(self.variants), f"{where}: no variants")
        keys = [self.key(variant) for variant in self.variants]
        _demand(len(set(keys)) == len(keys), f"{where}: a variant twice")
        wanted = {name for _, name, _, _ in string.Formatter().parse(self.template) if name}
        for variant in self.variants:
            fits = set(variant) == wanted
            _demand(fits, f"{where}: variant {dict(variant)} does not fill {self.template!r}")
        unknown = sorted(set(self.archs) - set(ALL))
        _demand(bool(self.archs) and not unknown, f"{where}: architectures {unknown or 'missing'}")
        whole = set(self.archs) == set(ALL) or self.fallback is not None
        _demand(whole, f"{where}: not for every architecture, and without a fallback")
        _demand(self.fallback != self.name, f"{where}: its own fallback")
        _demand(1 <= self.registers <= 255, f"{where}: {self.registers} registers")
        _demand(self.shared >= 0, f"{where}: {self.shared} bytes of shared memory")

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    @property
    def family(self) -> str:
        """The folder of the source."""
        return self.source.partition("/")[0]

    @property
    def path(self) -> Path:
        """The file of the source."""
        return (self.folder or kernels_folder()) / self.source

    def key(self, variant: Variant) -> str:
        """A variant as a short string: `T=float,N=4`."""
        return ",".join(f"{name}={value}" for name, value in variant.items())

    def expression(self, variant: Variant) -> str:
        """The C++ expression of the function of a variant: `softmax_fwd<float>`."""
        return self.template.format(**variant)


def specs_by_name(specs: Sequence[KernelSpec]) -> dict[str, KernelSpec]:
    """Specs under their names. Raises `ValueError` for a name that is there twice, or a fallback
    that is not there or takes other arguments.
    """
    named: dict[str, KernelSpec] = {}
    for spec in specs:
        _demand(spec.name not in named, f"two specs are called {spec.name!r}")
        named[spec.name] = spec
    for spec in specs:
        there = spec.fallback is None or spec.fallback in named
        _demand(there, f"{spec.name}: there is no spec {spec.fallback!r} to fall back on")
    return named


def _demand(holds: bool, text: str) -> None:
    if not holds:
        raise ValueError(text)
