"""The tests that every kernel gets from its spec: compiled for each architecture, within its
budget; emulated and checked in four orders against float64; mutants found; the same on a card."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from mutation import Mutant, finding
from planted import MUTANTS

import gpudl as gd
from gpudl import kernels
from gpudl.runtime import ALL, KernelSpec, binary, gcc
from gpudl.runtime.nvrtc import compile_cubin
from gpudl.runtime.spec import specs_by_name
from gpudl.testing.kernel_cases import ORDERS, recover, run_case

SPECS = specs_by_name(kernels.specs())
NAMES = sorted(SPECS)
# Compiled in the fast tests for the oldest architecture and the one that most are written for.
QUICK_ARCHS = ("sm_75", "sm_90a")
# Mutants in the fast tests: a fixed sample of those of each family.
SAMPLE = 2


def test_there_are_kernels():
    assert len(SPECS) >= 1


def test_cases_have_one_name_in_every_process():
    """The name seeds a case's values and is part of the digest in the table."""
    named = [str(case) for spec in SPECS.values() for case in spec.cases]
    assert not [name for name in named if " at 0x" in name]


# ----- compiled -----
def _compiled() -> list:
    """Each spec with each of its architectures; most are for the long tests."""
    cases = []
    for name in NAMES:
        quick = [a for a in SPECS[name].archs if a in QUICK_ARCHS] or [SPECS[name].archs[0]]
        for arch in SPECS[name].archs:
            marks = [] if arch in quick else [pytest.mark.full]
            cases.append(pytest.param(name, arch, marks=marks, id=f"{name}-{arch}"))
    return cases


@pytest.mark.parametrize(("name", "arch"), _compiled())
def test_compiles_within_its_budget(name, arch, nvrtc, count):
    spec = SPECS[name]
    cubin = compile_cubin(spec, spec.variants, arch)
    assert binary.warnings(cubin) == []
    used = binary.resources(cubin)
    for variant, function in zip(spec.variants, cubin.names, strict=True):
        where = f"{spec.expression(variant)} for {arch}"
        assert binary.has_function(cubin, function), f"{where} is not in the cubin"
        assert used[function].spills == 0, f"{where} spills"
        assert used[function].registers <= spec.registers, f"{where}: {used[function]}"
        assert used[function].shared <= spec.shared, f"{where}: {used[function]}"
    count("kernels compiled", len(cubin.names))


@pytest.mark.parametrize(("name", "arch"), _compiled())
def test_has_the_instructions_it_is_written_for(name, arch, nvrtc, nvdisasm):
    spec = SPECS[name]
    cubin = compile_cubin(spec, spec.variants, arch)
    found = binary.sass(cubin)
    for variant, function in zip(spec.variants, cubin.names, strict=True):
        where = f"{spec.expression(variant)} for {arch}"
        # A kernel whose body was guarded away writes nothing.
        written = sum(binary.count(found[function], op) for op in ("ST*", "RED*", "ATOM*", "UTMA*"))
        assert written, f"{where} writes nothing"
        for wanted, least in spec.sass.items():
            n = binary.count(found[function], wanted)
            assert n >= least, f"{where} has {n} {wanted}: {dict(found[function])}"


def wrapped_ops() -> list[str]:
    """The kernels that have a wrapper for GPUs."""
    return [name for name in kernels.FAMILY_OF if kernels.find(name, "cuda") is not None]


@pytest.mark.parametrize("op", wrapped_ops())
def test_every_op_runs_on_every_architecture(op):
    """Some spec that a case of the op is about is for each architecture, itself or by fallback."""
    of = [spec for spec in SPECS.values() if any(case.op == op for case in spec.cases)]
    assert of, f"no spec has a case of {op}"
    for spec in of:
        covered = set(spec.archs)
        while spec.fallback is not None:
            spec = SPECS[spec.fallback]
            covered |= set(spec.archs)
        assert covered == set(ALL), f"{spec.name} leaves out {set(ALL) - covered}"


# ----- emulated -----
@pytest.mark.parametrize("name", NAMES)
def test_emulator_compiles_without_a_warning(name, emulator):
    assert gcc.log_of(gcc.build_library(SPECS[name], checked=True)) == ""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_emulated_cases_agree_with_float64(name, order, emulator, count):
    spec = SPECS[name]
    launched: Counter[str] = Counter()
    try:
        with gd.config(emulator="checked", emulator_order=order):
            for case in spec.cases:
                found = run_case(spec, case, emulator).launched
                launched.update(key for kernel, key in found if kernel == name)
    finally:
        recover(emulator)
    never = {spec.key(variant) for variant in spec.variants} - set(launched)
    assert not never, f"no case of {name} launches {sorted(never)}"
    count("emulated cases, checked", len(spec.cases), len(spec.cases))


# ----- mutants -----
def _sampled() -> list:
    """All mutants; the fast tests run a fixed sample of each family's."""
    by_family: dict[str, list[Mutant]] = {}
    for mutant in MUTANTS:
        by_family.setdefault(SPECS[mutant.spec].family, []).append(mutant)
    quick = {
        id(m)
        for family, found in by_family.items()
        for m in random.Random(family).sample(found, min(SAMPLE, len(found)))
    }
    return [
        pytest.param(m, marks=[] if id(m) in quick else [pytest.mark.full], id=f"{m}-{i}")
        for i, m in enumerate(MUTANTS)
    ]


def test_mutants_are_of_specs():
    assert {mutant.spec for mutant in MUTANTS} <= set(SPECS)


@pytest.mark.parametrize("name", NAMES)
def test_every_spec_has_mutants_of_two_kinds(name):
    of = [mutant for mutant in MUTANTS if mutant.spec == name]
    assert len(of) >= 3
    assert len({mutant.kind for mutant in of}) >= 2
    for mutant in of:
        text = mutant.original(SPECS[name]).read_text()
        assert mutant.apply(text) != text


@pytest.mark.parametrize("mutant", _sampled())
def test_mutants_are_caught(mutant, emulator, count):
    error = finding(SPECS[mutant.spec], mutant)
    count("mutants caught", error is not None, 1)
    assert error is not None, f"{mutant} survives"


# ----- on a card -----
@pytest.mark.skipif(not gd.cuda.is_available(), reason="needs a card of NVIDIA's")
@pytest.mark.parametrize("name", NAMES)
def test_cases_agree_with_float64_on_a_card(name, count):
    spec: KernelSpec = SPECS[name]
    device = gd.device("cuda")
    for case in spec.cases:
        run_case(spec, case, device)
    count("cases on a card", len(spec.cases), len(spec.cases))
