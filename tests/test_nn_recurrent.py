"""Recurrent layers by themselves: shapes, errors, states handed on, sequences that do not meet."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    NotSupportedError,
    ShapeError,
    StaleValueError,
)
from gpudl.nn.utils import rnn
from gpudl.testing import assert_close

LAYERS = {
    "LSTM": lambda **o: nn.LSTM(3, 5, **o),
    "LSTM, projected": lambda **o: nn.LSTM(3, 5, proj_size=2, **o),
    "GRU": lambda **o: nn.GRU(3, 5, **o),
    "RNN": lambda **o: nn.RNN(3, 5, **o),
    "RNN, relu": lambda **o: nn.RNN(3, 5, nonlinearity="relu", **o),
}
ON_EACH = pytest.mark.parametrize("kind", LAYERS)


def states_of(h):
    return list(h) if isinstance(h, tuple) else [h]


def normal(*shape):
    return gd.asarray(np.random.default_rng(len(shape)).standard_normal(shape).astype("float32"))


# ----- shapes -----
@ON_EACH
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_shapes(kind, layers, both, first):
    net = LAYERS[kind](num_layers=layers, bidirectional=both, batch_first=first)
    ways, out = 1 + both, 2 if "projected" in kind else 5
    y, h = net(normal(4, 7, 3))
    batch = 4 if first else 7
    assert y.shape == (4, 7, out * ways)
    assert [s.shape for s in states_of(h)] == [
        (layers * ways, batch, n) for n in ([out, 5] if "LSTM" in kind else [out])
    ]
    y, h = net(normal(4, 3))
    assert y.shape == (4, out * ways)
    assert all(s.ndim == 2 for s in states_of(h))
    y, h = net(normal(*((0, 7, 3) if first else (4, 0, 3))))
    assert y.shape[2] == out * ways
    assert y.shape[0 if first else 1] == 0


@ON_EACH
def test_the_last_state_is_the_last_output(kind):
    net = LAYERS[kind](bidirectional=True)
    y, h = net(normal(6, 2, 3))
    last, n = states_of(h)[0], y.shape[2] // 2
    assert_close(last[0], y[-1, :, :n])
    assert_close(last[1], y[0, :, n:])


def test_names_of_parameters():
    net = nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2)
    names = [
        f"{p}_l{k}{way}"
        for k in range(2)
        for way in ("", "_reverse")
        for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    ]
    assert list(net.state_dict()) == names
    assert [p for group in net.all_weights for p in group] == list(net.parameters())
    assert net.weight_ih_l1_reverse.shape == (20, 4)
    assert net.weight_hh_l0.shape == (20, 2)
    assert list(nn.GRU(3, 5, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    assert repr(nn.GRU(3, 5, 2, batch_first=True)) == "GRU(3, 5, num_layers=2, batch_first=True)"
    net.flatten_parameters()


def test_initial_weights_lie_within_their_bound():
    net = nn.GRU(3, 16, num_layers=2)
    for p in net.parameters():
        assert np.abs(p.detach().numpy()).max() <= 0.25
    assert np.abs(net.weight_hh_l0.detach().numpy()).max() > 0.24


# ----- states -----
@ON_EACH
def test_two_halves_are_one_run(kind):
    net = LAYERS[kind](num_layers=2)
    x = normal(9, 4, 3)
    whole, end = net(x)
    first, state = net(x[:5])
    second, last = net(x[5:], state)
    assert_close(gd.concat([first, second]), whole)
    for a, b in zip(states_of(last), states_of(end), strict=True):
        assert_close(a, b)


@pytest.mark.parametrize(
    ("cell", "layer"), [("LSTMCell", "LSTM"), ("GRUCell", "GRU"), ("RNNCell", "RNN")]
)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_step_by_step_are_the_layer(cell, layer, bias):
    cell, layer = getattr(nn, cell)(3, 5, bias=bias), getattr(nn, layer)(3, 5, bias=bias)
    layer.load_state_dict({f"{name}_l0": p for name, p in cell.state_dict().items()})
    x, state, ys = normal(6, 2, 3), None, []
    for step in x:
        state = cell(step, state)
        ys.append(state[0] if isinstance(state, tuple) else state)
    assert_close(gd.stack(ys), layer(x)[0])


# ----- packed -----
@ON_EACH
@pytest.mark.parametrize("both", [False, True])
def test_packed_sequences_do_not_meet(kind, both):
    net = LAYERS[kind](num_layers=2, bidirectional=both)
    sequences = [normal(n, 3) * n for n in (2, 6, 1, 4)]
    y, h = net(rnn.pack_sequence(sequences, enforce_sorted=False))
    for i, (x, found) in enumerate(zip(sequences, rnn.unpack_sequence(y), strict=True)):
        alone, state = net(x)
        assert_close(found, alone)
        for a, b in zip(states_of(h), states_of(state), strict=True):
            assert_close(a[:, i], b)


def test_a_sequence_has_the_same_bits_in_every_batch():
    net = nn.LSTM(3, 37)
    x = normal(5, 23, 3)
    whole = net(x)[0].detach().numpy()
    for i in (0, 11, 22):
        assert np.array_equal(net(x[:, i : i + 1])[0].detach().numpy()[:, 0], whole[:, i])


def test_padding_gets_no_gradient():
    x = gd.asarray(np.ones((4, 2, 3), "float32"))
    x.requires_grad = True
    packed = rnn.pack_padded_sequence(x, [4, 2])
    nn.GRU(3, 5)(packed)[0].data.sum().backward()
    grad = np.abs(x.grad.numpy()).sum(2) > 0
    assert grad.tolist() == [[True, True], [True, True], [True, False], [True, False]]


def test_packing_keeps_whole_numbers_and_their_order():
    parts = [gd.tensor([1, 2]), gd.tensor([3, 4, 5]), gd.tensor([6])]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    assert packed.data.tolist() == [3, 1, 6, 4, 2, 5]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    assert [p.tolist() for p in rnn.unpack_sequence(packed)] == [[1, 2], [3, 4, 5], [6]]
    padded, lengths = rnn.pad_packed_sequence(packed, True, -1, total_length=4)
    assert padded.tolist() == [[1, 2, -1, -1], [3, 4, 5, -1], [6, -1, -1, -1]]
    assert lengths.tolist() == [2, 3, 1]
    assert packed.to(gd.float32).data.dtype == gd.float32


# ----- training -----
@ON_EACH
def test_learns_to_remember_the_first_number(kind):
    gd.manual_seed(1)
    net, head = LAYERS[kind](), nn.Linear(2 if "projected" in kind else 5, 1)
    optimizer = gd.optim.Adam([*net.parameters(), *head.parameters()], lr=0.02)
    x = normal(6, 32, 3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(head(net(x)[0][-1])[:, 0], x[0, :, 0])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_dropout_acts_between_layers_in_training_only():
    gd.manual_seed(0)
    net, x = nn.LSTM(3, 5, num_layers=2, dropout=0.5), normal(4, 2, 3)
    assert not np.array_equal(net(x)[0].detach().numpy(), net(x)[0].detach().numpy())
    net.eval()
    assert np.array_equal(net(x)[0].detach().numpy(), net(x)[0].detach().numpy())
    with pytest.warns(UserWarning, match="acts between layers"):
        nn.GRU(3, 5, dropout=0.5)


def test_a_result_that_backward_needs_may_not_be_overwritten():
    net = nn.GRU(3, 5)
    y, _ = net(normal(4, 2, 3))
    y.detach()[0] = 0.0
    with pytest.raises(StaleValueError):
        y.sum().backward()


def test_a_copy_has_weights_of_its_own():
    net = nn.LSTM(3, 5)
    other = copy.deepcopy(net)
    with gd.no_grad():
        net.weight_hh_l0[...] = 0.0
    assert np.abs(other.weight_hh_l0.detach().numpy()).max() > 0


def test_half_precision_and_its_neighbours():
    net = nn.LSTM(3, 5)
    wide = net(normal(6, 2, 3))[0].detach().numpy()
    half = net.to(gd.float16)(normal(6, 2, 3).astype("float16"))[0]
    assert half.dtype == gd.float16
    assert np.abs(half.detach().numpy() - wide).max() < 5e-3


# ----- errors -----
@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ShapeError, lambda: nn.LSTM(3, 5)(normal(4, 2, 4))),
        (ShapeError, lambda: nn.LSTM(3, 5)(normal(3))),
        (ShapeError, lambda: nn.LSTM(3, 5)(gd.zeros((0, 2, 3)))),
        (ShapeError, lambda: nn.GRU(3, 5)(normal(4, 2, 3), normal(1, 3, 5))),
        (ShapeError, lambda: nn.GRU(3, 5)(normal(4, 3), normal(1, 1, 5))),
        (ShapeError, lambda: nn.LSTM(3, 5, proj_size=2)(normal(4, 2, 3), [normal(1, 2, 5)] * 2)),
        (ArgumentTypeError, lambda: nn.LSTM(3, 5)(normal(4, 2, 3), normal(1, 2, 5))),
        (ArgumentTypeError, lambda: nn.GRU(3, 5)(normal(4, 2, 3), 3)),
        (ArgumentTypeError, lambda: nn.GRU(3, 5)([[1.0]])),
        (DTypeError, lambda: nn.GRU(3, 5)(normal(4, 2, 3).astype("float64"))),
        (DTypeError, lambda: nn.GRU(3, 5)(normal(4, 2, 3), normal(1, 2, 5).astype("float64"))),
        (DTypeError, lambda: nn.RNN(3, 5)(gd.ones((4, 2, 3), dtype="int64"))),
        (ArgumentError, lambda: nn.RNN(3, 5, nonlinearity="sigmoid")),
        (ArgumentError, lambda: nn.RNNBase("ELMAN", 3, 5)),
        (ArgumentError, lambda: nn.LSTM(3, 5, proj_size=5)),
        (NotSupportedError, lambda: nn.RNNBase("GRU", 3, 5, proj_size=2)),
        (ArgumentError, lambda: nn.LSTM(3, 5, dropout=1.5)),
        (ArgumentTypeError, lambda: nn.LSTM(3, 5, bias=1)),
        (ShapeError, lambda: nn.LSTMCell(3, 5)(normal(2, 4))),
        (ShapeError, lambda: nn.GRUCell(3, 5)(normal(2, 3), normal(3, 5))),
        (ArgumentTypeError, lambda: nn.LSTMCell(3, 5)(normal(2, 3), normal(2, 5))),
        (ArgumentError, lambda: rnn.pack_padded_sequence(normal(4, 2, 3), [2, 4])),
        (ArgumentError, lambda: rnn.pack_padded_sequence(normal(4, 2, 3), [5, 4])),
        (ArgumentError, lambda: rnn.pack_padded_sequence(normal(4, 2, 3), [2, 0])),
        (ShapeError, lambda: rnn.pack_padded_sequence(normal(4, 2, 3), [2])),
        (ArgumentTypeError, lambda: rnn.pack_padded_sequence(normal(4, 2, 3), [2.0, 1.0])),
        (ShapeError, lambda: rnn.PackedSequence(normal(4, 2), gd.tensor([1, 2, 1]))),
        (ShapeError, lambda: rnn.PackedSequence(normal(4, 2), gd.tensor([2, 1]))),
        (
            ArgumentError,
            lambda: rnn.pad_packed_sequence(rnn.pack_sequence([normal(3)]), False, 0, 2),
        ),
        (ArgumentTypeError, lambda: rnn.pad_packed_sequence(normal(3))),
        (ShapeError, lambda: rnn.pad_sequence([])),
        (ShapeError, lambda: rnn.pad_sequence([normal(3, 2), normal(2, 3)])),
        (ArgumentError, lambda: rnn.pad_sequence([normal(3)], padding_side="top")),
        (ShapeError, lambda: rnn.unpad_sequence(normal(4, 2), [4, 5])),
        (ArgumentError, lambda: rnn.invert_permutation(gd.tensor([0, 0]))),
    ],
)
def test_wrong_calls(error, call):
    with pytest.raises(error):
        call()


def test_functional_call_takes_other_weights():
    net, x = nn.GRU(3, 5), normal(4, 2, 3)
    zeros = {name: gd.zeros(p.shape) for name, p in net.named_parameters()}
    assert not nn.functional_call(net, zeros, x)[0].numpy().any()
    assert net(x)[0].detach().numpy().any()


# ----- devices -----
@ON_EACH
def test_the_emulated_gpu_gives_the_same(kind):
    net = LAYERS[kind](num_layers=2, bidirectional=True)
    sequences = [normal(n, 3) * n for n in (2, 5, 4)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    y, h = net(packed)
    y.data.sum().backward()
    wanted = [p.grad.numpy() for p in net.parameters()]
    net.zero_grad()
    net.to("emu")
    found, state = net(packed.to("emu"))
    assert found.data.device == gd.device("emu")
    found.data.sum().backward()
    assert_close(rnn.pad_packed_sequence(found)[0].cpu(), rnn.pad_packed_sequence(y)[0])
    for a, b in zip(states_of(state), states_of(h), strict=True):
        assert_close(a.cpu(), b)
    for p, b in zip(net.parameters(), wanted, strict=True):
        assert_close(p.grad.cpu().numpy(), b, scale=wanted[0])
