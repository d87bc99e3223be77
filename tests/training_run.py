"""A small training run with everything that must survive a kill: shuffling, augmentation, dropout,
batch statistics, a schedule, accumulation, averaged weights, a validation that draws.

    python training_run.py DIR     trains in DIR, or goes on there; final.safetensors at the end
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import gpudl as gd
from gpudl import nn

Array = np.ndarray[Any, Any]


class Noisy(gd.data.Dataset[tuple[Array, Array]]):
    """Digits with noise that is drawn for every sample of every epoch."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images.numpy()[:300], labels.numpy()[:300]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        noise = gd.data.sample_rng().normal(scale=0.1, size=(1, 8, 8)).astype(np.float32)
        return self.images[index] + noise, self.labels[index]


class Drawing(gd.train.Classifier):
    """A classifier that draws in validation, and counts what it has seen."""

    seen = 0

    def training_step(self, batch: Any) -> Any:
        self.seen += len(batch[1])
        return super().training_step(batch)

    def validation_step(self, batch: Any) -> Any:
        x, y = batch
        return super().training_step((x + gd.random.normal(x.shape) * 0.05, y))

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def trainer(out: str | Path | None, callbacks: Any = (), workers: int = 0) -> gd.train.Trainer:
    """The run: 4 epochs of 10 steps of 2 batches, the last of them smaller."""
    gd.set_num_threads(1)
    gd.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(256, 10),
    )  # fmt: skip
    optimizer = gd.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = gd.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=40)
    loader = gd.data.DataLoader(
        Noisy(*gd.data.load_digits("train")), batch_size=16, shuffle=True, seed=5,
        num_workers=workers,
    )  # fmt: skip
    tests = gd.data.TensorDataset(*(t[:100] for t in gd.data.load_digits("test")))
    return gd.train.Trainer(
        Drawing(model, optimizer, schedule),
        loader,
        epochs=4,
        validation=gd.data.DataLoader(tests, batch_size=64),
        validate_every=7,
        accumulate=2,
        clip_norm=2.0,
        ema=0.9,
        out=out,
        save_every=1,
        callbacks=callbacks,
        show=gd.train.progress(quiet=True),
    )


class Beat(gd.train.Callback):
    """Says each step, so that a killer knows how far the run is."""

    def on_begin(self, trainer: gd.train.Trainer) -> None:
        print("begin", trainer.step, flush=True)

    def on_step(self, trainer: gd.train.Trainer, row: gd.train.Row) -> None:
        print("step", trainer.step, flush=True)


def main(folder: str) -> None:
    """Train, or go on."""
    out = Path(folder)
    logs = [gd.train.CSVLogger(out), gd.train.JSONLogger(out / "log.jsonl")]
    run = trainer(out, [*logs, Beat()])
    run.fit(resume=True)
    gd.save(run.state_dict(), out / "final.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
