"""The distribution: metadata, extras, the build scripts; in the full suite, sdist and wheel."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from gpudl.autograd import compiled

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = {"cuda12", "cuda13", "numba", "train", "tensorboard", "test", "peers", "docs"}
DEVICE_CODE = {".cu", ".cuh"}


def requirement_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found.group().lower().replace("_", "-")


def test_every_extra_exists():
    assert set(PROJECT["project"]["optional-dependencies"]) == EXTRAS
    assert set(importlib.metadata.metadata("gpudl").get_all("Provides-Extra")) >= EXTRAS


def test_every_extra_that_the_docs_name_exists():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named: set[str] = set()
    for page in pages:
        for group in re.findall(r"(?:gpudl|\.)\[([a-z0-9, ]+)\]", page.read_text()):
            named |= {name.strip() for name in group.split(",")}
    assert "test" in named
    assert named <= EXTRAS


def test_dependencies_stay_small():
    core = {requirement_name(r) for r in PROJECT["project"]["dependencies"]}
    assert core == {"numpy", "ml-dtypes"}
    extras = PROJECT["project"]["optional-dependencies"]
    for extra in EXTRAS - {"cuda12", "cuda13"}:
        names = {requirement_name(r) for r in extras[extra]}
        assert not names & {"torch", "jax", "jaxlib", "tensorflow", "tensorboard"}, extra
        if extra != "test":  # which compiles the kernels for every architecture
            assert not any("cuda" in n or n.startswith("nvidia") for n in names), extra


def test_nvrtc_is_pinned():
    extras = PROJECT["project"]["optional-dependencies"]
    assert "nvidia-cuda-nvrtc-cu12==12.9.*" in extras["cuda12"]
    assert "nvidia-cuda-nvrtc==13.0.*" in extras["cuda13"]


def test_version_is_one():
    from gpudl._version import __version__

    assert importlib.metadata.version("gpudl") == __version__


def test_licence_and_types_are_there():
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert (ROOT / "gpudl" / "py.typed").is_file()


def test_code_is_for_every_machine():
    for path in [ROOT / "CMakeLists.txt", ROOT / "setup.py", *(ROOT / "csrc").iterdir()]:
        code = re.sub(r"(#|//).*", "", path.read_text())
        assert "march=native" not in code, path.name
        assert "ffast-math" not in code, path.name


def test_kernels_are_a_part_of_the_package():
    import gpudl.kernels

    assert gpudl.kernels.__name__ == "gpudl.kernels"
    assert (Path(gpudl.kernels.__file__).parent / "optim" / "reference.py").is_file()


WHAT_RUNS = """
import sys, gpudl
from gpudl.autograd import apply, compiled
assert gpudl.__file__.startswith(sys.argv[1]), gpudl.__file__
print(compiled.state(), apply.__file__.endswith(".py"))
"""


def test_a_compiled_module_is_never_older_than_its_source(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__", "_C.*", compiled.FOLDER)
    shutil.copytree(ROOT / "gpudl", tmp_path / "gpudl", ignore=ignore)
    shutil.copytree(ROOT / "kernels", tmp_path / "gpudl" / "kernels", ignore=ignore)
    autograd = tmp_path / "gpudl" / "autograd"

    def what_runs() -> tuple[str, str]:
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "GPUDL_DEBUG": "1"}
        done = run([sys.executable, "-c", WHAT_RUNS, str(tmp_path)], cwd=tmp_path, env=env)
        return done.stdout.strip(), done.stderr

    assert what_runs()[0] == "interpreted True"
    built = ROOT / "gpudl" / "autograd" / compiled.FOLDER
    if compiled.state() == "compiled":
        shutil.copytree(built, autograd / compiled.FOLDER)
        out, err = what_runs()
        assert (out, "compiled tape" in err) == ("compiled False", False)
    else:  # a library of other sources is not even opened
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        (autograd / compiled.FOLDER).mkdir()
        (autograd / compiled.FOLDER / f"tape_0{suffix}").write_bytes(b"")
    for name in compiled.MODULES:
        source = autograd / f"{name}.py"
        before = source.read_text()
        source.write_text(before + "# edited\n")
        out, err = what_runs()
        assert out == "interpreted, stale True"
        assert "the compiled tape is of other sources" in err
        source.write_text(before)


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def fake_python(folder: Path, body: str) -> str:
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("missing", "status", "packages"),
    [
        ("nothing", 0, []),
        ("ensurepip", 1, ["python3-venv"]),
        ("Python.h", 0, ["python3-dev"]),
        ("ensurepip|Python.h", 1, ["python3-venv", "python3-dev"]),
    ],
)
def test_missing_system_packages_are_named_in_one_line(tmp_path, missing, status, packages):
    python = fake_python(
        tmp_path,
        f'for m in {missing.replace("|", " ")}; do case "$2" in *$m*) exit 1;; esac; done; exit 0',
    )
    compiler = shutil.which("true")
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "check_system.sh"), python],
        capture_output=True,
        text=True,
        env={**os.environ, "CXX": str(compiler)},
    )
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == (1 if packages else 0)
    for package in packages:
        assert package in done.stderr


def test_an_old_python_is_passed_over(tmp_path):
    fake_python(tmp_path, "exit 1")
    newer = tmp_path / "python3.12"
    newer.write_text("#!/bin/sh\nexit 0\n")
    newer.chmod(0o755)
    done = run(["/bin/sh", str(ROOT / "scripts" / "find_python.sh")], env={"PATH": str(tmp_path)})
    assert done.stdout.strip() == str(newer)


# The rest builds distributions, with network for the build requirements.


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files under version control, with device code in places of its own."""
    copy = tmp_path_factory.mktemp("source") / "gpudl"
    listed = run(["git", "ls-files", "-z", "--cached"], cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    for name in ["include/probe.cuh", "probe/probe.cu"]:
        (copy / "kernels" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "kernels" / name).write_text("// packaged as it is\n")
    return copy


@pytest.fixture(scope="module")
def distributions(source: Path) -> tuple[Path, Path]:
    """(sdist, wheel), the wheel built from the sdist."""
    run([sys.executable, "-m", "build", "--outdir", "dist", "."], cwd=source)
    (sdist,) = (source / "dist").glob("*.tar.gz")
    (wheel,) = (source / "dist").glob("*.whl")
    return sdist, wheel


def device_code(source: Path) -> set[str]:
    files = (p for p in (source / "kernels").rglob("*") if p.suffix in DEVICE_CODE)
    return {p.relative_to(source / "kernels").as_posix() for p in files}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_sdist_and_wheel_hold_what_they_should(source, distributions):
    sdist, wheel = distributions
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CMakeLists.txt", "setup.py", "csrc/module.cpp", "csrc/parallel.h"} <= in_sdist
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    expected = device_code(source)
    assert {"include/probe.cuh", "probe/probe.cu"} <= expected
    assert {f"kernels/{name}" for name in expected} <= in_sdist
    assert {f"gpudl/kernels/{name}" for name in expected} <= in_wheel
    python = {p.relative_to(source).as_posix() for p in (source / "gpudl").rglob("*.py")}
    assert python <= in_wheel
    assert "gpudl/py.typed" in in_wheel
    assert any(re.fullmatch(r"gpudl/_C\..*\.so", name) for name in in_wheel)
    (tape,) = (name for name in in_wheel if name.startswith("gpudl/autograd/_compiled/"))
    assert Path(tape).name.startswith(compiled.library_name(source / "gpudl" / "autograd"))
    assert not any(name.startswith(("csrc/", "tests/", "kernels/")) for name in in_wheel)


SMOKE = """
import sys
from pathlib import Path
import gpudl as gd, gpudl.kernels
from gpudl.autograd import compiled
from gpudl.kernels.optim import cpu
here = Path(gpudl.kernels.__file__).parent
assert here.is_relative_to(sys.prefix), here
try:
    import gpudl._C
    native = True
except ImportError:
    native = False
x = gd.tensor([1.0, 2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
assert x.grad.numpy().tolist() == [2.0, 4.0, 6.0]
net = gd.nn.Sequential(gd.nn.Conv2d(1, 2, 3), gd.nn.ReLU(), gd.nn.Flatten(), gd.nn.Linear(72, 3))
optimizer = gd.optim.Adam(net.parameters(), lr=1e-3)
loss = gd.nn.functional.cross_entropy(net(gd.ones((2, 1, 8, 8))), gd.tensor([0, 2]))
loss.backward()
optimizer.step()
assert len(gd.data.load_digits()[0]) == 1797
print(native, compiled.state(), sorted(p.relative_to(here).as_posix() for p in here.rglob("*.cu*")))
"""


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("compiler", [True, False], ids=["wheel", "sdist-without-compiler"])
def test_installs_in_a_clean_environment(tmp_path, source, distributions, compiler):
    sdist, wheel = distributions
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    bin_folder = tmp_path / "venv" / "bin"
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "CXX", "GPUDL_EXTENSION"}}
    env["PATH"] = str(bin_folder)  # no compiler, no make, nothing of the system
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "-v"]
    done = run([*pip, str(wheel if compiler else sdist)], env=env, cwd=tmp_path)
    notice = "installing WITHOUT the C++ extension: no C++ compiler was found"
    assert (notice in done.stdout + done.stderr) is not compiler
    assert ("installing WITHOUT the compiled tape" in done.stdout + done.stderr) is not compiler
    smoke = run([str(bin_folder / "python"), "-W", "error", "-c", SMOKE], env=env, cwd=tmp_path)
    tape = "compiled" if compiler else "interpreted"
    assert smoke.stdout.strip() == f"{compiler} {tape} {sorted(device_code(source))}"
    info = run([str(bin_folder / "gpudl"), "info"], env=env, cwd=tmp_path)
    assert importlib.metadata.version("gpudl") in info.stdout


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_pure_wheel_runs_anywhere(source):
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", "pure", "."]
    run(command, cwd=source, env={**os.environ, "GPUDL_EXTENSION": "skip"})
    (wheel,) = (source / "pure").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not any(name.endswith(".so") for name in zipfile.ZipFile(wheel).namelist())
