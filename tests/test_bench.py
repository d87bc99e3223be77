"""The benchmark suite: that it runs, that it finds wrong results, and what it reports."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpudl import cli
from gpudl.errors import ArgumentError, MissingDependencyError, WorkerError

ROOT = Path(__file__).parents[1]
if not (ROOT / "bench" / "workloads.py").is_file():
    pytest.skip(
        "the suite is in the repository, and this is not a checkout", allow_module_level=True
    )

sys.path.append(str(ROOT))

from bench import command, layers, machine, models, results, tables, turns, workloads  # noqa: E402
from bench.adapters import FRAMEWORKS, installed, load  # noqa: E402
from bench.adapters.base import Unsupported  # noqa: E402
from bench.results import Measurement, Row, Run  # noqa: E402

STORED = Path(__file__).with_name("bench_run.json")


# ----- running -----
def test_dry_run_of_everything(tmp_path, capsys):
    out = tmp_path / "run.json"
    assert cli.main(["bench", "--dry", "--threads", "1", "--json", str(out)]) == 0
    run = results.read(out)
    assert [row.workload for row in run.rows] == [w.name for w in workloads.table()]
    assert set(run.versions) == {name for name in FRAMEWORKS if installed(name)}
    assert not run.problems
    assert run.machine["threads"] == 1
    assert run.limits["flops"] > 1e8
    assert run.limits["bytes"] > 1e8
    for row in run.rows:
        ours = row.measured["gpudl"]
        assert 0 < ours.least <= ours.median < 5
        assert ours.turns == 1
        if len(row.measured) > 1:
            assert sum(m.error is not None for m in row.measured.values()) == len(row.measured) - 1
    text = capsys.readouterr().out
    assert ("PyTorch is not installed" in text) == (not installed("torch"))
    assert all(row.workload in text for row in run.rows)


def test_every_group_has_workloads_and_names_are_unique():
    listed = workloads.table()
    assert {w.group for w in listed} == set(workloads.GROUPS)
    assert len({w.name for w in listed}) == len(listed)
    for quick in ([w for w in listed if w.quick], listed):
        assert {w.group for w in quick} == set(workloads.GROUPS)


def test_selection():
    assert {w.group for w in command.select(["conv", "norm"])} == {"conv", "norm"}
    assert [w.name for w in command.select(["matmul_4096"], quick=True)] == ["matmul_4096"]
    assert "matmul_4096" not in [w.name for w in command.select([], quick=True)]
    with pytest.raises(ArgumentError, match=r"no group or workload 'ring'(.|\n)*remedy: .*matmul"):
        command.select(["ring"])


def test_the_list_names_every_workload(capsys):
    assert cli.main(["bench", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [w.name for w in workloads.table()]


def test_without_the_repository(monkeypatch, tmp_path):
    from gpudl.cli import bench

    package = tmp_path / "site-packages" / "gpudl" / "cli" / "bench.py"
    monkeypatch.setattr(bench, "__file__", str(package))
    with pytest.raises(MissingDependencyError, match="not part of the installed package"):
        bench.run(cli.parser().parse_args(["bench"]))


# ----- workers -----
@pytest.fixture
def workers():
    with turns.Workers(["gpudl", "numpy"], threads=1, dry=True) as found:
        yield found


def workload(name):
    return next(w for w in workloads.table(dry=True) if w.name == name)


def test_a_process_that_dies_is_a_failure_and_starts_again(workers):
    os.kill(workers.open["gpudl"].process.pid, signal.SIGKILL)
    row = turns.measure(workload("add_8_fwd"), workers, turns.DRY)
    assert "ended with status -9" in row.measured["gpudl"].failure
    assert row.measured["numpy"].median is not None
    assert row.ratio("numpy") is None
    again = turns.measure(workload("add_8_fwd"), workers, turns.DRY)
    assert again.ratio("numpy") > 0


def test_an_error_in_a_workload_is_a_failure(workers):
    row = turns.measure(
        workloads.Workload("nonsense", "matmul", "nonsense", "fwd"), workers, turns.DRY
    )
    assert row.measured["gpudl"].failure == "KeyError: 'nonsense'"


def test_a_framework_that_does_not_start(monkeypatch):
    monkeypatch.setitem(
        FRAMEWORKS, "nothing", FRAMEWORKS["gpudl"].__class__("nothing", "gpudl", "Nothing")
    )
    with pytest.raises(WorkerError, match="process of nothing ended with status 1: KeyError"):
        turns.Workers(["nothing"], threads=1, dry=True)


def test_numpy_says_what_it_does_not_do():
    adapter = load("numpy")
    with pytest.raises(Unsupported):
        adapter.build(workload("conv_3x3_6_16_4_fwd"))


# ----- how a number is made -----
def test_results_are_compared_element_by_element(tmp_path):
    x = np.linspace(-2, 2, 1000, dtype=np.float32).reshape(10, 100)
    folders = [tmp_path / name for name in "abc"]
    for folder, found in zip(folders, ([x], [x + np.float32(1e-6)], [x.T]), strict=True):
        folder.mkdir()
        for i, y in enumerate(found):
            np.save(folder / f"{i}.npy", y)
    same, near, other = (turns.compare(folder, folders[0]) for folder in folders)
    assert same == 0
    assert 1e-7 < near < 1e-6
    assert other == math.inf
    # One wrong element of many, which a comparison of means would not see.
    x[3, 7] += 0.01
    np.save(folders[1] / "0.npy", x)
    assert turns.compare(folders[1], folders[0]) == pytest.approx(0.005, rel=1e-3)
    np.save(folders[1] / "1.npy", x)
    assert turns.compare(folders[1], folders[0]) == math.inf


def test_disturbed_turns_do_not_count():
    made = [
        {"median": 1.0, "least": 0.9, "other": 0.0},
        {"median": 9.0, "least": 0.8, "other": 1.5},
        {"median": 3.0, "least": 2.0, "other": 0.1},
    ]
    found = turns._summary("gpudl", made, 1e-7)
    assert (found.median, found.least, found.quiet, found.turns) == (2.0, 0.8, 2, 3)
    assert found.agrees
    loud = [{**turn, "other": turn["other"] + 1} for turn in made]
    found = turns._summary("gpudl", loud, 1.0)
    assert (found.median, found.quiet) == (2.0, 0)  # of the two least disturbed
    assert not found.agrees


def test_flops_of_the_networks():
    listed = (("conv", 3, 8, 3, 2, 1), ("flatten",), ("linear", 8 * 16, 10))
    assert layers.flops(listed, (2, 3, 8, 8)) == 2 * 2 * (16 * 8 * 3 * 9 + 128 * 10)
    back = (("conv_transpose", 8, 3, 4, 2, 1),)
    assert layers.flops(back, (2, 8, 4, 4)) == 2 * 2 * 16 * 8 * 3 * 16
    for model in models.MODELS.values():
        x, labels = models.batch(model, 5)
        assert x.shape == (5, *model.x[1:])
        assert (labels is None) == (not model.classes and not model.critic)
    block = ("conv", 4, 4, 3, 2, 1, False), ("batch_norm", 4)
    wide = (("residual", block, (("conv", 4, 4, 1, 2, 0, False),)), ("mean_pool", 1))
    assert layers.flops(wide, (2, 4, 8, 8)) == 2 * 2 * 16 * 4 * 4 * (9 + 1)
    assert layers.shape_after(wide, (2, 4, 8, 8)) == (2, 4, 1, 1)
    assert [w.shape for w in layers.weights(wide)] == [(4, 4, 3, 3), (4,), (4,), (4, 4, 1, 1)]
    read = (("embedding", 9, 8), ("attention", 8, 2))
    assert layers.flops(read, (3, 5)) == 2 * 3 * 5 * 4 * 8 * 8 + 2 * 2 * 3 * 5 * 5 * 8 / 2
    text = (("embedding", 9, 3), ("lstm", 3, 4), ("flatten", 0, 1), ("linear", 4, 9))
    assert layers.flops(text, (2, 5)) == 2 * 10 * (16 * (3 + 4) + 4 * 9)


def test_limits_without_a_compiler(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    found = machine.limits(1, seconds=0)
    assert "no C compiler" in found["flops_by"]
    assert found["flops"] > 1e8


def test_busy_seconds_grow():
    before = machine.busy_seconds()
    end = machine.time.process_time() + 0.05
    while machine.time.process_time() < end:
        pass
    assert machine.busy_seconds() > before


# ----- reports -----
def test_the_report_of_a_stored_run(capsys, tmp_path):
    page = tmp_path / "sub" / "page.html"
    argv = ["bench", "--read", str(STORED)]
    try:
        import matplotlib  # noqa: F401

        argv += ["--html", str(page)]
    except ImportError:
        page = None
    assert cli.main(argv) == 1  # one of its results disagrees
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    # 2 GFLOP at 200 GFLOP/s are 10 ms; medians 20, 30 and 15 ms, minima 18, 27 and 9 ms.
    assert "matmul_1024 20 ms 50% 1.50 (1.50) 0.75 (0.50) ~" in lines
    # 80 MB at 40 GB/s are 2 ms.
    assert "softmax 4 ms 50% 6.00 (6.00) !" in lines
    assert "PyTorch / gpudl, geometric mean of 2 workloads: 3.00" in out
    assert "problem: softmax, PyTorch: error 2.0e-01" in out
    assert "9 of 12 turns were undisturbed" in out
    if page is not None:
        text = page.read_text()
        assert text.startswith("<!doctype html>")
        assert "<svg" in text
        outside = re.findall(r"(?:src|href)=['\"](?!#)([^'\"]*)|url\((?!#)([^)]*)", text)
        assert not outside  # the page needs no other file
        for expected in ("matmul_1024", "1.50 (1.50)", "error 2.0e-01", "AMD &amp; co"):
            assert expected in text


def test_a_run_survives_its_file(tmp_path):
    run = results.read(STORED)
    run.write(tmp_path / "again.json")
    assert results.read(tmp_path / "again.json") == run


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 3}', '{"rows": [{"measured": []}]}'])
def test_files_that_are_no_run(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ArgumentError, match="holds no run of the suite"):
        results.read(path)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(ArgumentError, match="cannot read"):
        results.read(tmp_path / "absent.json")
    with pytest.raises(ArgumentError, match="cannot write"):
        results.write(tmp_path, "text")


def test_peers_alone_and_failures_have_their_cells():
    gone = Measurement("gpudl", failure="ValueError: x")
    peer = Measurement("numpy", median=2e-6, least=1e-6, turns=3, quiet=3)
    run = Run(
        "today", {}, {"flops": 1.0, "bytes": 1.0}, {"gpudl": "0", "numpy": "2"}, {},
        rows=[Row("add", "overhead", 0.0, 0.0, {"gpudl": gone, "numpy": peer})],
    )  # fmt: skip
    (table,) = tables.tables(run)
    assert table.lines == [["add", "failed !", "", "2 us"]]
    assert tables.summary(run) == ["problem: add, gpudl: ValueError: x"]


def test_python_m_bench_is_the_command():
    command_line = [sys.executable, "-m", "bench", "--list"]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(workloads.table())
    assert json.loads(STORED.read_text())["versions"]["gpudl"]
