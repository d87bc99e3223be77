"""From source to binary to launch, on a small family of the tests' own."""

from __future__ import annotations

import dataclasses
import gc
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import fixtures
import numpy as np
import pytest
from fixtures import ROW_SUM, SPECS, TAKE
from mutation import Mutant, finding

import gpudl as gd
from gpudl import notices
from gpudl.errors import CompileError, EmulatorError, IndexRangeError, KernelError
from gpudl.runtime import (
    ByValue,
    Geometry,
    arguments,
    binary,
    emulated,
    gcc,
    launch,
    launches,
    replaced,
    runs_on,
)
from gpudl.runtime import _nvrtc_library as nvrtc_library
from gpudl.runtime.nvrtc import compile_cubin
from gpudl.testing.kernel_cases import ORDERS, recover, run_case


def find(case):
    return getattr(fixtures, case.op)


def upload(device, *values, dtype=np.float32):
    return device.from_host(np.array(values, dtype), copy=True)


# ----- NVRTC -----
@pytest.mark.parametrize("arch", ROW_SUM.archs)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_cubins_of_every_architecture(spec, arch, nvrtc, nvdisasm):
    cubin = compile_cubin(spec, spec.variants, arch)
    assert binary.warnings(cubin) == []
    counts = binary.sass(cubin)
    for name in cubin.names:
        assert binary.has_function(cubin, name)
        assert binary.resources(cubin)[name].spills == 0
        assert binary.count(counts[name], "ST*") >= 1
        assert binary.count(counts[name], "EXIT") >= 1
        for wanted, least in spec.sass.items():
            assert binary.count(counts[name], wanted) >= least


def test_resources_are_read_from_the_log(nvrtc):
    cubin = compile_cubin(ROW_SUM, ROW_SUM.variants, "sm_80")
    single, double = (binary.resources(cubin)[name] for name in cubin.names)
    assert (single.shared, double.shared) == (256, 512)
    assert 8 <= single.registers <= ROW_SUM.registers


def test_a_binary_names_no_folder_of_this_machine(nvrtc):
    image = compile_cubin(ROW_SUM, ROW_SUM.variants, "sm_80").image
    assert str(Path(__file__).parent).encode() not in image
    assert b"rows.cu" in image


def broken(tmp_path, old, new):
    text = (ROW_SUM.path).read_text()
    assert old in text
    (tmp_path / "rows.cu").write_text(text.replace(old, new))
    return dataclasses.replace(ROW_SUM, folder=tmp_path)


def test_nvrtc_says_what_is_wrong(tmp_path, nvrtc):
    spec = broken(tmp_path, "T sum = 0;", "T sum = nothing;")
    with pytest.raises(CompileError) as error:
        compile_cubin(spec, [{"T": "float"}], "sm_80")
    assert "rows.cu(8)" in str(error.value)
    assert "nothing" in str(error.value)


def test_spills_and_missing_functions_are_seen(tmp_path, nvrtc):
    cubin = compile_cubin(ROW_SUM, [{"T": "float"}], "sm_80")
    assert not binary.has_function(cubin, "_Z7row_sumIdEvPKT_PS0_x")
    log = cubin.log.replace("0 bytes spill stores", "8 bytes spill stores")
    assert binary.resources(dataclasses.replace(cubin, log=log))[cubin.names[0]].spills == 8


def test_without_nvrtc_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(nvrtc_library, "candidates", lambda: iter(["/nowhere/libnvrtc.so.13"]))
    with pytest.raises(gd.errors.MissingDependencyError, match=r"gpudl\[cuda13\]"):
        nvrtc_library.library.__wrapped__()


SECOND = """
import sys
sys.path.insert(0, sys.argv[1])
import fixtures
from gpudl import notices
from gpudl.runtime import emulated
from gpudl.runtime.nvrtc import compile_cubin

for spec in fixtures.SPECS:
    if "nvrtc" in sys.argv[2:]:
        compile_cubin(spec, spec.variants, "sm_80")
    emulated.library(spec, True)
print(notices.counts().get("compile", 0))
"""


def test_a_second_process_compiles_nothing(tmp_path, emulator, nvrtc):
    command = [sys.executable, "-c", SECOND, str(Path(__file__).parent), "nvrtc"]
    env = {**os.environ, "GPUDL_CACHE_DIR": str(tmp_path)}
    compiles = [
        int(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    ]
    assert compiles[0] >= 2 * len(SPECS)
    assert compiles[1] == 0


# ----- g++ -----
def test_gcc_says_what_is_wrong(tmp_path, emulator):
    spec = broken(tmp_path, "T sum = 0;", "T sum = nothing;")
    with pytest.raises(CompileError) as error:
        gcc.build_library(spec, True)
    assert "rows.cu:8" in str(error.value)
    assert "nothing" in str(error.value)


def test_warnings_are_kept_with_the_library(tmp_path, emulator):
    spec = broken(tmp_path, "T sum = 0;", "T sum = 0; int unused;")
    for _ in range(2):  # also of an entry of the cache
        assert "unused" in gcc.log_of(gcc.build_library(spec, True))
    assert gcc.log_of(gcc.build_library(ROW_SUM, True)) == ""


def test_without_gcc_the_package_is_named(monkeypatch):
    monkeypatch.setattr(gcc.shutil, "which", lambda name: None)
    with pytest.raises(gd.errors.MissingDependencyError, match=r"apt install g\+\+"):
        gcc.compiler.__wrapped__()


def test_a_compiler_that_is_not_gcc_is_passed_over(monkeypatch, tmp_path):
    clang = tmp_path / "clang++"
    clang.write_text("#!/bin/sh\necho Debian clang version 16.0.6\n")
    clang.chmod(0o755)
    monkeypatch.setenv("CXX", str(clang))
    assert gcc.compiler.__wrapped__().path != str(clang)


def test_the_signature_is_checked_against_the_function(emulator):
    for wrong in ("PPi", "PPqq", "PqP", "PPP"):
        with pytest.raises(KernelError, match="the signature is"):
            emulated.library(dataclasses.replace(ROW_SUM, signature=wrong), True)


# ----- launching -----
@pytest.mark.parametrize("build", ["checked", "fast"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_cases_run(spec, order, build, emulator):
    launched = set()
    with gd.config(emulator=build, emulator_order=order):
        for case in spec.cases:
            outcome = run_case(spec, case, emulator, find(case))
            launched |= set(outcome.launched)
    assert launched == {(spec.name, spec.key(variant)) for variant in spec.variants}


def test_launches_are_counted_and_said(emulator, capfd):
    x = upload(emulator, [1, 2, 3], [4, 5, 6])
    before = launches().get("row_sum", 0)
    with gd.config(debug=2):
        y = fixtures.row_sum(x)
    assert launches()["row_sum"] == before + 1
    assert y.get().tolist() == [6, 15]
    assert "launch row_sum<float> grid (2, 1, 1) block (64, 1, 1)" in capfd.readouterr().err


def test_an_empty_grid_launches_nothing(emulator):
    before = launches().get("row_sum", 0)
    assert fixtures.row_sum(upload(emulator).reshape(0, 5)).shape == (0,)
    assert launches().get("row_sum", 0) == before


def test_a_reported_index_is_a_typed_error(emulator):
    x, places = upload(emulator, 1, 2, 3), upload(emulator, 0, 7, dtype=np.int64)
    with pytest.raises(IndexRangeError, match="index 7 is out of range for an axis of 3"):
        fixtures.take(x, places)
    assert fixtures.take(x, upload(emulator, 2, dtype=np.int64)).get().tolist() == [3]


def test_wrong_arguments_are_named(emulator):
    x = upload(emulator, 1, 2)
    with pytest.raises(KernelError, match="2 arguments for the signature 'PPq'"):
        launch(ROW_SUM, {"T": "float"}, (x, x), rows=1)
    with pytest.raises(KernelError, match="argument 2 is 'two', not 'q'"):
        launch(ROW_SUM, {"T": "float"}, (x, x, "two"), rows=1)
    with pytest.raises(KernelError, match="argument 1 is 7, not 'P'"):
        launch(ROW_SUM, {"T": "float"}, (x, 7, 2), rows=1)
    with pytest.raises(KernelError, match="no argument is an array"):
        launch(ROW_SUM, {"T": "float"}, (None, None, 2), rows=1)
    with pytest.raises(gd.errors.DeviceError, match="runs no CUDA kernels"):
        launch(ROW_SUM, {"T": "float"}, (np.ones(2), None, 2), rows=1)
    with pytest.raises(KernelError, match="no card launches this"):
        launch(ROW_SUM, {"T": "float"}, (x, x, 2), rows=2**31)
    with pytest.raises(KernelError, match="no variant"):
        launch(ROW_SUM, {"T": "bf16"}, (x, x, 2), rows=1)


def test_memory_that_is_freed_too_early_is_found(emulator):
    x = upload(emulator, [1, 2, 3])
    y = emulator.empty((1,), x.dtype)
    other = emulator.new_stream()
    before = emulator.stream()
    emulator.use_stream(other)
    try:
        launch(ROW_SUM, {"T": "float"}, (x, y, 3), rows=1)
    finally:
        emulator.use_stream(before)
    del x
    gc.collect()
    with pytest.raises(EmulatorError) as error:
        emulator.synchronize()
    assert error.value.kind == "lifetime"
    recover(emulator)


def test_ranges_are_those_of_views(emulator):
    x = upload(emulator, *range(12)).reshape(3, 4)
    start = x.data.ptr
    assert arguments.extent(x) == (start, 48)
    assert arguments.extent(x[::-1]) == (start, 48)
    assert arguments.extent(x[1, ::-2]) == (start + 20, 12)
    assert arguments.extent(x[:0]) == (x[:0].data.ptr, 0)
    assert arguments.extent(x.transpose()[1:3]) == (start + 4, 40)
    inside = ByValue(b"12345678", arrays=(x,))
    taking = dataclasses.replace(ROW_SUM, signature="SPq")
    found = [memory for memory, _ in arguments.ranges(taking, (inside, None, 3))]
    assert found == [(start, 48, 0)]


def test_every_spec_runs_on_the_emulator(emulator):
    special = dataclasses.replace(ROW_SUM, archs=("sm_90a",), fallback="take")
    assert runs_on(special, upload(emulator, 1))
    assert not runs_on(special, np.ones(1))


# ----- what the emulator finds -----
FAULTS = [
    Mutant("row_sum", "barrier", "  __syncthreads();\n", "\n"),
    Mutant("row_sum", "barrier", "    __syncthreads();\n", "\n"),
    Mutant("row_sum", "bound", "i < columns", "i <= columns"),
    Mutant("row_sum", "tail", "step > 0", "step > 1"),
    Mutant("row_sum", "index", "y[blockIdx.x]", "y[blockIdx.x + 1]"),
    Mutant("take", "bound", "i >= n", "i > n"),
    Mutant("take", "index", "= x[at]", "= x[at + 1]"),
]
NAMED = {spec.name: spec for spec in SPECS}


@pytest.mark.parametrize("mutant", FAULTS, ids=str)
def test_faults_are_found(mutant, emulator):
    assert finding(NAMED[mutant.spec], mutant, find) is not None


def test_a_harmless_change_survives(emulator):
    harmless = Mutant("row_sum", "none", "T sum = 0;", "T sum = 1 - 1;")
    assert finding(ROW_SUM, harmless, find) is None


def test_a_mutant_that_does_not_apply_is_an_error():
    with pytest.raises(ValueError, match="no occurrence 0"):
        Mutant("row_sum", "bound", "i < rows", "i <= rows").apply(ROW_SUM.path.read_text())
    with pytest.raises(ValueError, match="no occurrence 9"):
        Mutant("row_sum", "barrier", "__syncthreads", "", nth=9).apply(ROW_SUM.path.read_text())


def test_a_mutant_with_a_warning_is_refused(emulator):
    unused = Mutant("row_sum", "index", "T sum = 0;", "T sum = 0; int unused;")
    with pytest.raises(AssertionError, match="compiles with warnings"):
        finding(ROW_SUM, unused, find)


def test_a_race_is_named_with_its_line(tmp_path, emulator):
    spec = broken(tmp_path, "  __syncthreads();\n  for", "  for")
    x = upload(emulator, *range(40)).reshape(1, 40)
    # The thread that adds up comes last, so that it finds all that it reads written.
    with replaced(ROW_SUM, spec), gd.config(emulator="checked", emulator_order="reverse"):
        fixtures.row_sum(x)
        with pytest.raises(EmulatorError) as error:
            emulator.synchronize()
    recover(emulator)
    assert error.value.kind == "race"
    assert "rows.cu:" in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_reading_memory_that_nothing_wrote_is_found(emulator):
    x = emulator.empty((1, 64), np.dtype(np.float32))
    with gd.config(emulator="checked"):
        fixtures.row_sum(x)
        with pytest.raises(EmulatorError) as error:
            emulator.synchronize()
    recover(emulator)
    assert error.value.kind == "uninitialised"


def test_a_replacement_must_take_the_same_arguments():
    with pytest.raises(KernelError, match="takes"), replaced(ROW_SUM, TAKE):
        pass


def test_a_compile_is_noticed(tmp_path, emulator, capfd):
    before = notices.counts().get("compile", 0)
    with gd.config(cache_dir=str(tmp_path), debug=4):
        gcc.build_library(TAKE, False)
    assert notices.counts()["compile"] == before + 1
    said = capfd.readouterr().err
    assert "compile take: 1 variants by g++, fast" in said
    assert 'GPUDL_INSTANCE("", (take))' in said


def test_geometry_may_be_partial(emulator):
    """A geometry is any function of the shapes that the launch passes."""
    spec = dataclasses.replace(ROW_SUM, geometry=partial(_fixed, threads=64))
    x = upload(emulator, [1, 2])
    y = emulator.empty((1,), x.dtype)
    launch(spec, {"T": "float"}, (x, y, 2), rows=1)
    assert y.get().tolist() == [3]


def _fixed(rows, threads):
    return Geometry((rows, 1, 1), (threads, 1, 1))
