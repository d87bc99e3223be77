"""The loader: the same bits for any workers, resume, and what happens when workers go wrong."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loader_cases import (
    Broken,
    Large,
    Marked,
    Noisy,
    Slow,
    Stream,
    Who,
    mark,
    mixed,
    refuse,
)

import gpudl as gd
from gpudl import data
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    CheckpointError,
    GpudlError,
    ShapeError,
    WorkerError,
)

WORKERS = [
    ("thread", 0),
    ("thread", 1),
    ("thread", 3),
    ("process", 1),
    ("process", 2),
]
EACH_KIND = pytest.mark.parametrize(("worker", "num_workers"), WORKERS)
BOTH = pytest.mark.parametrize("worker", ["thread", "process"])


def plain(tree: Any) -> Any:
    """A batch in a form that can be compared bit by bit."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(part) for part in tree]
    if hasattr(tree, "data") and not isinstance(tree, np.ndarray):
        tree = tree.data
    if isinstance(tree, np.ndarray):
        return tree.dtype.str, tree.shape, tree.tobytes()
    return tree


def batches(loader: data.DataLoader) -> list[Any]:
    return [plain(batch) for batch in loader]


# ----- the same bits -----


@EACH_KIND
@pytest.mark.parametrize("make", [Noisy, Stream])
def test_batches_do_not_depend_on_the_workers(make: Any, worker: Any, num_workers: int) -> None:
    def load(**workers: Any) -> list[Any]:
        loader = data.DataLoader(make(), 4, shuffle=make is Noisy, seed=11, **workers)
        return [batches(loader), batches(loader)]

    expected = load()
    assert len(expected[0]) == 6
    assert expected[0] != expected[1], "epochs differ"
    assert load(worker=worker, num_workers=num_workers) == expected


@EACH_KIND
def test_custom_collation_draws_the_same_numbers(worker: Any, num_workers: int) -> None:
    def load(**workers: Any) -> list[Any]:
        return batches(data.DataLoader(Noisy(), 5, collate_fn=mixed, seed=2, **workers))

    got = load(worker=worker, num_workers=num_workers)
    assert got == load()
    assert len({batch[0] for batch in got}) == 5, "every batch has numbers of its own"


@EACH_KIND
@pytest.mark.parametrize("stop", [0, 1, 3, 6])
@pytest.mark.parametrize("make", [Noisy, Stream])
def test_resume_in_mid_epoch(make: Any, stop: int, worker: Any, num_workers: int) -> None:
    def fresh(seed: int, **workers: Any) -> data.DataLoader:
        return data.DataLoader(make(), 4, shuffle=make is Noisy, seed=seed, **workers)

    whole = fresh(3)
    expected = batches(whole) + batches(whole)
    first = fresh(3, worker=worker, num_workers=num_workers)
    seen = []
    for batch in first:
        if len(seen) == stop:
            break
        seen.append(plain(batch))
        state = first.state_dict()
    if stop == 0:
        state = fresh(3).state_dict()
    second = fresh(99, worker=worker, num_workers=num_workers)
    second.load_state_dict(state)
    rest = batches(second)
    assert seen + rest + batches(second) == expected


def test_state_counts_delivered_batches_only() -> None:
    loader = data.DataLoader(Noisy(), 2, num_workers=2, prefetch_factor=3, seed=1)
    iterator = iter(loader)
    next(iterator)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (0, 1)
    list(iterator)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 0)


def test_a_broken_off_epoch_is_followed_by_the_next() -> None:
    loader = data.DataLoader(Noisy(), 4, shuffle=True, seed=5)
    reference = data.DataLoader(Noisy(), 4, shuffle=True, seed=5)
    next(iter(loader))
    batches(reference)
    assert batches(loader) == batches(reference)
    loader.set_epoch(0)
    reference.set_epoch(0)
    assert batches(loader) == batches(reference)


class Counting(data.Sampler[int]):
    """A sampler with a state of its own."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Any:
        start, self.passes = self.passes, self.passes + 1
        return iter([(start + i) % 6 for i in range(6)])

    def __len__(self) -> int:
        return 6

    def state_dict(self) -> dict[str, Any]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.passes = state["passes"]


def test_resume_keeps_the_state_of_a_sampler() -> None:
    def fresh() -> data.DataLoader:
        return data.DataLoader(range(6), 2, sampler=Counting(), seed=0)

    reference, loader = fresh(), fresh()
    batches(reference)
    expected = batches(reference)
    batches(loader)
    first = plain(next(iter(loader)))
    resumed = fresh()
    resumed.load_state_dict(loader.state_dict())
    assert [first, *batches(resumed)] == expected


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"version": 2, "seed": 0, "epoch": 0, "batch": 0, "sampler": {}},
        {"version": 1, "seed": -1, "epoch": 0, "batch": 0, "sampler": {}},
        {"version": 1, "seed": 0, "epoch": "1", "batch": 0, "sampler": {}},
        {"version": 1, "seed": 0, "epoch": 0, "batch": -1, "sampler": {}},
        [1],
        None,
    ],
)
def test_a_state_that_is_none(state: Any) -> None:
    loader = data.DataLoader(range(6), 2, seed=8)
    before = loader.state_dict()
    with pytest.raises(CheckpointError):
        loader.load_state_dict(state)
    assert loader.state_dict() == before


def test_the_default_generator_and_others_give_seeds() -> None:
    def order(**where: Any) -> list[int]:
        loader = data.DataLoader(range(50), 50, shuffle=True, **where)
        return next(iter(loader)).data.tolist()  # type: ignore[no-any-return]

    gd.manual_seed(1)
    first, second = order(), order()
    assert first != second, "every loader draws a seed of its own"
    gd.manual_seed(1)
    assert [order(), order()] == [first, second]
    assert order(generator=gd.Generator(1)) == first
    generator = gd.Generator(1)
    assert [order(generator=generator) for _ in range(2)] == [first, second]
    samplers = [list(data.RandomSampler(range(9), generator=gd.Generator(s))) for s in (1, 1, 2)]
    assert samplers[0] == samplers[1] != samplers[2]
    splits = [data.random_split(range(9), [4, 5], gd.Generator(s)) for s in (1, 1, 2)]
    assert list(splits[0][0]) == list(splits[1][0]) != list(splits[2][0])


# ----- orders and batches -----


def test_every_sample_once_in_a_new_order() -> None:
    loader = data.DataLoader(range(101), 8, shuffle=True, seed=0)
    orders = [np.concatenate([b.data for b in loader]).tolist() for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(101))
    assert orders[0] != orders[1] != list(range(101))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 37])
@pytest.mark.parametrize("drop_last", [False, True])
def test_length_is_the_number_of_batches(n: int, drop_last: bool) -> None:
    for source in (range(n), Stream(n)):
        loader = data.DataLoader(source, 8, drop_last=drop_last, seed=0)
        sizes = [len(b[1].data) if isinstance(b, tuple) else len(b.data) for b in loader]
        assert sizes == [8] * (n // 8) + ([n % 8] if n % 8 and not drop_last else [])
        if source == range(n):
            assert len(loader) == len(sizes)
        else:
            with pytest.raises(ArgumentTypeError, match="no length"):
                len(loader)


@EACH_KIND
def test_without_batches(worker: Any, num_workers: int) -> None:
    loader = data.DataLoader(Noisy(3), None, seed=0, worker=worker, num_workers=num_workers)
    got = list(loader)
    assert [sample["y"] for sample in got] == [0, 1, 2]
    assert got[0]["x"].shape == (5,)


def test_samplers_and_batch_samplers() -> None:
    sampler = data.WeightedRandomSampler([0, 1, 0, 1], 9, seed=1)
    drawn = [b.data.tolist() for b in data.DataLoader(range(4), 3, sampler=sampler, seed=0)]
    assert {i for b in drawn for i in b} == {1, 3}
    given = [[3, 1], [0], [2, 2, 2]]
    loader = data.DataLoader(range(4), batch_sampler=given, seed=0)
    assert [b.data.tolist() for b in loader] == given
    assert len(loader) == 3


class Rows(data.TensorDataset):
    """Redefines what a sample is, so that taking whole batches would be wrong."""

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(2 * part for part in super().__getitem__(index))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.float64])
def test_whole_batches_equal_collated_samples(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((37, 4, 6)) * 9).astype(dtype).transpose(0, 2, 1)[:, ::-1]
    y = np.arange(37)[::-1]
    dataset = data.TensorDataset(x, y)
    subset = data.Subset(data.Subset(dataset, range(36, 0, -1)), [5, 0, 30, -1])

    class Plain(data.Dataset[Any]):
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __len__(self) -> int:
            return len(self.inner)

        def __getitem__(self, index: int) -> Any:
            return self.inner[index]

    for fast in (dataset, subset):
        expected = batches(data.DataLoader(Plain(fast), 5, shuffle=True, seed=4))
        assert batches(data.DataLoader(fast, 5, shuffle=True, seed=4)) == expected
    doubled = next(iter(data.DataLoader(Rows(np.arange(3.0)), 3, seed=0)))
    assert doubled[0].data.tolist() == [0.0, 2.0, 4.0]


@BOTH
def test_batches_that_grow(worker: Any) -> None:
    loader = data.DataLoader(Large(), 1, num_workers=2, worker=worker, seed=0)
    for i, batch in enumerate(loader):
        assert batch.data.shape == (1, i * 40_000)
        assert np.all(batch.data == i)
        batch.data[...] = -1  # the memory is the caller's


# ----- workers -----


@BOTH
def test_who_works(worker: Any) -> None:
    loader = data.DataLoader(Who(), 1, num_workers=2, worker=worker, seed=0)
    pids, ids, counts = (np.concatenate([b[i].data for b in list(loader)]) for i in range(3))
    assert set(counts.tolist()) == {2}
    if worker == "process":
        assert ids.tolist() == [0, 1] * 4
        assert len(set(pids.tolist())) == 2
        assert os.getpid() not in pids
    else:
        assert set(pids.tolist()) == {os.getpid()}


def test_persistent_workers_stay() -> None:
    loader = data.DataLoader(
        Who(), 1, num_workers=2, worker="process", persistent_workers=True, seed=0
    )
    pids = [{int(b[0].data[0]) for b in loader} for _ in range(2)]
    assert pids[0] == pids[1]
    for batch in loader:  # broken off with batches under way
        assert int(batch[0].data[0]) in pids[0]
        break
    assert {int(b[0].data[0]) for b in loader} == pids[0]
    del loader, batch
    assert not multiprocessing.active_children()


@BOTH
@pytest.mark.parametrize("persistent", [False, True])
def test_two_passes_at_once(worker: Any, persistent: bool) -> None:
    loader = data.DataLoader(
        range(4), 1, num_workers=1, worker=worker, persistent_workers=persistent, seed=0
    )
    pairs = [(int(a.data[0]), int(b.data[0])) for a in loader for b in loader]
    assert pairs == [(a, b) for a in range(4) for b in range(4)]


@BOTH
def test_worker_init_fn(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADER_TEST_MARK", "none")
    loader = data.DataLoader(Marked(), 2, num_workers=1, worker=worker, worker_init_fn=mark, seed=0)
    assert list(loader) == [["worker 0"] * 2] * 2
    failing = data.DataLoader(
        Marked(), 2, num_workers=1, worker=worker, worker_init_fn=refuse, seed=0
    )
    with pytest.raises(WorkerError, match=r"(?s)not worker 0.*Traceback"):
        list(failing)


# ----- what goes wrong -----


@BOTH
@pytest.mark.parametrize(
    ("how", "name"),
    [("raise", "KeyError"), ("leave", "SystemExit"), ("network", "ConnectionResetError")],
)
def test_an_exception_arrives_with_its_traceback(worker: Any, how: str, name: str) -> None:
    loader = data.DataLoader(Broken(how), 2, num_workers=2, worker=worker, seed=0)
    iterator = iter(loader)
    assert [next(iterator).data.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(WorkerError) as caught:
        next(iterator)
    message = str(caught.value)
    assert name in message
    assert "loader_cases.py" in message
    assert "batch 2" in message
    assert next(iterator, None) is None
    assert loader.state_dict()["batch"] == 2
    assert not multiprocessing.active_children()


def test_without_workers_the_exception_is_the_data_sets_own() -> None:
    with pytest.raises(KeyError, match="no such sample"):
        list(data.DataLoader(Broken("raise"), 2, seed=0))


@pytest.mark.parametrize(("how", "words"), [("kill", "killed by SIGKILL"), ("exit", "exit code 7")])
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_dies(how: str, words: str, persistent: bool) -> None:
    loader = data.DataLoader(
        Broken(how), 1, num_workers=2, worker="process", persistent_workers=persistent, seed=0
    )
    start = time.monotonic()
    for _ in range(2):  # and the loader can be used again
        with pytest.raises(WorkerError, match=words):
            list(loader)
    assert time.monotonic() - start < 10
    assert not multiprocessing.active_children()


@BOTH
def test_a_batch_that_does_not_come(worker: Any) -> None:
    loader = data.DataLoader(Broken("hang"), 1, num_workers=1, worker=worker, timeout=0.3, seed=0)
    if worker == "thread":
        # A thread cannot be ended by force; it is a daemon and goes with the interpreter.
        loader.dataset = Slow()
        loader = data.DataLoader(Slow(), 8, num_workers=1, worker=worker, timeout=0.3, seed=0)
    start = time.monotonic()
    with pytest.raises(WorkerError, match="did not come within"):
        list(loader)
    assert time.monotonic() - start < 8
    assert not multiprocessing.active_children()


def test_a_data_set_that_does_not_pickle() -> None:
    loader = data.DataLoader([lambda: 1], 1, num_workers=1, worker="process", seed=0)
    with pytest.raises(ArgumentTypeError, match='worker="thread"'):
        iter(loader)


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 2**70},
        {"num_workers": -1},
        {"prefetch_factor": 0},
        {"prefetch_factor": 1000},
        {"worker": "fork"},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "1"},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 0.5},
        {"batch_size": 1.5},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 3},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"seed": 0, "generator": gd.Generator(0)},
        {"generator": np.random.default_rng(0)},
        {"generator": "x"},
    ],
)
def test_arguments_that_are_wrong(arguments: dict[str, Any]) -> None:
    with pytest.raises(GpudlError, match="DataLoader"):
        data.DataLoader(range(4), **arguments)


def test_data_sets_that_are_none() -> None:
    with pytest.raises(ArgumentTypeError, match="__getitem__"):
        data.DataLoader(5)
    with pytest.raises(ArgumentError, match="order"):
        data.DataLoader(Stream(), shuffle=True)
    with pytest.raises(ShapeError, match="differ"):
        list(data.DataLoader([np.zeros(2), np.zeros(3)], 2, seed=0))


# ----- nothing is left -----


def loader_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("gpudl-data")]


@pytest.fixture
def without_cycle_collector() -> Iterator[None]:
    """Reference counts alone must do."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@BOTH
@pytest.mark.parametrize("end", ["break", "close", "exhaust"])
def test_nothing_is_left_in_this_process(
    worker: Any, end: str, without_cycle_collector: None
) -> None:
    gc.collect()
    before = set(Path("/proc/self/fd").iterdir())
    loader = data.DataLoader(
        Slow() if end != "exhaust" else range(9), 1, num_workers=2, worker=worker, seed=0
    )
    if worker == "process":  # the fork server, which serves the whole program, keeps some open
        next(iter(data.DataLoader(range(2), 1, num_workers=1, worker="process", seed=0)))
        before = set(Path("/proc/self/fd").iterdir())
    start = time.monotonic()
    iterator = iter(loader)
    for _ in iterator:
        if end != "exhaust":
            break
    del iterator
    if end == "close":
        del loader
    assert time.monotonic() - start < 3
    assert not multiprocessing.active_children()
    assert not loader_threads()
    assert len(set(Path("/proc/self/fd").iterdir())) <= len(before)


SCRIPT = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from loader_cases import Slow, Noisy
import gpudl as gd
from gpudl import data

if __name__ == "__main__":
    # A shell without job control starts what it puts into the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    loader = data.DataLoader({dataset}, 2, num_workers=2, worker={worker!r}, seed=0,
                             persistent_workers={persistent})
    iterator = iter(loader)
    print(os.getpid(), flush=True)
    next(iterator)
    print("ready", flush=True)
    {action}
"""


def run_script(tmp_path: Path, **parts: Any) -> subprocess.Popen[str]:
    path = tmp_path / "script.py"
    parts = {"dataset": "Slow()", "persistent": False} | parts
    path.write_text(textwrap.dedent(SCRIPT).format(tests=str(Path(__file__).parent), **parts))
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def living_members(leader: int) -> list[int]:
    """All living processes that a script started, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def all_gone(leader: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while living_members(leader):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@BOTH
@pytest.mark.parametrize("persistent", [False, True])
def test_nothing_is_left_after_the_interpreter_exits(
    tmp_path: Path, worker: str, persistent: bool
) -> None:
    memory = set(Path("/dev/shm").iterdir())
    process = run_script(tmp_path, worker=worker, persistent=persistent, action="print('end')")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.endswith("end\n")
    assert err == ""
    assert all_gone(process.pid, 5)
    assert set(Path("/dev/shm").iterdir()) <= memory


@BOTH
def test_nothing_is_left_after_ctrl_c(tmp_path: Path, worker: str) -> None:
    process = run_script(tmp_path, worker=worker, action="[None for _ in iterator]")
    assert process.stdout is not None
    while process.stdout.readline() not in ("ready\n", ""):
        pass
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everybody
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert err.count("Traceback") == 1
    assert "KeyboardInterrupt" in err
    assert "resource_tracker" not in err
    assert all_gone(process.pid, 5)


def test_workers_go_when_their_parent_is_killed(tmp_path: Path) -> None:
    process = run_script(tmp_path, worker="process", action="[None for _ in iterator]")
    assert process.stdout is not None
    while process.stdout.readline() not in ("ready\n", ""):
        pass
    assert len(living_members(process.pid)) >= 3
    process.kill()
    process.communicate(timeout=30)
    assert all_gone(process.pid, 10)


def test_a_worker_killed_from_outside(tmp_path: Path) -> None:
    action = """
    from multiprocessing import active_children
    os.kill(active_children()[0].pid, signal.SIGKILL)
    start = time.monotonic()
    try:
        [None for _ in iterator]
    except RuntimeError as error:
        print(type(error).__name__, "SIGKILL" in str(error), time.monotonic() - start < 3)
    """
    process = run_script(
        tmp_path, worker="process", action=textwrap.indent(textwrap.dedent(action), "    ").strip()
    )
    out, err = process.communicate(timeout=60)
    assert out.endswith("WorkerError True True\n"), err
    assert all_gone(process.pid, 5)


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(
        "from gpudl import data\n"
        "for batch in data.DataLoader(range(4), 2, num_workers=1, worker='process', seed=0):\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr


def test_reprs_say_what_is_inside():
    data = gd.data.TensorDataset(gd.zeros((4, 2)), gd.zeros(4, dtype=gd.int64))
    assert repr(data) == "TensorDataset(float32(4, 2) on cpu, int64(4,) on cpu)"
    assert repr(gd.data.Subset(data, [0, 1])) == "Subset(TensorDataset, 2 samples)"
    loader = gd.data.DataLoader(data, batch_size=2)
    assert repr(loader) == "DataLoader(TensorDataset, batch_size=2, num_workers=0)"
