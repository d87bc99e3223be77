"""What the examples share: the number of steps from the command line, and the data at hand."""

from __future__ import annotations

import sys

import gpudl as gd
from gpudl.errors import DataError


def steps(default: int) -> int:
    """How many steps to train: the first argument, if there is one."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else default


def images(split: str) -> tuple[gd.Tensor, gd.Tensor]:
    """MNIST where it can be had, else the digits that come with gpudl."""
    try:
        return gd.data.load_mnist(split)
    except DataError:
        return gd.data.load_digits(split)


def text() -> str:
    """Tiny Shakespeare where it can be had, else the sonnets that come with gpudl."""
    try:
        return gd.data.load_text("tinyshakespeare")
    except DataError:
        return gd.data.load_text("sonnets")


def batches(dataset, size: int, count: int, seed: int = 0):
    """`count` shuffled batches, over as many epochs as that takes."""
    loader = gd.data.DataLoader(dataset, batch_size=size, shuffle=True, seed=seed, drop_last=True)
    done = 0
    while True:
        for batch in loader:
            if done == count:
                return
            yield batch
            done += 1
