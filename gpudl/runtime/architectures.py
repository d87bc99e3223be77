"""Which binary a card gets: a kernel is compiled for some architectures, a card has one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import DeviceError
from .spec import KernelSpec

Capability = tuple[int, int]  # (9, 0) for an H100


def capability_of(arch: str) -> Capability:
    """The compute capability of an architecture.

    >>> capability_of("sm_90a"), capability_of("sm_120")
    ((9, 0), (12, 0))
    """
    found = re.fullmatch(r"sm_(\d+)(\d)[af]?", arch)
    assert found is not None, arch
    return int(found[1]), int(found[2])


def choose(archs: Sequence[str], card: Capability, *, portable: bool = True) -> str | None:
    """What to compile for a card, out of what a kernel is for, or None.

    A cubin runs on cards of its own major version and the same or a later minor one; with the
    suffix "a", on exactly its own. A `portable` kernel, which uses what the suffix stands for only
    where it is there, also gets the plain code of a major version.

    >>> choose(("sm_80", "sm_86", "sm_90a"), (8, 9)), choose(("sm_80", "sm_90a"), (9, 0))
    ('sm_86', 'sm_90a')
    >>> choose(("sm_90a", "sm_100a"), (10, 3)), choose(("sm_90a",), (12, 0))
    ('sm_100', None)
    """
    fitting = []
    for arch in archs:
        major, minor = capability_of(arch)
        if major != card[0] or minor > card[1]:
            continue
        if not arch.endswith("a") or minor == card[1]:
            fitting.append((minor, arch))
        elif portable:
            fitting.append((minor, arch.rstrip("a")))
    return max(fitting)[1] if fitting else None


def target(spec: KernelSpec, card: Capability, compiler: Sequence[int]) -> str:
    """The architecture to compile a kernel for, so that a card runs it.

    `compiler` lists what NVRTC knows, as numbers like 90. Raises `DeviceError` for a card that the
    kernel or the compiler does not cover.
    """
    best = choose(spec.archs, card, portable=spec.fallback is None)
    shown = f"compute capability {card[0]}.{card[1]}"
    if best is None:
        raise DeviceError(
            spec.name,
            f"no code for a card of {shown}, only for {', '.join(spec.archs)}",
            remedy=_upgrade(card),
        )
    major, minor = capability_of(best)
    if major * 10 + minor not in compiler:
        raise DeviceError(
            spec.name,
            f"NVRTC does not know {best}, which a card of {shown} needs",
            remedy=_upgrade(card),
        )
    return best


def _upgrade(card: Capability) -> str:
    if card < (7, 5):
        return "a card of compute capability 7.5 (Turing) or later"
    return 'pip install --upgrade "gpudl[cuda13]"'
