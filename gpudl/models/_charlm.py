"""A recurrent language model."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError, ShapeError
from ..shapes import as_int
from ..tensor import Tensor

CELLS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentLM(nn.Module):
    """Embedding, recurrent layers, and a linear layer back to the vocabulary.

    `cell`: "lstm", "gru" or "rnn"; `width`: of embedding and state; `dropout`: between the layers
    and before the last one. `forward` takes tokens (B, T) and the state after what was read before,
    and gives logits (B, T, vocabulary) and the new state, so that text of any length is read a
    piece at a time (truncated backpropagation: detach the state between pieces).

    >>> import gpudl as gd
    >>> model = gd.models.RecurrentLM(65, width=16, layers=2)
    >>> logits, state = model(gd.zeros((3, 5), dtype=gd.int64))
    >>> logits.shape, state[0].shape
    ((3, 5, 65), (2, 3, 16))
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        cell: str = "lstm",
        width: int = 512,
        layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ArgumentError("RecurrentLM", f"cell is {cell!r}", remedy=", ".join(CELLS))
        for name, value in (("vocabulary", vocabulary), ("width", width), ("layers", layers)):
            if as_int("RecurrentLM", name, value) < 1:
                raise ArgumentError("RecurrentLM", f"{name} is {value}", remedy="at least 1")
        between = dropout if layers > 1 else 0.0
        self.embedding = nn.Embedding(vocabulary, width)
        self.rnn = CELLS[cell](width, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        if tokens.ndim != 2:
            raise ShapeError("RecurrentLM", "tokens are (B, T)", tokens=tokens)
        hidden, state = self.rnn(self.embedding(tokens), state)
        return self.head(self.dropout(hidden)), state


class SequenceClassifier(nn.Module):
    """Reads (B, T, features) step by step and gives logits (B, classes) of the last state.

    >>> import gpudl as gd
    >>> gd.models.SequenceClassifier(28, 10, width=16)(gd.zeros((2, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self, features: int, classes: int, *, cell: str = "lstm", width: int = 128, layers: int = 1
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ArgumentError("SequenceClassifier", f"cell is {cell!r}", remedy=", ".join(CELLS))
        self.rnn = CELLS[cell](features, width, layers, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.rnn(x)
        return self.head(hidden[:, -1])  # type: ignore[no-any-return]
