"""The house: imports point down, every row is complete, every kernel is used."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpudl as gd
from gpudl import autograd, kernels

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gpudl"

# The floors. A module imports from its own floor or from floors below.
FLOORS: dict[str, int] = {
    **dict.fromkeys(("settings", "errors", "dtypes", "shapes", "_version", "_C"), 0),
    **dict.fromkeys(("checks", "notices", "tolerances"), 0),
    "devices": 1,
    "runtime": 2,
    "kernels": 3,
    "autograd": 4,
    "ops": 5,
    **dict.fromkeys(("tensor", "_namespace", "linalg", "fft", "random", "cuda"), 6),
    **dict.fromkeys(("transforms", "jit"), 7),
    **dict.fromkeys(("nn", "optim", "data", "io", "train", "metrics", "distributed"), 8),
    **dict.fromkeys(("testing", "profiler", "system"), 8),
    **dict.fromkeys(("models", "cli"), 9),
    "": 10,  # gpudl/__init__.py, the public page
}
# Imports that point up, with the reason.
UPWARD = {
    ("gpudl.tensor", "gpudl"): "__array_namespace__ returns the public page",
}
# Files longer than 500 lines, with the reason.
LONG = {
    "gpudl/tensor.py": "one class, a short method for every operator and habit of NumPy",
}


def module_name(path: Path) -> str:
    """The dotted name a file is imported under."""
    if path.is_relative_to(ROOT / "kernels"):
        parts = ["gpudl", "kernels", *path.relative_to(ROOT / "kernels").with_suffix("").parts]
    else:
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(p): p for folder in (PACKAGE, ROOT / "kernels") for p in folder.rglob("*.py")}


def floor(module: str) -> int:
    """The floor of a module of gpudl."""
    name = module.partition(".")[2].partition(".")[0]
    assert name in FLOORS, f"give {module} a floor here and in docs/architecture.md"
    return FLOORS[name]


class Imports(ast.NodeVisitor):
    """The absolute names a module imports: (name, whether at the top). Type checking is skipped."""

    def __init__(self, module: str, is_package: bool) -> None:
        self.base = module.split(".") if is_package else module.split(".")[:-1]
        self.found: list[tuple[str, bool]] = []
        self.depth = 0

    def visit_FunctionDef(self, node: ast.AST) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(alias.name, self.depth == 0) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        start = self.base[: len(self.base) - node.level + 1] if node.level else []
        name = ".".join([*start, *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{name}.{alias.name}"
            is_module = inner in FILES or inner == "gpudl._C"
            self.found.append((inner if is_module else name, self.depth == 0))


def imports(module: str) -> list[tuple[str, bool]]:
    path = FILES[module]
    visitor = Imports(module, path.name == "__init__.py")
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


def ours(name: str) -> bool:
    return name == "gpudl" or name.startswith("gpudl.")


def test_the_walk_finds_imports():
    """The checks below are worth nothing if the walk finds nothing."""
    assert ("gpudl.autograd.state", True) in imports("gpudl.autograd.apply")
    assert ("gpudl._C", True) in imports("gpudl.kernels.conv.cpu")
    assert ("numpy", True) in imports("gpudl.tensor")
    assert ("gpudl", False) in imports("gpudl.tensor")
    assert len(FILES) > 80


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_point_down(module):
    for name, _ in imports(module):
        if ours(name) and (module, name) not in UPWARD:
            assert floor(name) <= floor(module), f"{module} imports {name}, which is above it"


def test_every_exception_is_needed():
    for module, name in UPWARD:
        assert name in [found for found, _ in imports(module)]
        assert floor(name) > floor(module)
    for path in LONG:
        assert len((ROOT / path).read_text().splitlines()) > 500


def test_no_import_cycles():
    graph = {
        module: {name for name, top in imports(module) if top and name in FILES and name != module}
        for module in FILES
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "cycle: " + " -> ".join([*path, module])
        if module in done:
            return
        for name in graph[module]:
            # A package's page imports its files; they import each other, not the page.
            visit(name, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_cupy_and_numba_cuda_have_one_door():
    cupy = {m for m in FILES for name, _ in imports(m) if name.split(".")[0] == "cupy"}
    assert cupy <= {"gpudl.devices.cuda"}
    door = re.compile(r"import_module\(\"numba\.cuda|import numba\.cuda|from numba\.cuda")
    numba = {m for m, path in FILES.items() if door.search(path.read_text())}
    assert numba == {"gpudl.runtime.numba_cuda"}
    for module, path in FILES.items():
        assert not re.search(r"from numba import .*\bcuda\b", path.read_text()), module


def test_no_peer_is_imported():
    peers = {"torch", "jax", "tensorflow", "tinygrad", "mlx", "autograd", "sklearn"}
    for module in FILES:
        assert not peers & {name.split(".")[0] for name, _ in imports(module)}, module


def test_import_gpudl_stays_light():
    heavy = ["cupy", "numba", "matplotlib", "scipy", "torch", "rich", "PIL", "sklearn"]
    heavy += ["gpudl.runtime"]  # compilers and launchers, of which the CPU needs none
    code = f"import sys, gpudl; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def sources() -> Iterator[Path]:
    yield from FILES.values()
    yield from (ROOT / "csrc").iterdir()


def test_files_have_one_idea():
    for path in sources():
        name = str(path.relative_to(ROOT))
        if name not in LONG:
            lines = len(path.read_text().splitlines())
            assert lines <= 500, f"{name} has {lines} lines"


def test_no_star_imports_and_no_deferred_work():
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.names[0].name != "*", module
        # The words are put together here, so that this file does not hold them.
        for word in ("TO" + "DO", "FIX" + "ME", "X" * 3):
            assert word not in path.read_text(), f"{module} has {word}"


# ----- rows -----
ROWS = autograd.rows()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_are_complete(name):
    row = ROWS[name]
    assert row.name == name
    assert callable(row.ref)
    assert callable(row.rule)
    if row.vjp is None:
        assert row.why is not None
        assert len(row.why.split()) >= 4, f"{name}: {row.why!r} is no reason"
        assert row.fused is None
    else:
        assert row.why is None
        inputs = row.vjp if isinstance(row.vjp, tuple) else ()
        assert not inputs or any(rule is not None for rule in inputs)
        assert 1 <= row.n_diff <= row.n_out
    assert row.kernel is None or row.kernel in kernels.FAMILY_OF


def test_there_are_about_eighty_rows():
    assert len(ROWS) >= 80


# ----- kernels -----
def test_every_kernel_belongs_to_a_row():
    """A row names its kernel; on a GPU it may also be the one that is called as the row.
    Those that write into their operands, the optimizers' steps and `assign`, are no rows."""
    named = {row.kernel for row in ROWS.values()} - {None}
    known = set(kernels.FAMILY_OF) - set(kernels.FAMILIES["optim"]) - {"assign"}
    assert named <= known <= named | set(ROWS)


def functions(family: str, kind: str) -> set[str]:
    """The public functions that `kernels/<family>/<kind>.py` defines."""
    path = ROOT / "kernels" / family / f"{kind}.py"
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text())
    named = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named |= {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return {name for name in named if not name.startswith("_")}


@pytest.mark.parametrize("family", sorted(kernels.FAMILIES))
def test_every_kernel_of_a_family_is_used(family):
    made = functions(family, "cpu") | functions(family, "gpu")
    assert made == set(kernels.FAMILIES[family])


def test_every_optimizer_step_is_used():
    text = "".join(path.read_text() for path in (PACKAGE / "optim").glob("*.py"))
    for name in kernels.FAMILIES["optim"]:
        assert f'"{name}"' in text, f"no optimizer asks for the kernel {name}"


def test_every_folder_with_cpu_kernels_is_a_family():
    """Not every family has them: NumPy gathers and reduces on the CPU."""
    folders = {path.parent.name for path in (ROOT / "kernels").glob("*/cpu.py")}
    assert folders <= set(kernels.FAMILIES)


@pytest.mark.skipif(kernels.find("conv", "cpu") is None, reason="needs the C++ extension")
@pytest.mark.parametrize("name", sorted(kernels.FAMILY_OF))
def test_kernels_are_found_and_described(name):
    found = [kernels.find(name, kind) for kind in ("cpu", "emu")]
    assert any(found)
    for kernel in found:
        assert kernel is None or inspect.getdoc(kernel)


def test_every_public_function_is_described():
    for name in dir(gd):
        value = getattr(gd, name)
        if not name.startswith("_") and callable(value) and not isinstance(value, type):
            assert inspect.getdoc(value), f"gpudl.{name} has no docstring"
