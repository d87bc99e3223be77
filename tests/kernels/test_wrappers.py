"""The wrappers of `device.cuh`, alone: the emulator gives what NumPy gives, and what cards gave;
every wrapper has a kernel that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from mechanical import code_only
from wrapper_values import VALUES, expected

import gpudl as gd
from gpudl.kernels.conformance.wrappers import ATOMICS, THEMES, WRAPPERS, run
from gpudl.runtime import binary, gcc
from gpudl.runtime.nvrtc import compile_cubin
from gpudl.runtime.sources import EMULATOR, include_folder
from gpudl.testing.conformance import decoded, difference
from gpudl.testing.kernel_cases import ORDERS, recover

GOLDEN = sorted((Path(__file__).parent / "golden").glob("wrappers-*.json"))
HEADERS = ("language", "number", "error", "memory", "barrier", "mma", "tma", "wgmma")


# ----- results -----
def _orders() -> list:
    quick = ORDERS[:2]
    return [pytest.param(o, marks=[] if o in quick else [pytest.mark.full]) for o in ORDERS]


@pytest.mark.parametrize("order", _orders())
@pytest.mark.parametrize("theme", THEMES)
def test_emulated_wrappers_give_what_numpy_gives(theme, order, emulator, count):
    of = [wrapper for wrapper in WRAPPERS if wrapper.theme == theme]
    wrong = []
    try:
        with gd.config(emulator="checked", emulator_order=order):
            for wrapper in of:
                found = difference(wrapper, run(wrapper, emulator), expected(wrapper))
                if found:
                    wrong.append(f"{wrapper}: {found}")
    finally:
        recover(emulator)
    assert not wrong, "\n".join(wrong)
    count("wrappers, emulated", len(of), len(of))


_NO_CARD = pytest.mark.skip(reason="no card has written its outputs yet; `make gpu-check` does")


@pytest.mark.parametrize("path", GOLDEN or [pytest.param(Path("none"), marks=_NO_CARD)], ids=str)
def test_emulated_wrappers_give_what_a_card_gave(path, emulator):
    recorded = json.loads(path.read_text())
    wrong = []
    for wrapper in WRAPPERS:
        if wrapper.kernel in recorded["outputs"]:
            card = decoded(wrapper, recorded["outputs"][wrapper.kernel])
            found = difference(wrapper, run(wrapper, emulator), card)
            if found:
                wrong.append(f"{wrapper}: {found}")
    assert not wrong, f"{recorded['card']}:\n" + "\n".join(wrong)


# ----- coverage -----
def public_functions() -> set[str]:
    """What `device.cuh` and the emulator's twin of CUDA's language declare for device code."""
    found = set()
    for name in HEADERS:
        text = (include_folder() / f"gpudl/{name}.cuh").read_text()
        own = r"namespace detail \{.*\}  // namespace detail"
        text = code_only(re.sub(own, "", text, flags=re.DOTALL))
        found |= set(re.findall(r"(?:GD_DEVICE|EMU_INLINE) [\w ]+?(\w+)\(", text))
    for name in ("cuda", "warp", "atomics", "intrinsics"):
        text = (EMULATOR / f"{name}.h").read_text()
        found |= set(re.findall(r"EMU_INLINE [\w ]+?(\w+)\(", text))
        found |= set(re.findall(r"^using std::(\w+);", text, re.MULTILINE))
        found |= set(re.findall(r"^EMU_ATOMIC(?:_INTEGERS)?\((\w+),", text, re.MULTILINE))
    return {name for name in found if not name.startswith("emu_")} | {"atomicExch", "atomicCAS"}


def overloads() -> set[tuple[str, str]]:
    """Each atomic with its type."""
    text = (EMULATOR / "atomics.h").read_text()
    found = set(re.findall(r"^EMU_ATOMIC\((\w+), ([\w ]+),", text, re.MULTILINE))
    for name in re.findall(r"^EMU_ATOMIC_INTEGERS\((\w+),", text, re.MULTILINE):
        found |= {(name, ctype) for ctype in ("int", "unsigned", "unsigned long long")}
    for kind, name in (("EXCHANGE", "atomicExch"), ("CAS", "atomicCAS")):
        types = re.findall(rf"^EMU_ATOMIC_{kind}\(([\w ]+)\)$", text, re.MULTILINE)
        found |= {(name, ctype) for ctype in types}
    return found


def shown() -> set[str]:
    """Every name in the conformance kernels' code and in their template arguments."""
    code = [re.sub(r"//.*", "", spec.path.read_text()) for spec in THEMES.values()]
    return set(re.findall(r"\w+", "\n".join([*code, *(w.kernel for w in WRAPPERS)])))


def test_every_wrapper_has_a_conformance_kernel(count):
    wrappers = public_functions()
    assert len(wrappers) > 120
    missing = wrappers - shown()
    assert not missing, f"no conformance kernel shows {sorted(missing)}"
    count("wrappers with a conformance kernel", len(wrappers), len(wrappers))


def test_every_atomic_is_shown_in_each_of_its_types():
    tried = {
        ("atomicCAS" if name == "Cas" else f"atomic{name}", ctype)
        for name, ctypes in ATOMICS.items()
        for ctype in ctypes
    }
    assert overloads() == tried


def test_every_conformance_kernel_is_run():
    names = {re.match(r"\w+", wrapper.kernel)[0] for wrapper in WRAPPERS}
    assert names == set(VALUES)
    assert len({wrapper.kernel for wrapper in WRAPPERS}) == len(WRAPPERS)


# ----- compiled -----
def _compiled() -> list:
    """Each theme with its architectures; most are for the long tests."""
    return [
        pytest.param(
            theme,
            arch,
            marks=[] if arch == "sm_90a" else [pytest.mark.full],
            id=f"{theme}-{arch}",
        )
        for theme, spec in THEMES.items()
        for arch in spec.archs
    ]


@pytest.mark.parametrize(("theme", "arch"), _compiled())
def test_wrappers_compile(theme, arch, nvrtc, count):
    spec = THEMES[theme]
    cubin = compile_cubin(spec, spec.variants, arch)
    assert binary.warnings(cubin) == []
    assert all(binary.resources(cubin)[name].spills == 0 for name in cubin.names)
    count("wrappers compiled", len(cubin.names))


@pytest.mark.parametrize("theme", THEMES)
def test_wrappers_are_emulated_without_a_warning(theme, emulator):
    assert gcc.log_of(gcc.build_library(THEMES[theme], checked=True)) == ""


# ----- the comparison itself -----
@pytest.mark.parametrize(
    ("dtype", "tolerance", "got", "want", "same"),
    [
        ("float32", None, [np.nan, 1.0], [-np.nan, 1.0], True),
        ("float32", None, [0.0], [-0.0], False),
        ("float32", 0.0, [0.0], [-0.0], True),
        ("float32", None, [1.0], [np.nextafter(np.float32(1), np.float32(2))], False),
        ("float32", 1e-6, [1.0], [1.0000005], True),
        ("float32", 1e-6, [1.0], [1.00001], False),
        ("float32", 1e-6, [np.inf], [1.0], False),
        ("int32", None, [1, 2], [1, 3], False),
    ],
)
def test_differences_are_found(dtype, tolerance, got, want, same):
    like = next(w for w in WRAPPERS if w.dtype == dtype)
    wrapper = type(like)(like.theme, like.kernel, like.x, like.y, dtype, len(got), tolerance)
    found = difference(wrapper, np.array(got, dtype), np.array(want, dtype))
    assert (found is None) is same
