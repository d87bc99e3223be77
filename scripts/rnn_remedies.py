"""What helps recurrent networks to remember: seven remedies on the adding task, each with and
without.

    python scripts/rnn_remedies.py                  the table and its picture in docs/results/
    python scripts/rnn_remedies.py --length 1000    an LSTM whose forget bias is set by the length

The task (Hochreiter and Schmidhuber, 1997): a sequence of random numbers, two of which are marked,
one in each half; the answer is their sum. Always answering 1 has a squared error of 0.167.

Measured are the gradient that reaches the first input, as its norm at the first training step, the
largest norm of the gradient of the weights, the processor time of a step, and the squared error on
1,000 fresh sequences at the end. A remedy is judged by what it is for, in the median of the seeds.
Runs are kept in `--out`, so a command that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gpudl as gd
from gpudl import nn

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
WIDTH, BATCH, FRESH = 64, 32, 1000
SAVE_EVERY = 100  # steps
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
    """h = f(W x + b + U h), with what remedies change. The same seed gives the same W and b.

    `start`: how U begins, "uniform", "orthogonal" or "identity"; `gain`: what it is multiplied by.
    `residual`: a part of what the step computes is added to h, in place of replacing it.
    `normalized`: what goes into the tanh is normalized over the units. `truncate`: the gradient
    goes back so many steps.
    """

    def __init__(
        self,
        *,
        function: str = "tanh",
        start: str = "uniform",
        gain: float = 1.0,
        residual: bool = False,
        normalized: bool = False,
        truncate: int | None = None,
    ) -> None:
        super().__init__()
        self.rnn = nn.RNN(2, WIDTH, nonlinearity=function)
        self.head = nn.Linear(WIDTH, 1)
        self.norm = nn.LayerNorm(WIDTH) if normalized else nn.Identity()
        self.by_steps, self.residual, self.truncate = residual or normalized, residual, truncate
        with gd.no_grad():
            if start == "orthogonal":
                nn.init.orthogonal_(self.rnn.weight_hh_l0)
            elif start == "identity":
                nn.init.eye_(self.rnn.weight_hh_l0)
            self.rnn.weight_hh_l0 *= gain

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        if self.by_steps:
            return self.head(self._last(x))[:, 0]
        h = None
        if self.truncate:
            with gd.no_grad():
                _, h = self.rnn(x[: -self.truncate])
            x = x[-self.truncate :]
        return self.head(self.rnn(x, h)[1][0])[:, 0]

    def _last(self, x: gd.Tensor) -> gd.Tensor:
        """The last state, a step at a time."""
        rnn = self.rnn
        driven = nn.functional.linear(x, rnn.weight_ih_l0, rnn.bias_ih_l0 + rnn.bias_hh_l0)
        h = gd.zeros((x.shape[1], WIDTH))
        part = 1 / len(driven) ** 0.5
        for step in driven:
            new = gd.tanh(self.norm(step + nn.functional.linear(h, rnn.weight_hh_l0)))
            h = h + part * new if self.residual else new
        return h


class LongShortTerm(nn.Module):
    """An LSTM. Its forget gates begin with a bias of 1, or, where `length` is given, of the
    logarithm of a time drawn up to it, its input gates with the opposite."""

    def __init__(self, length: int = 0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, WIDTH)
        self.head = nn.Linear(WIDTH, 1)
        with gd.no_grad():
            self.lstm.bias_hh_l0[...] = 0.0
            bias = self.lstm.bias_ih_l0
            bias[...] = 0.0
            bias[WIDTH : 2 * WIDTH] = 1.0
            if length:
                times = gd.log(gd.random.uniform((WIDTH,), 1, length - 1))
                bias[WIDTH : 2 * WIDTH] = times
                bias[:WIDTH] = -times

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        return self.head(self.lstm(x)[1][0][0])[:, 0]


class GRU(nn.Module):
    """A GRU, as it begins by default."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(2, WIDTH)
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        return self.head(self.gru(x)[1][0])[:, 0]


@dataclass(frozen=True)
class Setup:
    """A network, from the length of the sequences, and how it is trained: Adam, or SGD with
    momentum, and the norm that gradients are clipped to."""

    name: str
    make: Callable[[int], nn.Module]
    lr: float = 1e-2
    clip: float | None = 1.0
    sgd: bool = False

    def optimizer(self, model: nn.Module) -> gd.optim.Optimizer:
        if self.sgd:
            return gd.optim.SGD(model.parameters(), self.lr, momentum=0.9)
        return gd.optim.Adam(model.parameters(), self.lr)


@dataclass
class Run:
    """What a training run showed."""

    first: float = 0.0  # norm of the gradient of the first input, at the first step
    largest: float = 0.0  # norm of the gradient of the weights
    lost: int = 0  # steps whose gradient was not finite: they change nothing
    milliseconds: float = 0.0  # of the processor, a step
    error: float = math.inf  # squared, on fresh sequences


def train(setup: Setup, length: int, steps: int, seed: int, kept: Path | None = None) -> Run:
    """Train on sequences that are never repeated. `kept`: a file to go on from."""
    gd.manual_seed(seed)
    model = setup.make(length)
    optimizer = setup.optimizer(model)
    run, begin = Run(), 0
    if kept and kept.exists():
        state = gd.load(kept)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        run, begin = Run(**state["run"]), state["step"]
    for step in range(begin, steps):
        begun = time.process_time()
        x, y = sequences(BATCH, length, np.random.default_rng((seed, step)))
        x.requires_grad = step == 0
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            run.first = norm_of(x.grad[0])
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
        run.largest = max(run.largest, norm if math.isfinite(norm) else math.inf)
        if math.isfinite(norm):
            if setup.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), setup.clip)
            optimizer.step()
        else:
            run.lost += 1
        run.milliseconds += (time.process_time() - begun) * 1e3 / steps
        if kept and (step + 1) % SAVE_EVERY == 0:
            parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            gd.save({**parts, "run": asdict(run), "step": step + 1}, kept)
    run.error = error_of(model, length, seed)
    return run


def norm_of(x: gd.Tensor) -> float:
    """In float64: squares of what a float32 holds may not fit one."""
    norm = float(np.linalg.norm(x.numpy().astype(np.float64)))
    return norm if math.isfinite(norm) else math.inf


def error_of(model: nn.Module, length: int, seed: int) -> float:
    """The squared error on fresh sequences."""
    rng, part, total = np.random.default_rng((seed, 2**32)), 100, 0.0
    with gd.no_grad(), np.errstate(over="ignore", invalid="ignore"):
        for _ in range(FRESH // part):
            x, y = sequences(part, length, rng)
            total += nn.functional.mse_loss(model(x), y).item() * part / FRESH
    return total if math.isfinite(total) else math.inf


@dataclass(frozen=True)
class Remedy:
    """Setups without and with a remedy, and the measure that it is for."""

    name: str
    without: Setup
    with_it: Setup
    measure: str
    more: bool = False  # whether more of the measure is better


PLAIN = Setup("plain", lambda _: Plain())
GATED = Setup("GRU", lambda _: GRU())
LSTM = Setup("LSTM", lambda _: LongShortTerm())
BY_LENGTH = Setup("LSTM, forget bias by length", LongShortTerm)
ORTHOGONAL = Setup("orthogonal", lambda _: Plain(start="orthogonal"))
RESIDUAL = Setup("residual", lambda _: Plain(residual=True))
TRUNCATED = Setup("truncated", lambda length: Plain(truncate=length // 4))
WILD = Setup("gain 3", lambda _: Plain(start="orthogonal", gain=3.0))
NORMALIZED = Setup(
    "gain 3, normalized", lambda _: Plain(start="orthogonal", gain=3.0, normalized=True)
)
UNCLIPPED = Setup("ReLU", lambda _: Plain(function="relu", start="identity"), clip=None, sgd=True)
CLIPPED = Setup("ReLU, clipped", UNCLIPPED.make, clip=1.0, sgd=True)
REMEDIES = (
    Remedy("gated cells", PLAIN, GATED, "error"),
    Remedy("forget bias by length", LSTM, BY_LENGTH, "error"),
    Remedy("orthogonal start", PLAIN, ORTHOGONAL, "first", more=True),
    Remedy("residual connection", PLAIN, RESIDUAL, "first", more=True),
    Remedy("normalization", WILD, NORMALIZED, "error"),
    Remedy("gradient clipping", UNCLIPPED, CLIPPED, "error"),
    Remedy("truncated backpropagation", PLAIN, TRUNCATED, "milliseconds"),
)
MEASURES = {
    "first": "gradient at the first input",
    "error": "squared error at the end",
    "milliseconds": "milliseconds a step",
}
WITHOUT, WITH = ("o", "tab:orange"), ("D", "tab:blue")  # how they are drawn
Runs = dict[str, list[Run]]  # of each setup, by its name


def all_runs(length: int, steps: int, seeds: int, out: Path) -> Runs:
    """Train every setup with every seed, except for what `out` holds."""
    out.mkdir(parents=True, exist_ok=True)
    setups = {s.name: s for r in REMEDIES for s in (r.without, r.with_it)}
    runs: Runs = {name: [] for name in setups}
    for seed in range(seeds):
        for name, setup in setups.items():
            kept = out / f"{name.replace(', ', '-').replace(' ', '-')}-{length}-{steps}-{seed}.json"
            if not kept.exists():
                run = train(setup, length, steps, seed)
                part = kept.with_suffix(".part")
                part.write_text(json.dumps(asdict(run)))
                part.replace(kept)
            runs[name].append(Run(**json.loads(kept.read_text())))
            sys.stdout.write(f"{name:28} seed {seed}  {runs[name][-1]}\n")
            sys.stdout.flush()
    return runs


def median(runs: list[Run], measure: str) -> float:
    return float(np.median([getattr(run, measure) for run in runs]))


def better(remedy: Remedy, runs: Runs) -> bool:
    """Whether the median of what it is for is better with it."""
    without, with_it = (
        median(runs[s.name], remedy.measure) for s in (remedy.without, remedy.with_it)
    )
    return with_it > without if remedy.more else with_it < without


def shown(value: float) -> str:
    """Two digits and the power of ten, for readers."""
    if not math.isfinite(value):
        return "overflow"
    if value == 0 or 1e-3 <= value < 1e3:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}"


def table(runs: Runs) -> str:
    """Medians without and with each remedy, as Markdown; what it is for is bold."""
    lines = [
        "| remedy | without | with | " + " | ".join(MEASURES.values()) + " |",
        "|---|---|---|" + "---|" * len(MEASURES),
    ]
    for r in REMEDIES:
        cells = [r.name, r.without.name, r.with_it.name]
        for measure in MEASURES:
            pair = [shown(median(runs[s.name], measure)) for s in (r.without, r.with_it)]
            cell = " → ".join(pair)
            cells.append(f"**{cell}**" if measure == r.measure else cell)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(runs: Runs, title: str, path: Path) -> None:
    """A panel for each measure, a row for each remedy, a point for each seed. What a remedy is for
    is drawn strongly."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    everything = [run for s in runs.values() for run in s]
    for i, (measure, label) in enumerate(MEASURES.items()):
        axes = figure.add_subplot(1, len(MEASURES), i + 1)
        values = [getattr(run, measure) for run in everything]
        finite = [v for v in values if 0 < v < math.inf]
        least, most = min(finite) / 30, max(finite) * 30
        for at, r in enumerate(REMEDIES):
            for setup, marker, colour, shift in (
                (r.without, *WITHOUT, -0.16),
                (r.with_it, *WITH, 0.16),
            ):
                points = [min(max(getattr(n, measure), least), most) for n in runs[setup.name]]
                alpha = 0.9 if measure == r.measure else 0.25
                axes.plot(points, [at + shift] * len(points), marker, color=colour, alpha=alpha)
        axes.set_xscale("linear" if measure == "milliseconds" else "log")
        if measure == "error":
            axes.axvline(0.167, color="0.6", linewidth=0.8, linestyle="--")
        for value, word in ((least, "0"), (most, "overflow")):
            if any(v <= value if word == "0" else v >= value for v in values):
                axes.axvline(value, color="0.8", linewidth=0.8)
                axes.text(value, -0.75, word, ha="center", va="bottom", fontsize=8, color="0.4")
        axes.set_yticks(range(len(REMEDIES)), [r.name for r in REMEDIES] if i == 0 else [])
        axes.set_ylim(len(REMEDIES) - 0.5, -0.8)
        axes.set_xlabel(label)
    figure.suptitle(title, fontsize=11)
    for (marker, colour), word in ((WITHOUT, "without"), (WITH, "with")):
        figure.axes[0].plot([], [], marker, color=colour, label=word)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def write(runs: Runs, length: int, steps: int, folder: Path) -> None:
    """The figures as JSON, where what is not finite is null, and the picture."""
    folder.mkdir(parents=True, exist_ok=True)

    def plain(run: Run) -> dict[str, Any]:
        return {k: v if math.isfinite(v) else None for k, v in asdict(run).items()}

    figures = {
        "length": length, "steps": steps, "width": WIDTH, "batch": BATCH,
        "remedies": {
            r.name: {
                "without": r.without.name, "with": r.with_it.name,
                "measure": MEASURES[r.measure], "better": better(r, runs),
            }
            for r in REMEDIES
        },
        "runs": {name: [plain(run) for run in found] for name, found in runs.items()},
    }  # fmt: skip
    (folder / "remedies.json").write_text(json.dumps(figures, indent=1) + "\n")
    title = f"Adding task, length {length}, {steps:,} steps; dashed: the error of a constant answer"
    draw(runs, title, folder / "remedies.svg")


def main() -> None:
    """Run the table, or the long task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--steps", type=int, help="default: 2500, or 1500 of other lengths")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/remedies"))
    args = parser.parse_args()
    args.steps = args.steps or (2500 if args.length == 200 else 1500)
    say = sys.stdout.write
    if args.length == 200:
        gd.set_num_threads(1)  # the time of a step is that of a processor
        runs = all_runs(args.length, args.steps, args.seeds, args.out)
        write(runs, args.length, args.steps, RESULTS)
        say("\n" + table(runs))
        worse = [r.name for r in REMEDIES if not better(r, runs)]
        say(f"not better: {', '.join(worse)}\n" if worse else "each remedy is better\n")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    errors = []
    for seed in range(args.seeds):
        kept = args.out / f"long-{args.length}-{args.steps}-{seed}.safetensors"
        errors.append(train(BY_LENGTH, args.length, args.steps, seed, kept).error)
        say(f"length {args.length}, seed {seed}: squared error {errors[-1]:.5f}\n")
        sys.stdout.flush()
    found = {"length": args.length, "steps": args.steps, "setup": BY_LENGTH.name, "error": errors}
    (RESULTS / f"remedies-{args.length}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
