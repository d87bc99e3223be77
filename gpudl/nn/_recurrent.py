"""Recurrent layers: stacks of LSTM, GRU and plain recurrent networks over whole sequences."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..errors import ArgumentError, ArgumentTypeError, NotSupportedError, ShapeError
from ..ops import matmul as products
from ..ops import recurrent as rows
from ..ops.create import zeros_like
from ..ops.shape import join, permute, reshape
from . import functional as F
from . import init
from ._layer import parameter, positive, size
from ._module import Module
from ._parameter import Parameter
from .functional._check import number, real_float, same_dtype, tensor
from .utils.rnn import PackedSequence

# Gates of a hidden unit by mode.
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def sequence(mode: str, gates: Any, state: Any, w: list[Any], **steps: Any) -> tuple[Any, ...]:
    """(y, h_n) or (y, h_n, c_n) of one layer in one direction; `gates` has what the input
    contributes, `w` the weights that follow weight_ih."""
    weight_hh, bias, proj = w
    if mode == "LSTM":
        given = () if proj is None else (proj,)
        return tuple(rows.lstm_sequence(gates, *state, weight_hh, *given, **steps)[:3])
    if mode == "GRU":
        given = () if bias is None else (bias,)
        return tuple(rows.gru_sequence(gates, *state, weight_hh, *given, **steps)[:2])
    return tuple(rows.rnn_sequence(gates, *state, weight_hh, relu=mode == "RNN_RELU", **steps))


def gates_of(mode: str, x: Any, weight: Any, bias_ih: Any, bias_hh: Any) -> Any:
    """What the input contributes to the gates of every step, one product."""
    if bias_ih is None:
        return products.linear(x, weight)
    # The two biases of a step only meet as a sum, but in a GRU, whose reset gate scales one.
    bias = bias_ih if mode == "GRU" else bias_ih + bias_hh
    return products.linear(x, weight, bias)


def flag(op: str, name: str, value: Any) -> bool:
    """A layer's switch."""
    if not isinstance(value, bool):
        raise ArgumentTypeError(op, f"{name} is True or False, not {value!r}")
    return value


class RNNBase(Module):
    """A stack of recurrent layers of `mode` "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"; `LSTM`, `GRU`
    and `RNN` say what they compute.

    Weights of layer k are `weight_ih_lk` (gates * hidden_size, inputs), `weight_hh_lk` (gates *
    hidden_size, hidden_size), `bias_ih_lk` and `bias_hh_lk`, of its way back with `_reverse` after
    the name, all uniform within 1 / sqrt(hidden_size). Source: PyTorch's `torch.nn.RNNBase`.

    >>> import gpudl as gd
    >>> y, h = gd.nn.RNNBase("RNN_RELU", 3, 5)(gd.ones(7, 2, 3))
    >>> y.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        if not isinstance(mode, str) or mode not in GATES:
            raise ArgumentError(op, f"mode={mode!r}", remedy=f"one of {', '.join(GATES)}")
        self.mode = mode
        self.input_size = positive(op, "input_size", input_size)
        self.hidden_size = positive(op, "hidden_size", hidden_size)
        self.num_layers = positive(op, "num_layers", num_layers)
        self.bias, self.batch_first = flag(op, "bias", bias), flag(op, "batch_first", batch_first)
        self.bidirectional = flag(op, "bidirectional", bidirectional)
        self.dropout = number(op, "dropout", dropout)
        self.proj_size = size(op, "proj_size", proj_size)
        if not 0 <= self.dropout <= 1:
            raise ArgumentError(op, f"dropout is {dropout}", remedy="from 0 to 1")
        if self.dropout and self.num_layers == 1:
            text = f"{op}: dropout={dropout} acts between layers, and there is one"
            warnings.warn(text, stacklevel=2)
        if self.proj_size and mode != "LSTM":
            raise NotSupportedError(op, "only an LSTM has projections", remedy="proj_size=0")
        if self.proj_size >= self.hidden_size:
            raise ArgumentError(
                op, f"proj_size={proj_size}", remedy=f"less than hidden_size={hidden_size}"
            )
        self._names = [
            self._layer(layer, way, dtype, device)
            for layer in range(self.num_layers)
            for way in ("", "_reverse")[: 1 + self.bidirectional]
        ]
        self.reset_parameters()

    def _layer(self, layer: int, way: str, dtype: Any, device: Any) -> tuple[str, ...]:
        """Make the parameters of one layer in one direction, and name them."""
        out = self.proj_size or self.hidden_size
        inputs = out * (1 + self.bidirectional) if layer else self.input_size
        units = GATES[self.mode] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (units, inputs),
            "weight_hh": (units, out),
        }
        if self.bias:
            shapes |= {"bias_ih": (units,), "bias_hh": (units,)}
        if self.proj_size:
            shapes["weight_hr"] = (out, self.hidden_size)
        for name, shape in shapes.items():
            self.register_parameter(f"{name}_l{layer}{way}", parameter(shape, dtype, device))
        return tuple(f"{name}_l{layer}{way}" for name in shapes)

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: how parameters lie in memory is the optimizer's affair here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def forward(self, input: Any, hx: Any = None) -> Any:
        op = type(self).__name__
        packed = isinstance(input, PackedSequence)
        x = real_float(op, input.data if packed else input)
        weight = getattr(self, self._names[0][0])
        same_dtype(op, x, weight_ih_l0=weight)
        ranks = (2,) if packed else (2, 3)
        if x.ndim not in ranks or x.shape[-1] != self.input_size:
            axes = "(N, T, features)" if self.batch_first else "(T, N, features)"
            raise ShapeError(
                op,
                f"needs {axes} or (T, features) with {self.input_size} features",
                remedy=f"{op}({x.shape[-1] if x.ndim else 1}, ...) for this input",
                input=x,
            )
        batched = packed or x.ndim == 3
        if packed:
            sizes = tuple(int(n) for n in input.batch_sizes.tolist())
        else:
            if batched and self.batch_first:
                x = permute(x, axes=(1, 0, 2))
            steps, batch = x.shape[0], x.shape[1] if batched else 1
            sizes = (batch,) * steps
        if not sizes:
            raise ShapeError(op, "a sequence has at least one step", input=x)
        flat = x if x.ndim == 2 else reshape(x, shape=(sum(sizes), self.input_size))
        order = input.sorted_indices if packed else None
        y, states = self._stack(flat, self._states(op, hx, flat, sizes[0], batched, order), sizes)
        if packed:
            back = input.unsorted_indices
            states = [s if back is None else s[:, back] for s in states]
            y = PackedSequence(y, input.batch_sizes, order, back)
        elif batched:
            y = reshape(y, shape=(len(sizes), sizes[0], y.shape[1]))
            y = permute(y, axes=(1, 0, 2)) if self.batch_first else y
        else:
            states = [s[:, 0] for s in states]
        return y, tuple(states) if self.mode == "LSTM" else states[0]

    def _states(
        self, op: str, hx: Any, x: Any, batch: int, batched: bool, order: Any
    ) -> list[list[Any]]:
        """The initial states of each layer and direction: [h] or [h, c], each (batch, units)."""
        lstm, count = self.mode == "LSTM", len(self._names)
        widths = [self.proj_size or self.hidden_size, self.hidden_size][: 1 + lstm]
        if hx is None:
            zeros = [zeros_like(x, (batch, n)) for n in widths]
            return [zeros] * count
        if lstm and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise ArgumentTypeError(op, "the initial state is a pair (h_0, c_0)")
        parts = []
        for name, s, n in zip(("h_0", "c_0"), hx if lstm else (hx,), widths, strict=False):
            wanted = (count, batch, n) if batched else (count, n)
            if tensor(op, s, name).shape != wanted:
                raise ShapeError(op, f"{name} is {wanted}", input=x, **{name: s})
            same_dtype(op, x, **{name: s})
            s = s if batched else reshape(s, shape=(count, 1, n))
            parts.append(s if order is None else s[:, order])
        return [[s[k] for s in parts] for k in range(count)]

    def _stack(
        self, x: Any, states: list[list[Any]], sizes: tuple[int, ...]
    ) -> tuple[Any, list[Any]]:
        """The last layer's results for packed rows `x`, and the last states of all."""
        ways = 1 + self.bidirectional
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = F.dropout(x, self.dropout, True)
            found = []
            for way in range(ways):
                at = layer * ways + way
                w = {n.split("_l")[0]: getattr(self, n) for n in self._names[at]}
                bias = w.get("bias_hh")
                gates = gates_of(self.mode, x, w["weight_ih"], w.get("bias_ih"), bias)
                rest = [w["weight_hh"], bias, w.get("weight_hr")]
                y, *end = sequence(
                    self.mode, gates, states[at], rest, batch_sizes=sizes, reverse=way == 1
                )
                found.append(y)
                last.append(tuple(end))
            x = join(tuple(found), 1) if ways == 2 else found[0]
        ends = []
        for parts in zip(*last, strict=True):
            lifted = tuple(reshape(s, shape=(1, *s.shape)) for s in parts)
            ends.append(join(lifted, 0) if len(lifted) > 1 else lifted[0])
        return x, ends

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            value = getattr(self, name)
            parts += [f"{name}={value}"] if value != default else []
        return ", ".join(parts)


class LSTM(RNNBase):
    """Long short-term memory: for each step, with gates i, f, g, o of the input and the state h,
    c = f * c + i * g and h = o * tanh(c).

    x is (T, N, input_size), (N, T, input_size) if `batch_first`, (T, input_size) for one sequence,
    or a `PackedSequence`; `hx` is (h_0, c_0), zeros if None. Gives (y, (h_n, c_n)): y has h of
    every step of the last layer, both directions side by side, h_n and c_n (num_layers *
    directions, N, units) the last ones of all layers. With `proj_size` h is `weight_hr` @ h of
    that size; `dropout` acts on what one layer hands to the next. Raises `ShapeError` for another
    number of features, `DTypeError` for another dtype than the weights'. Sources: Hochreiter,
    Schmidhuber, 1997; Sak et al., 2014 (projections).

    >>> import gpudl as gd
    >>> lstm = gd.nn.LSTM(3, 5, num_layers=2, bidirectional=True)
    >>> y, (h, c) = lstm(gd.ones(7, 2, 3))
    >>> y.shape, h.shape, c.shape
    ((7, 2, 10), (4, 2, 5), (4, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
        )  # fmt: skip


class GRU(RNNBase):
    """Gated recurrent units: for each step, with gates r and z of the input and the state h,
    n = tanh(W x + b + r * (U h + b')) and h = (1 - z) * n + z * h.

    Input, results and arguments are as for `LSTM`, but that the state is h alone: (y, h_n).
    Source: Cho et al., EMNLP 2014.

    >>> import gpudl as gd
    >>> y, h = gd.nn.GRU(3, 5, batch_first=True)(gd.ones(2, 7, 3))
    >>> y.shape, h.shape
    ((2, 7, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, device, dtype,
        )  # fmt: skip


class RNN(RNNBase):
    """The plain recurrent network: h = tanh(W x + b + U h + b') for each step, or relu with
    `nonlinearity="relu"`.

    Input, results and arguments are as for `GRU`. Source: Elman, 1990.

    >>> import gpudl as gd
    >>> y, h = gd.nn.RNN(3, 5)(gd.ones(7, 3))
    >>> y.shape, h.shape
    ((7, 5), (1, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        mode = activation("RNN", nonlinearity)
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


def activation(op: str, nonlinearity: Any) -> str:
    """The mode of a plain recurrent network."""
    if nonlinearity not in ("tanh", "relu"):
        raise ArgumentError(op, f"nonlinearity={nonlinearity!r}", remedy='"tanh" or "relu"')
    return f"RNN_{nonlinearity.upper()}"
