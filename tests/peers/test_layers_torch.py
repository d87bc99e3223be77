"""Resizing, pooling, padding, look-ups, noise and sequence losses against PyTorch: outputs and all
gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.nn import functional as F
from gpudl.testing import assert_close
from gpudl.tolerances import tolerance

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
TF = torch.nn.functional
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::UserWarning")]

DTYPES = ["float32", "float64"]


def normal(shape: Any, dtype: str, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).normal(size=shape) * 2, dtype)


def both(array: Any) -> tuple[Any, Any]:
    """An array for gpudl and for PyTorch; floating ones require gradients."""
    if not isinstance(array, np.ndarray):
        return array, array
    grad = array.dtype.kind == "f"
    # A layout that is not C order, where there is one.
    back = tuple(range(array.ndim))[::-1]
    ours = gd.asarray(array.transpose(back).copy().transpose(back))
    ours.requires_grad = grad
    return ours, torch.from_numpy(array.copy()).requires_grad_(grad)


def agree(
    ours: Any, theirs: Any, arrays: list[Any], dtype: str, limit: float | None = None
) -> None:
    """Call both; compare outputs, and the gradients of a random weighting of the first."""
    pairs = [both(a) for a in arrays]
    a, b = ours(*[p[0] for p in pairs]), theirs(*[p[1] for p in pairs])
    most = tolerance(np.dtype(dtype)) if limit is None else limit
    floats = [x for x in arrays if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    for x, y in zip(
        a if isinstance(a, tuple) else (a,), b if isinstance(b, tuple) else (b,), strict=True
    ):
        assert x.shape == tuple(y.shape)
        assert_close(x, y.detach().numpy(), tolerance=most, scale=floats, what="output")
    a, b = (a[0], b[0]) if isinstance(a, tuple) else (a, b)
    if not b.requires_grad:
        return
    g = normal(a.shape, dtype, 1)
    if a.requires_grad:
        a.backward(gd.asarray(g))
    b.backward(torch.from_numpy(g))
    expected = [p[1].grad for p in pairs if isinstance(p[1], torch.Tensor)]
    actual = [p[0].grad for p in pairs if isinstance(p[1], torch.Tensor)]
    scale = [e.numpy() for e in expected if e is not None]
    for x, y in zip(actual, expected, strict=True):
        if x is None or y is None:
            rest = x if y is None else y
            assert rest is None or not np.any(rest.numpy())
            continue
        assert_close(x, y.numpy(), tolerance=most, scale=scale, what="gradient")


# ----- layers of one input -----
def case(name: str, *args: Any, x: Any, **kwargs: Any) -> Any:
    shown = ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, x, id=f"{name}({shown}) {x}".replace(" ", ""))


SHAPES = {1: (2, 3, 7), 2: (2, 3, 5, 6), 3: (2, 2, 4, 5, 3)}
PADS = {1: (2, 1), 2: (1, 2, 0, 3), 3: (1, 2, 0, 1, 2, 1)}

LAYERS = [
    case("PixelShuffle", 2, x=(2, 8, 3, 4)),
    case("PixelShuffle", 3, x=(9, 1, 2)),
    case("PixelShuffle", 1, x=(2, 0, 4, 4, 2)),
    case("PixelUnshuffle", 2, x=(2, 3, 4, 6)),
    case("PixelUnshuffle", 3, x=(1, 3, 37 * 3)),
    case("ChannelShuffle", 2, x=(2, 6, 5)),
    case("ChannelShuffle", 3, x=(2, 6, 3, 5)),
    case("Unfold", 2, x=(2, 3, 5, 6)),
    case("Unfold", (2, 3), dilation=2, padding=(1, 2), stride=(2, 1), x=(2, 3, 7, 8)),
    case("Unfold", 3, padding=1, x=(3, 4, 5)),
    case("Fold", (5, 6), 2, x=(2, 12, 20)),
    case("Fold", (7, 8), (2, 3), dilation=2, padding=(1, 2), stride=(2, 1), x=(2, 12, 32)),
    case("Fold", (4, 5), 3, padding=1, x=(18, 20)),
    *[
        case(f"{kind}Pad{d}d", *([PADS[d], 0.5][: 2 if kind == "Constant" else 1]), x=shape)
        for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
        for d in (1, 2, 3)
        for shape in (SHAPES[d], SHAPES[d][1:])
    ],
    case("ConstantPad2d", 2, 3.5, x=(2, 3, 4)),
    case("ZeroPad2d", (-1, 2, -2, 0), x=(2, 3, 5, 6)),
    case("ReflectionPad2d", 1, x=(2, 3, 4, 4)),
    case("AdaptiveMaxPool1d", 3, x=(2, 3, 7)),
    case("AdaptiveMaxPool1d", 11, return_indices=True, x=(3, 4)),
    case("AdaptiveMaxPool2d", (3, 2), x=(2, 3, 7, 8)),
    case("AdaptiveMaxPool2d", (None, 4), return_indices=True, x=(2, 3, 5, 6)),
    case("AdaptiveMaxPool2d", 2, return_indices=True, x=(2, 3, 8, 6)),
    case("AdaptiveMaxPool2d", 1, x=(3, 7, 5)),
    case("AdaptiveMaxPool3d", (2, 3, 2), return_indices=True, x=(2, 2, 5, 4, 3)),
    case("LPPool1d", 2, 3, x=(2, 3, 11)),
    case("LPPool1d", 1, 2, stride=1, ceil_mode=True, x=(3, 8)),
    case("LPPool2d", 2, 2, x=(2, 3, 6, 7)),
    case("LPPool2d", 4, (3, 2), stride=2, ceil_mode=True, x=(2, 3, 8, 7)),
    case("LPPool3d", 2, 2, x=(1, 2, 4, 5, 4)),
    case("Upsample", scale_factor=2, x=(2, 3, 5)),
    case("Upsample", size=(7, 3), x=(2, 3, 5, 6)),
    case("Upsample", scale_factor=(2.0, 1.5), mode="bilinear", x=(2, 3, 5, 6)),
    case("UpsamplingNearest2d", scale_factor=3, x=(2, 3, 4, 5)),
    case("UpsamplingBilinear2d", size=(9, 4), x=(2, 3, 4, 5)),
    case("Softmax2d", x=(2, 3, 4, 5)),
    case("Softmax2d", x=(3, 4, 5)),
    case("AlphaDropout", 0.0, x=(3, 4)),
    case("AlphaDropout", 1.0, x=(3, 4)),
    case("FeatureAlphaDropout", 0.0, x=(3, 4, 2)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_layer(name, args, kwargs, shape, dtype, count):
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    ours = getattr(gd.nn, name)(*args, **kwargs)
    agree(ours, theirs, [normal(shape, dtype)], dtype)
    assert repr(ours) == repr(theirs)
    count("layers against PyTorch", 1, 1)


def test_rrelu():
    x = normal((37, 5), "float64")
    agree(gd.nn.RReLU(0.2, 0.7).eval(), torch.nn.RReLU(0.2, 0.7).eval(), [x], "float64")
    assert repr(gd.nn.RReLU(0.2, 0.7)) == repr(torch.nn.RReLU(0.2, 0.7))


# ----- interpolation -----
MODES = [
    (mode, shape, align)
    for mode, shape in [
        ("nearest", (2, 3, 7)),
        ("nearest", (2, 3, 5, 6)),
        ("nearest", (1, 2, 3, 4, 5)),
        ("nearest-exact", (2, 3, 7)),
        ("nearest-exact", (2, 3, 5, 6)),
        ("linear", (2, 3, 7)),
        ("bilinear", (2, 3, 5, 6)),
        ("bicubic", (2, 3, 5, 6)),
        ("trilinear", (1, 2, 3, 4, 5)),
        ("area", (2, 3, 5, 6)),
    ]
    for align in ((None,) if mode in ("nearest", "nearest-exact", "area") else (False, True))
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "given",
    [
        {"size": 1},
        {"size": 4},
        {"size": 37},
        {"scale_factor": 2.0},
        {"scale_factor": 1.7},
        {"scale_factor": 0.6},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
        {"scale_factor": 0.6, "recompute_scale_factor": False},
    ],
    ids=str,
)
@pytest.mark.parametrize(("mode", "shape", "align"), MODES)
def test_interpolate(mode, shape, align, given, dtype, count):
    options = {"mode": mode, "align_corners": align, **given}
    agree(
        lambda x: F.interpolate(x, **options),
        lambda x: TF.interpolate(x, **options),
        [normal(shape, dtype)],
        dtype,
        # PyTorch finds positions in the dtype of the image: their last digit is a weight's.
        None if dtype == "float64" else 2e-5,
    )
    count("interpolations against PyTorch", 1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (7, 9), (1, 13), (12, 5)])
def test_interpolate_without_aliasing(mode, size, align, dtype):
    options = {"size": size, "mode": mode, "align_corners": align, "antialias": True}
    agree(
        lambda x: F.interpolate(x, **options),
        lambda x: TF.interpolate(x, **options),
        [normal((2, 3, 12, 11), dtype)],
        dtype,
        None if dtype == "float64" else 2e-5,
    )


def test_old_names_of_interpolation():
    x = normal((2, 3, 4, 5), "float64")
    for name in ("upsample", "upsample_nearest", "upsample_bilinear"):
        agree(
            lambda x, n=name: getattr(F, n)(x, scale_factor=2),
            lambda x, n=name: getattr(TF, n)(x, scale_factor=2),
            [x],
            "float64",
        )


# ----- grids -----
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "shape", "out"),
    [
        ("bilinear", (2, 3, 5, 6), (4, 7)),
        ("nearest", (2, 3, 5, 6), (4, 7)),
        ("bicubic", (2, 3, 5, 6), (4, 7)),
        ("bilinear", (1, 2, 1, 3), (2, 2)),
        ("bilinear", (2, 2, 3, 4, 5), (2, 3, 4)),
        ("nearest", (2, 2, 3, 4, 5), (2, 3, 4)),
    ],
)
def test_grid_sample(mode, shape, out, padding, align, dtype, count):
    grid = normal((shape[0], *out, len(out)), dtype, 3) * 0.8
    agree(
        lambda x, g: F.grid_sample(x, g, mode, padding, align),
        lambda x, g: TF.grid_sample(x, g, mode, padding, align),
        [normal(shape, dtype), grid.astype(dtype)],
        dtype,
        None if dtype == "float64" else 3e-5,
    )
    count("grids against PyTorch", 1, 1)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 1, 1), (2, 3, 2, 4, 5)])
def test_affine_grid(size, align):
    theta = normal((2, len(size) - 2, len(size) - 1), "float64")
    agree(
        lambda t: F.affine_grid(t, size, align),
        lambda t: TF.affine_grid(t, size, align),
        [theta],
        "float64",
    )


# ----- pooling -----
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("d", "shape", "kernel", "stride", "padding", "size"),
    [
        (1, (2, 3, 8), 2, None, 0, None),
        (1, (3, 9), 2, None, 0, (9,)),
        (2, (2, 3, 7, 8), 3, 2, 1, (7, 8)),
        (2, (2, 3, 7, 8), 2, 2, 0, (2, 3, 7, 8)),
        (2, (3, 7, 8), (2, 3), (1, 2), 0, (7, 8)),
        (3, (2, 2, 4, 6, 5), 2, None, 0, (4, 6, 5)),
    ],
)
def test_max_unpool(d, shape, kernel, stride, padding, size, dtype):
    x = normal(shape, dtype)
    y, at = getattr(TF, f"max_pool{d}d")(
        torch.from_numpy(x), kernel, stride, padding, return_indices=True
    )
    theirs = getattr(torch.nn, f"MaxUnpool{d}d")(kernel, stride, padding)
    ours = getattr(gd.nn, f"MaxUnpool{d}d")(kernel, stride, padding)
    agree(
        lambda v, i: ours(v, i, size),
        lambda v, i: theirs(v, i, size),
        [y.numpy(), at.numpy()],
        dtype,
    )
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64"])
@pytest.mark.parametrize("d", [2, 3])
def test_max_pool_of_integers(d, dtype):
    x = np.random.default_rng(3).integers(0, 99, (2, 3, 4, 5, 6)[: d + 2]).astype(dtype)
    want = getattr(TF, f"max_pool{d}d")(torch.from_numpy(x), 3, 2, 1)
    got = getattr(F, f"max_pool{d}d")(gd.asarray(x), 3, 2, 1)
    assert got.dtype == x.dtype and np.array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("d", "shape", "kernel", "options"),
    [
        (2, (2, 3, 9, 8), 2, {"output_size": (5, 4)}),
        (2, (2, 3, 9, 8), (2, 3), {"output_ratio": 0.5, "return_indices": True}),
        (2, (2, 3, 7, 7), 3, {"output_size": 1}),
        (3, (2, 2, 6, 7, 8), 2, {"output_size": (3, 4, 5), "return_indices": True}),
        (3, (2, 2, 6, 7, 8), 2, {"output_ratio": (0.5, 0.6, 0.7)}),
    ],
)
def test_fractional_max_pool(d, shape, kernel, options, dtype):
    samples = np.random.default_rng(4).random((*shape[:2], d)).astype(dtype)
    theirs = getattr(torch.nn, f"FractionalMaxPool{d}d")(
        kernel, _random_samples=torch.from_numpy(samples), **options
    )
    ours = getattr(gd.nn, f"FractionalMaxPool{d}d")(
        kernel, _random_samples=gd.asarray(samples), **options
    )
    agree(ours, theirs, [normal(shape, dtype)], dtype)
    assert repr(ours) == repr(theirs)


# ----- tables -----
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [
        {"max_norm": 1.0},
        {"max_norm": 0.7, "norm_type": 1.0, "padding_idx": 3},
        {"scale_grad_by_freq": True},
        {"scale_grad_by_freq": True, "padding_idx": 1, "max_norm": 2.0},
    ],
    ids=str,
)
def test_embedding(options, dtype):
    weight, index = normal((9, 4), dtype), np.random.default_rng(2).integers(0, 9, (5, 7))
    theirs = torch.nn.Embedding(9, 4, _weight=torch.from_numpy(weight.copy()), **options)
    ours = gd.nn.Embedding(9, 4, _weight=gd.asarray(weight.copy()), **options)
    a, b = ours(gd.asarray(index)), theirs(torch.from_numpy(index))
    g = normal(a.shape, dtype, 1)
    a.backward(gd.asarray(g))
    b.backward(torch.from_numpy(g))
    most = tolerance(np.dtype(dtype))
    assert_close(a, b.detach().numpy(), tolerance=most)
    assert_close(ours.weight.grad, theirs.weight.grad.numpy(), tolerance=most)
    # The rows in use were scaled down in place.
    assert_close(ours.weight, theirs.weight.detach().numpy(), tolerance=most)
    assert repr(ours) == repr(theirs)


BAGS = [
    ({}, (5, 4), None),
    ({"mode": "sum", "padding_idx": 2}, (5, 4), None),
    ({"mode": "max"}, (5, 4), None),
    ({"mode": "mean"}, (11,), (0, 3, 3, 7)),
    ({"mode": "max", "padding_idx": -1}, (11,), (0, 3, 3, 7)),
    ({"mode": "mean", "padding_idx": 0, "max_norm": 1.5}, (11,), (0, 1, 9)),
    ({"mode": "sum", "include_last_offset": True}, (11,), (0, 4, 11)),
    ({"mode": "max", "include_last_offset": True}, (6,), (0, 0, 6)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("options", "shape", "offsets"), BAGS, ids=str)
def test_embedding_bag(options, shape, offsets, dtype):
    weight, index = normal((6, 3), dtype), np.random.default_rng(2).integers(0, 6, shape)
    theirs = torch.nn.EmbeddingBag(6, 3, _weight=torch.from_numpy(weight.copy()), **options)
    ours = gd.nn.EmbeddingBag(6, 3, _weight=gd.asarray(weight.copy()), **options)
    starts = (None, None) if offsets is None else both(np.array(offsets))
    args = (gd.asarray(index), starts[0]), (torch.from_numpy(index), starts[1])
    a, b = ours(*args[0]), theirs(*args[1])
    g = normal(a.shape, dtype, 1)
    a.backward(gd.asarray(g))
    b.backward(torch.from_numpy(g))
    most = tolerance(np.dtype(dtype))
    assert_close(a, b.detach().numpy(), tolerance=most)
    assert_close(ours.weight.grad, theirs.weight.grad.numpy(), tolerance=most)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(("shape", "offsets"), [((5, 4), None), ((11,), (0, 3, 3, 7))])
def test_embedding_bag_with_weights(shape, offsets):
    index = np.random.default_rng(2).integers(0, 6, shape)
    starts = (None, None) if offsets is None else both(np.array(offsets))
    agree(
        lambda w, s: F.embedding_bag(
            gd.asarray(index), w, starts[0], mode="sum", per_sample_weights=s
        ),
        lambda w, s: TF.embedding_bag(
            torch.from_numpy(index), w, starts[1], mode="sum", per_sample_weights=s
        ),
        [normal((6, 3), "float64"), normal(shape, "float64", 5)],
        "float64",
    )


# ----- distances -----
@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("shape", [(5, 3), (1, 4), (2, 0), (37, 2)])
def test_pdist(shape, p):
    x = normal(shape, "float64")
    agree(lambda x: F.pdist(x, p), lambda x: TF.pdist(x, p), [x], "float64")


def test_layers_of_distances():
    x, y = normal((4, 5), "float64"), normal((4, 5), "float64", 2)
    for name, args in [
        ("CosineSimilarity", ()),
        ("CosineSimilarity", (0, 0.1)),
        ("PairwiseDistance", ()),
        ("PairwiseDistance", (1.0, 0.0, True)),
    ]:
        agree(getattr(gd.nn, name)(*args), getattr(torch.nn, name)(*args), [x, y], "float64")


# ----- losses -----
def labels(shape: Any, low: int, high: int, seed: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape)


def signs(shape: Any, dtype: str) -> np.ndarray:
    return np.where(np.random.default_rng(7).random(shape) < 0.5, -1, 1).astype(dtype)


def multi_labels(shape: Any) -> np.ndarray:
    """Distinct labels in front, then -1, then what does not count."""
    rng = np.random.default_rng(8)
    rows = []
    for _ in range(int(np.prod(shape[:-1]))):
        row = rng.permutation(shape[-1])
        row[rng.integers(0, shape[-1] + 1) :] = -1
        rows.append(row)
    return np.array(rows).reshape(shape)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_margin_losses(dtype, reduction, count):
    weight = np.random.default_rng(9).uniform(0.2, 2, 5).astype(dtype)
    for name, options, arrays in [
        ("MultiMarginLoss", {}, [normal((7, 5), dtype), labels(7, 0, 5)]),
        ("MultiMarginLoss", {"p": 2, "margin": 0.6}, [normal((7, 5), dtype), labels(7, 0, 5)]),
        ("MultiMarginLoss", {"weight": weight}, [normal((7, 5), dtype), labels(7, 0, 5)]),
        ("MultiMarginLoss", {}, [normal((5,), dtype), labels((), 0, 5)]),
        ("MultiLabelMarginLoss", {}, [normal((7, 5), dtype), multi_labels((7, 5))]),
        ("MultiLabelMarginLoss", {}, [normal((5,), dtype), multi_labels((5,))]),
        ("MultiLabelSoftMarginLoss", {}, [normal((7, 5), dtype) * 20, labels((7, 5), 0, 2)]),
        (
            "MultiLabelSoftMarginLoss",
            {"weight": weight},
            [normal((7, 5), dtype), labels((7, 5), 0, 2)],
        ),
        ("TripletMarginWithDistanceLoss", {}, [normal((7, 5), dtype, s) for s in (1, 2, 3)]),
        (
            "TripletMarginWithDistanceLoss",
            {"swap": True, "margin": 0.4, "distance_function": lambda x, y: ((x - y) ** 2).sum(1)},
            [normal((7, 5), dtype, s) for s in (1, 2, 3)],
        ),
    ]:
        made = [
            getattr(lib.nn, name)(
                reduction=reduction,
                **{k: f(v) if isinstance(v, np.ndarray) else v for k, v in options.items()},
            )
            for lib, f in ((gd, gd.asarray), (torch, torch.from_numpy))
        ]
        agree(made[0], made[1], arrays, dtype)
        count("losses against PyTorch", 1, 1)
    t = signs((7, 5), dtype)
    agree(
        lambda x: gd.nn.SoftMarginLoss(reduction=reduction)(x, gd.asarray(t)),
        lambda x: torch.nn.SoftMarginLoss(reduction=reduction)(x, torch.from_numpy(t)),
        [normal((7, 5), dtype)],
        dtype,
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_nll_loss_2d():
    agree(
        gd.nn.NLLLoss2d(),
        torch.nn.NLLLoss2d(),
        [normal((2, 3, 4, 5), "float64"), labels((2, 4, 5), 0, 3)],
        "float64",
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("options", "x", "t"),
    [
        ({}, (7, 4), (7,)),
        ({"bias": True, "label_smoothing": 0.1, "reduction": "sum"}, (7, 4), (7,)),
        ({"bias": True, "out_features": (2, 3), "ignore_index": 1}, (7, 4), (7, 2, 3)),
        ({"reduction": "none"}, (4,), ()),
    ],
)
def test_linear_cross_entropy(options, x, t, dtype):
    torch.manual_seed(0)
    theirs = torch.nn.LinearCrossEntropyLoss(4, 5, **options).to(getattr(torch, dtype))
    ours = gd.nn.LinearCrossEntropyLoss(4, 5, **options).to(dtype)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    agree(ours, theirs, [normal(x, dtype), labels(t, 0, 5)], dtype)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_close(p.grad, q.grad.numpy(), tolerance=tolerance(np.dtype(dtype)), what=name)
    assert repr(ours).replace("linear): ", "") == repr(theirs).replace("linear): ", "")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("cutoffs", "options"), [([4, 9], {}), ([3], {"head_bias": True}),
                                                  ([2, 5, 11], {"div_value": 2.0})])  # fmt: skip
def test_adaptive_log_softmax(cutoffs, options, dtype):
    torch.manual_seed(0)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs, **options)
    theirs = theirs.to(getattr(torch, dtype))
    ours = gd.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs, **options).to(dtype)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for shape in [(13, 16), (1, 16), (16,)]:
        arrays = [normal(shape, dtype), labels(shape[:-1], 0, 20)]
        for part in (0, 1):
            agree(
                lambda x, t, i=part: ours(x, t)[i],
                lambda x, t, i=part: theirs(x, t)[i],
                arrays,
                dtype,
            )
    x = normal((13, 16), dtype)
    a, b = gd.asarray(x), torch.from_numpy(x)
    most = tolerance(np.dtype(dtype))
    assert_close(ours.log_prob(a), theirs.log_prob(b).detach().numpy(), tolerance=most)
    assert np.array_equal(ours.predict(a).numpy(), theirs.predict(b).numpy())
    assert repr(ours) == repr(theirs)


# ----- CTC -----
CTC = [
    # T, N, C, target lengths, input lengths, padded, options
    (12, 4, 5, (3, 5, 1, 4), (12, 12, 12, 12), True, {}),
    (12, 4, 5, (3, 5, 0, 4), (12, 10, 7, 9), True, {"blank": 2}),
    (12, 4, 5, (3, 5, 1, 4), (12, 11, 3, 12), False, {}),
    (6, 3, 4, (6, 2, 4), (6, 6, 5), True, {"zero_infinity": True}),
    (1, 2, 3, (1, 0), (1, 1), True, {}),
    (50, 2, 37, (20, 11), (50, 43), True, {"blank": 36}),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("T", "N", "C", "sizes", "times", "padded", "options"), CTC)
def test_ctc(T, N, C, sizes, times, padded, options, dtype, reduction, count):
    """Behind `log_softmax`, where the gradients of both libraries are the same."""
    blank = options.get("blank", 0)
    rng = np.random.default_rng(10)
    shape = (N, max(sizes)) if padded else (sum(sizes),)
    targets = rng.integers(0, C - 1, shape)
    targets = targets + (targets >= blank)
    made = [lib.nn.CTCLoss(reduction=reduction, **options) for lib in (gd, torch)]
    agree(
        lambda x: made[0](F.log_softmax(x, -1), gd.asarray(targets), times, sizes),
        lambda x: made[1](TF.log_softmax(x, -1), torch.from_numpy(targets), times, sizes),
        [normal((T, N, C), dtype)],
        dtype,
        # Over 50 steps in float32 both are 3e-5 from the gradient in float64.
        1e-4 if (dtype, T) == ("float32", 50) else None,
    )
    count("CTC against PyTorch", 1, 1)


def test_ctc_of_one_sequence():
    t = np.array([1, 2, 2])
    for lengths in [((9,), (3,)), (np.array(9), np.array(3))]:
        ours = [gd.asarray(v) if isinstance(v, np.ndarray) else v for v in lengths]
        theirs = [torch.tensor(v) for v in lengths]
        agree(
            lambda x, o=ours: F.ctc_loss(F.log_softmax(x, -1), gd.asarray(t), *o),
            lambda x, o=theirs: TF.ctc_loss(TF.log_softmax(x, -1), torch.from_numpy(t), *o),
            [normal((9, 4), "float64")],
            "float64",
        )


# ----- noise: the same moments -----
@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_takes_the_same_two_values(name):
    x = np.ones((400, 50, 2))
    torch.manual_seed(0)
    theirs = getattr(TF, name)(torch.from_numpy(x), 0.3, training=True).numpy()
    ours = getattr(F, name)(gd.asarray(x), 0.3, training=True).numpy()
    assert_close(np.unique(ours.round(9)), np.unique(theirs.round(9)), tolerance=1e-8)
    assert abs(ours.mean() - theirs.mean()) < 0.03
    whole = (ours == ours[..., :1]).all()
    assert whole == (name == "feature_alpha_dropout")


def test_rrelu_in_training_draws_the_same_slopes():
    x = -np.ones((300, 200))
    ours = -F.rrelu(gd.asarray(x), 0.2, 0.6, training=True).numpy()
    theirs = -TF.rrelu(torch.from_numpy(x), 0.2, 0.6, training=True).numpy()
    assert ours.min() >= 0.2 and ours.max() < 0.6
    assert abs(ours.mean() - theirs.mean()) < 2e-3 and abs(ours.std() - theirs.std()) < 2e-3


def test_gumbel_softmax_samples_the_categories():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    x = np.broadcast_to(logits, (40000, 4))
    for tau in (0.5, 2.0):
        hard = F.gumbel_softmax(gd.asarray(x.copy()), tau, hard=True).numpy()
        assert_close(hard.mean(0), np.exp(logits), tolerance=0.05)
        soft = F.gumbel_softmax(gd.asarray(x.copy()), tau).numpy()
        theirs = TF.gumbel_softmax(torch.from_numpy(x.copy()), tau).numpy()
        assert_close(soft.sum(1), np.ones(40000), tolerance=1e-10)
        assert np.abs(soft.mean(0) - theirs.mean(0)).max() < 0.01
        assert np.abs(soft.std(0) - theirs.std(0)).max() < 0.01


# ----- in place -----
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("relu_", ()),
        ("leaky_relu_", (0.2,)),
        ("elu_", (0.7,)),
        ("selu_", ()),
        ("celu_", (0.5,)),
        ("hardtanh_", (-0.5, 0.6)),
        ("threshold_", (0.1, -3.0)),
        ("rrelu_", (0.2, 0.7)),
    ],
)
def test_in_place(name, args):
    x = normal((4, 5), "float64")
    agree(
        lambda x: getattr(F, name)(x * 1, *args),
        lambda x: getattr(TF, name)(x * 1, *args),
        [x],
        "float64",
    )
    y = gd.asarray(x.copy())
    assert getattr(F, name)(y, *args) is y and not np.array_equal(y.numpy(), x)


def test_convolution_with_time_first():
    arrays = [
        normal((9, 2, 3), "float64"),
        normal((4, 3, 5), "float64", 2),
        normal(5, "float64", 3),
    ]
    for pad in (0, 2):
        agree(
            lambda x, w, b, p=pad: F.conv_tbc(x, w, b, p),
            lambda x, w, b, p=pad: TF.conv_tbc(x, w, b, p),
            arrays,
            "float64",
        )


# ----- lazy layers -----
LAZY = [
    ("LazyLinear", (3,), {}, (4, 5)),
    ("LazyLinear", (3, False), {}, (5,)),
    ("LazyConv1d", (4, 3), {"padding": 1}, (2, 3, 7)),
    ("LazyConv2d", (4, (3, 2)), {"groups": 2, "stride": 2}, (2, 6, 7, 8)),
    ("LazyConv3d", (4, 2), {"bias": False}, (2, 3, 4, 4, 3)),
    ("LazyConvTranspose1d", (4, 3), {"stride": 2, "output_padding": 1}, (2, 3, 7)),
    ("LazyConvTranspose2d", (4, 3), {"groups": 2}, (6, 4, 5)),
    ("LazyConvTranspose3d", (4, 2), {"dilation": 2}, (1, 3, 3, 3, 2)),
    ("LazyBatchNorm1d", (), {}, (8, 5)),
    ("LazyBatchNorm2d", (), {"affine": False}, (3, 4, 2, 5)),
    ("LazyBatchNorm3d", (), {"track_running_stats": False}, (3, 4, 2, 2, 2)),
    ("LazyInstanceNorm1d", (), {}, (8, 5, 7)),
    ("LazyInstanceNorm2d", (), {"affine": False}, (3, 4, 2, 5)),
    ("LazyInstanceNorm3d", (), {"track_running_stats": False, "bias": False}, (3, 4, 2, 2, 2)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAZY)
def test_lazy_layer(name, args, options, shape):
    theirs = getattr(torch.nn, name)(*args, **options).to(torch.float64)
    ours = getattr(gd.nn, name)(*args, **options).to("float64")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = normal(shape, "float64")
    theirs(torch.from_numpy(x))
    weights = {k: v.numpy() for k, v in theirs.state_dict().items()}
    loaded = getattr(gd.nn, name)(*args, **options).to("float64")
    loaded.load_state_dict(weights)
    ours(gd.asarray(x))
    assert repr(ours) == repr(theirs) and type(ours) is getattr(gd.nn, name.removeprefix("Lazy"))
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    agree(loaded, theirs, [x], "float64")
    assert repr(loaded) == repr(theirs)
