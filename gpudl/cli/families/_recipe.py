"""What the recipes of several families share: how data is parted, and how the rate goes."""

from __future__ import annotations

import argparse
from typing import Any

from ...data import DataLoader, Dataset, Subset, TensorDataset, random_split
from ...optim import Optimizer
from ...optim.lr_scheduler import OneCycleLR

HELD_OUT = 0.05  # of the training data, to choose the epoch by


def split(
    data: TensorDataset,
    options: argparse.Namespace,
    *,
    training: Dataset[Any] | None = None,
    drop_last: bool = False,
) -> tuple[DataLoader, DataLoader]:
    """Batches to train on and batches to choose the epoch by, of `data`. `training`: where the
    samples to train on come from instead, such as the same images, augmented."""
    chosen, held_out = random_split(data, [1 - HELD_OUT, HELD_OUT], seed=0)
    loader = DataLoader(
        chosen if training is None else Subset(training, chosen.indices),
        batch_size=options.batch_size,
        shuffle=True,
        seed=options.seed,
        drop_last=drop_last,
    )
    return loader, DataLoader(held_out, batch_size=500)


def one_cycle(optimizer: Optimizer, lr: float, steps: int, warm_up: float) -> OneCycleLR:
    """The rate rises to `lr` in the first part `warm_up` of `steps`, and falls to nearly nothing in
    the rest; the momentum stays."""
    return OneCycleLR(
        optimizer, max_lr=lr, total_steps=steps, pct_start=warm_up, cycle_momentum=False
    )
