"""The trainer: what a step is, schedules, averages, validation, callbacks, logs, progress."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingDependencyError,
    NotSupportedError,
    StateDictError,
)
from gpudl.train import Classifier, Task, Trainer, _trainer
from gpudl.train import _checkpoint as checkpoint
from gpudl.train._progress import figures, line, memory

QUIET = gd.train.progress(quiet=True)


def problem(seed: int = 0, n: int = 96) -> tuple[Any, Any, Any]:
    """Three classes of points, a linear classifier with an optimizer, and the points."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    points = (np.eye(3, 5)[labels] * 3 + rng.normal(size=(n, 5))).astype(np.float32)
    gd.manual_seed(seed)
    model = gd.nn.Linear(5, 3)
    dataset = gd.data.TensorDataset(gd.asarray(points), gd.asarray(labels))
    return model, gd.optim.Adam(model.parameters(), lr=0.05), dataset


def loader(dataset: Any, batch_size: int = 16, **options: Any) -> Any:
    return gd.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, seed=1, **options)


def train(model: Any, opt: Any, batches: Any, **options: Any) -> Trainer:
    made = Trainer(Classifier(model, opt), batches, show=QUIET, **options)
    made.fit()
    return made


def weights(model: Any) -> Any:
    return model.weight.detach().numpy().copy()


# ----- the loop -----
def test_fit_learns_and_records() -> None:
    model, opt, dataset = problem()
    tests = gd.data.DataLoader(dataset, batch_size=40)
    history = train(model, opt, loader(dataset), epochs=4, validation=tests).history
    assert len(history.steps) == 24
    assert history.samples == 4 * 96
    assert history.epochs["epoch"] == [1, 2, 3, 4]
    assert history.epochs["step"] == history.validation["step"] == [6, 12, 18, 24]
    assert history.epochs["loss"][-1] < history.epochs["loss"][0]
    assert np.isclose(history.epochs["loss"][0], np.mean(history.steps["loss"][:6]))
    found = gd.train.predict(model, tests)
    assert np.isclose(found.accuracy, history.validation["accuracy"][-1])
    assert np.isclose(found.loss, history.validation["loss"][-1])
    assert found.accuracy > 0.9
    assert history.seconds >= sum(history.epochs["seconds"]) > 0
    plain = json.loads(json.dumps(history.as_dict()))
    assert plain["steps"]["loss"] == history.steps["loss"]
    assert model.training


def test_fit_is_the_plain_loop() -> None:
    model, opt, dataset = problem()
    train(model, opt, loader(dataset), epochs=2)
    again, opt, dataset = problem()
    batches = loader(dataset)
    for _ in range(2):
        for x, y in batches:
            opt.zero_grad()
            gd.nn.functional.cross_entropy(again(x), y).backward()
            opt.step()
    assert np.array_equal(weights(model), weights(again))


def test_steps_end_a_run_and_a_schedule_goes_along() -> None:
    model, opt, dataset = problem()
    schedule = gd.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=8)
    task = Classifier(model, opt, schedule)
    run = Trainer(task, loader(dataset), epochs=9, steps=8, show=QUIET)
    assert run.total == 8
    history = run.fit()
    assert len(history.steps) == 8
    assert history.epochs["step"] == [6, 8]
    assert history.epochs["samples"] == [96, 32]
    assert schedule.last_epoch == 7
    assert opt.param_groups[0]["lr"] < 1e-6
    assert history.steps["lr"][-1] == opt.param_groups[0]["lr"]
    assert max(history.steps["lr"]) == pytest.approx(0.1, rel=0.1)


def test_a_function_is_a_task() -> None:
    model, opt, dataset = problem()

    def step(batch: Any) -> Any:
        x, y = batch
        return gd.nn.functional.cross_entropy(model(x), y)

    run = Trainer(Task(model, opt, step=step), loader(dataset), epochs=2, show=QUIET)
    losses = run.fit().steps["loss"]
    again, opt, dataset = problem()
    assert losses == train(again, opt, loader(dataset), epochs=2).history.steps["loss"]


@pytest.mark.parametrize("n", [96, 100, 97])
def test_accumulated_gradients_are_those_of_the_large_batch(n: int) -> None:
    small, opt, dataset = problem(n=n)
    run = train(small, opt, loader(dataset, 8), epochs=2, accumulate=4)
    assert len(run.history.steps) == run.total == 2 * math.ceil(n / 32)
    large, opt, dataset = problem(n=n)
    other = train(large, opt, loader(dataset, 32), epochs=2)
    assert np.allclose(run.history.steps["loss"], other.history.steps["loss"], rtol=1e-4)
    assert run.history.steps["samples"] == other.history.steps["samples"]
    assert np.allclose(weights(small), weights(large), atol=1e-3)


def test_clipping() -> None:
    model, _, dataset = problem()
    opt = gd.optim.SGD(model.parameters(), lr=1.0)
    before = weights(model)
    batches = gd.data.DataLoader(dataset, batch_size=96)
    run = train(model, opt, batches, steps=1, clip_norm=1e-3)
    assert run.history.steps["gradient_norm"][0] > 0.1
    moved = [weights(model) - before, model.bias.grad.numpy()]
    assert np.sqrt(sum((m.astype(np.float64) ** 2).sum() for m in moved)) == pytest.approx(
        1e-3, rel=1e-3
    )


def test_averaged_weights() -> None:
    model, opt, dataset = problem()

    class Follow(gd.train.Callback):
        seen = [weights(model)]  # noqa: RUF012

        def on_step(self, trainer: Trainer, row: gd.train.Row) -> None:
            self.seen.append(weights(model))

    tests = loader(dataset)
    run = Trainer(
        Classifier(model, opt), loader(dataset), epochs=2, validation=tests, ema=0.7,
        callbacks=[Follow()], show=QUIET,
    )  # fmt: skip
    run.fit()
    want = Follow.seen[0].astype(np.float64)
    for n, w in enumerate(Follow.seen[1:]):
        decay = min(0.7, (1 + n) / (10 + n))
        want = decay * want + (1 - decay) * w
    assert run.average is not None
    assert np.allclose(run.average.weights["weight"].numpy(), want, rtol=1e-5)
    assert np.array_equal(weights(model), Follow.seen[-1])
    measured = run.validate()
    with run.average.applied():
        assert gd.train.predict(model, tests).loss == pytest.approx(measured["loss"], rel=1e-6)
    assert gd.train.predict(model, tests).loss != pytest.approx(measured["loss"], rel=1e-6)


# ----- steps that make their own updates -----
class Duel(Task):
    """Two networks with an optimizer each, as in a GAN."""

    def training_step(self, batch: Any) -> dict[str, Any]:
        x, _ = batch
        g, d = self.models["generator"], self.models["critic"]
        made = g(gd.random.normal((len(x), 2)))
        loss = d(made.detach()).mean() - d(x).mean() + (d(x) ** 2).mean()
        self.optimizers["critic"].zero_grad()
        loss.backward()
        self.optimizers["critic"].step()
        fool = -d(made).mean()
        self.optimizers["generator"].zero_grad()
        fool.backward()
        self.optimizers["generator"].step()
        return {"critic": loss, "generator": fool.item()}

    def validation_step(self, batch: Any) -> dict[str, Any]:
        return {"distance": self.models["critic"](batch[0]).mean()}


def duel(**options: Any) -> Trainer:
    _, _, dataset = problem()
    gd.manual_seed(5)
    models = {"generator": gd.nn.Linear(2, 5), "critic": gd.nn.Linear(5, 1)}
    optimizers = {k: gd.optim.RMSprop(m.parameters(), lr=0.01) for k, m in models.items()}
    schedules = {k: gd.optim.lr_scheduler.StepLR(o, 3) for k, o in optimizers.items()}
    task = Duel(models, optimizers, schedules)
    return Trainer(task, loader(dataset), epochs=2, show=QUIET, **options)


def test_a_task_with_two_optimizers(tmp_path: Path) -> None:
    _, _, dataset = problem()
    run = duel(out=tmp_path, validation=loader(dataset), monitor="distance", mode="max")
    history = run.fit()
    assert history.steps.metrics == ["lr_generator", "lr_critic", "critic", "generator"]
    assert history.steps["lr_critic"][:4] == pytest.approx([0.01, 0.01, 0.01, 0.001])
    assert history.validation.metrics == ["distance"]
    best = gd.load(tmp_path / "best.safetensors")
    assert sorted(best) == ["critic.bias", "critic.weight", "generator.bias", "generator.weight"]
    assert run.load_best()
    for name, value in run.task.weights().items():
        assert np.array_equal(value.numpy(), best[name].numpy())
    with pytest.raises(StateDictError, match="unexpected: x"):
        run.task.load_weights({**best, "x": gd.ones(1)})
    del best["critic.bias"]
    with pytest.raises(StateDictError, match="bias"):
        run.task.load_weights({k: v * 0 for k, v in best.items()})
    assert run.task.weights()["generator.weight"].numpy().any(), "nothing was changed"


def test_a_task_with_two_optimizers_resumes(tmp_path: Path) -> None:
    whole = duel()
    whole.fit()
    first = duel(out=tmp_path)
    first.epochs = 1
    first.fit()
    second = duel(out=tmp_path)
    second.fit(resume=True)
    for name, value in second.task.weights().items():
        assert np.array_equal(value.numpy(), whole.task.weights()[name].numpy())


def test_own_updates_refuse_what_the_trainer_would_do() -> None:
    for options in ({"accumulate": 2}, {"clip_norm": 1.0}):
        with pytest.raises(ArgumentError, match="returns a loss"):
            duel(**options).fit()


# ----- validation -----
class Scripted(Classifier):
    """A validation whose loss follows a list."""

    values: list[float]

    def validation_step(self, batch: Any) -> Any:
        return {"loss": self.values.pop(0), "score": 1.0}


def scripted(values: list[float], **options: Any) -> Trainer:
    model, opt, dataset = problem()
    task = Scripted(model, opt, options.pop("schedule", lambda o: None)(opt))
    task.values = list(values)
    once = gd.data.DataLoader(dataset, batch_size=96)
    return Trainer(
        task, loader(dataset), epochs=len(values), validation=once, show=QUIET, **options
    )


def test_early_stopping_and_the_best(tmp_path: Path) -> None:
    kept = {}

    class Keep(gd.train.Callback):
        def on_epoch(self, trainer: Trainer, row: gd.train.Row) -> None:
            kept[trainer.epoch] = trainer.task.weights()["weight"].numpy()

    for out in (None, tmp_path):
        run = scripted([3.0, 1.0, math.nan, 2.0, 1.0, 0.0], patience=3, out=out, callbacks=[Keep()])
        history = run.fit()
        assert run.stopped
        assert len(history.epochs) == 5
        assert run.best["epoch"] == 2
        assert run.load_best()
        assert np.array_equal(run.task.weights()["weight"].numpy(), kept[2])
    largest = scripted([3.0, 1.0, 4.0], mode="max")
    largest.fit()
    assert largest.best["loss"] == 4.0
    assert not scripted([1.0]).load_best()


def test_averaged_weights_are_the_best_where_nothing_is_validated() -> None:
    model, opt, dataset = problem()
    run = train(model, opt, loader(dataset), epochs=1, ema=0.9)
    assert run.average is not None
    assert run.load_best()
    assert np.array_equal(weights(model), run.average.weights["weight"].numpy())
    assert not train(model, opt, loader(dataset), epochs=1).load_best()


def test_when_the_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(**options: Any) -> list[int]:
        saved: list[int] = []
        monkeypatch.setattr(checkpoint, "save_last", lambda run: saved.append(run.step))
        model, opt, dataset = problem()
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        train(model, opt, loader(dataset), epochs=2, out=out, **options)
        return saved

    tests = loader(problem()[2])
    assert steps() == [6, 12]
    assert steps(save_every=4) == [4, 6, 8, 12, 12]
    assert steps(validation=tests, validate_every=5) == [5, 6, 10, 12]
    monkeypatch.setattr(_trainer, "MINUTE", 0.0)
    assert steps() == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 12]


def test_a_plateau_lowers_the_rate() -> None:
    run = scripted(
        [1.0, 1.0, 1.0, 1.0],
        schedule=lambda o: gd.optim.lr_scheduler.ReduceLROnPlateau(o, patience=1),
    )
    assert [round(lr, 6) for lr in run.fit().epochs["lr"]] == [0.05, 0.05, 0.05, 0.005]


def test_validation_leaves_the_random_stream_alone() -> None:
    class Draws(Classifier):
        def training_step(self, batch: Any) -> Any:
            x, y = batch
            return super().training_step((x + gd.random.normal(x.shape), y))

    found, measured = [], []
    for validate_every in (None, 1, 4):
        model, opt, dataset = problem()
        run = Trainer(
            Draws(model, opt), loader(dataset), epochs=2, show=QUIET,
            validation=loader(dataset) if validate_every else None,
            validate_every=validate_every,
        )  # fmt: skip
        run.fit()
        found.append(weights(model))
        if validate_every:
            measured.append([run.validate(), run.validate()])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert measured[0][0] == measured[0][1] == measured[1][0], "the same draws every time"


def test_who_is_told_what_and_when() -> None:
    told: list[str] = []

    class Tell(gd.train.Callback):
        def on_begin(self, trainer: Trainer) -> None:
            told.append("begin")

        def on_step(self, trainer: Trainer, row: gd.train.Row) -> None:
            told.append(f"step {int(row['step'])}")
            if trainer.step == 5:
                trainer.stop()

        def on_validation(self, trainer: Trainer, row: gd.train.Row) -> None:
            told.append("validation")

        def on_epoch(self, trainer: Trainer, row: gd.train.Row) -> None:
            told.append(f"epoch {int(row['epoch'])}")

        def on_end(self, trainer: Trainer) -> None:
            told.append("end")

    model, opt, dataset = problem(n=48)
    run = Trainer(
        Classifier(model, opt), loader(dataset), epochs=4, validation=loader(dataset),
        callbacks=[Tell()], show=QUIET,
    )  # fmt: skip
    run.fit()
    assert " ".join(told) == (
        "begin step 1 step 2 step 3 validation epoch 1 step 4 step 5 validation epoch 2 end"
    )


def test_interrupt_keeps_what_there_is() -> None:
    model, opt, dataset = problem()

    class Impatient(gd.train.Callback):
        ended = False

        def on_step(self, trainer: Trainer, row: gd.train.Row) -> None:
            if row["epoch"] == 3:
                raise KeyboardInterrupt

        def on_end(self, trainer: Trainer) -> None:
            self.ended = True

    show = Impatient()
    history = Trainer(Classifier(model, opt), loader(dataset), epochs=9, show=show).fit()
    assert history.interrupted
    assert show.ended
    assert len(history.epochs) == 2
    assert len(history.steps) == 13


# ----- what is refused -----
def test_nothing_to_do_is_an_error() -> None:
    model, opt, dataset = problem()
    task = Classifier(model, opt)
    for wrong in (
        {"epochs": 0}, {"steps": -1}, {}, {"epochs": 1, "accumulate": 0},
        {"epochs": 1, "patience": 0}, {"epochs": 1, "mode": "best"}, {"epochs": 1, "ema": 1.0},
        {"epochs": 1, "clip_norm": 0.0}, {"epochs": 1, "save_every": 0},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            Trainer(task, loader(dataset), show=QUIET, **wrong)
    with pytest.raises(ArgumentTypeError, match="a task, not Linear"):
        Trainer(model, loader(dataset), epochs=1)
    empty = gd.data.DataLoader(gd.data.TensorDataset(gd.zeros((0, 5)), gd.arange(0)))
    for batches in (empty, [], iter([])):
        with pytest.raises(ArgumentError, match="no batches"):
            Trainer(task, batches, epochs=1, show=QUIET).fit()
    with pytest.raises(ArgumentError, match="the validation has no batches"):
        Trainer(task, loader(dataset), epochs=1, validation=empty, show=QUIET).fit()
    with pytest.raises(ArgumentError, match="there is no validation"):
        Trainer(task, loader(dataset), epochs=1, show=QUIET).validate()
    with pytest.raises(ArgumentError, match="no batches"):
        gd.train.predict(model, [])
    with pytest.raises(ArgumentError, match=r"no metric 'auc'(.|\n)*loss, accuracy"):
        train(model, opt, loader(dataset), epochs=1, validation=loader(dataset), monitor="auc")


def test_tasks_that_are_none() -> None:
    model, opt, dataset = problem()
    for wrong in (
        lambda: Task({}),
        lambda: Task(None),  # type: ignore[arg-type]
        lambda: Task(opt),
        lambda: Task(model, model),  # type: ignore[arg-type]
        lambda: Task(model, opt, opt),  # type: ignore[arg-type]
        lambda: Task({1: model}),  # type: ignore[dict-item]
        lambda: Task(model, step=3),  # type: ignore[arg-type]
    ):
        with pytest.raises((ArgumentError, ArgumentTypeError)):
            wrong()
    with pytest.raises(NotSupportedError, match="training_step"):
        Trainer(Task(model, opt), loader(dataset), epochs=1, show=QUIET).fit()
    for result, message in (
        ({"loss": 1.0}, "no tensor"), ({"step": gd.ones(())}, "'step'"),
        ({"x": "y"}, "no number"), ({"x": gd.ones(2)}, "no number"), (3.0, "no tensor"),
    ):  # fmt: skip
        task = Task(model, opt, step=lambda batch, result=result: result)
        with pytest.raises((ArgumentError, ArgumentTypeError), match=message):
            Trainer(task, loader(dataset), epochs=1, show=QUIET).fit()
    with pytest.raises(ArgumentTypeError, match="without a tensor"):
        Trainer(Task(model, step=lambda b: {}), ["abc"], epochs=1, show=QUIET).fit()
    with pytest.raises(StateDictError, match="does not know"):
        Task(model).load_state_dict({"a": 1})


def test_batches_of_any_nesting() -> None:
    seen = []
    model = gd.nn.Linear(2, 1)

    def step(batch: Any) -> dict[str, float]:
        seen.append(batch)
        return {"x": 1.0}

    batches = [{"x": (gd.ones(3, 2), ["a", "b", "c"])}, gd.ones(5, 2), [gd.ones(())]]
    history = Trainer(Task(model, step=step), batches, epochs=1, show=QUIET).fit()
    assert history.steps["samples"] == [3, 5, 1]
    assert seen[0]["x"][1] == ["a", "b", "c"]


# ----- predictions -----
def test_predictions() -> None:
    model, _, dataset = problem()
    x, y = (t.numpy() for t in dataset.tensors)
    model.train()
    found = gd.train.predict(model, gd.data.DataLoader(dataset, batch_size=37))
    assert model.training
    logits = x.astype(np.float64) @ model.weight.detach().numpy().T + model.bias.detach().numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert np.array_equal(found.labels, p.argmax(1))
    assert np.allclose(found.confidence, p.max(1), rtol=1e-5)
    assert np.isclose(found.loss, -np.log(p[np.arange(len(y)), y]).mean(), rtol=1e-5)
    assert found.accuracy == np.mean(p.argmax(1) == y)


# ----- progress -----
def test_progress_prints_a_line_per_epoch() -> None:
    out = io.StringIO()
    model, opt, dataset = problem()
    show = gd.train.progress(stream=out)
    run = Trainer(
        Classifier(model, opt), loader(dataset), epochs=2, validation=loader(dataset), show=show
    )
    history = run.fit()
    pairs = zip(history.epochs, history.validation, strict=True)
    assert out.getvalue().splitlines() == [line(epoch, found) for epoch, found in pairs]
    assert re.search(
        r"epoch   2  loss \d\.\d{4}  accuracy +\d+\.\d\d%  \| validation  loss \d", out.getvalue()
    )


def test_progress_within_an_epoch() -> None:
    out = io.StringIO()
    model, opt, dataset = problem()
    run = Trainer(
        Classifier(model, opt), loader(dataset), epochs=1, validation=loader(dataset),
        validate_every=4, show=gd.train.progress(stream=out),
    )  # fmt: skip
    run.fit()
    first, last = out.getvalue().splitlines()
    assert first.startswith("step      4  | validation  loss")
    assert last.startswith("epoch   1  loss")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="rich draws the bar")
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    model, opt, dataset = problem()
    Trainer(Classifier(model, opt), loader(dataset), epochs=2).fit()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "epoch   2  loss" in shown
    assert "12/12" in shown
    assert re.search(r"loss \d\.\d{3}  [\d,]+/s  [\d,]+ MiB", shown)


def test_figures_and_memory() -> None:
    assert figures({"step": 3.0, "lr": 0.1, "loss": 1.0, "test_accuracy": 0.5}) == (
        "loss 1.0000  test_accuracy  50.00%"
    )
    used = memory(gd.device("cpu"))
    assert used is None or 10**6 < used < 10**12


# ----- logs -----
def test_csv_and_json_logs(tmp_path: Path) -> None:
    model, opt, dataset = problem()

    class Odd(Classifier):
        def training_step(self, batch: Any) -> Any:
            found = super().training_step(batch)
            return {**found, "late": math.inf} if len(model.seen) > 7 else found

    model.seen = []

    class See(gd.train.Callback):
        def on_step(self, trainer: Trainer, row: gd.train.Row) -> None:
            model.seen.append(1)

    logs = [gd.train.CSVLogger(tmp_path / "a"), gd.train.JSONLogger(tmp_path / "a" / "log.jsonl")]
    run = Trainer(
        Odd(model, opt), loader(dataset), epochs=2, validation=loader(dataset), show=QUIET,
        callbacks=[See(), *logs],
    )  # fmt: skip
    history = run.fit()
    with (tmp_path / "a" / "steps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [float(row["loss"]) for row in rows] == history.steps["loss"]
    assert [row["late"] for row in rows] == [""] * 12
    with (tmp_path / "a" / "epochs.csv").open(newline="") as file:
        assert [float(row["accuracy"]) for row in csv.DictReader(file)] == (
            history.epochs["accuracy"]
        )
    told = [json.loads(text) for text in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in told] == (["step"] * 6 + ["validation", "epoch"]) * 2
    assert [e["loss"] for e in told if e["kind"] == "step"] == history.steps["loss"]
    assert told[-3]["late"] is None
    (tmp_path / "file").write_text("")
    for logger in (
        gd.train.CSVLogger(tmp_path / "file"), gd.train.JSONLogger(tmp_path / "file" / "x"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match="cannot make the folder"):
            Trainer(
                Classifier(model, opt), loader(dataset), epochs=1, callbacks=[logger], show=QUIET
            ).fit()


def test_tensorboard_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[Any] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            """Nothing is held back."""

        def close(self) -> None:
            written.append("closed")

    package = types.ModuleType("tensorboardX")
    package.SummaryWriter = Writer  # type: ignore[attr-defined]
    package.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "tensorboardX", package)
    model, opt, dataset = problem()
    logger = gd.train.TensorBoardLogger(tmp_path)
    history = train(
        model, opt, loader(dataset), steps=2, validation=loader(dataset), callbacks=[logger]
    ).history
    assert written[0] == (str(tmp_path), 1)
    assert ("train/loss", history.steps["loss"][1], 2) in written
    assert ("validation/accuracy", history.validation["accuracy"][0], 2) in written
    assert written[-1] == "closed"


def test_tensorboard_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="tensorboardX") as caught:
        gd.train.TensorBoardLogger("x")
    assert caught.value.remedy == 'pip install "gpudl[tensorboard]"'


# ----- tables -----
def test_tables() -> None:
    table = gd.train.Table()
    assert list(table) == []
    table.add({"step": 1, "samples": 3, "a": 1.0})
    table.add({"step": 2, "samples": 1, "b": 5.0})
    table.add({"step": 3, "samples": 1, "a": 3.0, "b": 6.0})
    assert table.metrics == ["a", "b"]
    assert table.row(1) == {"step": 2, "samples": 1, "b": 5.0}
    assert table.mean(0) == {"a": 1.5, "b": 5.5}
    assert table.mean(2) == {"a": 3.0, "b": 6.0}
    table.drop_last()
    assert len(table) == 2
    assert math.isnan(table["b"][0])


def test_the_programs_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parent.parent / "docs" / "training.md"
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(compile(block, str(page), "exec"), {})
    assert (tmp_path / "runs" / "digits" / "best.safetensors").exists()
