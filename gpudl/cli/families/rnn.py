"""`gpudl train rnn`: a recurrent network that writes."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

import numpy as np

from ...data import DataLoader, Dataset
from ...errors import ArgumentError
from ...models import RecurrentLM
from ...optim import AdamW
from ...optim.lr_scheduler import OneCycleLR
from .._options import at_least_one
from ._family import Defaults, Options
from ._language import LanguageModel, LanguageTask, loss_of

Array = np.ndarray[Any, Any]


class Streams(Dataset[tuple[Array, Array, Array]]):
    """A text cut into as many streams as a batch has rows, each read a piece after the other.

    Item i is a piece of stream i modulo `rows`: unshuffled batches of `rows` items go on where the
    batch before them ended. Each comes with the characters that follow, and with its place.
    """

    def __init__(self, ids: Array, rows: int, length: int) -> None:
        self.ids, self.rows, self.length = ids, rows, length
        self.stream = (len(ids) - 1) // rows
        self.pieces = self.stream // length
        if not self.pieces:
            raise ArgumentError(
                "gpudl train", f"{len(ids)} characters do not fill {rows} pieces of {length}",
                remedy="a smaller batch or a shorter context",
            )  # fmt: skip

    def __len__(self) -> int:
        return self.pieces * self.rows

    def __getitem__(self, index: int) -> tuple[Array, Array, Array]:
        piece, row = divmod(index, self.rows)
        at = row * self.stream + piece * self.length
        ids = self.ids[at : at + self.length + 1]
        return ids[:-1], ids[1:], np.array(piece)


class StreamTask(LanguageTask):
    """Truncated backpropagation: the state goes on from batch to batch, its gradient does not."""

    state: Any = None

    def training_step(self, batch: Any) -> dict[str, Any]:
        x, y, piece = batch
        if int(piece[0].item()) == 0:
            self.state = None
        logits, state = self.models["model"](x, self.state)
        self.state = _detached(state)
        return {"loss": loss_of(logits, y)}

    def state_dict(self) -> dict[str, Any]:
        if self.state is None:
            return {}
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return {f"state{i}": part for i, part in enumerate(parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        parts = tuple(state[f"state{i}"].to(device=self.device) for i in range(len(state)))
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
        parser.add_argument("--cell", choices=["lstm", "gru", "rnn"], default="lstm", help="kind")
        add("--layers", type=at_least_one, default=2, help="recurrent layers")
        add("--width", type=at_least_one, default=384, help="of embedding and state")
        add("--dropout", type=float, default=0.2, help="between layers, and before the last")
        add("--clip", type=float, default=1.0, help="largest norm of the gradient")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.model = RecurrentLM(
            len(self.corpus.characters),
            cell=options.cell,
            width=options.width,
            layers=options.layers,
            dropout=options.dropout,
        ).to(options.device)
        streams = Streams(self.corpus.train, options.batch_size, self.context)
        self.loader = DataLoader(streams, batch_size=options.batch_size)
        optimizer = AdamW(self.model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
        schedule = OneCycleLR(
            optimizer,
            max_lr=options.lr,
            total_steps=self.steps_of(self.loader),
            pct_start=0.1,
            cycle_momentum=False,
        )
        self.task = StreamTask(self.model, optimizer, schedule)
        self.training["clip_norm"] = options.clip

    def facts(self) -> dict[str, str]:
        o = self.options
        return {
            "network": f"{o.layers} layers of {o.cell.upper()}, width {o.width}, dropout {o.dropout}",
            "optimizer": f"AdamW, one cycle up to {o.lr}, gradients clipped at {o.clip}",
            **super().facts(),
        }
