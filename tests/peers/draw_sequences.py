"""Drawn arguments of activations, linear maps, look-ups, recurrent layers and transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from random_layers import Case, Draw, Fixed, Function, Layer

Drawn = Callable[[Draw], Case]


# ----- of one input -----
def elementwise(d: Draw, *, dims: bool = False, **choices: tuple[Any, ...]) -> Case:
    options = d.some(**{name: d.pick(*values) for name, values in choices.items()})
    rank = d.pick(1, 2, 3, 4) if dims else d.pick(0, 1, 2, 3, 4)
    if dims:
        options["dim"] = d.pick(*range(-rank, rank))
    return Case((), options, (d.normal(*d.shape(rank)),), training=d.flag())


def evaluated(d: Draw, **choices: tuple[Any, ...]) -> Case:
    case = elementwise(d, **choices)
    case.training = False
    return case


def threshold(d: Draw) -> Case:
    return Case((d.number(-1, 1), d.number(-9, 9)), {}, (d.normal(*d.shape(d.pick(0, 1, 2, 3))),))


def hard_tanh(d: Draw) -> Case:
    options = d.some(min_val=d.number(-2, 0), max_val=d.number(1, 2))
    return Case((), options, (d.normal(*d.shape(d.pick(0, 1, 2, 3))),))


def prelu(d: Draw) -> Case:
    C = d.pick(1, 2, 7)
    shape = (d.pick(1, 2), C, *d.shape(d.pick(0, 1, 2)))
    return Case((), {"num_parameters": d.pick(1, C)} | d.some(init=0.4), (d.normal(*shape),))


def glu(d: Draw) -> Case:
    shape = list(d.shape(d.pick(1, 2, 3)))
    dim = d.pick(*range(-len(shape), len(shape)))
    shape[dim] = 2 * shape[dim] + d.flag(0.1)
    return Case((dim,), {}, (d.normal(*shape),))


def softmax_2d(d: Draw) -> Case:
    return Case((), {}, (d.normal(*d.shape(d.pick(2, 3, 4))),))


def flatten(d: Draw) -> Case:
    rank = d.pick(1, 2, 3, 4)
    options = d.some(start_dim=d.pick(0, 1, -1, -2), end_dim=d.pick(-1, 0, 1, 2))
    return Case((), options, (d.normal(*d.shape(rank)),))


def unflatten(d: Draw) -> Case:
    parts = d.shape(d.pick(1, 2, 3))
    shape = [d.small(), d.small(), d.small()]
    dim = d.pick(0, 1, 2, -1)
    shape[dim] = int(np.prod(parts))
    given = list(parts)
    if d.flag():
        given[d.rng.integers(len(given))] = -1
    return Case((dim, tuple(given)), {}, (d.normal(*shape),))


def dropout(d: Draw, rank: int | None = None) -> Case:
    """Without noise: p = 0, p = 1 or evaluation."""
    p, training = d.pick((0.0, True), (1.0, True), (0.4, False))
    shape = d.shape(d.pick(1, 2, 3)) if rank is None else (2, d.small(), *d.shape(rank))
    return Case((p,), {}, (d.normal(*shape),), training=training)


# ----- linear maps and look-ups -----
def linear(d: Draw, lazy: bool = False) -> Case:
    inside = d.size()
    options = d.some(bias=d.flag())
    x = d.normal(*d.shape(d.pick(0, 1, 2, 3)), inside)
    return Case((d.size(),) if lazy else (inside, d.size()), options, (x,))


def bilinear(d: Draw) -> Case:
    a, b, lead = d.size(), d.small(), d.shape(d.pick(0, 1, 2))
    x = (d.normal(*lead, a), d.normal(*lead, b))
    return Case((a, b, d.small()), d.some(bias=d.flag()), x)


def embedding(d: Draw) -> Case:
    n = d.size()
    options = d.some(
        padding_idx=d.pick(None, *range(-n, n)),
        max_norm=d.pick(0.5, 2.0),
        norm_type=d.pick(1.0, 2.0, 3.0),
        scale_grad_by_freq=d.flag(),
    )
    return Case((n, d.small()), options, (d.ints(0, n, *d.shape(d.pick(0, 1, 2, 3))),))


def bag(d: Draw) -> Case:
    n, mode = d.size(), d.pick("sum", "mean", "max")
    options = {"mode": mode} | d.some(
        max_norm=d.pick(0.5, 2.0), padding_idx=d.pick(None, *range(-n, n))
    )
    if mode != "max":
        options |= d.some(scale_grad_by_freq=d.flag())
    call: dict[str, Any] = {}
    if d.flag():
        index = d.ints(0, n, d.pick(1, 2, 5), d.pick(1, 3, 7))
    else:
        index = d.ints(0, n, d.pick(1, 7, 12))
        offsets = np.sort(d.ints(0, len(index) + 1, d.pick(1, 2, 3)))
        offsets[0] = 0
        if d.flag(0.3):
            options["include_last_offset"] = True
            offsets = np.append(offsets, len(index))
        call["offsets"] = offsets
    if mode == "sum" and d.flag() and not options.get("scale_grad_by_freq"):
        call["per_sample_weights"] = d.normal(*index.shape)
    return Case((n, d.small()), options, (index,), call)


# ----- recurrent -----
def recurrent(d: Draw, kind: str) -> Case:
    features, hidden, layers = d.size(), d.pick(2, 3, 5, 7), d.pick(1, 1, 2, 3)
    options = {"num_layers": layers} | d.some(
        bias=d.flag(), batch_first=d.flag(), bidirectional=d.flag()
    )
    if kind == "RNN":
        options |= d.some(nonlinearity=d.pick("tanh", "relu"))
    out = hidden
    if kind == "LSTM" and d.flag(0.3):
        out = options["proj_size"] = d.pick(1, hidden - 1)
    T, N = d.pick(1, 2, 5, 9), d.pick(1, 2, 3)
    batched = d.flag(0.8)
    shape = (N, T) if options.get("batch_first") else (T, N)
    x = d.normal(*(shape if batched else (T,)), features)
    inputs: tuple[Any, ...] = (x,)
    if d.flag():
        rows = layers * (2 if options.get("bidirectional") else 1)
        middle = (N,) if batched else ()
        h = d.normal(rows, *middle, out)
        inputs = (x, (h, d.normal(rows, *middle, hidden)) if kind == "LSTM" else h)
    return Case((features, hidden), options, inputs)


def cell(d: Draw, kind: str) -> Case:
    features, hidden = d.size(), d.size()
    options = d.some(bias=d.flag())
    if kind == "RNNCell":
        options |= d.some(nonlinearity=d.pick("tanh", "relu"))
    lead = () if d.flag(0.3) else (d.pick(1, 2, 7),)
    inputs: tuple[Any, ...] = (d.normal(*lead, features),)
    if d.flag():
        h = d.normal(*lead, hidden)
        inputs = (*inputs, (h, d.normal(*lead, hidden)) if kind == "LSTMCell" else h)
    return Case((features, hidden), options, inputs)


# ----- attention and transformers -----
def mask(d: Draw, *shape: int) -> Any:
    """What hides keys, but never all of a query's: bools, or numbers that are added."""
    hidden = d.rng.random(shape) < 0.3
    hidden[..., 0] = False
    if d.flag():
        return hidden
    return Fixed(np.where(hidden, -np.inf, d.normal(*shape)))


def attention(d: Draw) -> Case:
    heads = d.pick(1, 2, 3)
    E, L, S, N = heads * d.small(), d.pick(1, 2, 5), d.pick(1, 3, 7), d.pick(1, 2, 3)
    options = d.some(
        bias=d.flag(), add_bias_kv=d.flag(), add_zero_attn=d.flag(), batch_first=d.flag(),
        kdim=d.pick(E, 3), vdim=d.pick(E, 5),
    )  # fmt: skip
    batched = d.flag(0.8)
    sizes = [(L, E), (S, options.get("kdim", E)), (S, options.get("vdim", E))]
    first = options.get("batch_first")
    inputs = tuple(
        d.normal(*((N, n) if first else (n, N)) if batched else (n,), width) for n, width in sizes
    )
    call: dict[str, Any] = d.some(need_weights=d.flag(), average_attn_weights=d.flag())
    if d.flag(0.4):
        call["attn_mask"] = mask(d, L, S)
    if d.flag(0.4):
        hidden = d.rng.random((N, S) if batched else (S,)) < 0.3
        hidden[..., 0] = False
        # A mask of each kind is deprecated there.
        if isinstance(call.get("attn_mask"), Fixed):
            call["key_padding_mask"] = Fixed(np.where(hidden, -np.inf, 0.0))
        else:
            call["key_padding_mask"] = hidden
    return Case((E, heads), options, inputs, call, training=d.flag())


def block(d: Draw) -> tuple[tuple[Any, ...], dict[str, Any]]:
    heads = d.pick(1, 2, 3)
    options = {"dropout": 0.0, "dim_feedforward": d.size()} | d.some(
        activation=d.pick("relu", "gelu", Function("relu"), Function("gelu"), Function("silu")),
        layer_norm_eps=d.pick(1e-5, 0.1),
        batch_first=d.flag(),
        norm_first=d.flag(),
        bias=d.flag(),
    )
    return (heads * d.pick(4, 6), heads), options


def transformer(d: Draw, kind: str) -> Case:
    args, options = block(d)
    # Over one key softmax is 1, and the norm before it has a gradient of rounding alone.
    E, T, S, N = args[0], d.pick(1, 2, 5), d.pick(2, 3, 7), d.pick(1, 2, 3)
    batched, first = d.flag(0.8), options.get("batch_first")

    def sequence(n: int) -> Any:
        return d.normal(*((N, n) if first else (n, N)) if batched else (n,), E)

    inputs = (sequence(T),) if "Encoder" in kind else (sequence(T), sequence(S))
    call: dict[str, Any] = {}
    if d.flag(0.5):
        # The encoder's own names; of the whole the target is the second input.
        name = {"Encoder": "mask", "EncoderLayer": "src_mask", "Whole": "src_mask"}.get(
            kind, "tgt_mask"
        )
        call[name] = mask(d, T, T)
    if kind in ("EncoderLayer", "DecoderLayer"):
        return Case(args, options, inputs, call, training=d.flag())
    if kind == "Whole":
        options |= {"num_encoder_layers": d.pick(1, 2), "num_decoder_layers": d.pick(1, 2)}
        return Case(args, options, inputs, call, training=d.flag())
    layer = Layer(f"Transformer{kind}Layer", args, options)
    more = {"norm": Layer("LayerNorm", (E,), {})} if d.flag() else {}
    if kind == "Encoder":
        more["enable_nested_tensor"] = False  # its answers are cut to the longest sequence
    return Case((layer, d.pick(1, 2, 3)), more, inputs, call, training=d.flag())


SEQUENCES: dict[str, Drawn] = {
    **dict.fromkeys(
        ["ReLU", "ReLU6", "SELU", "Sigmoid", "LogSigmoid", "SiLU", "Mish", "Softsign", "Tanh",
         "Tanhshrink", "Hardsigmoid", "Hardswish", "Identity"], elementwise),
    **{name: partial(elementwise, alpha=(0.5, 1.0, 2.0)) for name in ("ELU", "CELU")},
    "GELU": partial(elementwise, approximate=("none", "tanh")),
    "LeakyReLU": partial(elementwise, negative_slope=(0.01, 0.3, -0.2, 0.0)),
    "RReLU": partial(evaluated, lower=(0.1, 0.2), upper=(0.4, 0.7)),
    "Softplus": partial(elementwise, beta=(0.5, 1.0, 2.0), threshold=(1.0, 20.0)),
    **{name: partial(elementwise, lambd=(0.0, 0.5, 1.5)) for name in ("Hardshrink", "Softshrink")},
    "Hardtanh": hard_tanh,
    "Threshold": threshold,
    "PReLU": prelu,
    "GLU": glu,
    **{name: partial(elementwise, dims=True) for name in ("Softmax", "LogSoftmax", "Softmin")},
    "Softmax2d": softmax_2d,
    "Flatten": flatten,
    "Unflatten": unflatten,
    "Dropout": dropout,
    "AlphaDropout": dropout,
    "FeatureAlphaDropout": partial(dropout, rank=2),
    **{f"Dropout{rank}d": partial(dropout, rank=rank) for rank in (1, 2, 3)},
    "Linear": linear,
    "LazyLinear": partial(linear, lazy=True),
    "Bilinear": bilinear,
    "Embedding": embedding,
    "EmbeddingBag": bag,
    **{name: partial(recurrent, kind=name) for name in ("RNN", "LSTM", "GRU")},
    **{name: partial(cell, kind=name) for name in ("RNNCell", "LSTMCell", "GRUCell")},
    "MultiheadAttention": attention,
    **{f"Transformer{kind}": partial(transformer, kind=kind or "Whole")
       for kind in ("", "Encoder", "Decoder", "EncoderLayer", "DecoderLayer")},
}  # fmt: skip
