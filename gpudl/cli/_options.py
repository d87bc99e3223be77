"""Options that several commands take, and parsers that ask a family for its own."""

from __future__ import annotations

import argparse
import math
from typing import Any

from .families import load


def at_least_one(text: str) -> int:
    """A count."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def rate(text: str) -> float:
    """A positive number."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is no learning rate")
    return value


def add_training_options(parser: argparse.ArgumentParser, datasets: list[str]) -> None:
    """The options of `gpudl train` that are the same for every family."""
    add = parser.add_argument
    add("--data", choices=datasets, help=f"what to train on (default: {datasets[0]})")
    add("--epochs", type=at_least_one, help="passes over the training data")
    add("--steps", type=at_least_one, help="updates of the weights, in place of --epochs")
    add("--batch-size", type=at_least_one, help="samples per step")
    add("--lr", type=rate, help="the largest learning rate")
    add("--seed", type=int, default=0, help="of weights, order and augmentation")
    add("--device", default="cpu", help="where to train")
    add("--threads", type=at_least_one, help="CPU threads")
    add("--out", metavar="DIR", help="keep checkpoints, logs, figures and the report there")
    add("--resume", action="store_true", help="go on with the run in DIR, if there is one")
    add("--tensorboard", action="store_true", help="write logs for TensorBoard into DIR as well")
    add("--report", metavar="PATH", help="write a page about the run (HTML)")
    add("--json", metavar="PATH", help="write the figures of the run (JSON)")
    add("--quiet", action="store_true", help="print the results only")


class FamilyParser(argparse.ArgumentParser):
    """The parser of `gpudl train FAMILY`, which imports the family when it is asked for."""

    family = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.family:
            cls, self.family = load(self.family), ""
            add_training_options(self, list(cls.datasets))
            cls.add_options(self.add_argument_group(f"options of {self.prog.split()[-1]}"))
            # A run that goes on takes what was left at its default from how it began.
            self.set_defaults(defaults={a.dest: a.default for a in self._actions})
        return super().parse_known_args(args, namespace)
