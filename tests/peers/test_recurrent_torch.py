"""Recurrent layers and cells against PyTorch: the same weights and states in, the same outputs,
states and gradients out, in every configuration and for padded and packed batches."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import tolerances

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = [
    pytest.mark.peers,
    # PyTorch's remark that oneDNN takes no projections.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

LENGTHS = [3, 5, 1, 5]
T, N, FEATURES, HIDDEN = 5, 4, 3, 6
KINDS = {
    "LSTM": ("LSTM", {}),
    "LSTM, projected": ("LSTM", {"proj_size": 3}),
    "GRU": ("GRU", {}),
    "RNN": ("RNN", {}),
    "RNN, relu": ("RNN", {"nonlinearity": "relu"}),
}
OPTIONS = [
    {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first}
    for layers, both, bias, first in itertools.product(
        (1, 2), (False, True), (True, False), (False, True)
    )
]
DTYPES = ("float32", "float64")
# PyTorch takes long to prepare a kernel for each configuration in float32.
GRID = pytest.mark.parametrize(
    "dtype", ["float64", pytest.param("float32", marks=pytest.mark.full)]
)
rnn = (gd.nn.utils.rnn, torch.nn.utils.rnn)


def layers(cls: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """The layer of both libraries, with PyTorch's initial weights."""
    torch.manual_seed(0)
    options = dict(options, dtype=getattr(torch, options["dtype"]))
    theirs = getattr(torch.nn, cls)(*args, **options)
    ours = getattr(gd.nn, cls)(*args, **dict(options, dtype=str(options["dtype"])[6:]))
    state = {name: gd.asarray(p.detach().numpy().copy()) for name, p in theirs.named_parameters()}
    ours.load_state_dict(state)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    return ours, theirs


def leaves(arrays: list[np.ndarray]) -> tuple[list[Any], list[Any]]:
    ours = [gd.tensor(a, requires_grad=True) for a in arrays]
    return ours, [torch.tensor(a, requires_grad=True) for a in arrays]


def agree(ours: list[Any], theirs: list[Any], dtype: str, what: str, scale: float = 0.0) -> None:
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape, f"{what} {i}"
        error = tolerances.error(a, b, scale)
        assert error <= tolerances.tolerance(np.dtype(dtype)), f"{what} {i}: error {error:.1e}"


def compare(ours: Any, theirs: Any, xs: list[np.ndarray], run: Any, dtype: str) -> None:
    """Results of `run(library, layer, *tensors)`, and the gradients of a random sum of them."""
    mine, other = leaves(xs)
    got, want = run(0, ours, *mine), run(1, theirs, *other)
    agree(got, want, dtype, "result", tolerances.largest(*xs))
    rng = np.random.default_rng(5)
    weights = [rng.standard_normal(y.shape).astype(dtype) for y in got]
    sum((y * gd.asarray(w)).sum() for y, w in zip(got, weights, strict=True)).backward()
    sum((y * torch.tensor(w)).sum() for y, w in zip(want, weights, strict=True)).backward()
    grads = [x.grad for x in (*mine, *ours.parameters())]
    wanted = [x.grad for x in (*other, *theirs.parameters())]
    agree(grads, wanted, dtype, "gradient", tolerances.largest(*[g.numpy() for g in wanted]))


def inputs(cls: str, options: dict[str, Any], dtype: str, shape: tuple, states: bool) -> list[Any]:
    """The input, and initial states if wanted."""
    rng = np.random.default_rng(1)
    count = options["num_layers"] * (1 + options["bidirectional"])
    batch = () if len(shape) == 2 else (N,)
    widths = [options.get("proj_size") or HIDDEN, HIDDEN][: 1 + (cls == "LSTM")]
    shapes = [shape, *[(count, *batch, n) for n in widths if states]]
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def call(layer: Any, x: Any, states: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    if not states:
        y, ends = layer(x)
    else:
        y, ends = layer(x, states[0] if len(states) == 1 else states)
    return y, list(ends) if isinstance(ends, tuple) else [ends]


def run_padded(_: int, layer: Any, x: Any, *states: Any) -> list[Any]:
    y, ends = call(layer, x, states)
    return [y, *ends]


def run_packed(
    lengths: list[int], first: bool, by_length: bool, i: int, layer: Any, x: Any, *states: Any
) -> list[Any]:
    packed = rnn[i].pack_padded_sequence(x, lengths, first, enforce_sorted=by_length)
    y, ends = call(layer, packed, states)
    assert isinstance(y, rnn[i].PackedSequence)
    return [rnn[i].pad_packed_sequence(y, first)[0], y.data, *ends]


@GRID
@pytest.mark.parametrize("kind", KINDS)
def test_padded(kind: str, dtype: str, count: Any) -> None:
    cls, more = KINDS[kind]
    calls = list(itertools.product(OPTIONS, ("batch", "one"), (False, True)))
    for options, form, states in calls:
        options = {**options, **more}
        ours, theirs = layers(cls, FEATURES, HIDDEN, dtype=dtype, **options)
        batched = (N, T, FEATURES) if options["batch_first"] else (T, N, FEATURES)
        shape = batched if form == "batch" else (T, FEATURES)
        compare(ours, theirs, inputs(cls, options, dtype, shape, states), run_padded, dtype)
    count("recurrent layers, padded: configurations as PyTorch", len(calls), len(calls))


@GRID
@pytest.mark.parametrize("kind", KINDS)
def test_packed(kind: str, dtype: str, count: Any) -> None:
    cls, more = KINDS[kind]
    calls = list(itertools.product(OPTIONS, (False, True), (False, True)))
    for options, by_length, states in calls:
        options = {**options, **more}
        first = options["batch_first"]
        lengths = sorted(LENGTHS, reverse=True) if by_length else LENGTHS
        ours, theirs = layers(cls, FEATURES, HIDDEN, dtype=dtype, **options)
        shape = (N, T, FEATURES) if first else (T, N, FEATURES)

        run = partial(run_packed, lengths, first, by_length)
        compare(ours, theirs, inputs(cls, options, dtype, shape, states), run, dtype)
    count("recurrent layers, packed: configurations as PyTorch", len(calls), len(calls))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cls", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    ("hidden", "batch", "steps"), [(37, 1, 3), (64, 33, 5), (1, 16, 1), (130, 7, 4)]
)
def test_sizes(cls: str, dtype: str, hidden: int, batch: int, steps: int) -> None:
    ours, theirs = layers(cls, 19, hidden, dtype=dtype)
    x = np.random.default_rng(2).standard_normal((steps, batch, 19)).astype(dtype)
    compare(ours, theirs, [x], lambda _, layer, x: list(call(layer, x, ())[0:1]), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", ["batch", "one"])
@pytest.mark.parametrize("states", [True, False])
@pytest.mark.parametrize(
    ("cls", "more"),
    [("LSTMCell", {}), ("GRUCell", {}), ("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"})],
)
def test_cells(cls: str, more: dict, states: bool, form: str, bias: bool, dtype: str) -> None:
    ours, theirs = layers(cls, FEATURES, HIDDEN, bias=bias, dtype=dtype, **more)
    batch = (N,) if form == "batch" else ()
    widths = [FEATURES, HIDDEN, HIDDEN][: (3 if cls == "LSTMCell" else 2) if states else 1]
    rng = np.random.default_rng(3)
    xs = [rng.standard_normal((*batch, n)).astype(dtype) for n in widths]

    def run(_: int, cell: Any, x: Any, *states: Any) -> list[Any]:
        given = () if not states else (states if cls == "LSTMCell" else states[0],)
        out = cell(x, *given)
        return list(out) if isinstance(out, tuple) else [out]

    compare(ours, theirs, xs, run, dtype)


def test_second_derivatives_match() -> None:
    ours, theirs = layers("LSTM", FEATURES, HIDDEN, num_layers=2, dtype="float64")
    x = np.random.default_rng(4).standard_normal((T, N, FEATURES))
    (mine,), (other,) = leaves([x])

    def penalty(layer: Any, x: Any, grad: Any) -> Any:
        y, _ = layer(x)
        (g,) = grad((y * y).sum(), [x], create_graph=True)
        return (g * g).sum()

    penalty(ours, mine, gd.autograd.grad).backward()
    with torch.backends.mkldnn.flags(enabled=False):
        penalty(theirs, other, torch.autograd.grad).backward()
    wanted = [x.grad for x in (other, *theirs.parameters())]
    agree([x.grad for x in (mine, *ours.parameters())], wanted, "float64", "second derivative", 1.0)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("more", [(), (2, 3)])
def test_packing_and_padding(first: bool, more: tuple) -> None:
    rng = np.random.default_rng(6)
    parts = [rng.standard_normal((n, *more)).astype("float32") for n in LENGTHS]
    sequences = ([gd.asarray(p) for p in parts], [torch.tensor(p) for p in parts])
    for side, value in (("right", 0.0), ("left", -2.5)):
        a, b = (r.pad_sequence(s, first, value, side) for r, s in zip(rnn, sequences, strict=True))
        assert np.array_equal(a.numpy(), b.numpy())
    packed = [r.pack_sequence(s, enforce_sorted=False) for r, s in zip(rnn, sequences, strict=True)]
    for a, b in zip(*packed, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    for total in (None, 9):
        padded = [
            r.pad_packed_sequence(p, first, 1.5, total) for r, p in zip(rnn, packed, strict=True)
        ]
        for a, b in zip(*padded, strict=True):
            assert np.array_equal(a.numpy(), b.numpy())
    for a, b in zip(*(r.unpack_sequence(p) for r, p in zip(rnn, packed, strict=True)), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
