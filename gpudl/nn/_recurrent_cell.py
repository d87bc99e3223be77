"""Recurrent cells: one step of one layer."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentTypeError, ShapeError
from ..ops.create import zeros_like
from ..ops.shape import reshape
from . import init
from ._layer import parameter, positive
from ._module import Module
from ._parameter import Parameter
from ._recurrent import activation, flag, gates_of, sequence
from .functional._check import real_float, same_dtype, tensor


class RNNCellBase(Module):
    """What the cells share: `weight_ih` (num_chunks * hidden_size, input_size), `weight_hh`,
    `bias_ih`, `bias_hh`, all uniform within 1 / sqrt(hidden_size).

    >>> import gpudl as gd
    >>> gd.nn.RNNCellBase(3, 5, True, 4).weight_ih.shape
    (20, 3)
    """

    mode = ""
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.input_size = positive(op, "input_size", input_size)
        self.hidden_size = positive(op, "hidden_size", hidden_size)
        self.bias = flag(op, "bias", bias)
        units = positive(op, "num_chunks", num_chunks) * self.hidden_size
        self.weight_ih = parameter((units, self.input_size), dtype, device)
        self.weight_hh = parameter((units, self.hidden_size), dtype, device)
        for name in ("bias_ih", "bias_hh"):
            made = parameter((units,), dtype, device) if self.bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _step(self, input: Any, state: tuple[Any, ...], count: int) -> tuple[Any, ...]:
        """The new states of `input` (N, input_size) or (input_size,); no `state` means zeros."""
        op = type(self).__name__
        x = real_float(op, input)
        same_dtype(op, x, weight_ih=self.weight_ih)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            wanted = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ShapeError(op, f"needs {wanted}", input=x)
        batched = x.ndim == 2
        x = x if batched else reshape(x, shape=(1, self.input_size))
        shape = (x.shape[0], self.hidden_size)
        wanted_state = shape if batched else shape[1:]
        for name, s in zip(("h", "c"), state, strict=False):
            same_dtype(op, x, **{name: s})
            if tensor(op, s, name).shape != wanted_state:
                raise ShapeError(op, f"{name} is {wanted_state}", input=input, **{name: s})
        if not state:
            state = (zeros_like(x, shape),) * count
        elif not batched:
            state = tuple(reshape(s, shape=shape) for s in state)
        gates = gates_of(self.mode, x, self.weight_ih, self.bias_ih, self.bias_hh)
        rest = [self.weight_hh, self.bias_hh, None]
        _, *ends = sequence(self.mode, gates, state, rest, batch_sizes=(shape[0],), reverse=False)
        return tuple(s if batched else reshape(s, shape=shape[1:]) for s in ends)

    def extra_repr(self) -> str:
        rest = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{rest}"


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`: (h, c) of x (N, input_size) and `hx` = (h, c), each (N, hidden_size),
    zeros if None; without N for one sequence.

    >>> import gpudl as gd
    >>> h, c = gd.nn.LSTMCell(3, 5)(gd.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    mode = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if hx is not None and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise ArgumentTypeError("LSTMCell", "the state is a pair (h, c)")
        h, c = self._step(input, () if hx is None else tuple(hx), 2)
        return h, c


class GRUCell(RNNCellBase):
    """One step of a `GRU`: h of x (N, input_size) and `hx` (N, hidden_size), zeros if None;
    without N for one sequence.

    >>> import gpudl as gd
    >>> gd.nn.GRUCell(3, 5)(gd.ones(2, 3)).shape
    (2, 5)
    """

    mode = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(input, () if hx is None else (hx,), 1)[0]


class RNNCell(RNNCellBase):
    """One step of an `RNN`: h of x (N, input_size) and `hx` (N, hidden_size), zeros if None;
    without N for one sequence.

    >>> import gpudl as gd
    >>> gd.nn.RNNCell(3, 5, nonlinearity="relu")(gd.ones(3)).shape
    (5,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.mode = activation("RNNCell", nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._step(input, () if hx is None else (hx,), 1)[0]

    def extra_repr(self) -> str:
        rest = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + rest
