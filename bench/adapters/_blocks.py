"""Modules that networks of the table have and neither library has under one name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def blocks(nn: Any, package: Any) -> SimpleNamespace:
    """The modules, made of a library's `nn` and its top-level names."""

    class Residual(nn.Module):  # type: ignore[misc]
        """The sum of two paths; one without layers gives the input."""

        def __init__(self, main: Any, other: Any) -> None:
            super().__init__()
            self.main, self.other = main, other

        def forward(self, x: Any) -> Any:
            return self.main(x) + self.other(x)

    class Positions(nn.Module):  # type: ignore[misc]
        """A vector for each place, added."""

        def __init__(self, count: int, width: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(package.zeros((count, width)))

        def forward(self, x: Any) -> Any:
            return x + self.weight[: x.shape[1]]

    class Lstm(nn.Module):  # type: ignore[misc]
        """The outputs of every step, without the last state."""

        def __init__(self, *args: int) -> None:
            super().__init__()
            self.recurrent = nn.LSTM(*args, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.recurrent(x)[0]

    class Attention(nn.Module):  # type: ignore[misc]
        """Causal attention of a sequence to itself."""

        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.inwards, self.outwards = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            n, t, width = x.shape
            packed = self.inwards(x).reshape(n, t, 3, self.heads, width // self.heads)
            q, k, v = packed.permute((2, 0, 3, 1, 4))
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.outwards(y.permute((0, 2, 1, 3)).reshape(n, t, width))

    return SimpleNamespace(Residual=Residual, Positions=Positions, Lstm=Lstm, Attention=Attention)
