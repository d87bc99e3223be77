"""What a user writes: mypy --strict takes it, and it runs. Checked by tests/test_typing.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import gpudl as gd
from gpudl import nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: gd.Tensor) -> gd.Tensor:
        h: gd.Tensor = gd.relu(self.norm(self.conv(x)))
        pooled = gd.mean(h, axis=(2, 3))
        out: gd.Tensor = self.head(pooled)
        return out


def train(net: Net, steps: int) -> list[float]:
    optimizer = gd.optim.AdamW(net.parameters(), lr=1e-2)
    x = gd.random.normal((16, 1, 8, 8), generator=gd.Generator(0))
    labels = gd.arange(16) % 10
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss: gd.Tensor = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def index(x: gd.Tensor) -> gd.Tensor:
    rows = x[1:, ::2]
    chosen = x[gd.asarray([0, 2])]
    x[0] = 1.0
    total = rows.sum() + chosen.mean(axis=0).sum() + x[x > 0].sum()
    return total * 2 - gd.exp(-total)


def cube(x: gd.Tensor) -> gd.Tensor:
    return (x**3).sum()


def numbers() -> tuple[int, float, tuple[int, ...]]:
    x = gd.zeros((3, 4), dtype=gd.float64)
    slope: Callable[[gd.Tensor], gd.Tensor] = gd.grad(cube)
    y = slope(x + 1) @ x.T
    with gd.no_grad(), gd.config(validate=True):
        y = y.reshape((9,))
    array: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = y.numpy()
    return x.ndim, float(array[0]) + float(y[1]), y.shape


def main() -> None:
    gd.manual_seed(0)
    net = Net(4)
    losses = train(net, 5)
    assert losses[-1] < losses[0]
    with gd.profiler.profile() as p:
        index(gd.ones((4, 6)))
    assert p.table()
    assert numbers()[2] == (9,)
    state: dict[str, gd.Tensor] = dict(net.state_dict())
    assert state["head.weight"].shape == (10, 4)


if __name__ == "__main__":
    main()
