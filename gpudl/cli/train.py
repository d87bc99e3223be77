"""`gpudl train`: train a network, print how it goes, write a report."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..profiler import Summary
    from ..train import History, Predictions
    from ._recipe import Training

FACTS = ("simd", "threads", "cores", "platform", "gpudl", "python", "numpy", "blas")
TITLES = {"digits": "Handwritten digits, 8 by 8 pixels", "mnist": "MNIST, handwritten digits"}


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{value} is no learning rate")
    return value


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "train a network on a data set"
    parser = subparsers.add_parser("train", help=text, description=text)
    parser.add_argument("network", choices=["cnn"], help="a small convolutional network")
    parser.add_argument(
        "--data", choices=sorted(TITLES), default="digits",
        help="digits comes with gpudl; mnist is read from GPUDL_DATA, or downloaded",
    )  # fmt: skip
    parser.add_argument("--epochs", type=_at_least_one, help="passes over the training data")
    parser.add_argument("--steps", type=_at_least_one, help="stop after so many batches")
    parser.add_argument("--batch-size", type=_at_least_one, help="images per step")
    parser.add_argument("--lr", type=_rate, help="the largest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--device", default="cpu", help="where to train")
    parser.add_argument("--threads", type=_at_least_one, help="CPU threads")
    parser.add_argument("--report", metavar="PATH", help="write a page about the run (HTML)")
    parser.add_argument("--json", metavar="PATH", help="write the figures of the run (JSON)")
    parser.add_argument("--quiet", action="store_true", help="print the results only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; the status is 130 after Ctrl-C, with report and figures of what there is."""
    from .. import devices
    from ..system import set_num_threads
    from ..train import progress
    from ._recipe import RECIPES, Training

    if args.report:
        from ..train import require_matplotlib

        require_matplotlib("gpudl train --report")
    if args.threads:
        set_num_threads(args.threads)
    options = {"epochs": args.epochs, "batch_size": args.batch_size, "lr": args.lr}
    recipe = replace(
        RECIPES[args.data], **{name: value for name, value in options.items() if value is not None}
    )
    device = devices.device(args.device)
    training = Training(recipe, seed=args.seed, device=str(device), steps=args.steps)
    history = training.run(progress(quiet=args.quiet))
    predictions = training.predict()
    kernels = training.kernels()
    _print_result(history, predictions, kernels, str(device))
    if args.json:
        _write_json(args, training, history, predictions)
    if args.report:
        path = _write_report(args, training, history, predictions, kernels, str(device))
        sys.stdout.write(f"report    {path}\n")
    return 130 if history.interrupted else 0


def _print_result(
    history: History,
    predictions: Predictions,
    kernels: list[Summary],
    device: str,
) -> None:
    by: dict[str, dict[str, int]] = {}
    for row in kernels:
        counted = by.setdefault(row.by, {})
        counted[row.name] = counted.get(row.name, 0) + row.count
    lines = [
        f"test      {predictions.accuracy:.2%} of {len(predictions.labels):,} images, "
        f"loss {predictions.loss:.4f}",
        f"time      {history.seconds:.1f} s, {history.samples_per_second:,.0f} images/s",
        f"device    {device}",
    ]
    for source in sorted(by):
        name = "kernels" if source == "kernel" else source
        names = ", ".join(f"{op} x{n}" for op, n in sorted(by[source].items()))
        lines.append(fill(f"{name:<10}{names}", 100, subsequent_indent=" " * 10))
    if history.interrupted:
        lines.insert(0, "interrupted: this is what there is so far")
    sys.stdout.write("\n".join(lines) + "\n")


def _write_json(
    args: argparse.Namespace, training: Training, history: History, predictions: Predictions
) -> None:
    from ..errors import ArgumentError

    figures = {
        "data": args.data,
        "seed": args.seed,
        "parameters": training.parameters,
        "test_accuracy": predictions.accuracy,
        "test_loss": predictions.loss,
        **history.as_dict(),
    }
    target = Path(args.json)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ArgumentError("gpudl train", f"cannot write {args.json!r}: {error}") from None


def _write_report(
    args: argparse.Namespace,
    training: Training,
    history: History,
    predictions: Predictions,
    kernels: list[Summary],
    device: str,
) -> Path:
    from ..system import config_facts
    from ..train import Report, write_report

    recipe = training.recipe
    images, labels = (x.numpy() for x in training.test)
    found = config_facts()
    facts = {
        "network": f"three convolutions ({recipe.width}, {2 * recipe.width} and "
        f"{4 * recipe.width} filters of 3 by 3), batch norm, one linear layer",
        "data": f"{len(training.loader.dataset):,} images to train, {len(labels):,} to test",
        "augmentation": "small rotations, shifts and scalings" if recipe.augment else "none",
        "optimizer": f"AdamW, weight decay {recipe.weight_decay}, one cycle up to {recipe.lr}",
        "batch size": str(recipe.batch_size),
        "seed": str(args.seed),
        "device": device,
        "extension": "yes" if found["extension"] else "no, NumPy computes",
        **{name: str(found[name]) for name in FACTS},
    }
    report = Report(
        title=TITLES[args.data],
        subtitle="A small convolutional network, trained by gpudl.",
        history=history,
        predictions=predictions,
        images=images,
        labels=labels,
        classes=10,
        filters=training.model.block1[0].weight.detach().cpu().numpy(),
        parameters=training.parameters,
        kernels=kernels,
        facts=facts,
    )
    return write_report(report, args.report)
