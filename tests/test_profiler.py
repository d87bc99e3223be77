"""gd.profiler: what it counts is what ran."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import gpudl as gd
from gpudl import ops
from gpudl.errors import ArgumentError, ArgumentTypeError

CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}


def rows(p):
    return {(row.name, row.phase): row for row in p.summary()}


def test_forward_and_backward_are_counted_apart():
    a, b = gd.ones((37, 41), requires_grad=True), gd.ones((41, 3), requires_grad=True)
    with gd.profiler.profile() as p:
        for _ in range(3):
            (a @ b).sum().backward()
    found = rows(p)
    assert found["matmul", "forward"].count == 3
    assert found["matmul", "backward"].count == 6
    assert found["matmul", "forward"].flops == 3 * 2 * 37 * 41 * 3
    assert found["matmul", "forward"].bytes == 3 * 4 * (37 * 41 + 41 * 3 + 37 * 3)
    assert {e.backward_of for e in p.events if e.name == "matmul"} == {None, "matmul"}
    assert found["sum", "forward"].flops is None
    total = sum(row.total_ns for row in p.summary())
    assert 0 < total <= max(e.end_ns for e in p.events)


def test_nothing_is_noted_after_the_block_or_on_other_threads():
    x = gd.ones(3)
    with gd.profiler.profile() as p:
        thread = threading.Thread(target=lambda: x * x)
        thread.start()
        thread.join()
        x + x
    x * x
    assert [e.name for e in p.events] == ["add"]


def test_an_error_inside_leaves_no_hook():
    with pytest.raises(ZeroDivisionError), gd.profiler.profile() as p:
        1 / 0  # noqa: B018
    gd.ones(3)
    assert p.events == []


def test_profiles_nest():
    x = gd.ones(3)
    with gd.profiler.profile() as outer:
        x + x
        with gd.profiler.profile() as inner:
            x * x
    assert [e.name for e in outer.events] == ["add", "multiply"]
    assert [e.name for e in inner.events] == ["multiply"]


def test_ranges_nest_and_enclose_their_operations():
    x = gd.ones(3)
    with gd.profiler.profile() as p, gd.profiler.record("outer"):
        with gd.profiler.record("inner"):
            x + x
        x * x
    at = {e.name: e for e in p.events}
    assert at["outer"].start_ns <= at["inner"].start_ns <= at["add"].start_ns
    assert at["add"].end_ns <= at["inner"].end_ns <= at["multiply"].start_ns
    assert at["multiply"].end_ns <= at["outer"].end_ns
    assert at["outer"].kind == "range"
    assert {row.name for row in p.summary()} == {"add", "multiply"}
    with gd.profiler.record("outside"):
        pass
    with pytest.raises(ArgumentTypeError), gd.profiler.record(3):
        pass


# ----- memory -----
def test_peak_memory_is_that_of_living_results():
    x = gd.ones(1000)
    with gd.profiler.profile(memory=True) as p:
        for _ in range(5):
            y = x + x  # the last one dies after the next one was made
    assert p.peak_bytes == 2 * 4000
    del y
    with gd.profiler.profile(memory=True) as p:
        kept = [x + x for _ in range(5)]
    assert p.peak_bytes == 5 * 4000
    assert len(kept) == 5


def test_views_count_once_and_keep_their_memory():
    x = gd.ones((100, 10))
    with gd.profiler.profile(memory=True) as p:
        view = (x + x)[::2].T
        assert p._memory.bytes == 4000
        del view
        assert p._memory.bytes == 0
    assert p.peak_bytes == 4000


def test_memory_from_the_pool_is_followed():
    x = gd.ones(200_000)
    with gd.profiler.profile(memory=True) as p:
        y = ops.activation.relu(x)
        assert p._memory.bytes == 800_000
        del y
        assert p._memory.bytes == 0


def test_peak_needs_memory():
    with gd.profiler.profile() as p:
        gd.ones(3)
    with pytest.raises(ArgumentError, match="memory=True"):
        p.peak_bytes  # noqa: B018


# ----- what it writes -----
def test_table_shows_the_slowest_first():
    a = gd.ones((256, 256))
    with gd.profiler.profile(memory=True) as p:
        for _ in range(3):
            a @ a
        a + a
    assert repr(p) == f"<{len(p.events)} events; .table() sums them up>"
    lines = p.table().splitlines()
    assert lines[0].split()[:4] == ["operation", "phase", "by", "count"]
    row = lines[1].split()
    assert (row[0], row[1], row[3]) == ("matmul", "forward", "3")
    assert row[2] in ("kernel", "numpy")  # without the extension, NumPy's
    assert "MiB held" in lines[-1]
    assert len(p.table(limit=1).splitlines()) == 3
    shares = [float(line.split()[6].rstrip("%")) for line in lines[1:-1]]
    assert sum(shares) == pytest.approx(100.0, abs=0.2)


def test_chrome_trace_is_complete(tmp_path):
    x = gd.tensor(np.ones((2, 3, 8, 8), "f4"), requires_grad=True)
    w = gd.tensor(np.ones((4, 3, 3, 3), "f4"), requires_grad=True)
    with gd.profiler.profile(memory=True) as p, gd.profiler.record("step"):
        ops.conv.conv(x, w, **CONV).sum().backward()
    path = tmp_path / "trace.json"
    p.export_chrome_trace(path)
    trace = json.loads(path.read_text())["traceEvents"]
    spans = [e for e in trace if e["ph"] == "X"]
    assert len(spans) == len(p.events)
    assert all({"name", "ts", "dur", "pid", "tid", "cat"} <= set(e) for e in spans)
    by_name = {e["name"]: e for e in spans}
    step = by_name["step"]
    for e in spans:
        assert step["ts"] <= e["ts"]
        assert e["ts"] + e["dur"] <= step["ts"] + step["dur"]
    assert by_name["conv_wgrad"]["cat"] == "backward"
    assert by_name["conv_wgrad"]["args"]["backward of"] == "conv"
    assert by_name["conv"]["args"]["shapes"] == [[2, 3, 8, 8], [4, 3, 3, 3]]
    counters = [e["args"]["held"] for e in trace if e["ph"] == "C"]
    assert max(counters) <= p.peak_bytes
    with pytest.raises(ArgumentError, match="cannot write"):
        p.export_chrome_trace(tmp_path / "missing" / "trace.json")
