"""The command line, and the diagnosis of broken installations (faked: values, not machines)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import gpudl as gd
from gpudl import _version, cli, devices, system
from gpudl.cli import _machine, doctor
from gpudl.cli._machine import Machine
from gpudl.errors import ArgumentError, ArgumentTypeError, DataError, NotSupportedError


# ----- main -----
def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert re.search(rf"^ +{name}  ", out, re.MULTILINE)


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"gpudl {_version.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["info", "--nonsense"]])
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage: gpudl" in capsys.readouterr().err


def fail(error):
    def run(args):
        raise error

    return run


def test_typed_errors_print_their_message_without_traceback(monkeypatch, capsys):
    from gpudl.cli import info

    monkeypatch.setattr(info, "run", fail(DataError("train", "no such file", remedy="look again")))
    assert cli.main(["info"]) == 2
    err = capsys.readouterr().err
    assert err == "gpudl: DataError: train: no such file\n  remedy: look again\n"
    with gd.config(debug=1), pytest.raises(DataError):
        cli.main(["info"])


def test_interrupt(monkeypatch, capsys):
    from gpudl.cli import info

    monkeypatch.setattr(info, "run", fail(KeyboardInterrupt()))
    assert cli.main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_as_a_program():
    command = [sys.executable, "-m", "gpudl.cli", "info"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "devices" in done.stdout
    piped = f'"{sys.executable}" -m gpudl.cli info | true'
    done = subprocess.run(piped, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


# ----- info, show_config, threads -----
def test_info_shows_what_show_config_returns(capsys):
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == json.loads(json.dumps(system.config_facts()))
    assert facts["devices"] == ["cpu"]
    assert facts["numpy"].startswith("2.")
    assert facts["threads"] == gd.get_num_threads()
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == list(facts)
    assert gd.show_config() == system.config_facts()


def test_show_config_names_settings_from_the_environment(monkeypatch):
    monkeypatch.setenv("GPUDL_DATA", "/data")
    assert system.config_facts()["settings"]["GPUDL_DATA"] == "/data"


@pytest.mark.skipif(system._C is None, reason="needs the C++ extension")
def test_threads():
    before = gd.get_num_threads()
    try:
        for n in (1, 3):
            gd.set_num_threads(n)
            assert gd.get_num_threads() == n
    finally:
        gd.set_num_threads(before)


def test_wrong_thread_counts(monkeypatch):
    for n in (0, -1, 1025, 2**62):
        with pytest.raises(ArgumentError):
            gd.set_num_threads(n)
    for n in (1.5, "2", None):
        with pytest.raises(ArgumentTypeError):
            gd.set_num_threads(n)
    monkeypatch.setattr(system, "_C", None)
    assert gd.get_num_threads() == 1
    gd.set_num_threads(1)
    with pytest.raises(NotSupportedError, match="gpudl doctor"):
        gd.set_num_threads(2)
    assert system.config_facts()["extension"] is False


# ----- doctor -----
FRESH = "--no-cache-dir --no-binary gpudl"
GPU = {"gpus": ("NVIDIA H200",), "driver_cuda": (12, 4), "cuda_device": True}
CUDA12 = {"cupy-cuda12x": "13.4.1", "nvidia-cuda-nvrtc-cu12": "12.9.86"}
CUDA13 = {"cupy-cuda13x": "14.0.1", "nvidia-cuda-nvrtc": "13.0.48"}


def findings(**facts):
    return [(f.what, f.command) for f in doctor.diagnose(Machine(**facts))]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"packages": CUDA12},  # a wheel for the GPU on a machine without one is no fault
        {**GPU, "packages": CUDA12},
        {**GPU, "driver_cuda": (13, 0), "packages": CUDA13},
        {**GPU, "driver_cuda": (13, 0), "packages": CUDA12},  # newer drivers run older CUDA
        {**GPU, "packages": {"cupy": "14.0.1"}},  # built here, for the toolkit that is here
        {**GPU, "cuda_device": False},  # this version has no use for the GPU
        {"compiler": None},  # not needed where the extension is there
    ],
)
def test_healthy(facts):
    assert findings(**facts) == []


@pytest.mark.parametrize(
    ("facts", "what", "command"),
    [
        (
            {"extension_error": "cannot import name '_C'"},
            "extension is missing",
            f"GPUDL_EXTENSION=required pip install --force-reinstall --no-deps {FRESH} gpudl",
        ),
        (
            {"extension_error": "x", "compiler": None},
            "no C++ compiler",
            f"sudo apt install g++ && pip install --force-reinstall --no-deps {FRESH} gpudl",
        ),
        (
            {"extension_error": "x", "compiler": None, "python_header": False, "source": "-e /src"},
            "no C++ compiler",
            "sudo apt install g++ python3-dev && pip install --force-reinstall --no-deps -e /src",
        ),
        (
            {"extension_error": "x", "python_header": False},
            "Python.h is missing",
            "sudo apt install python3-dev && "
            f"pip install --force-reinstall --no-deps {FRESH} gpudl",
        ),
        (
            {**GPU, "packages": CUDA13},
            "cupy-cuda13x needs CUDA 13, but the driver speaks CUDA 12.4",
            "pip uninstall -y cupy-cuda13x && pip install 'gpudl[cuda12]'",
        ),
        (
            {**GPU, "packages": CUDA12 | CUDA13},
            "overwrite each other: cupy-cuda12x cupy-cuda13x",
            "pip uninstall -y cupy-cuda12x cupy-cuda13x && pip install 'gpudl[cuda12]'",
        ),
        (
            {"packages": {"cupy-cuda11x": "13.0"}},
            "for CUDA 11",
            "pip uninstall -y cupy-cuda11x && pip install 'gpudl[cuda13]'",
        ),
        (GPU, "NVIDIA H200 is not used", "pip install 'gpudl[cuda12]'"),
        ({**GPU, "driver_cuda": (13, 0)}, "is not used", "pip install 'gpudl[cuda13]'"),
        (
            {**GPU, "packages": {"cupy-cuda12x": "13.4"}},
            "nvidia-cuda-nvrtc-cu12 is not installed",
            "pip install 'nvidia-cuda-nvrtc-cu12==12.9.*'",
        ),
        (
            {**GPU, "packages": CUDA12 | {"nvidia-cuda-nvrtc-cu12": "12.4.127"}},
            "is 12.4.127; gpudl compiles with 12.9",
            "pip install 'nvidia-cuda-nvrtc-cu12==12.9.*'",
        ),
        (
            {"packages": CUDA13 | {"nvidia-cuda-nvrtc": "13.1.80"}},
            "is 13.1.80",
            "pip install 'nvidia-cuda-nvrtc==13.0.*'",
        ),
        (
            {"smi_error": "Failed to initialize NVML: Driver/library version mismatch"},
            "loaded NVIDIA driver is not the installed one",
            "sudo reboot",
        ),
        (
            {"smi_error": "couldn't communicate with the NVIDIA driver"},
            "nvidia-smi fails",
            "sudo apt install --reinstall nvidia-driver",
        ),
        (
            {"gpus": ("NVIDIA L4",)},
            "libcuda.so.1 is not found",
            "sudo apt install libcuda1",
        ),
        (
            {"gpus": ("Tesla K80",), "driver_cuda": (11, 4), "cuda_device": True},
            "speaks CUDA 11.4; gpudl needs 12",
            "sudo apt install nvidia-driver",
        ),
        (
            {"cache_error": "Permission denied", "cache_dir": "/srv/c"},
            "/srv/c: Permission denied",
            'sudo mkdir -p /srv/c && sudo chown -R "$USER" /srv/c',
        ),
        (
            {"cache_error": "File exists", "cache_dir": "/srv/my c"},
            "File exists",
            "mv '/srv/my c' '/srv/my c'.old && mkdir -p '/srv/my c'",
        ),
        (
            {"cache_error": "No space left on device"},
            "No space left",
            'export GPUDL_CACHE_DIR="$(mktemp -d)"',
        ),
    ],
)
def test_each_fault_has_one_finding_and_its_command(facts, what, command):
    found = findings(**facts)
    assert len(found) == 1
    assert what in found[0][0]
    assert found[0][1] == command


def test_every_extra_and_package_that_a_repair_names_exists():
    import importlib.metadata

    metadata = importlib.metadata.metadata("gpudl")
    assert {"cuda12", "cuda13"} <= set(metadata.get_all("Provides-Extra"))
    required = " ".join(metadata.get_all("Requires-Dist"))
    for package, version in doctor.NVRTC.values():
        assert f"{package}=={version}.*" in required


def test_doctor_prints_and_exits(monkeypatch, capsys):
    monkeypatch.setattr(_machine, "probe", lambda: Machine(**GPU))
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert out == (
        "problem: NVIDIA H200 is not used: CuPy is not installed\n"
        "  repair: pip install 'gpudl[cuda12]'\n"
    )
    monkeypatch.setattr(_machine, "probe", Machine)
    assert cli.main(["doctor"]) == 0
    assert "no problem found" in capsys.readouterr().out


# ----- the probes -----
def test_probe_of_this_machine():
    machine = _machine.probe()
    assert machine.packages["numpy"]
    assert machine.pip.endswith(" -m pip")
    assert machine.cuda_device is ("cuda" in devices.kinds())
    assert (machine.extension_error is None) is (system._C is not None)


def test_probe_of_the_cache(tmp_path):
    assert _machine._cache_error(tmp_path / "new" / "cache") is None
    assert list((tmp_path / "new" / "cache").iterdir()) == []
    (tmp_path / "file").write_text("")
    assert _machine._cache_error(tmp_path / "file") == "File exists"
    assert _machine._cache_error(tmp_path / "file" / "below") == "Not a directory"
    with gd.config(cache_dir=str(tmp_path / "file")):
        (found,) = [f for f in doctor.diagnose(_machine.probe()) if "cache" in f.what]
    assert found.command.startswith("mv ")


@pytest.mark.parametrize(
    ("script", "gpus", "error"),
    [
        ("echo NVIDIA H200; echo NVIDIA H200", ("NVIDIA H200", "NVIDIA H200"), None),
        ("echo Driver/library version mismatch; exit 18", (), "Driver/library version mismatch"),
        ("exit 9", (), "exit status 9"),
    ],
)
def test_probe_of_nvidia_smi(tmp_path, monkeypatch, script, gpus, error):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert _machine._nvidia_smi() == (gpus, error)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert _machine._nvidia_smi() == ((), None)
    assert _machine._compiler() is None


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (None, "gpudl"),
        ('{"url": "https://example.org/gpudl.whl"}', "gpudl"),
        ('{"url": "file:///dist/gpudl-0.1.0-py3-none-any.whl"}', "gpudl"),
        ('{"url": "file:///src/my%20gpudl", "dir_info": {}}', "'/src/my gpudl'"),
        ('{"url": "file:///src/gpudl", "dir_info": {"editable": true}}', "-e /src/gpudl"),
    ],
)
def test_probe_of_the_source(monkeypatch, text, source):
    class Distribution:
        def read_text(self, name):
            assert name == "direct_url.json"
            return text

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Distribution())
    assert _machine._source() == source
