"""MNIST beside PyTorch: one network, the same initial weights, the same batches, in one run.

    python bench/mnist_vs_torch.py [--epochs 5] [--threads 2] [--steps N] [--json PATH]

Epochs alternate between the two, so that both meet the same machine. Dropout is off, since the
random numbers differ; all else is `gpudl train cnn --data mnist`. Needs the extra `peers` and
PyTorch's CPU wheel (see CONTRIBUTING.md); the data comes from GPUDL_DATA, or is downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gpudl as gd
from gpudl.cli.families.cnn import WARM_UP, WEIGHT_DECAY, WIDTH, ConvolutionalNetwork

RECIPE = ConvolutionalNetwork.datasets["mnist"]
Array = np.ndarray[Any, Any]


class Ours:
    """The network in gpudl."""

    name = "gpudl"

    def __init__(self, total_steps: int) -> None:
        self.model = gd.models.CNN((1, 28, 28), width=WIDTH, dropout=0.0)
        self.optimizer = gd.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        self.schedule = gd.optim.lr_scheduler.OneCycleLR(
            self.optimizer, RECIPE.lr, total_steps, pct_start=WARM_UP, cycle_momentum=False
        )

    def step(self, x: Array, y: Array) -> float:
        loss = gd.nn.functional.cross_entropy(self.model(gd.asarray(x)), gd.asarray(y))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return float(loss.item())

    def answers(self, x: Array) -> Array:
        self.model.eval()
        with gd.no_grad():
            out = self.model(gd.asarray(x)).numpy().argmax(1)
        self.model.train()
        return np.asarray(out)


class Theirs:
    """The same network in PyTorch, with the weights of ours."""

    name = "torch"

    def __init__(self, total_steps: int, ours: Ours) -> None:
        nn, w = torch.nn, WIDTH

        def block(cin: int, cout: int) -> Any:
            conv = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU())

        # The names are those of gpudl.models.CNN, whose state is loaded below.
        self.model: Any = nn.Sequential(
            OrderedDict(
                block1=block(1, w),
                pool1=nn.MaxPool2d(2),
                block2=block(w, 2 * w),
                pool2=nn.MaxPool2d(2),
                block3=block(2 * w, 4 * w),
                flatten=nn.Flatten(),
                head=nn.Linear(4 * w * 49, 10),
            )
        )
        state = {k: torch.tensor(v.detach().numpy()) for k, v in ours.model.state_dict().items()}
        self.model.load_state_dict(state)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, RECIPE.lr, total_steps, pct_start=WARM_UP, cycle_momentum=False
        )

    def step(self, x: Array, y: Array) -> float:
        logits = self.model(torch.from_numpy(x))
        loss: Any = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return float(loss.item())

    def answers(self, x: Array) -> Array:
        self.model.eval()
        with torch.no_grad():
            out = self.model(torch.from_numpy(x)).numpy().argmax(1)
        self.model.train()
        return np.asarray(out)


def batches(images: Array, labels: Array, epoch: int, steps: int) -> Iterator[tuple[Array, Array]]:
    """The batches of an epoch, the same for both."""
    order = np.random.default_rng(epoch).permutation(len(labels))
    for i in range(steps):
        chosen = order[i * RECIPE.batch_size : (i + 1) * RECIPE.batch_size]
        yield images[chosen], labels[chosen]


def accuracy(net: Ours | Theirs, images: Array, labels: Array) -> float:
    """Of the test images, 500 at a time."""
    parts = range(0, len(labels), 500)
    right = sum(int((net.answers(images[i : i + 500]) == labels[i : i + 500]).sum()) for i in parts)
    return right / len(labels)


def main() -> None:
    """Run, print the table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs)
    parser.add_argument("--steps", type=int, help="batches per epoch (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    gd.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    gd.manual_seed(args.seed)
    (x, y), (tx, ty) = ([t.numpy() for t in gd.data.load_mnist(part)] for part in ("train", "test"))
    steps = args.steps or -(-len(y) // RECIPE.batch_size)
    ours = Ours(args.epochs * steps + 1)
    nets: list[Ours | Theirs] = [ours, Theirs(args.epochs * steps + 1, ours)]
    rows: list[dict[str, Any]] = []
    sys.stdout.write("epoch  library  test accuracy  mean loss  seconds  images/s\n")
    for epoch in range(args.epochs):
        # Who goes first alternates too.
        for net in nets if epoch % 2 == 0 else nets[::-1]:
            begun = time.perf_counter()
            losses = [net.step(*batch) for batch in batches(x, y, epoch, steps)]
            seconds = time.perf_counter() - begun
            row = {
                "epoch": epoch + 1,
                "library": net.name,
                "test_accuracy": accuracy(net, tx, ty),
                "loss": float(np.mean(losses)),
                "first_loss": losses[0],
                "seconds": seconds,
            }
            rows.append(row)
            sys.stdout.write(
                f"{epoch + 1:>5}  {net.name:<7}  {row['test_accuracy']:>13.2%}  {row['loss']:>9.4f}"
                f"  {seconds:>7.2f}  {min(steps * RECIPE.batch_size, len(y)) / seconds:>8,.0f}\n"
            )
            sys.stdout.flush()
    seconds_of = {n.name: [r["seconds"] for r in rows if r["library"] == n.name] for n in nets}
    ratio = float(np.median(seconds_of["torch"]) / np.median(seconds_of["gpudl"]))
    sys.stdout.write(f"median seconds of an epoch, torch / gpudl: {ratio:.2f}\n")
    if args.json:
        facts = {"threads": args.threads, "torch": torch.__version__, **gd.system.config_facts()}
        for key in ("install", "cache", "data", "settings"):
            facts.pop(key)
        args.json.write_text(json.dumps({"facts": facts, "rows": rows, "ratio": ratio}, indent=1))


if __name__ == "__main__":
    main()
