"""What a run is made of, in files: `last.safetensors`, from which it goes on, and
`best.safetensors`, the weights that were best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ArgumentTypeError, CheckpointError, GpudlError
from ..io import load, save
from ..random import default_generator

if TYPE_CHECKING:
    from ._trainer import Trainer

VERSION = 1
LAST, BEST = "last.safetensors", "best.safetensors"
State = dict[str, Any]


def state_of(run: Trainer) -> State:
    """All that a resumed run needs."""
    task = run.task
    return {
        "version": VERSION,
        "step": run.step,
        "epoch": run.epoch,
        "stopped": run.stopped,
        "best": dict(run.best),
        "waited": run.waited,
        "weights": task.weights(),
        "optimizers": {name: o.state_dict() for name, o in task.optimizers.items()},
        "schedules": {name: s.state_dict() for name, s in task.schedules.items()},
        "average": None if run.average is None else run.average.state_dict(),
        "loader": _loader(run).state_dict(),
        "random": default_generator().get_state(),
        "history": run.history.state_dict(),
        "task": task.state_dict(),
    }


def load_into(run: Trainer, state: State) -> None:
    """Take over a state; an error leaves the run as it was."""
    _loader(run)
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise CheckpointError("Trainer", "not the state of a run", remedy="trainer.state_dict()")
    for name, have in (("optimizers", run.task.optimizers), ("schedules", run.task.schedules)):
        found = list(state.get(name, {}))
        if found != list(have):
            raise CheckpointError("Trainer", f"{name} {found} in the state of a run with {[*have]}")
    if (state.get("average") is None) != (run.average is None):
        raise CheckpointError("Trainer", "the average of weights is in one of run and state only")
    before = state_of(run)
    try:
        _apply(run, state)
    except BaseException as error:
        _apply(run, before)
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError) and not isinstance(
            error, GpudlError
        ):
            raise CheckpointError("Trainer", f"not the state of a run: {error!r:.200}") from None
        raise


def _apply(run: Trainer, state: State) -> None:
    task = run.task
    task.load_weights(state["weights"])
    for name, optimizer in task.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    for name, schedule in task.schedules.items():
        schedule.load_state_dict(state["schedules"][name])
    if run.average is not None:
        run.average.load_state_dict(state["average"])
    _loader(run).load_state_dict(state["loader"])
    run.history.load_state_dict(state["history"])
    task.load_state_dict(state["task"])
    default_generator().set_state(state["random"])
    run.step, run.epoch, run.waited = state["step"], state["epoch"], state["waited"]
    run.stopped, run.best = state["stopped"], dict(state["best"])


def _loader(run: Trainer) -> Any:
    if not hasattr(run.loader, "state_dict") or not hasattr(run.loader, "load_state_dict"):
        raise ArgumentTypeError(
            "Trainer",
            f"a run over {type(run.loader).__name__} cannot be saved: it has no state_dict",
            remedy="a gd.data.DataLoader, or a run without out",
        )
    return run.loader


# ----- the folder of a run -----
def prepare(run: Trainer, resume: bool) -> None:
    """Make the folder, or go on from what it holds."""
    if run.out is None:
        if resume:
            raise ArgumentError("Trainer", "resume needs a folder", remedy="out=folder")
        return
    _loader(run)
    last = run.out / LAST
    if last.exists() and run.step == 0:
        if not resume:
            raise ArgumentError(
                "Trainer",
                f"{run.out} holds another run",
                remedy="fit(resume=True) goes on with it; or another folder",
            )
        run.load_state_dict(load(last))
    folder(run.out)


def folder(path: Path) -> None:
    """Make a folder; a typed error where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError("Trainer", f"cannot make the folder {path}: {error}") from None


def save_last(run: Trainer) -> None:
    """Write `last.safetensors`."""
    if run.out is not None:
        save(state_of(run), run.out / LAST)


def save_best(run: Trainer) -> None:
    """Keep the weights as the best: averaged ones, where there is an average."""
    weights = run.task.weights() if run.average is None else dict(run.average.weights)
    if run.out is None:
        run.best_weights = weights
    else:
        save(weights, run.out / BEST)


def load_best(run: Trainer) -> bool:
    """Take them over again."""
    if run.best:
        weights = run.best_weights if run.out is None else load(run.out / BEST)
    else:
        weights = None if run.average is None else run.average.weights
    if weights is None:
        return False
    run.task.load_weights(weights)
    return True
