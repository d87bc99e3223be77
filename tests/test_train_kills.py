"""`gpudl train`, every family, killed at random moments and resumed: in the end every file has the
bits of a run that nothing happened to."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_families import SMALL
from test_train_resume import equal

import gpudl as gd

NURSERY = Path(__file__).with_name("train_nursery.py")
KILLS = 13  # of each of the eight families: 104
STEPS = {"cnn": 9, "resnet1001": 7}
TIMES = ("seconds", "samples_per_second")


class Nursery:
    """Runs of `gpudl train`, from one process that has imported it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def train(
        self, family: str, out: Path, after: float | None = None, write: int | None = None
    ) -> tuple[int, float]:
        """Train, or go on, in `out`; the status and how long it took."""
        argv = ["train", family, *SMALL[family], "--steps", str(STEPS.get(family, 11)),
                "--threads", "1", "--quiet", "--resume", "--out", str(out)]  # fmt: skip
        order = {"argv": argv, "log": f"{out}.log", "after": after, "write": write}
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        status, seconds = int(answer["status"]), float(answer["seconds"])
        assert status in (0, -9), Path(f"{out}.log").read_text()
        return status, seconds


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def kept(folder: Path) -> dict[str, Any]:
    """All that a run leaves, times and the drawn page aside."""
    found: dict[str, Any] = {
        path.name: gd.load(path) for path in sorted(folder.glob("*.safetensors"))
    }
    lines = (folder / "log.jsonl").read_text().splitlines()
    found["log"] = [without_times(json.loads(line)) for line in lines]
    for name in ("figures.json", "run.json"):
        found[name] = without_times(json.loads((folder / name).read_text()))
    for name in ("steps", "epochs", "validation"):
        rows = [line.split(",") for line in (folder / f"{name}.csv").read_text().splitlines()]
        columns = [i for i, c in enumerate(rows[0] if rows else ()) if c not in TIMES]
        found[name] = [[row[i] for i in columns] for row in rows]
    return found


def check_same(folder: Path, unbroken: dict[str, Any]) -> None:
    here = kept(folder)
    assert here.keys() == unbroken.keys()
    for name, value in unbroken.items():
        assert equal(here[name], value), f"{folder}: {name}"
    assert not list(folder.glob("*.gpudl-tmp")), "what an interrupted writer left"


def killed_and_resumed(
    nursery: Nursery, family: str, out: Path, kills: int, seconds: float, rng: random.Random
) -> dict[str, int]:
    """Kill a run so many times, then let it end; the kills met, by where they fell."""
    met = {"before the first checkpoint": 0, "in a checkpoint": 0, "later": 0}
    for _ in range(kills):
        if rng.random() < 0.3:
            status, _ = nursery.train(family, out, write=rng.randrange(0, 6))
            where = "in a checkpoint"
        else:
            status, _ = nursery.train(family, out, after=rng.uniform(0, 0.8 * seconds))
            where = "later"
        if status == 0:
            break
        if where == "later" and not (out / "last.safetensors").exists():
            where = "before the first checkpoint"
        met[where] += 1
    assert nursery.train(family, out)[0] == 0
    return met


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", SMALL)
def test_a_family_that_is_killed(family: str, nursery: Nursery, tmp_path: Path, count: Any) -> None:
    status, seconds = nursery.train(family, tmp_path / "unbroken")
    assert status == 0
    unbroken = kept(tmp_path / "unbroken")
    rng, met, runs = random.Random(family), 0, 0
    while met < KILLS:
        out = tmp_path / str(runs)
        found = killed_and_resumed(nursery, family, out, min(5, KILLS - met), seconds, rng)
        check_same(out, unbroken)
        met, runs = met + sum(found.values()), runs + 1
        for where, number in found.items():
            count(f"kills of gpudl train {where}", number)
    count("kills of gpudl train", met, KILLS)
    count("killed runs with the bits of the unbroken one", runs, runs)


def test_a_network_that_is_killed_while_it_writes(nursery: Nursery, tmp_path: Path) -> None:
    """A few kills of one family, in the fast tests."""
    _, seconds = nursery.train("vae", tmp_path / "unbroken")
    met = killed_and_resumed(nursery, "vae", tmp_path / "run", 3, seconds, random.Random(1))
    assert sum(met.values()) > 0
    check_same(tmp_path / "run", kept(tmp_path / "unbroken"))
