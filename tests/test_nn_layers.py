"""Layers and functions of networks without a peer: against float64, statistics, and the errors of
wrong calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    GpudlError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)
from gpudl.nn import functional as F
from gpudl.testing import assert_close, gradcheck, gradgradcheck

LABELS = gd.tensor([0, 2])


def x64(*shape: int, seed: int = 0) -> Any:
    return gd.random.normal(shape, dtype="float64", generator=gd.Generator(seed))


# ----- against float64 -----
@pytest.mark.parametrize("shape", [(37,), (4, 37), (2, 0, 37), (2, 3, 37)])
def test_linear_in_every_layout(shape, count):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=shape), rng.normal(size=(5, 37)), rng.normal(size=5)
    for xs in (
        x,
        np.flip(np.flip(x).copy()),
        np.ascontiguousarray(x.T).T,
        np.broadcast_to(x[..., :1], shape),
    ):
        for ws in (w, np.asfortranarray(w), w[::-1].copy()[::-1]):
            out = F.linear(
                gd.asarray(xs.astype(np.float32)),
                gd.asarray(ws.astype(np.float32)),
                gd.asarray(b.astype(np.float32)),
            )
            assert_close(out, xs @ w.T + b, tolerance=1e-5, scale=10.0)
            count("linear, layouts", 1, 1)


def test_linear_has_derivatives_of_second_order():
    args = [x64(2, 3, 4), x64(5, 4, seed=1), x64(5, seed=2)]
    for a in args:
        a.requires_grad = True
    gradcheck(F.linear, args)
    gradgradcheck(F.linear, args)


def test_layer_norm_of_one_value_is_its_bias():
    norm = nn.LayerNorm([1])
    x = gd.tensor([[3.0], [-1e6]], requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert (
        y.tolist() == [[0.0], [0.0]]
        and not x.grad.numpy().any()
        and not norm.weight.grad.numpy().any()
    )


@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_batch_norm_statistics_against_float64(mean):
    x = np.random.default_rng(0).normal(size=(37, 3, 5, 4)) * [[[[1.0]], [[1e-4]], [[50.0]]]] + mean
    x = x.astype(np.float32)
    norm = nn.BatchNorm2d(3, momentum=1.0)
    norm(gd.asarray(x))
    wide = x.astype(np.float64)
    assert_close(norm.running_mean, wide.mean((0, 2, 3)), tolerance=1e-6)
    var = wide.var((0, 2, 3), ddof=1)
    # What matters is the variance beside eps: that is what a division uses.
    assert_close(norm.running_var.numpy() + norm.eps, var + norm.eps, tolerance=1e-5)
    assert (norm.running_var.numpy() >= 0).all() and norm.num_batches_tracked.item() == 1


def test_batch_norm_in_evaluation_does_not_move():
    norm = nn.BatchNorm1d(2).eval()
    before = norm.running_mean.numpy().copy()
    norm(gd.ones(4, 2))
    assert (
        np.array_equal(norm.running_mean.numpy(), before) and norm.num_batches_tracked.item() == 0
    )
    norm.train()
    with gd.no_grad():
        norm(gd.ones(4, 2))
    assert norm.num_batches_tracked.item() == 1
    norm.reset_running_stats()
    assert norm.num_batches_tracked.item() == 0 and not norm.running_mean.numpy().any()


def test_convolution_results_lie_channels_last():
    y = nn.Conv2d(3, 8, 3)(gd.ones(2, 3, 8, 8))
    assert y.data.transpose(0, 2, 3, 1).flags.c_contiguous
    z = nn.MaxPool2d(2)(F.relu(nn.BatchNorm2d(8)(y)))
    assert z.data.transpose(0, 2, 3, 1).flags.c_contiguous


def test_output_size_of_a_transposed_convolution():
    up = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = gd.ones(1, 2, 5, 5)
    assert up(x).shape == (1, 3, 9, 9) and up(x, output_size=(10, 9)).shape == (1, 3, 10, 9)
    with pytest.raises(ShapeError, match="output_size"):
        up(x, output_size=(11, 9))


SMOOTH = [
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "sigmoid",
    "logsigmoid",
    "tanh",
    "softplus",
    "softsign",
    "hardswish",
    "tanhshrink",
    "glu",
    "leaky_relu",
]


@pytest.mark.parametrize("name", SMOOTH)
def test_activations_have_derivatives_of_second_order(name, count):
    x = x64(3, 4)
    x.requires_grad = True
    gradcheck(getattr(F, name), [x])
    gradgradcheck(getattr(F, name), [x])
    count("activations, first and second derivative", 1, 1)


@pytest.mark.parametrize(
    "name", ["softplus", "logsigmoid", "mish", "silu", "elu", "selu", "celu", "gelu", "sigmoid"]
)
def test_activations_at_the_ends(name):
    x = gd.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    y = getattr(F, name)(x)
    y.sum().backward()
    assert np.isfinite(y.detach().numpy()).all() and np.isfinite(x.grad.numpy()).all()
    assert np.isnan(getattr(F, name)(gd.tensor([float("nan")])).numpy()).all()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.cross_entropy(x, LABELS),
        lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.2),
        lambda x: F.cross_entropy(x, LABELS, weight=gd.tensor([1.0, 2.0, 3.0], dtype="float64")),
        lambda x: F.cross_entropy(x, F.softmax(x, 1)),
        lambda x: F.mse_loss(x, x * 0),
        lambda x: F.huber_loss(x, x * 0, delta=0.5),
        lambda x: F.layer_norm(x, 3),
        lambda x: F.softmax(x, 0),
        lambda x: F.binary_cross_entropy_with_logits(x, x * 0 + 0.3),
        lambda x: F.normalize(x),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.cosine_similarity(x, x * x + 1),
        lambda x: F.gaussian_nll_loss(x, x * 0, F.softplus(x)),
        lambda x: F.bilinear(x, x, x64(2, 3, 3)),
    ],
)
def test_losses_and_norms_have_derivatives_of_second_order(f):
    x = x64(2, 3, seed=4)
    x.requires_grad = True
    gradcheck(f, [x])
    gradgradcheck(f, [x])


def test_binary_cross_entropy_at_0_and_1():
    x = gd.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, gd.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0] and np.isfinite(x.grad.numpy()).all()


def test_padding_row_of_an_embedding():
    table = nn.Embedding(5, 3, padding_idx=1)
    assert not table.weight.detach().numpy()[1].any() and table.weight.detach().numpy()[0].any()
    table(gd.tensor([1, 1, 2])).sum().backward()
    assert (
        table.weight.grad.numpy()[1].tolist() == [0.0] * 3
        and table.weight.grad.numpy()[2].tolist() == [1.0] * 3
    )
    fixed = nn.Embedding.from_pretrained(gd.ones(2, 3))
    assert not fixed.weight.requires_grad and fixed(gd.tensor([0])).tolist() == [[1.0] * 3]


def test_one_hot():
    assert F.one_hot(gd.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert F.one_hot(gd.tensor([[1]]), 3).shape == (1, 1, 3)
    with pytest.raises(IndexRangeError):
        F.one_hot(gd.tensor([3]), 3)
    with pytest.raises(ArgumentTypeError):
        F.one_hot(gd.ones(2))


# ----- randomness -----
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_by_statistics(p):
    gd.manual_seed(0)
    x = gd.tensor(np.full((200, 300), 2.0, np.float32), requires_grad=True)
    y = F.dropout(x, p)
    values = y.detach().numpy()
    share = (values == 0).mean()
    assert abs(share - p) < 5 * (p * (1 - p) / values.size) ** 0.5
    assert np.allclose(values[values != 0], 2 / (1 - p))
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), values / 2)
    gd.manual_seed(0)
    assert np.array_equal(F.dropout(x, p).detach().numpy(), values)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d, (60, 50, 7)),
        (nn.Dropout2d, (60, 50, 3, 2)),
        (nn.Dropout3d, (60, 50, 2, 2, 2)),
        (nn.Dropout2d, (3000, 3, 2)),
    ],
)
def test_channel_dropout_takes_whole_channels(layer, shape):
    gd.manual_seed(0)
    y = layer(0.3)(gd.ones(*shape)).numpy()
    lead = y.ndim - (3 if len(shape) == 5 else 1 if layer is nn.Dropout1d else 2)
    flat = y.reshape(int(np.prod(shape[:lead])), -1)
    assert ((flat == flat[:, :1]).all(1)).all()
    assert abs((flat[:, 0] == 0).mean() - 0.3) < 0.05


def test_dropout_off():
    x = gd.ones(3)
    assert nn.Dropout(0.5).eval()(x) is x and F.dropout(x, 0.0) is x
    assert not F.dropout(x, 1.0).numpy().any()


def test_seeds_decide_the_weights():
    gd.manual_seed(3)
    a = nn.Linear(4, 4).weight.detach().numpy().copy()
    gd.manual_seed(3)
    assert np.array_equal(nn.Linear(4, 4).weight.detach().numpy(), a)
    assert not np.array_equal(nn.Linear(4, 4).weight.detach().numpy(), a)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 2, 3, 3), (1, 7)])
def test_orthogonal(shape):
    w = (
        nn.init.orthogonal_(gd.zeros(*shape, dtype="float64"), gain=2.0)
        .numpy()
        .reshape(shape[0], -1)
    )
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_trunc_normal_stays_inside():
    w = nn.init.trunc_normal_(gd.zeros(100, 100), std=3.0, a=-1.0, b=0.5).numpy()
    assert w.min() >= -1.0 and w.max() <= 0.5 and w.std() > 0.3


def test_sparse_has_its_zeros_in_every_column():
    w = nn.init.sparse_(gd.ones(10, 37), 0.25).numpy()
    assert ((w == 0).sum(0) == 3).all()


def test_initialization_writes_into_leaves_without_recording():
    p = nn.Parameter(gd.ones(3, 3))
    memory = p.data
    assert nn.init.xavier_normal_(p) is p and p.data is memory and p.is_leaf and p.requires_grad


# ----- half precisions, no data -----
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_network_in_another_dtype(dtype):
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
        nn.LayerNorm(3),
    )
    x = gd.random.normal((5, 2, 4, 4), generator=gd.Generator(1))
    expected = net(x).detach().numpy()
    loss = F.cross_entropy(net.to(dtype)(x.astype(dtype)), gd.tensor([0, 1, 2, 0, 1]))
    loss.backward()
    assert loss.dtype.name == dtype and all(p.grad.dtype.name == dtype for p in net.parameters())
    wide = net(x.astype(dtype)).detach().astype("float64").numpy()
    assert (
        np.abs(wide - expected).max() < {"float16": 0.05, "bfloat16": 0.3, "float64": 1e-4}[dtype]
    )


# ----- errors -----
def conv(**kw: Any) -> Any:
    return lambda: nn.Conv2d(4, 4, 3, **kw)


def loss(name: str, *shapes: Any, **kw: Any) -> Any:
    return lambda: getattr(F, name)(*[gd.ones(s) for s in shapes], **kw)


a23, a32 = (2, 3), (3, 2)
WRONG: list[tuple[type[GpudlError], Any]] = [
    (DTypeError, lambda: nn.Linear(3, 2)(gd.ones(1, 3, dtype="float64"))),
    (DTypeError, lambda: nn.Conv2d(1, 1, 1)(gd.ones(1, 1, 2, 2, dtype="float64"))),
    (DTypeError, lambda: nn.ConvTranspose1d(1, 1, 1)(gd.ones(1, 1, 2, dtype="float64"))),
    (DTypeError, lambda: nn.BatchNorm1d(2)(gd.ones(3, 2, dtype="float64"))),
    (DTypeError, lambda: nn.LayerNorm(2)(gd.ones(3, 2, dtype="float64"))),
    (DTypeError, lambda: nn.PReLU()(gd.ones(3, dtype="float64"))),
    (DTypeError, lambda: nn.Bilinear(2, 2, 1)(gd.ones(1, 2), gd.ones(1, 2, dtype="float64"))),
    (DTypeError, lambda: F.linear(gd.ones(1, 3), gd.ones(2, 3), gd.ones(2, dtype="float64"))),
    (DTypeError, lambda: F.relu(gd.tensor([1, 2]))),
    (DTypeError, lambda: F.softmax(gd.ones(2, dtype="complex64"), 0)),
    (DTypeError, lambda: F.mse_loss(gd.ones(2), gd.ones(2, dtype="float64"))),
    (DTypeError, lambda: nn.init.uniform_(gd.tensor([1]))),
    (ShapeError, lambda: nn.Linear(3, 2)(gd.ones(1, 4))),
    (ShapeError, lambda: nn.Linear(3, 2)(gd.ones(()))),
    (ShapeError, lambda: F.linear(gd.ones(2, 3), gd.ones(2, 3, 1))),
    (ShapeError, lambda: F.linear(gd.ones(2, 3), gd.ones(2, 3), gd.ones(1))),
    (ShapeError, lambda: nn.Linear(-1, 2)),
    (ShapeError, lambda: nn.Linear(2**31, 1)),
    (ArgumentTypeError, lambda: nn.Linear(2.0, 1)),
    (ArgumentTypeError, lambda: nn.Linear(3, 2)([1.0, 2.0, 3.0])),
    (ArgumentTypeError, lambda: F.relu(3.0)),
    (ShapeError, lambda: nn.Conv2d(3, 4, 3)(gd.ones(1, 2, 5, 5))),
    (ShapeError, lambda: nn.Conv2d(3, 4, 3)(gd.ones(3, 5))),
    (ShapeError, lambda: nn.Conv2d(3, 4, 6)(gd.ones(1, 3, 5, 5))),
    (ShapeError, lambda: F.conv2d(gd.ones(1, 3, 5, 5), gd.ones(4, 3, 3, 3), gd.ones(3))),
    (ShapeError, lambda: F.conv2d(gd.ones(1, 3, 5, 5), gd.ones(4, 3, 3))),
    (ShapeError, conv(groups=3)),
    (ShapeError, conv(stride=0)),
    (ShapeError, conv(stride=(1, 2, 3))),
    (ArgumentError, conv(padding="full")),
    (ArgumentError, conv(padding="same", stride=2)),
    (ArgumentError, conv(padding_mode="mirror")),
    (ArgumentError, lambda: F.conv1d(gd.ones(1, 1, 4), gd.ones(1, 1, 2), padding="same", stride=2)),
    (ArgumentError, lambda: nn.ConvTranspose1d(1, 1, 2, output_padding=1)(gd.ones(1, 1, 3))),
    (ArgumentError, lambda: nn.ConvTranspose2d(1, 1, 2, padding_mode="reflect")),
    (ShapeError, lambda: nn.ConvTranspose1d(1, 1, 1, padding=3)(gd.ones(1, 1, 3))),
    (
        ShapeError,
        lambda: nn.Conv2d(1, 1, 3, padding=4, padding_mode="reflect")(gd.ones(1, 1, 4, 4)),
    ),
    (ShapeError, lambda: nn.BatchNorm2d(3)(gd.ones(2, 3))),
    (ShapeError, lambda: nn.BatchNorm1d(3)(gd.ones(2, 4))),
    (ShapeError, lambda: nn.BatchNorm1d(3)(gd.ones(1, 3))),
    (ShapeError, lambda: F.batch_norm(gd.ones(0, 3), None, None, training=True)),
    (ArgumentError, lambda: F.batch_norm(gd.ones(2, 3), None, None)),
    (ShapeError, lambda: nn.LayerNorm(3)(gd.ones(3, 2))),
    (ShapeError, lambda: nn.LayerNorm(0)(gd.ones(3, 0))),
    (ShapeError, lambda: nn.MaxPool2d(3)(gd.ones(1, 1, 2, 2))),
    (ShapeError, lambda: nn.MaxPool2d(2, padding=2)(gd.ones(1, 1, 4, 4))),
    (ArgumentError, lambda: F.avg_pool2d(gd.ones(1, 1, 4, 4), 2, divisor_override=0)),
    (ShapeError, lambda: F.avg_pool2d(gd.ones(1, 1, 0, 4), 2, padding=1)),
    (ShapeError, lambda: F.max_pool2d(gd.ones(1, 1, 0, 4), 2, padding=1)),
    (ShapeError, lambda: F.max_pool2d(gd.ones(1, 1, 2, 4), 3)),
    (ArgumentError, lambda: nn.AdaptiveAvgPool2d(0)(gd.ones(1, 1, 4, 4))),
    (ShapeError, lambda: nn.AdaptiveAvgPool2d((1, 2, 3))(gd.ones(1, 1, 4, 4))),
    (ArgumentError, lambda: nn.Dropout(1.5)),
    (ArgumentError, lambda: F.dropout(gd.ones(2), -0.1)),
    (ShapeError, lambda: F.dropout2d(gd.ones(2, 2))),
    (ArgumentTypeError, lambda: nn.Softmax()(gd.ones(2))),
    (IndexRangeError, lambda: nn.Softmax(2)(gd.ones(2, 2))),
    (ShapeError, lambda: nn.GLU()(gd.ones(2, 3))),
    (ArgumentError, lambda: nn.GELU("fast")(gd.ones(2))),
    (ArgumentError, lambda: F.softshrink(gd.ones(2), -1.0)),
    (ArgumentError, lambda: F.hardtanh(gd.ones(2), 1.0, -1.0)),
    (ShapeError, lambda: nn.PReLU(2)(gd.ones(2, 3))),
    (IndexRangeError, lambda: nn.Embedding(3, 2)(gd.tensor([3]))),
    (IndexRangeError, lambda: nn.Embedding(3, 2)(gd.tensor([-1]))),
    (ArgumentTypeError, lambda: nn.Embedding(3, 2)(gd.ones(2))),
    (IndexRangeError, lambda: nn.Embedding(3, 2, padding_idx=3)),
    (NotSupportedError, lambda: nn.Embedding(3, 2, sparse=True)),
    (ShapeError, lambda: nn.Unflatten(1, (5, 2))(gd.ones(2, 12))),
    (ArgumentError, lambda: nn.Flatten(2, 1)(gd.ones(2, 3, 4))),
    (ShapeError, lambda: nn.ReflectionPad1d((-2, -1))(gd.ones(2, 3))),
    (ShapeError, lambda: nn.CircularPad1d((-2, 2))(gd.ones(2, 3))),
    (IndexRangeError, lambda: nn.Flatten(3)(gd.ones(2, 2))),
    *[
        (ShapeError, loss(name, (4, 1), (4,)))
        for name in (
            "mse_loss",
            "l1_loss",
            "smooth_l1_loss",
            "huber_loss",
            "kl_div",
            "poisson_nll_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "hinge_embedding_loss",
        )
    ],
    (ShapeError, loss("margin_ranking_loss", (4, 1), (4,), (4,))),
    (ShapeError, loss("cosine_embedding_loss", a23, a23, a23)),
    (ShapeError, loss("gaussian_nll_loss", a23, a23, a32)),
    (ShapeError, loss("triplet_margin_loss", a23, a23, (3,))),
    (ArgumentError, loss("mse_loss", a23, a23, reduction="max")),
    (ArgumentError, loss("huber_loss", a23, a23, delta=0.0)),
    (ArgumentError, lambda: nn.MSELoss(size_average=True)),
    (ArgumentError, lambda: nn.L1Loss(reduction="batchmean")),
    (ArgumentError, lambda: F.binary_cross_entropy(gd.tensor([1.5]), gd.tensor([1.0]))),
    (ArgumentError, lambda: F.gaussian_nll_loss(gd.ones(2), gd.ones(2), gd.tensor([1.0, -1.0]))),
    (IndexRangeError, lambda: F.cross_entropy(gd.ones(2, 3), gd.tensor([0, 3]))),
    (IndexRangeError, lambda: F.cross_entropy(gd.ones(2, 3), gd.tensor([0, 3]), weight=gd.ones(3))),
    (IndexRangeError, lambda: F.nll_loss(gd.ones(2, 3), gd.tensor([0, -1]))),
    (ShapeError, lambda: F.cross_entropy(gd.ones(2, 3), gd.tensor([[0], [1]]))),
    (ShapeError, lambda: F.cross_entropy(gd.ones(2, 3), gd.ones(3, 2))),
    (ShapeError, lambda: F.cross_entropy(gd.ones(2, 3), LABELS, weight=gd.ones(2))),
    (ArgumentTypeError, lambda: F.nll_loss(gd.ones(2, 3), gd.ones(2))),
    (ArgumentError, lambda: F.cross_entropy(gd.ones(2, 3), LABELS, label_smoothing=1.5)),
    (ShapeError, lambda: F.cross_entropy(gd.tensor(1.0), LABELS)),
    (ShapeError, lambda: F.pad(gd.ones(2), (1, 1, 1, 1))),
    (ShapeError, lambda: F.pad(gd.ones(2), (1,))),
    (ArgumentError, lambda: F.pad(gd.ones(2), (1, 1), "mirror")),
    (ShapeError, lambda: F.pad(gd.ones(2), (-2, -2))),
    (ArgumentError, lambda: nn.init.calculate_gain("sine")),
    (ArgumentError, lambda: nn.init.kaiming_normal_(gd.ones(2, 2), mode="fan")),
    (ShapeError, lambda: nn.init.xavier_uniform_(gd.ones(2))),
    (ShapeError, lambda: nn.init.eye_(gd.ones(2))),
    (ShapeError, lambda: nn.init.dirac_(gd.ones(2, 2))),
    (ShapeError, lambda: nn.init.orthogonal_(gd.ones(2))),
    (ArgumentError, lambda: nn.init.sparse_(gd.ones(2, 2), 2.0)),
    (ArgumentError, lambda: nn.init.trunc_normal_(gd.ones(2, 2), std=0.0)),
    (ArgumentTypeError, lambda: nn.init.ones_(3)),
    (ShapeError, lambda: nn.utils.vector_to_parameters(gd.ones(3), [gd.ones(2)])),
    (ArgumentError, lambda: nn.utils.parameters_to_vector([])),
    (ArgumentTypeError, lambda: nn.utils.clip_grad_norm_(3, 1.0)),
]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(4, 2)(gd.ones(2, 3)), "x has 3 features, weight takes 4"),
        (lambda: nn.Linear(4, 2)(gd.tensor(1.0)), "x needs an axis"),
        (lambda: nn.Conv2d(3, 8, 3)(gd.ones(1, 4, 9, 9)), "4 channels, weight takes 3"),
        (lambda: F.cross_entropy(gd.ones(2, 3), gd.tensor([0.0, 1.0])), "gd.int64"),
    ],
)
def test_messages_say_what_does_not_fit(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_wrong_calls_raise_typed_errors(i, count):
    error, call = WRONG[i]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GpudlError) and caught.value.op
    count("wrong calls of nn: typed", 1, 1)


def test_the_remedy_for_another_dtype():
    with pytest.raises(DTypeError, match=r"x.astype\(gd.float32\), or model.to\(gd.float64\)"):
        nn.Linear(3, 2)(gd.ones(1, 3, dtype="float64"))


def test_an_error_leaves_statistics_and_the_random_state_alone():
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ShapeError):
        norm(gd.ones(1, 3))
    assert norm.num_batches_tracked.item() == 0 and not norm.running_mean.numpy().any()
    state = gd.random.default_generator().get_state()
    with pytest.raises(ArgumentError):
        F.dropout(gd.ones(3), 2.0)
    assert gd.random.default_generator().get_state() == state


# ----- vectors of parameters, clipping -----
def test_parameters_as_a_vector_and_back():
    net = nn.Linear(3, 2)
    vec = nn.utils.parameters_to_vector(net.parameters())
    (vec * vec).sum().backward()
    assert np.allclose(net.weight.grad.numpy(), 2 * net.weight.detach().numpy())
    before = net.weight
    nn.utils.vector_to_parameters(gd.arange(8).astype("float32"), net.parameters())
    assert (
        net.weight is before
        and net.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
        and net.bias.tolist() == [6, 7]
    )


def test_clipping_writes_into_the_gradients():
    w = nn.Parameter(gd.tensor([3.0, 4.0]))
    (w * w).sum().backward()
    grad = w.grad
    assert nn.utils.clip_grad_norm_([w], 1.0).item() == 10.0
    assert w.grad is grad and np.allclose(grad.numpy(), [0.6, 0.8], atol=1e-6)
    grad[...] = float("inf")
    with pytest.raises(ArgumentError, match="norm of the gradients"):
        nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0.0


# ----- a network learns -----
def test_a_network_learns_exclusive_or():
    gd.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = gd.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = gd.tensor([[0.0], [1.0], [1.0], [0.0]])
    for _ in range(300):
        net.zero_grad()
        F.binary_cross_entropy_with_logits(net(x), t).backward()
        with gd.no_grad():
            for p in net.parameters():
                p -= 0.5 * p.grad
    assert ((net(x) > 0).numpy() == (t.numpy() > 0.5)).all()
