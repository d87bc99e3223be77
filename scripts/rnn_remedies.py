"""What helps recurrent networks to remember: seven remedies on the adding task, each with and
without.

    python scripts/rnn_remedies.py                  the table and its picture in docs/results/
    python scripts/rnn_remedies.py --length 1000    an LSTM whose forget bias is set by the length

The task (Hochreiter and Schmidhuber, 1997): a sequence of random numbers, two of which are marked,
one in each half; the answer is their sum. Always answering 1 has a squared error of 0.167.

Measured are the gradient that reaches the first input, as its norm at the first training step, the
largest norm of the gradient of the weights, the time of a step, and the squared error on 1,000
fresh sequences at the end. A remedy is judged by what it is for.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import gpudl as gd
from gpudl import nn

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
WIDTH, BATCH, SEEDS = 64, 32, 3
Array = np.ndarray[Any, Any]


def sequences(count: int, length: int, rng: Any) -> tuple[gd.Tensor, gd.Tensor]:
    """Inputs (T, B, 2), numbers and marks, and the sums (B,)."""
    x = np.zeros((length, count, 2), np.float32)
    x[..., 0] = rng.random((length, count), dtype=np.float32)
    rows = np.arange(count)
    first, second = rng.integers(0, length // 2, count), rng.integers(length // 2, length, count)
    x[first, rows, 1] = x[second, rows, 1] = 1
    return gd.asarray(x), gd.asarray(x[first, rows, 0] + x[second, rows, 0])


class Plain(nn.Module):
    """h = tanh(W x + U h + b), step by step, with what remedies change.

    `orthogonal`: U is an orthogonal matrix. `gain`: U is multiplied by it. `residual`: a part of
    what the step computes is added to h, in place of replacing it. `normalized`: what goes into the
    tanh is normalized over the units. `truncate`: the gradient goes back so many steps.
    """

    def __init__(
        self,
        *,
        orthogonal: bool = False,
        gain: float = 1.0,
        residual: bool = False,
        normalized: bool = False,
        truncate: int | None = None,
    ) -> None:
        super().__init__()
        self.input = nn.Linear(2, WIDTH)
        self.recurrent = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm = nn.LayerNorm(WIDTH) if normalized else nn.Identity()
        self.head = nn.Linear(WIDTH, 1)
        self.residual, self.truncate = residual, truncate
        with gd.no_grad():
            if orthogonal:
                nn.init.orthogonal_(self.recurrent.weight)
            self.recurrent.weight *= gain

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        driven = self.input(x)
        h = gd.zeros((x.shape[1], WIDTH))
        part = 1 / len(driven) ** 0.5
        for t in range(len(driven)):
            if self.truncate and t == len(driven) - self.truncate:
                h = h.detach()
            new = gd.tanh(self.norm(driven[t] + self.recurrent(h)))
            h = h + part * new if self.residual else new
        return self.head(h)[:, 0]


class Gated(nn.Module):
    """An LSTM; `forget`: what the bias of its forget gates begins with, or "length": the logarithm
    of a time drawn up to the length (Tallec and Ollivier, arXiv:1804.11188)."""

    def __init__(self, forget: float | str = 1.0, length: int = 0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, WIDTH)
        self.head = nn.Linear(WIDTH, 1)
        with gd.no_grad():
            self.lstm.bias_hh_l0[...] = 0.0
            bias = self.lstm.bias_ih_l0
            bias[...] = 0.0
            if forget == "length":
                times = gd.log(gd.random.uniform((WIDTH,), 1, length - 1))
                bias[WIDTH : 2 * WIDTH] = times
                bias[:WIDTH] = -times
            else:
                bias[WIDTH : 2 * WIDTH] = forget

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        return self.head(self.lstm(x)[0][-1])[:, 0]


@dataclass
class Run:
    """What a training run showed."""

    first: float  # norm of the gradient of the first input, at the first step
    largest: float  # norm of the gradient of the weights
    seconds: float  # of a step, the median
    error: float  # squared, on fresh sequences


def train(
    make: Callable[[], nn.Module],
    *,
    length: int,
    steps: int,
    seed: int,
    lr: float,
    clip: float | None,
) -> Run:
    """Train a network on sequences that are never repeated."""
    gd.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = make()
    optimizer = gd.optim.Adam(model.parameters(), lr=lr)
    first, largest, seconds = 0.0, 0.0, []
    for step in range(steps):
        begun = time.perf_counter()
        x, y = sequences(BATCH, length, rng)
        x.requires_grad = step == 0
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            first = float(np.linalg.norm(x.grad.numpy()[0]))
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
        largest = max(largest, norm) if math.isfinite(norm) else math.inf
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        seconds.append(time.perf_counter() - begun)
    with gd.no_grad():
        x, y = sequences(1000, length, np.random.default_rng(10_000 + seed))
        error = nn.functional.mse_loss(model(x), y).item()
    return Run(
        first, largest, float(np.median(seconds)), error if math.isfinite(error) else math.inf
    )


@dataclass
class Remedy:
    """A remedy: networks without and with it, and the measure that it is for."""

    name: str
    without: Callable[[], nn.Module]
    with_it: Callable[[], nn.Module]
    measure: str
    more: bool  # whether more of the measure is better
    clip: tuple[float | None, float | None] = (1.0, 1.0)
    lr: float = 2e-3
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def values(self, which: str) -> list[float]:
        """The measure in each run."""
        return [float(getattr(run, self.measure)) for run in self.runs[which]]

    @property
    def better(self) -> bool:
        """Whether the median is better with it."""
        without, with_it = (float(np.median(self.values(w))) for w in ("without", "with"))
        return with_it > without if self.more else with_it < without


def remedies(length: int) -> list[Remedy]:
    """The table's rows."""
    wild = {"orthogonal": True, "gain": 1.5}
    return [
        Remedy("gated cells (LSTM)", Plain, lambda: Gated("length", length), "error", False),
        Remedy(
            "forget bias by length", lambda: Gated(0.0), lambda: Gated("length", length),
            "first", True,
        ),
        Remedy("orthogonal start", Plain, lambda: Plain(orthogonal=True), "first", True),
        Remedy("residual connection", Plain, lambda: Plain(residual=True), "first", True),
        Remedy("normalization", Plain, lambda: Plain(normalized=True), "first", True),
        Remedy(
            "gradient clipping", lambda: Plain(**wild), lambda: Plain(**wild), "error", False,
            clip=(None, 1.0), lr=1e-2,
        ),
        Remedy(
            "truncated backpropagation", Plain, lambda: Plain(truncate=50), "seconds", False,
        ),
    ]  # fmt: skip


MEASURES = {
    "first": "gradient at the first input",
    "error": "squared error at the end",
    "seconds": "seconds a step",
}


def report(rows: list[Remedy], length: int, steps: int) -> None:
    """Write the table as JSON and as a picture."""
    from matplotlib.figure import Figure

    found = [
        {
            "remedy": r.name,
            "measure": MEASURES[r.measure],
            "better": r.better,
            **{which: [vars(run) for run in runs] for which, runs in r.runs.items()},
        }
        for r in rows
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    figures = {"length": length, "steps": steps, "width": WIDTH, "batch": BATCH, "rows": found}
    (RESULTS / "remedies.json").write_text(json.dumps(figures, indent=1) + "\n")
    figure = Figure(figsize=(10, 4), layout="constrained")
    for i, (key, label) in enumerate((("first", MEASURES["first"]), ("error", MEASURES["error"]))):
        axes = figure.add_subplot(1, 2, i + 1)
        for at, r in enumerate(rows):
            for which, marker, shift in (("without", "o", 0.15), ("with", "D", -0.15)):
                values = [max(getattr(run, key), 1e-30) for run in r.runs[which]]
                colour = "tab:orange" if which == "without" else "tab:blue"
                axes.plot(values, [at + shift] * len(values), marker, color=colour, alpha=0.7)
        axes.set_xscale("log")
        axes.set_yticks(range(len(rows)), [r.name for r in rows] if i == 0 else [""] * len(rows))
        axes.set_xlabel(label)
        axes.invert_yaxis()
    figure.suptitle(f"Adding task, length {length}: orange without, blue with the remedy")
    figure.savefig(RESULTS / "remedies.svg", metadata={"Date": None})


def main() -> None:
    """Run the table, or the long task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument(
        "--steps", type=int, default=0, help="default: 1500, or 3000 for length 1000"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    args = parser.parse_args()
    say = sys.stdout.write
    if args.length != 200:
        run = train(
            lambda: Gated("length", args.length), length=args.length, steps=args.steps or 3000,
            seed=0, lr=2e-3, clip=1.0,
        )  # fmt: skip
        say(f"length {args.length}: squared error {run.error:.5f} on 1,000 fresh sequences\n")
        return
    steps, rows = args.steps or 1500, remedies(args.length)
    for r in rows:
        for which, make, clip in (
            ("without", r.without, r.clip[0]),
            ("with", r.with_it, r.clip[1]),
        ):
            r.runs[which] = [
                train(make, length=args.length, steps=steps, seed=seed, lr=r.lr, clip=clip)
                for seed in range(args.seeds)
            ]
            shown = {k: [f"{getattr(run, k):.3g}" for run in r.runs[which]] for k in MEASURES}
            say(f"{r.name:28}{which:8}" + "  ".join(f"{k} {' '.join(v)}" for k, v in shown.items()))
            say("\n")
            sys.stdout.flush()
        say(f"{'':28}{MEASURES[r.measure]}: {'better' if r.better else 'NOT BETTER'}\n")
    report(rows, args.length, steps)


if __name__ == "__main__":
    main()
