"""A run on the command line: its options, its folder, and what it leaves there."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, CheckpointError
from ..io import load

if TYPE_CHECKING:
    from ..train import History, Trainer
    from .families._family import Family, Results

OPTIONS, LAST, FIGURES, PAGE = "run.json", "last.safetensors", "figures.json", "report.html"
# What a run may change when it goes on: none of these alters a bit of the result.
FREE = {"device", "threads", "out", "resume", "tensorboard", "report", "json", "quiet"}
NOT_OPTIONS = {"run", "family", "defaults"}
FACTS = ("simd", "threads", "cores", "platform", "gpudl", "python", "numpy", "blas")


def write_json(op: str, path: Path, value: Any) -> None:
    """Write a file of JSON; a typed error where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ArgumentError(op, f"cannot write {str(path)!r}: {error}") from None


def read_options(folder: Path) -> dict[str, Any]:
    """The options that the run in `folder` began with."""
    path = folder / OPTIONS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found["options"], family=str(found["family"]))
    except FileNotFoundError:
        raise ArgumentError(
            "gpudl", f"{folder} holds no run", remedy="gpudl train FAMILY --out DIR makes one"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError("gpudl", f"cannot read {path}: {error!r}") from None


def fill(args: argparse.Namespace) -> None:
    """Give the options that were left out: those of the run that goes on, else the defaults of
    the data set. Raises `ArgumentError` for one that differs from the run's."""
    from .families import load as load_family

    if args.resume and not args.out:
        raise ArgumentError("gpudl train", "--resume without a folder", remedy="--out DIR")
    if args.resume and (Path(args.out) / OPTIONS).exists():
        _take_over(args, read_options(Path(args.out)))
        return
    if args.out and (Path(args.out) / LAST).exists():
        raise ArgumentError(
            "gpudl train", f"{args.out} holds another run", remedy="--resume goes on with it"
        )
    datasets = load_family(args.family).datasets
    args.data = args.data or next(iter(datasets))
    given = args.epochs is not None or args.steps is not None
    args.left_out = []
    for name, value in asdict(datasets[args.data]).items():
        if getattr(args, name) is None and not (given and name in ("epochs", "steps")):
            args.left_out.append(name)
            setattr(args, name, value)


def _take_over(args: argparse.Namespace, began: dict[str, Any]) -> None:
    for name, value in began.items():
        mine = getattr(args, name, None)
        if mine not in (args.defaults.get(name), value):
            flag = f"--{name.replace('_', '-')}" if name != "family" else "the family"
            raise ArgumentError(
                "gpudl train",
                f"{flag} is {mine}, the run in {args.out} began with {value}",
                remedy="leave it out, or choose another folder",
            )
        setattr(args, name, value)


def build(args: argparse.Namespace) -> Family:
    """The family of a run, with its networks, seeded."""
    from .. import devices, random
    from ..system import set_num_threads
    from .families import load as load_family

    if args.threads:
        set_num_threads(args.threads)
    args.device = str(devices.device(args.device))
    random.manual_seed(args.seed)
    return load_family(args.family)(args)


def reopen(folder: Path, device: str) -> tuple[Family, History]:
    """The run in `folder`: its family, with the weights that were best, or the last ones, and its
    history. Raises `ArgumentError` where nothing was kept yet."""
    args = argparse.Namespace(**read_options(folder), threads=None, device=device, out=str(folder))
    args.resume = args.quiet = True
    args.tensorboard = False
    if not (folder / LAST).exists():
        raise ArgumentError("gpudl", f"{folder} has no checkpoint yet", remedy="train a while more")
    family = build(args)
    trainer = trainer_of(family, args)
    trainer.load_state_dict(load(folder / LAST))
    trainer.load_best()
    return family, trainer.history


def trainer_of(family: Family, args: argparse.Namespace) -> Trainer:
    """The trainer of a run, with its logs."""
    from ..train import Callback, CSVLogger, JSONLogger, TensorBoardLogger, Trainer, progress

    logs: list[Callback] = []
    if args.out:
        out = Path(args.out)
        logs = [CSVLogger(out), JSONLogger(out / "log.jsonl")]
        if args.tensorboard:
            logs.append(TensorBoardLogger(out / "tensorboard"))
    return Trainer(
        family.task,
        family.loader,
        epochs=args.epochs,
        steps=args.steps,
        validation=family.validation,
        out=args.out,
        callbacks=[*family.callbacks, *logs],
        show=progress(quiet=args.quiet),
        **family.training,
    )


def keep_options(args: argparse.Namespace) -> None:
    """Write the options of a run into its folder."""
    options = {k: v for k, v in vars(args).items() if k not in FREE | NOT_OPTIONS}
    write_json("gpudl train", Path(args.out) / OPTIONS, {"family": args.family, "options": options})


def figures_of(family: Family, history: History, results: Results) -> dict[str, Any]:
    """The figures of a run, for JSON."""
    options = family.options
    return {
        "family": options.family,
        "data": options.data,
        "seed": options.seed,
        "parameters": family.parameters,
        **results.figures,
        **history.as_dict(),
    }


def write_page(family: Family, history: History, results: Results, path: Path) -> Path:
    """Write the report of a run."""
    from ..system import config_facts
    from ..train import Report, sections, write_report

    found, options = config_facts(), family.options
    facts = {
        **family.facts(),
        "batch size": str(options.batch_size),
        "seed": str(options.seed),
        "device": options.device,
        "extension": "yes" if found["extension"] else "no, NumPy computes",
        **{name: str(found[name]) for name in FACTS},
    }
    tiles = {
        **results.tiles,
        "wall time": f"{history.seconds:.1f} s",
        f"{family.unit} per second": f"{history.samples_per_second:,.0f}",
        "parameters": f"{family.parameters:,}",
    }
    report = Report(
        family.title,
        family.subtitle,
        history,
        tiles,
        [*family.sections(), sections.facts(facts)],
    )
    return write_report(report, path)
