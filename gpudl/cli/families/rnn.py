"""`gpudl train rnn`: a recurrent network that writes."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from ...data import CharDataset, ContiguousBatchSampler, DataLoader
from ...models import RecurrentLM
from ...optim import AdamW
from .._options import at_least_one
from ._family import Defaults, Options
from ._language import LanguageModel, LanguageTask, loss_of
from ._recipe import one_cycle


class StreamTask(LanguageTask):
    """Truncated backpropagation: the state goes on from batch to batch, its gradient does not.

    After `pieces` batches the text is at its end, and the next one begins with no state.
    """

    def __init__(self, model: Any, optimizer: Any, schedule: Any, pieces: int) -> None:
        super().__init__(model, optimizer, schedule)
        self.pieces, self.read = pieces, 0
        self.state: Any = None

    def training_step(self, batch: Any) -> dict[str, Any]:
        x, y = batch
        logits, state = self.models["model"](x, self.state)
        self.read = (self.read + 1) % self.pieces
        self.state = _detached(state) if self.read else None
        return {"loss": loss_of(logits, y)}

    def state_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"read": self.read}
        if self.state is not None:
            parts = self.state if isinstance(self.state, tuple) else (self.state,)
            found |= {f"state{i}": part for i, part in enumerate(parts)}
        return found

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.read = state["read"]
        parts = tuple(state[f"state{i}"].to(device=self.device) for i in range(len(state) - 1))
        self.state = None if not parts else parts[0] if len(parts) == 1 else parts


def _detached(state: Any) -> Any:
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


class Recurrent(LanguageModel):
    """`gpudl.models.RecurrentLM`, trained with AdamW over one cycle, gradients clipped."""

    datasets: ClassVar = {
        "tinyshakespeare": Defaults(batch_size=32, lr=4e-3, epochs=12),
        "sonnets": Defaults(batch_size=8, lr=4e-3, epochs=20),
    }
    subtitle = "A recurrent network, character by character."

    @classmethod
    def add_options(cls, parser: Options) -> None:
        super().add_options(parser)
        add = parser.add_argument
        add("--cell", choices=["lstm", "gru", "rnn"], default="lstm", help="kind")
        add("--layers", type=at_least_one, default=2, help="recurrent layers")
        add("--width", type=at_least_one, default=384, help="of embedding and state")
        add("--dropout", type=float, default=0.2, help="between layers, and before the last")
        add("--clip", type=float, default=1.0, help="largest norm of the gradient")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.model = RecurrentLM(
            len(self.vocabulary),
            cell=options.cell,
            width=options.width,
            layers=options.layers,
            dropout=options.dropout,
        ).to(options.device)
        pieces = CharDataset(self.parts.train, self.vocabulary, self.context, stride=self.context)
        options.batch_size = min(options.batch_size, len(pieces))  # a short text has few pieces
        rows = ContiguousBatchSampler(len(pieces), options.batch_size)
        self.loader = DataLoader(pieces, batch_sampler=rows)
        optimizer = AdamW(self.model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
        schedule = one_cycle(optimizer, options.lr, self.steps_of(self.loader), 0.1)
        self.task = StreamTask(self.model, optimizer, schedule, len(rows))
        self.training["clip_norm"] = options.clip

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"{o.layers} x {o.cell.upper()}, width {o.width}, dropout {o.dropout}",
            "optimizer": f"AdamW, one cycle up to {o.lr}, gradients clipped at {o.clip}",
            **super().facts(),
        }
