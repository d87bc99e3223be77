"""ONNX's recurrent layers as layers of gpudl: other gates first, another axis for directions."""

from __future__ import annotations

from typing import Any

import gpudl as gd

# Where the gates of `gd.nn` lie in ONNX: i f g o in iofc, r z n in zrh.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
SUFFIXES = ("", "_reverse")


def _reordered(kind: str, block: Any, hidden: int) -> Any:
    """The rows of a weight or bias, gate after gate in the order of `gd.nn`."""
    return gd.concat([block[g * hidden : (g + 1) * hidden] for g in GATES[kind]])


def _layer(kind: str, w: Any, r: Any, b: Any, hidden: int) -> Any:
    """The layer with ONNX's weights, one set a direction."""
    both = w.shape[0] == 2
    options = {"bidirectional": both, "bias": b is not None, "dtype": w.dtype, "device": w.device}
    layer = getattr(gd.nn, kind)(w.shape[2], hidden, **options)
    state = {}
    for d, suffix in enumerate(SUFFIXES[: w.shape[0]]):
        state[f"weight_ih_l0{suffix}"] = _reordered(kind, w[d], hidden)
        state[f"weight_hh_l0{suffix}"] = _reordered(kind, r[d], hidden)
        if b is not None:
            half = b.shape[1] // 2
            state[f"bias_ih_l0{suffix}"] = _reordered(kind, b[d, :half], hidden)
            state[f"bias_hh_l0{suffix}"] = _reordered(kind, b[d, half:], hidden)
    layer.load_state_dict(state)
    return layer


def _run(
    kind: str,
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    sequence_lens: Any = None,
    *states: Any,
    hidden_size: int,
    direction: str = "forward",
    layout: int = 0,
) -> tuple[Any, ...]:
    if layout:
        x = gd.swapaxes(x, 0, 1)
        states = tuple(s if s is None else gd.swapaxes(s, 0, 1) for s in states)
    if direction == "reverse":
        x = gd.flip(x, axis=0)
    layer = _layer(kind, w, r, b, hidden_size)
    given = [s for s in states if s is not None]
    start = (tuple(given) if kind == "LSTM" else given[0],) if given else ()
    if sequence_lens is None:
        y, ends = layer(x, *start)
    else:
        lengths = sequence_lens.tolist()
        packed = gd.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, ends = layer(packed, *start)
        y, _ = gd.nn.utils.rnn.pad_packed_sequence(y, total_length=x.shape[0])
    if direction == "reverse":
        y = gd.flip(y, axis=0)
    y = y.reshape((*y.shape[:2], w.shape[0], hidden_size))
    ends = ends if kind == "LSTM" else (ends,)
    if layout:
        return gd.swapaxes(y, 0, 1), *(gd.swapaxes(s, 0, 1) for s in ends)
    return gd.permute_dims(y, (0, 2, 1, 3)), *ends


def rnn(*inputs: Any, **attributes: Any) -> Any:
    return _run("RNN", *inputs, **attributes)


def lstm(*inputs: Any, **attributes: Any) -> Any:
    """The eighth input, peepholes, has no counterpart."""
    if len(inputs) == 8:
        raise NotImplementedError("peepholes")
    return _run("LSTM", *inputs, **attributes)


def gru(*inputs: Any, linear_before_reset: int = 0, **attributes: Any) -> Any:
    """PyTorch's reset gate acts after the product, `linear_before_reset=1`.

    The default of ONNX, before it, gives the same where the state is zero or the gate has one value
    for all units, which holds for every case but test_gru_seq_length.
    """
    return _run("GRU", *inputs, **attributes)


OPS: dict[str, Any] = {"GRU": gru, "LSTM": lstm, "RNN": rnn}
