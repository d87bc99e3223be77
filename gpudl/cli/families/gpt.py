"""`gpudl train gpt`: a small transformer that writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import ClassVar

from ...data import CharDataset, DataLoader
from ...models import GPT
from ...optim import AdamW, Muon
from ...optim.lr_scheduler import LambdaLR
from .._options import at_least_one
from ._family import Defaults, Options
from ._language import LanguageModel, LanguageTask

REST = 0.15  # AdamW's rate of embedding, norms and head, over Muon's of the matrices


def trapezoid(steps: int, up: float = 0.02, down: float = 0.5) -> Callable[[int], float]:
    """A factor that rises over the first part of `steps`, and falls to zero over the last."""
    return lambda step: min(1.0, (step + 1) / (up * steps), max(0, steps - step) / (down * steps))


class Transformer(LanguageModel):
    """`gpudl.models.GPT`: Muon for its matrices, AdamW for the rest."""

    datasets: ClassVar = {
        "tinyshakespeare": Defaults(batch_size=16, lr=0.02, steps=3200),
        "sonnets": Defaults(batch_size=8, lr=0.02, steps=200),
    }
    subtitle = "A small transformer, character by character."

    @classmethod
    def add_options(cls, parser: Options) -> None:
        super().add_options(parser)
        add = parser.add_argument
        add("--layers", type=at_least_one, default=6, help="blocks")
        add("--heads", type=at_least_one, default=6, help="heads of attention")
        add("--width", type=at_least_one, default=192, help="of the residual stream")
        add("--dropout", type=float, default=0.2, help="of the embedding and what a block adds")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.model = GPT(
            len(self.vocabulary),
            context=self.context,
            layers=options.layers,
            heads=options.heads,
            width=options.width,
            dropout=options.dropout,
        ).to(options.device)
        self.loader = DataLoader(
            CharDataset(self.parts.train, self.vocabulary, self.context),
            batch_size=options.batch_size,
            shuffle=True,
            seed=options.seed,
        )
        matrices = [p for p in self.model.blocks.parameters() if p.ndim == 2]
        known = {id(p) for p in matrices}
        rest = [p for p in self.model.parameters() if id(p) not in known]
        optimizers = {
            "matrices": Muon(matrices, lr=options.lr, weight_decay=0.1),
            "rest": AdamW(rest, lr=REST * options.lr, betas=(0.9, 0.95), weight_decay=0.01),
        }
        factor = trapezoid(self.steps_of(self.loader))
        schedules = {name: LambdaLR(opt, factor) for name, opt in optimizers.items()}
        self.task = LanguageTask(self.model, optimizers, schedules)

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"{o.layers} blocks of width {o.width}, {o.heads} heads, rotary positions, "
            f"RMSNorm, dropout {o.dropout}",
            "optimizer": f"Muon up to {o.lr} for matrices, AdamW up to {REST * o.lr:g} elsewhere",
            **super().facts(),
        }
