"""A step of the residual network of 1,001 layers, beside PyTorch: time and peak memory.

    python -m bench.deep_vs_torch [--depth 1001] [--json PATH]

The same network on the same digits with SGD, a process for each framework and turn, in turns. The
first loss is compared: both start from the same weights.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH, STEPS, TURNS = 64, 5, 3


def ours(depth: int, threads: int) -> Callable[[], float]:
    """A step of gpudl's, which gives its loss."""
    import gpudl as gd

    gd.set_num_threads(threads)
    gd.manual_seed(0)
    model = gd.models.PreActResNet(depth, channels=1)
    images, labels = gd.data.load_digits("train")
    optimizer = gd.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def step() -> float:
        loss = gd.nn.functional.cross_entropy(model(images[:BATCH]), labels[:BATCH])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def theirs(depth: int, threads: int) -> Callable[[], float]:
    """A step of PyTorch's with the same weights."""
    import torch
    from torch import nn

    import gpudl as gd

    torch.set_num_threads(threads)

    class Block(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self, cin: int, width: int, stride: int) -> None:
            super().__init__()
            cout = 4 * width
            self.bn1, self.conv1 = nn.BatchNorm2d(cin), nn.Conv2d(cin, width, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn3, self.conv3 = nn.BatchNorm2d(width), nn.Conv2d(width, cout, 1, bias=False)
            changes = stride != 1 or cin != cout
            self.shortcut = nn.Conv2d(cin, cout, 1, stride, bias=False) if changes else None

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(x))
            carried = x if self.shortcut is None else self.shortcut(y)
            y = self.conv2(torch.relu(self.bn2(self.conv1(y))))
            return carried + self.conv3(torch.relu(self.bn3(y)))

    class Net(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
            cin, blocks = 16, []
            for stage in range(3):
                for j in range((depth - 2) // 9):
                    blocks.append(Block(cin, 16 << stage, 2 if stage and not j else 1))
                    cin = 64 << stage
            self.blocks, self.bn = nn.Sequential(*blocks), nn.BatchNorm2d(cin)
            self.fc = nn.Linear(cin, 10)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.bn(self.blocks(self.conv1(x))))
            return self.fc(x.mean((2, 3)))

    gd.manual_seed(0)
    model = Net()
    weights = gd.models.PreActResNet(depth, channels=1).state_dict()
    model.load_state_dict({k: torch.tensor(v.numpy()) for k, v in weights.items()})
    images, labels = (torch.tensor(x.numpy()) for x in gd.data.load_digits("train"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def step() -> float:
        loss = nn.functional.cross_entropy(model(images[:BATCH]), labels[:BATCH])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def child(framework: str, depth: int, threads: int) -> None:
    """Measure in this process; print the figures as JSON."""
    step = {"gpudl": ours, "torch": theirs}[framework](depth, threads)
    first, seconds = step(), []
    for _ in range(STEPS):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {"loss": first, "seconds": statistics.median(seconds), "peak_bytes": peak}
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    """Measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=1001)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=["gpudl", "torch"])
    args = parser.parse_args()
    if args.child:
        child(args.child, args.depth, args.threads)
        return
    found: dict[str, list[dict[str, float]]] = {"gpudl": [], "torch": []}
    options = ["--depth", str(args.depth), "--threads", str(args.threads)]
    for _ in range(TURNS):
        for name, turns in found.items():
            command = [sys.executable, "-m", "bench.deep_vs_torch", "--child", name, *options]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            turns.append(json.loads(ran.stdout))
    figures: dict[str, Any] = {"depth": args.depth, "batch": BATCH, "threads": args.threads}
    for name, turns in found.items():
        figures[name] = {k: statistics.median(t[k] for t in turns) for k in turns[0]}
        row = figures[name]
        sys.stdout.write(
            f"{name:6} {row['seconds']:.3f} s a step, {row['peak_bytes'] / 2**20:,.0f} MB at most, "
            f"first loss {row['loss']:.5f}\n"
        )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
