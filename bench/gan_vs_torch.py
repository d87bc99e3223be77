"""WGAN-GP on MNIST beside PyTorch: how good the images are after the same steps.

    python -m bench.gan_vs_torch [--steps 1000] [--seeds 3] [--json PATH] [--picture PATH]

Both have the network, loss, optimizer and schedule of `gpudl train gan`, start from the same
weights and see the same images and noise, in turns of a few steps, so that both meet the same
machine. The same classifier judges both: Fréchet distance, 10,000 images. Each seed that is done is
kept in `--out`; the same command goes on after the last one. Needs the extra `peers` and PyTorch's
CPU wheel.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gpudl as gd
from gpudl.cli.families._judge import Judge
from gpudl.cli.families._pixels import grid
from gpudl.cli.families.gan import PENALTY, Adversarial
from gpudl.train import History

from .machine import facts

TURN = 20  # steps
SHOWN = 16  # images of each, in the picture
Array = np.ndarray[Any, Any]
Losses = dict[str, float]


def family_of(data: str, steps: int, seed: int) -> Adversarial:
    """What `gpudl train gan` trains, with its defaults, before the first step."""
    parser = argparse.ArgumentParser()
    Adversarial.add_options(parser)
    recipe = Adversarial.datasets[data]
    known = {"data": data, "epochs": None, "steps": steps, "seed": seed, "device": "cpu"}
    common = argparse.Namespace(
        **known, batch_size=recipe.batch_size, lr=recipe.lr, left_out=["batch_size", "lr"]
    )
    gd.manual_seed(seed)
    return Adversarial(parser.parse_args([], common))


class Ours:
    """The family's own step."""

    name = "gpudl"

    def __init__(self, family: Adversarial) -> None:
        self.task = family.task
        self.schedules: list[Any] = list(self.task.schedules.values())

    def step(self, images: Array) -> Losses:
        row = self.task.training_step((gd.asarray(images), None))
        for schedule in self.schedules:
            schedule.step()
        return row

    def generator(self) -> dict[str, gd.Tensor]:
        """A copy of its weights."""
        state = self.task.models["generator"].state_dict()
        return {name: value.detach().clone() for name, value in state.items()}


class Critic(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """`gpudl.models.Critic`, with its names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, width, 4, 2, padding=1)
        self.conv2 = torch.nn.Conv2d(width, 2 * width, 4, 2, padding=1)
        self.score = torch.nn.Linear(2 * width * 49, 1)

    def forward(self, x: Any) -> Any:
        leaky_relu = torch.nn.functional.leaky_relu
        x = leaky_relu(self.conv2(leaky_relu(self.conv1(x), 0.2)), 0.2)
        return self.score(x.flatten(1))[:, 0]


class Generator(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """`gpudl.models.Generator`, with its names."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.project = torch.nn.Linear(latent, 2 * width * 49, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(2 * width)
        self.up1 = torch.nn.ConvTranspose2d(2 * width, width, 4, 2, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.up2 = torch.nn.ConvTranspose2d(width, 1, 4, 2, padding=1)

    def forward(self, z: Any) -> Any:
        x = torch.relu(self.bn1(self.project(z).reshape(-1, 2 * self.width, 7, 7)))
        return torch.sigmoid(self.up2(torch.relu(self.bn2(self.up1(x)))))


class Theirs:
    """The same step in PyTorch, from the weights of ours and with the same random numbers."""

    name = "torch"

    def __init__(self, family: Adversarial) -> None:
        task, options = family.task, family.options
        self.parts, self.latent = options.critic_steps, options.latent
        self.models: dict[str, Any] = {
            "critic": Critic(options.width),
            "generator": Generator(options.latent, options.width),
        }
        self.optimizers, self.schedules = {}, []
        for name, model in self.models.items():
            state = task.models[name].state_dict()
            model.load_state_dict({k: torch.tensor(v.detach().numpy()) for k, v in state.items()})
            optimizer = torch.optim.Adam(model.parameters(), lr=options.lr, betas=(0.0, 0.9))
            self.optimizers[name] = optimizer
            self.schedules.append(
                torch.optim.lr_scheduler.LambdaLR(
                    optimizer, lambda step: max(0.0, 1 - step / options.steps)
                )
            )
        self.random = gd.Generator()
        self.random.set_state(gd.random.default_generator().get_state())

    def _noise(self, count: int) -> Any:
        return torch.from_numpy(
            gd.random.normal((count, self.latent), generator=self.random).numpy()
        )

    def _penalty(self, real: Any, made: Any) -> Any:
        share = gd.random.uniform((len(real), 1, 1, 1), generator=self.random).numpy()
        between = torch.lerp(made, real, torch.from_numpy(share)).requires_grad_()
        scores = self.models["critic"](between).sum()
        (slope,) = torch.autograd.grad(scores, between, create_graph=True)
        norm = torch.sqrt((slope * slope).sum((1, 2, 3)) + 1e-12)
        return ((norm - 1) ** 2).mean()

    def _update(self, name: str, loss: Any) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        self.optimizers[name].step()

    def step(self, images: Array) -> Losses:
        critic, generator = self.models["critic"], self.models["generator"]
        size = len(images) // self.parts
        row: Losses = {}
        for i in range(self.parts):
            real = torch.from_numpy(images[i * size : (i + 1) * size])
            with torch.no_grad():
                made = generator(self._noise(size))
            scores = critic(torch.cat([real, made]))
            distance = scores[:size].mean() - scores[size:].mean()
            excess = self._penalty(real, made)
            row = {"distance": distance.item(), "penalty": excess.item()}
            self._update("critic", PENALTY * excess - distance)
        loss = -critic(generator(self._noise(size))).mean()
        self._update("generator", loss)
        for schedule in self.schedules:
            schedule.step()
        return row | {"generator_loss": loss.item()}

    def generator(self) -> dict[str, gd.Tensor]:
        """A copy of its weights."""
        state = self.models["generator"].state_dict()
        return {name: gd.tensor(value.numpy().copy()) for name, value in state.items()}


def batches(family: Adversarial) -> Iterator[Array]:
    """Images, epoch after epoch."""
    while True:
        for images, _ in family.loader:
            yield images.numpy()


def train(family: Adversarial) -> dict[str, Any]:
    """Both, in turns: what each has come to, and the seconds that it took."""
    steps = family.options.steps
    ours = Ours(family)
    nets: list[Ours | Theirs] = [ours, Theirs(family)]
    found: dict[str, Any] = {net.name: {"seconds": 0.0} for net in nets}
    data = batches(family)
    for at in range(0, steps, TURN):
        part = [next(data) for _ in range(min(TURN, steps - at))]
        # Who goes first alternates too.
        for net in nets if at // TURN % 2 == 0 else nets[::-1]:
            begun = time.perf_counter()
            rows = [net.step(images) for images in part]
            found[net.name]["seconds"] += time.perf_counter() - begun
            found[net.name] |= rows[-1]
    for net in nets:
        found[net.name]["weights"] = net.generator()
    return found


def judged(family: Adversarial, judge: Judge, run: dict[str, Any]) -> dict[str, Any]:
    """The figures of a run as `gpudl train gan` gives them, and images of the same noise."""
    family.judge = judge
    rows = {}
    for name, found in run.items():
        family.task.models["generator"].load_state_dict(found["weights"])
        figures = {k: v for k, v in found.items() if k != "weights"}
        figures |= family.results(History()).figures
        rows[name] = {"figures": figures, "images": family.made(family.fixed[:SHOWN])}
    return rows


def draw(path: Path, images: dict[str, list[Array]]) -> None:
    """A row of images for each library and seed, with the same noise in each column."""
    from matplotlib.figure import Figure

    seeds = len(images["gpudl"])
    figure = Figure(figsize=(8, 1.4 * seeds + 0.3), layout="constrained")
    for seed in range(seeds):
        pair = np.concatenate([images["gpudl"][seed], images["torch"][seed]])
        axes = figure.add_subplot(seeds, 1, seed + 1)
        axes.imshow(grid(pair, SHOWN), cmap="gray", vmin=0, vmax=1)
        axes.set_yticks([14, 43], ["gpudl", "PyTorch"])
        axes.set_xticks([])
        axes.set_title(f"seed {seed}", fontsize=9, loc="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(argv: list[str] | None = None) -> None:
    """Train what is missing, judge, print the table, write JSON and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=list(Adversarial.datasets), default="mnist")
    parser.add_argument("--steps", type=int, default=1000, help="of the generator")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/gan-vs-torch"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args(argv)
    gd.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    judge: Judge | None = None
    rows: list[dict[str, Any]] = []
    images: dict[str, list[Array]] = {"gpudl": [], "torch": []}
    sys.stdout.write("seed  library  Fréchet distance  of untrained  confidence  seconds\n")
    for seed in range(args.seeds):
        family = family_of(args.data, args.steps, seed)
        kept = args.out / f"{args.data}-{args.steps}-{seed}.safetensors"
        if not kept.exists():
            gd.save(train(family), kept)
        judge = judge or family.judge
        for name, row in judged(family, judge, gd.load(kept)).items():
            f = row["figures"]
            rows.append({"seed": seed, "library": name, **f})
            images[name].append(row["images"])
            sys.stdout.write(
                f"{seed:>4}  {name:<7}  {f['frechet']:>16.4f}  {f['frechet_ratio']:>12.2%}"
                f"  {f['confidence']:>10.3f}  {f['seconds']:>7.1f}\n"
            )
        sys.stdout.flush()
    medians = {
        name: {
            key: float(np.median([r[key] for r in rows if r["library"] == name]))
            for key in ("frechet", "frechet_ratio", "confidence", "seconds")
        }
        for name in images
    }
    ratios = {k: medians["gpudl"][k] / medians["torch"][k] for k in ("frechet", "seconds")}
    sys.stdout.write(
        f"medians, gpudl / torch: Fréchet distance {ratios['frechet']:.3f}, "
        f"seconds {ratios['seconds']:.3f}\n"
    )
    if args.json:
        found = {
            "machine": {**facts(args.threads), "torch": torch.__version__},
            "data": args.data,
            "steps": args.steps,
            "batch": family.options.batch_size,
            "rows": rows,
            "medians": medians,
            "ratios": ratios,
        }
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.picture:
        draw(args.picture, images)


if __name__ == "__main__":
    main()
