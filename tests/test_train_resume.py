"""A run that was killed, interrupted or stopped, and went on, ends with the bits of one that was
not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_run import trainer

import gpudl as gd
from gpudl.errors import ArgumentError, ArgumentTypeError, CheckpointError, StateDictError

SCRIPT = Path(__file__).with_name("training_run.py")
TIMES = ("seconds",)  # what no two runs have in common


def equal(a: Any, b: Any) -> bool:
    """Whether two states are equal in every bit, times aside."""
    if isinstance(a, dict):
        return set(a) == set(b) and all(equal(a[k], b[k]) for k in a if k not in TIMES)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if hasattr(a, "shape"):
        x, y = (np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in (a, b))
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return bool(a == b)


def final(folder: Path) -> Any:
    return gd.load(folder / "final.safetensors")


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True
    )


pytestmark = pytest.mark.usefixtures("ctrl_c")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("unbroken")
    with start(folder) as process:
        process.communicate(timeout=200)
    assert process.returncode == 0
    return folder


def kill_somewhere(folder: Path, rng: random.Random) -> bool:
    """Go on with a run and kill it after a random number of steps and some more time; whether it
    came to its end before that."""
    with start(folder) as process:
        assert process.stdout is not None
        steps = rng.randrange(1, 15)
        for line in process.stdout:
            steps -= line.startswith("step")
            if steps <= 0:
                break
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.stdout.read()
        return process.wait(60) == 0


def killed_and_resumed(folder: Path, kills: int, seed: int) -> int:
    """Kill a run so many times, then let it end; how many kills it met."""
    rng, met = random.Random(seed), 0
    for _ in range(kills):
        if kill_somewhere(folder, rng):
            break
        met += 1
    with start(folder) as process:
        process.communicate(timeout=200)
    assert process.returncode == 0
    return met


def check_same(folder: Path, unbroken: Path) -> None:
    assert equal(final(folder), final(unbroken))
    for name in ("last.safetensors", "best.safetensors"):
        assert equal(gd.load(folder / name), gd.load(unbroken / name))
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k not in TIMES}
            for line in (where / "log.jsonl").read_text().splitlines()
        ]
        for where in (folder, unbroken)
    ]
    assert logs[0] == logs[1]
    for name in ("steps", "epochs", "validation"):
        tables = [(where / f"{name}.csv").read_text().splitlines() for where in (folder, unbroken)]
        assert tables[0][0] == tables[1][0]
        assert len(tables[0]) == len(tables[1])


def test_the_run_has_what_must_survive(unbroken: Path) -> None:
    state = final(unbroken)
    assert state["step"] == 40
    assert state["epoch"] == 4
    assert state["task"] == {"seen": 1200}
    assert len(state["history"]["validation"]["loss"]) == 5
    assert state["random"]["offset"] > 0
    accuracy = state["history"]["validation"]["accuracy"]
    assert accuracy[-1] > accuracy[0]


def test_killed_runs_end_with_the_same_bits(unbroken: Path, tmp_path: Path) -> None:
    met = killed_and_resumed(tmp_path, 6, seed=0)
    assert met >= 3
    check_same(tmp_path, unbroken)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_hundred_kills(unbroken: Path, tmp_path: Path) -> None:
    met, seed = 0, 100
    while met < 100:
        folder = tmp_path / str(seed)
        met += killed_and_resumed(folder, 12, seed)
        check_same(folder, unbroken)
        seed += 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_stopped_at_any_step_goes_on(tmp_path: Path, workers: int) -> None:
    class StopAt(gd.train.Callback):
        def __init__(self, step: int) -> None:
            self.step = step

        def on_step(self, trainer: gd.train.Trainer, row: gd.train.Row) -> None:
            if trainer.step == self.step:
                os.kill(os.getpid(), signal.SIGINT)

    whole = trainer(None, workers=workers)
    assert not whole.fit().interrupted
    for step in (1, 7, 10, 19, 20, 21, 39):
        folder = tmp_path / str(step)
        first = trainer(folder, [StopAt(step)], workers)
        assert first.fit().interrupted
        assert first.step == step
        gd.manual_seed(1234)  # as another process would have
        second = trainer(folder, workers=workers)
        history = second.fit(resume=True)
        assert not history.interrupted
        assert equal(second.state_dict(), whole.state_dict()), step
        assert equal(gd.load(folder / "last.safetensors"), second.state_dict())


def test_a_finished_run_that_is_resumed_does_nothing(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.fit()
    before = (tmp_path / "best.safetensors").read_bytes()
    again = trainer(tmp_path)
    history = again.fit(resume=True)
    assert len(history.steps) == 40
    assert equal(again.state_dict(), first.state_dict())
    assert (tmp_path / "best.safetensors").read_bytes() == before


def test_a_run_can_go_on_for_longer(tmp_path: Path) -> None:
    """Steps that end in mid-epoch close it; going on opens it again."""

    def run(steps: int, out: Path | None) -> gd.train.Trainer:
        made = trainer(out)
        made.epochs, made.steps = None, steps
        return made

    whole = run(33, None)
    whole.fit()
    for steps in (5, 10, 14, 33):
        part = run(steps, tmp_path)
        history = part.fit(resume=True)
        assert part.step == steps
        assert history.epochs["step"][-1] == steps
    ours, theirs = part.state_dict(), whole.state_dict()
    assert equal(ours, theirs)


def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    class Twice(gd.train.Callback):
        def on_step(self, trainer: gd.train.Trainer, row: gd.train.Row) -> None:
            if trainer.step == 3:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

    run = trainer(tmp_path, [Twice()])
    assert run.fit().interrupted
    assert gd.load(tmp_path / "last.safetensors")["step"] == 2, "step 3 was not saved"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    second = trainer(tmp_path)
    second.fit(resume=True)
    whole = trainer(None)
    whole.fit()
    assert equal(second.state_dict(), whole.state_dict())


def test_training_on_another_thread() -> None:
    found: list[gd.train.History] = []
    thread = threading.Thread(target=lambda: found.append(trainer(None).fit()))
    thread.start()
    thread.join()
    assert len(found[0].steps) == 40


# ----- what is refused, with everything as before -----
def test_a_folder_with_another_run(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    with pytest.raises(ArgumentError, match="holds another run"):
        trainer(tmp_path).fit()
    with pytest.raises(ArgumentError, match="resume needs a folder"):
        trainer(None).fit(resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot make the folder"):
        trainer(tmp_path / "file" / "x").fit()


def damaged(state: dict[str, Any], *path: str, value: Any = None) -> dict[str, Any]:
    """A copy of a state with one place changed, or gone."""
    copy = dict(state)
    if len(path) > 1:
        copy[path[0]] = damaged(copy[path[0]], *path[1:], value=value)
    elif value is None:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    run = trainer(None)
    run.fit()
    good, other = run.state_dict(), trainer(None)
    wrong = [
        {},
        damaged(good, "version", value=99),
        damaged(good, "weights", "1.running_mean"),
        damaged(good, "optimizers", "optimizer"),
        damaged(good, "optimizers", "optimizer", "state"),
        damaged(good, "optimizers", value={}),
        damaged(good, "schedules", "schedule", "last_epoch"),
        damaged(good, "average", "weights", "5.bias"),
        damaged(good, "average", "count"),
        damaged(good, "loader", "batch"),
        damaged(good, "history", "steps", "loss", value=np.zeros(3)),
        damaged(good, "history", "epochs"),
        damaged(good, "random", value={"seed": 1}),
        damaged(good, "task", "seen"),
        damaged(good, "step"),
    ]
    before = other.state_dict()
    for state in wrong:
        with pytest.raises((CheckpointError, StateDictError, ArgumentError)):
            other.load_state_dict(state)
        assert equal(other.state_dict(), before)
    other.load_state_dict(good)
    assert equal(other.state_dict(), good)
    plain = gd.nn.Linear(2, 2)
    smaller = gd.train.Trainer(gd.train.Task(plain), other.loader, epochs=1)
    with pytest.raises(CheckpointError, match="optimizers"):
        smaller.load_state_dict(good)


def test_a_loader_without_a_state_cannot_be_kept(tmp_path: Path) -> None:
    model = gd.nn.Linear(2, 1)
    task = gd.train.Task(model, step=lambda x: model(x).sum())
    run = gd.train.Trainer(task, [gd.ones(3, 2)], epochs=1, out=tmp_path / "run")
    with pytest.raises(ArgumentTypeError, match="no state_dict"):
        run.fit()
    assert not (tmp_path / "run").exists()


def test_a_run_on_a_device_goes_on_there(tmp_path: Path) -> None:
    x, y = (t[:12] for t in gd.data.load_digits("test"))
    batches = gd.data.TensorDataset(x, y)

    def run(folder: Path, steps: int) -> gd.train.Trainer:
        gd.manual_seed(0)
        model = gd.nn.Sequential(
            gd.nn.Flatten(), gd.nn.Linear(64, 8), gd.nn.Dropout(0.1), gd.nn.Linear(8, 10)
        ).to("emu")
        made = gd.train.Trainer(
            gd.train.Classifier(model, gd.optim.Adam(model.parameters(), lr=0.01)),
            gd.data.DataLoader(batches, batch_size=4, shuffle=True, seed=0),
            steps=steps,
            validation=gd.data.DataLoader(batches, batch_size=12),
            ema=0.9,
            clip_norm=1.0,
            out=folder,
            show=gd.train.progress(quiet=True),
        )
        made.fit(resume=True)
        return made

    whole = run(tmp_path / "whole", 4)
    run(tmp_path / "part", 2)
    part = run(tmp_path / "part", 4)
    ours, theirs = part.task.weights(), whole.task.weights()
    assert equal({k: v.cpu() for k, v in ours.items()}, {k: v.cpu() for k, v in theirs.items()})
    assert part.load_best()
    assert all(str(v.device) == "emu:0" for v in part.task.weights().values())
