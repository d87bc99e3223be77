"""Resizing, pooling, padding, look-ups and sequence losses without a peer: against float64 and
brute force, derivatives of second order, and the errors of wrong calls."""

from __future__ import annotations

from itertools import product
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
    StateKeyError,
)
from gpudl.nn import functional as F
from gpudl.testing import assert_close, gradcheck, gradgradcheck


def x64(*shape: int, seed: int = 0) -> Any:
    x = gd.random.normal(shape, dtype="float64", generator=gd.Generator(seed))
    x.requires_grad = True
    return x


# ----- derivatives -----
POINTS = gd.asarray(np.random.default_rng(0).uniform(-1.2, 1.2, (2, 3, 2, 2)))
DIFFERENTIABLE = {
    "nearest": (lambda x: F.interpolate(x, 7), [(1, 2, 5)]),
    "repeated": (lambda x: F.interpolate(x, scale_factor=2), [(1, 2, 2, 3)]),
    "bilinear": (lambda x: F.interpolate(x, (5, 2), mode="bilinear"), [(1, 2, 3, 4)]),
    "bicubic": (lambda x: F.interpolate(x, (5, 2), mode="bicubic"), [(1, 1, 3, 4)]),
    "grid, image": (lambda x: F.grid_sample(x, POINTS, align_corners=True), [(2, 2, 4, 3)]),
    "grid, points": (
        lambda x, g: F.grid_sample(x, g * 0.3, "bicubic", "reflection"),
        [(1, 1, 3, 4), (1, 2, 2, 2)],
    ),
    "affine grid": (lambda t: F.affine_grid(t, (2, 1, 3, 2)), [(2, 2, 3)]),
    "unfold": (lambda x: F.unfold(x, 2, padding=1, stride=2), [(1, 2, 3, 4)]),
    "fold": (lambda x: F.fold(x, (3, 4), 2), [(1, 8, 6)]),
    "pixel shuffle": (lambda x: F.pixel_shuffle(x, 2), [(1, 4, 2, 3)]),
    "adaptive max": (lambda x: F.adaptive_max_pool2d(x, (2, 3)), [(1, 2, 5, 4)]),
    "unpool": (
        lambda x: F.max_unpool1d(x, gd.tensor([[[1, 2, 5]]]), 2),
        [(1, 1, 3)],
    ),
    "norm pool": (lambda x: F.lp_pool1d(x, 2, 2), [(1, 2, 6)]),
    "pdist": (lambda x: F.pdist(x), [(4, 3)]),
    "bags": (
        lambda w, s: F.embedding_bag(
            gd.tensor([0, 2, 2, 1]), w, gd.tensor([0, 3]), mode="sum", per_sample_weights=s
        ),
        [(3, 2), (4,)],
    ),
    "frequency": (
        lambda w: F.embedding(gd.tensor([0, 2, 2]), w) ** 2,
        [(3, 2)],
    ),
    "ctc": (
        lambda x: F.ctc_loss(
            F.log_softmax(x, -1), gd.tensor([[1, 1], [2, 1]]), [5, 4], [2, 1], reduction="none"
        ),
        [(5, 2, 3)],
    ),
    "ctc of any numbers": (
        lambda x: F.ctc_loss(x, gd.tensor([[1, 2]]), [4], [2], reduction="sum"),
        [(4, 1, 3)],
    ),
    "soft margins": (
        lambda x: F.multilabel_soft_margin_loss(x, gd.tensor([[0.0, 1.0, 1.0]], dtype=gd.float64)),
        [(1, 3)],
    ),
    "alpha dropout": (lambda x: F.alpha_dropout(x, 0.0, True) * 2, [(3, 2)]),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_of_both_orders(name):
    function, shapes = DIFFERENTIABLE[name]
    args = [x64(*shape, seed=i) for i, shape in enumerate(shapes)]
    assert gradcheck(function, args)
    assert gradgradcheck(function, args)


# ----- against brute force -----
def alignments(logp: np.ndarray, target: tuple[int, ...], blank: int) -> float:
    """-log of the sum over every path of classes that collapses to the target."""
    T, C = logp.shape
    total = 0.0
    for path in product(range(C), repeat=T):
        kept = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if tuple(c for c in kept if c != blank) == target:
            total += np.exp(sum(logp[t, c] for t, c in enumerate(path)))
    return float(-np.log(total)) if total else float("inf")


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_ctc_is_the_sum_over_all_alignments(length, blank):
    rng = np.random.default_rng(length)
    logits = gd.asarray(rng.normal(size=(5, 1, 3)))
    logp = F.log_softmax(logits, -1)
    labels = [c for c in range(3) if c != blank]
    for target in product(labels, repeat=length):
        ours = F.ctc_loss(
            logp, gd.asarray(np.array([target], np.int64).reshape(1, length)), [5], [length], blank
        )
        expected = alignments(logp.detach().numpy()[:, 0], target, blank)
        assert_close(ours * max(length, 1), np.asarray(expected), tolerance=1e-12)


def test_ctc_of_what_cannot_be():
    """Repeated labels need a blank between them: five steps for three of one kind."""
    for T, possible in [(4, False), (5, True)]:
        x = x64(T, 1, 2)
        args = (gd.tensor([[1, 1, 1]]), [T], [3])
        loss = F.ctc_loss(F.log_softmax(x, -1), *args)
        assert np.isfinite(loss.item()) == possible
        loss.backward()
        assert (
            np.isfinite(x.grad.detach().numpy()).all() and x.grad.detach().numpy().any() == possible
        )
        zero = F.ctc_loss(F.log_softmax(x, -1), *args, zero_infinity=True)
        assert (zero.item() == 0) == (not possible)


@pytest.mark.parametrize("lengths", [[0, 0], [0, 3]])
def test_ctc_without_input(lengths):
    loss = F.ctc_loss(
        F.log_softmax(gd.zeros(3, 2, 4), -1), gd.tensor([[1], [1]]), lengths, [0, 1],
        reduction="none",
    )  # fmt: skip
    assert loss.tolist()[0] == 0 and np.isinf(loss.tolist()[1]) == (lengths[1] == 0)


def test_unfold_against_loops():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 6))
    kernel, d, p, s = (2, 3), (2, 1), (1, 2), (2, 1)
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    rows = range(0, wide.shape[2] - d[0] * (kernel[0] - 1), s[0])
    columns = range(0, wide.shape[3] - d[1] * (kernel[1] - 1), s[1])
    expected = np.stack(
        [wide[:, :, r : r + 3 : 2, c : c + 3].reshape(2, -1) for r in rows for c in columns],
        -1,
    )
    for array in (
        x,
        x.transpose(3, 2, 1, 0).copy().transpose(3, 2, 1, 0),
        np.flip(np.flip(x).copy()),
    ):
        assert_close(F.unfold(gd.asarray(array), kernel, d, p, s), expected, tolerance=0.0)


def test_fold_is_the_adjoint_of_unfold():
    x, y = x64(2, 3, 5, 6), x64(2, 12, 12, seed=1)
    options = {"kernel_size": 2, "padding": 1, "stride": 2}
    a = (F.unfold(x, **options) * y).sum()
    b = (F.fold(y, (5, 6), **options) * x).sum()
    assert_close(a, b.detach(), tolerance=1e-12)


def test_nothing_spreads_from_a_nan_outside_its_window():
    x = gd.ones(1, 1, 4, 4)
    x[0, 0, 0, 0] = float("nan")
    assert np.isnan(F.unfold(x, 2, stride=2).detach().numpy()).any(1).tolist() == [
        [True, False, False, False]
    ]
    assert np.isnan(F.interpolate(x, 2).detach().numpy()).sum() == 1
    assert np.isnan(F.adaptive_max_pool2d(x, 3).detach().numpy()).sum() == 1


def test_shuffles_undo_each_other():
    x = gd.asarray(np.arange(2 * 18 * 2 * 3.0).reshape(2, 18, 2, 3))
    assert np.array_equal(
        F.pixel_unshuffle(F.pixel_shuffle(x, 3), 3).detach().numpy(), x.detach().numpy()
    )
    assert np.array_equal(
        F.channel_shuffle(F.channel_shuffle(x, 3), 6).detach().numpy(), x.detach().numpy()
    )


@pytest.mark.parametrize("mode", ["linear", "bilinear", "trilinear", "bicubic"])
def test_interpolation_keeps_constants_and_the_same_size(mode):
    rank = {"linear": 1, "trilinear": 3}.get(mode, 2)
    x = gd.full((2, 1, *(5, 6, 3)[:rank]), 3.25, dtype=gd.float64)
    for align in (False, True):
        y = F.interpolate(x, 7, mode=mode, align_corners=align)
        assert_close(y, np.full(y.shape, 3.25), tolerance=1e-12)
    z = x64(2, 1, *(5, 6, 3)[:rank])
    assert_close(F.interpolate(z, z.shape[2:], mode=mode), z.detach(), tolerance=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype):
    x = gd.asarray(np.random.default_rng(0).normal(size=(1, 2, 4, 6)).astype(np.float32)).astype(
        dtype
    )
    wide = x.astype("float32")
    for function in (
        lambda x: F.interpolate(x, (7, 3), mode="bilinear"),
        lambda x: F.adaptive_max_pool2d(x, (3, 4)),
        lambda x: F.unfold(x, 2),
        lambda x: F.lp_pool2d(x, 2, 2),
        lambda x: F.log_softmax(x.reshape(8, 6), -1).reshape(8, 1, 6),
    ):
        assert function(x).dtype.name == dtype
        assert_close(function(x), function(wide))
    logp = F.log_softmax(x.reshape(8, 1, 6), -1)
    loss = F.ctc_loss(logp, gd.tensor([[1, 2]]), [8], [2])
    assert loss.dtype.name == dtype
    assert_close(loss, F.ctc_loss(logp.astype("float32"), gd.tensor([[1, 2]]), [8], [2]))


def test_unpooled_values_stand_where_they_were():
    x = x64(2, 3, 6, 8)
    y, at = F.max_pool2d(x, 3, stride=2, padding=1, return_indices=True)
    back = F.max_unpool2d(y, at, 3, stride=2, padding=1, output_size=x.shape)
    where = back.detach().numpy() != 0
    assert back.shape == x.shape and np.array_equal(
        back.detach().numpy()[where], x.detach().numpy()[where]
    )
    # Windows overlap: a maximum of two windows is written, not added up.
    assert_close(
        F.max_pool2d(back, 3, stride=2, padding=1).detach() >= y.detach(), np.ones(y.shape, bool)
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("device", ["cpu", "emu"])
def test_maxima_of_integers(dtype, device):
    """What lies outside is no element, also where all are negative."""
    low = np.iinfo(dtype).min
    x = np.random.default_rng(0).integers(low, low + 9, (2, 3, 5, 6), dtype=dtype)[..., ::-1]
    y, at = F.max_pool2d(gd.asarray(x, device=device), 3, 2, 1, return_indices=True)
    assert y.dtype == x.dtype and at.dtype == np.int64
    y, at = y.cpu().numpy(), at.cpu().numpy()
    for n, c, i, j in np.ndindex(y.shape):
        window = x[n, c, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
        assert y[n, c, i, j] == window.max() == x[n, c].ravel()[at[n, c, i, j]]


def test_embedding_scaled_by_frequency():
    index = gd.tensor([3, 1, 3, 3, 0])
    for make in (
        lambda w: F.embedding(index, w, scale_grad_by_freq=True),
        lambda w: F.embedding_bag(index, w, gd.tensor([0, 2]), scale_grad_by_freq=True, mode="sum"),
    ):
        w = x64(4, 2)
        make(w).sum().backward()
        assert_close(w.grad, np.array([[1, 1], [1, 1], [0, 0], [1, 1.0]]), tolerance=1e-15)


def test_embedding_scales_its_rows_down():
    table = nn.Embedding(4, 3, max_norm=1.0, dtype="float64")
    before = table.weight.detach().numpy().copy() * 10
    with gd.no_grad():
        table.weight[...] = gd.asarray(before)
    table(gd.tensor([1, 1, 3]))
    norms = np.linalg.norm(table.weight.detach().numpy(), axis=1)
    assert_close(norms[[1, 3]], np.ones(2), tolerance=1e-6)
    assert np.array_equal(table.weight.detach().numpy()[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_empty_bags_are_zero(mode):
    w = x64(4, 2)
    out = F.embedding_bag(gd.zeros(0, dtype=gd.int64), w, gd.tensor([0, 0, 0]), mode=mode)
    assert out.shape == (3, 2) and not out.detach().numpy().any()
    assert F.embedding_bag(gd.zeros((0, 3), dtype=gd.int64), w, mode=mode).shape == (0, 2)
    assert (
        not F.embedding_bag(gd.zeros((2, 0), dtype=gd.int64), w, mode=mode).detach().numpy().any()
    )


def test_adaptive_softmax_sums_to_one():
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 30, [4, 10], dtype="float64")
    x = x64(7, 16)
    logp = layer.log_prob(x)
    assert_close(np.exp(logp.detach().numpy()).sum(1), np.ones(7), tolerance=1e-12)
    target = gd.tensor([0, 4, 29, 10, 3, 9, 0])
    output, loss = layer(x, target)
    assert_close(
        output, logp.detach().numpy()[np.arange(7), target.detach().numpy()], tolerance=1e-12
    )
    assert_close(loss, -output.detach().numpy().mean(), tolerance=1e-12)


def test_alpha_dropout_keeps_mean_and_variance():
    gd.manual_seed(0)
    x = gd.random.normal((400, 500), dtype="float64")
    for p in (0.1, 0.5):
        y = F.alpha_dropout(x, p, training=True).detach().numpy()
        assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
    assert nn.AlphaDropout().eval()(x) is x


def test_gumbel_softmax_is_one_hot_with_a_soft_gradient():
    logits = x64(37, 5)
    hard = F.gumbel_softmax(logits, hard=True, dim=0)
    assert_close(hard.detach().numpy().sum(0), np.ones(5), tolerance=1e-12)
    assert np.isin(hard.detach().numpy().round(12), (0, 1)).all()
    (hard * x64(37, 5, seed=1)).sum().backward()
    assert np.isfinite(logits.grad.detach().numpy()).all() and logits.grad.detach().numpy().any()


def test_fractional_windows_are_drawn_anew():
    gd.manual_seed(0)
    x = gd.random.normal((2, 8, 30, 30))
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.6)
    a, b = layer(x), layer(x)
    assert a.shape == (2, 8, 18, 18) and not np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_parameter_dict():
    ps = nn.ParameterDict({"a": gd.ones(2), "b": nn.Parameter(gd.zeros(3))})
    ps["c"] = gd.ones(1)
    assert list(ps) == ["a", "b", "c"] and len(ps) == 3 and "b" in ps and "x" not in ps
    assert [p.shape for p in ps.parameters()] == [(2,), (3,), (1,)]
    assert list(ps.state_dict()) == ["a", "b", "c"]
    assert ps.pop("a").shape == (2,) and ps.keys() == ["b", "c"]
    assert ps.get("x") is None and ps.setdefault("b", gd.ones(9)).shape == (3,)
    del ps["b"]
    ps.update([("d", gd.ones(4))])
    assert [n for n, _ in ps.items()] == ["c", "d"] and "Parameter of float32" in repr(ps)
    ps.clear()
    assert not ps.values()
    with pytest.raises(StateKeyError, match="no parameter 'x'"):
        ps["x"]
    with pytest.raises(ArgumentTypeError, match="no tensor"):
        ps["x"] = 3
    with pytest.raises(NotSupportedError):
        ps()


# ----- empty, and one -----
EMPTY = [
    (lambda: F.interpolate(gd.zeros(0, 2, 3, 4), 5, mode="bilinear"), (0, 2, 5, 5)),
    (lambda: F.grid_sample(gd.zeros(0, 2, 3, 4), gd.zeros(0, 2, 2, 2)), (0, 2, 2, 2)),
    (lambda: F.grid_sample(gd.zeros(1, 2, 3, 4), gd.zeros(1, 0, 2, 2)), (1, 2, 0, 2)),
    (lambda: F.unfold(gd.zeros(0, 2, 3, 4), 2), (0, 8, 6)),
    (lambda: F.fold(gd.zeros(0, 8, 6), (3, 4), 2), (0, 2, 3, 4)),
    (lambda: F.adaptive_max_pool2d(gd.zeros(0, 2, 5, 4), (2, 3)), (0, 2, 2, 3)),
    (lambda: F.fractional_max_pool2d(gd.zeros(0, 2, 5, 4), 2, 2), (0, 2, 2, 2)),
    (
        lambda: F.max_unpool1d(gd.zeros(0, 2, 3), gd.zeros((0, 2, 3), dtype=gd.int64), 2),
        (0, 2, 6),
    ),
    (lambda: F.pixel_shuffle(gd.zeros(0, 4, 3, 3), 2), (0, 1, 6, 6)),
    (lambda: F.pdist(gd.zeros(0, 3)), (0,)),
    (lambda: F.pdist(gd.zeros(1, 3)), (0,)),
    (lambda: F.alpha_dropout(gd.zeros(0, 3), training=True), (0, 3)),
    (lambda: F.gumbel_softmax(gd.zeros(0, 3)), (0, 3)),
    (lambda: F.rrelu(gd.zeros(0, 3), training=True), (0, 3)),
    (
        lambda: F.ctc_loss(
            gd.zeros(3, 0, 4), gd.zeros((0, 2), dtype=gd.int64), [], [], reduction="none"
        ),
        (0,),
    ),
    (lambda: nn.CircularPad2d(1)(gd.zeros(0, 2, 3, 4)), (0, 2, 5, 6)),
]


@pytest.mark.parametrize("at", range(len(EMPTY)))
def test_shapes_without_elements(at):
    call, shape = EMPTY[at]
    assert call().shape == shape


# ----- errors -----
IMAGE = gd.ones(1, 2, 4, 5)
WRONG = [
    (lambda: F.interpolate(IMAGE), ArgumentError, "size and scale_factor"),
    (lambda: F.interpolate(IMAGE, 3, 2.0), ArgumentError, "not both"),
    (lambda: F.interpolate(IMAGE, 3, mode="cubic"), ArgumentError, "mode='cubic'"),
    (lambda: F.interpolate(IMAGE, 3, mode="linear"), ShapeError, "1 axes"),
    (lambda: F.interpolate(IMAGE, 3, align_corners=True), ArgumentError, "no align_corners"),
    (lambda: F.interpolate(IMAGE, 3, antialias=True), ArgumentError, "antialias"),
    (lambda: F.interpolate(IMAGE, (3, 4, 5)), ShapeError, "3 entries"),
    (lambda: F.interpolate(IMAGE, 0), ShapeError, "size is 0"),
    (lambda: F.interpolate(IMAGE, scale_factor=0.1), ShapeError, "size is 0"),
    (lambda: F.interpolate(IMAGE, scale_factor=-1.0), ArgumentError, "positive"),
    (lambda: F.interpolate(IMAGE, 2**31 - 1, mode="bilinear"), GpudlError, "interpolate"),
    (lambda: F.interpolate(gd.ones(1, 2, 0), 3), ShapeError, "without elements"),
    (lambda: F.interpolate(gd.ones((1, 2, 3), dtype=gd.int64), 3), DTypeError, "int64"),
    (lambda: F.grid_sample(IMAGE, gd.ones(1, 2, 2, 3)), ShapeError, "grid"),
    (lambda: F.grid_sample(IMAGE, gd.ones(2, 2, 2, 2)), ShapeError, "grid"),
    (lambda: F.grid_sample(IMAGE, gd.ones(1, 2, 2, 2), "cubic"), ArgumentError, "mode"),
    (lambda: F.grid_sample(IMAGE, gd.ones(1, 2, 2, 2), "nearest", "wrap"), ArgumentError, "wrap"),
    (lambda: F.affine_grid(gd.ones(1, 2, 3), (2, 1, 3, 3)), ShapeError, "theta"),
    (lambda: F.unfold(IMAGE, 6), ShapeError, "does not fit"),
    (lambda: F.fold(gd.ones(1, 8, 7), (4, 5), 2), ShapeError, "12 columns"),
    (lambda: F.fold(gd.ones(1, 7, 12), (4, 5), 2), ShapeError, "rows"),
    (lambda: F.pixel_shuffle(IMAGE, 2), ShapeError, "multiple of 4"),
    (lambda: F.pixel_unshuffle(IMAGE, 2), ShapeError, "multiples of 2"),
    (lambda: F.channel_shuffle(IMAGE, 3), ShapeError, "multiple of 3"),
    (lambda: F.adaptive_max_pool2d(IMAGE, 0), ArgumentError, "at least 1"),
    (lambda: F.adaptive_max_pool2d(IMAGE, (2, 3, 4)), ShapeError, "3 entries"),
    (lambda: F.fractional_max_pool2d(IMAGE, 2), ArgumentError, "output_ratio"),
    (lambda: F.fractional_max_pool2d(IMAGE, 2, 4), ShapeError, "do not fit"),
    (lambda: F.fractional_max_pool2d(IMAGE, 2, None, 1.5), ArgumentError, "between 0 and 1"),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2, 2, None, False, gd.ones(1, 2, 2)),
        ArgumentError,
        "outside",
    ),
    (lambda: F.max_unpool2d(IMAGE, gd.ones((1, 2, 4, 5)), 2), ArgumentTypeError, "float32"),
    (lambda: F.max_unpool2d(IMAGE, gd.zeros((1, 2), dtype=gd.int64), 2), ShapeError, "each value"),
    (
        lambda: F.max_unpool2d(IMAGE, gd.full((1, 2, 4, 5), 80), 2),
        IndexRangeError,
        "outside",
    ),
    (
        lambda: F.max_unpool2d(IMAGE, gd.full((1, 2, 4, 5), 0), 2, output_size=(5, 5)),
        ArgumentError,
        "stride",
    ),
    (lambda: F.lp_pool2d(IMAGE, 0, 2), ArgumentError, "norm_type"),
    (lambda: nn.ZeroPad2d((1, 2, 3)), ShapeError, "3 margins"),
    (lambda: nn.ReflectionPad1d(1)(IMAGE), ShapeError, "1 spatial"),
    (lambda: nn.ReflectionPad2d(4)(IMAGE), ShapeError, "reflect"),
    (lambda: nn.ConstantPad1d(1, "0"), ArgumentTypeError, "value"),
    (lambda: F.embedding_bag(gd.tensor([1]), gd.ones(2, 2)), ArgumentError, "needs offsets"),
    (
        lambda: F.embedding_bag(gd.tensor([1]), gd.ones(2, 2), gd.tensor([1])),
        ArgumentError,
        "grow",
    ),
    (
        lambda: F.embedding_bag(gd.tensor([2]), gd.ones(2, 2), gd.tensor([0])),
        IndexRangeError,
        "table of 2",
    ),
    (lambda: nn.EmbeddingBag(3, 2, mode="prod"), ArgumentError, "prod"),
    (lambda: nn.Embedding(3, 2, sparse=True), NotSupportedError, "dense"),
    (
        lambda: F.embedding(gd.tensor([1]), gd.ones(2, 2), max_norm=-1.0),
        ArgumentError,
        "at least 0",
    ),
    (lambda: F.pdist(IMAGE), ShapeError, "N, D"),
    (lambda: F.pdist(gd.ones(2, 2), -1.0), ArgumentError, "at least 0"),
    (lambda: F.rrelu(IMAGE, 0.5, 0.1), ArgumentError, "lower"),
    (lambda: F.gumbel_softmax(IMAGE, 0.0), ArgumentError, "positive"),
    (lambda: F.alpha_dropout(IMAGE, 1.5), ArgumentError, "from 0 to 1"),
    (lambda: F.feature_alpha_dropout(gd.ones(3)), ShapeError, "N, C"),
    (lambda: F.multi_margin_loss(gd.ones(2, 3), gd.tensor([0, 3])), IndexRangeError, "outside"),
    (lambda: F.multi_margin_loss(gd.ones(2, 3), gd.tensor([0, 1]), p=3), ArgumentError, "1 or 2"),
    (
        lambda: F.multilabel_margin_loss(gd.ones(1, 2), gd.tensor([[0, 2]])),
        IndexRangeError,
        "outside",
    ),
    (lambda: F.soft_margin_loss(gd.ones(2), gd.ones(3)), ShapeError, "differ"),
    (
        lambda: nn.TripletMarginWithDistanceLoss(distance_function=3),
        ArgumentTypeError,
        "callable",
    ),
    (lambda: nn.LinearCrossEntropyLoss(2, 3, options={}), NotSupportedError, "options"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [5]), ArgumentError, "cutoffs"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [3, 2]), ArgumentError, "cutoffs"),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2])(gd.ones(1, 4), gd.tensor([5])),
        IndexRangeError,
        "0 .. 4",
    ),
]


def ctc(**changed: Any) -> Any:
    given = {
        "log_probs": gd.zeros(4, 2, 3),
        "targets": gd.tensor([[1, 2], [1, 1]]),
        "input_lengths": [4, 4],
        "target_lengths": [2, 1],
    }
    return F.ctc_loss(**{**given, **changed})


WRONG += [
    (lambda: ctc(log_probs=gd.zeros(4)), ShapeError, "log_probs"),
    (lambda: ctc(blank=3), IndexRangeError, "blank 3 of 3"),
    (lambda: ctc(input_lengths=[5, 4]), ArgumentError, "input_lengths"),
    (lambda: ctc(input_lengths=[4]), ShapeError, "batch of 2"),
    (lambda: ctc(target_lengths=[2, 3]), ArgumentError, "target_lengths"),
    (lambda: ctc(targets=gd.tensor([[1, 3], [1, 1]])), IndexRangeError, "labels"),
    (lambda: ctc(targets=gd.tensor([[1, 0], [1, 1]])), ArgumentError, "blank, 0"),
    (lambda: ctc(targets=gd.tensor([1, 2])), ShapeError, "sum to 3"),
    (lambda: ctc(targets=gd.ones(2, 2)), ArgumentTypeError, "integers"),
    (lambda: ctc(input_lengths=[4.0, 4.0]), ArgumentTypeError, "integers"),
    (lambda: ctc(reduction="all"), ArgumentError, "reduction"),
]


@pytest.mark.parametrize("at", range(len(WRONG)))
def test_errors_say_what_is_wrong(at):
    call, kind, text = WRONG[at]
    with pytest.raises(kind, match=text) as caught:
        call()
    assert isinstance(caught.value, GpudlError)


def test_a_failed_look_up_leaves_the_table_alone():
    w = x64(3, 2)
    before = w.detach().numpy().copy()
    with pytest.raises(IndexRangeError):
        F.embedding(gd.tensor([0, 3]), w, max_norm=0.1)
    with pytest.raises(ArgumentTypeError):
        F.embedding(gd.tensor([0, 1]), w, max_norm="1")
    assert np.array_equal(w.detach().numpy(), before)


# ----- on a second device -----
ON_DEVICE = {
    **{
        f"interpolate, {mode}": (lambda x, m=mode: F.interpolate(x, (5, 7), mode=m), (1, 2, 3, 4))
        for mode in ("nearest", "bilinear", "area")
    },
    "grid_sample": (lambda x: F.grid_sample(x, POINTS.to(x) * 1, "bicubic"), (2, 2, 4, 3)),
    "unfold": (lambda x: F.unfold(x, 2, padding=1), (1, 2, 3, 4)),
    "fold": (lambda x: F.fold(x, (3, 4), 2), (1, 8, 6)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (2, 3)), (1, 2, 5, 4)),
    "max_unpool1d": (
        lambda x: F.max_unpool1d(x, gd.tensor([[[1, 2, 5]]]).to_device(x.device), 2),
        (1, 1, 3),
    ),
    "fractional_max_pool2d": (
        lambda x: F.fractional_max_pool2d(
            x, 2, 2, _random_samples=gd.full((1, 2, 2), 0.5, dtype=gd.float64)
        ),
        (1, 2, 5, 4),
    ),
    "pdist": (lambda x: F.pdist(x), (4, 3)),
    "embedding": (
        lambda w: F.embedding(
            gd.tensor([2, 0]).to_device(w.device), w, max_norm=0.5, scale_grad_by_freq=True
        ),
        (3, 2),
    ),
    "embedding_bag": (
        lambda w: F.embedding_bag(gd.tensor([[2, 0], [1, 1]]).to_device(w.device), w, mode="max"),
        (3, 2),
    ),
    "ctc_loss": (
        lambda x: F.ctc_loss(F.log_softmax(x, -1), gd.tensor([[1, 1], [2, 1]]), [5, 4], [2, 1]),
        (5, 2, 3),
    ),
    "multi_margin_loss": (
        lambda x: F.multi_margin_loss(x, gd.tensor([0, 2]).to_device(x.device)),
        (2, 3),
    ),
    "multilabel_margin_loss": (
        lambda x: F.multilabel_margin_loss(x, gd.tensor([[0, 2, -1]]).to_device(x.device)),
        (1, 3),
    ),
}


@pytest.mark.parametrize("name", ON_DEVICE)
def test_a_second_device_gives_the_same(name):
    function, shape = ON_DEVICE[name]
    found = []
    for device in ("cpu", "emu"):
        x = x64(*shape).detach().to_device(device)
        x.requires_grad = True
        y = function(x * 1 if "embedding" not in name else x)
        assert y.device == gd.device(device)
        (y * y).sum().backward()
        found.append((y.detach().cpu(), x.grad.cpu()))
    for ours, expected in zip(found[1], found[0], strict=True):
        assert_close(ours, expected, tolerance=1e-12)


def test_noise_on_a_second_device():
    x = gd.ones((37, 5), device="emu")
    for y in (F.alpha_dropout(x, 0.5, True), F.rrelu(-x, training=True), F.gumbel_softmax(x)):
        assert y.device == x.device and len(np.unique(y.cpu().numpy())) > 1
