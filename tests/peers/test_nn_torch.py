"""Layers and losses against PyTorch: the same weights in, the same outputs, gradients and buffers
out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.testing import assert_close

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = [
    pytest.mark.peers,
    # PyTorch's remarks on slow paths and on the reductions of kl_div.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
# PyTorch's gradient of hardsigmoid multiplies by a float32 one sixth, in float64 too.
LOOSER = {("Hardsigmoid", "float64"): 1e-7}
DTYPES = list(TOLERANCE)


def case(name: str, *args: Any, x: Any, **kwargs: Any) -> Any:
    """A layer, its arguments, and the shapes of its inputs."""
    shapes = x if isinstance(x, list) else [x]
    shown = ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, shapes, id=f"{name}({shown}) {shapes}".replace(" ", ""))


LAYERS = [
    case("Identity", x=(2, 3)),
    case("Linear", 5, 3, x=(4, 5)),
    case("Linear", 37, 1, x=(2, 3, 37)),
    case("Linear", 5, 3, bias=False, x=(5,)),
    case("Linear", 5, 3, x=(0, 5)),
    case("Linear", 1128, 37, x=(1, 1128)),
    case("Linear", 1, 1, x=(2, 0, 3, 1)),
    case("Bilinear", 5, 3, 4, x=[(7, 5), (7, 3)]),
    case("Bilinear", 1, 2, 3, bias=False, x=[(2, 4, 1), (2, 4, 2)]),
    case("Conv1d", 3, 8, 5, x=(2, 3, 20)),
    case("Conv1d", 4, 8, 3, padding="same", groups=2, bias=False, x=(2, 4, 11)),
    case("Conv1d", 3, 4, 4, padding="same", dilation=3, x=(2, 3, 17)),
    case("Conv1d", 3, 6, 3, stride=2, padding=2, dilation=2, x=(3, 19)),
    case("Conv2d", 3, 8, 3, x=(2, 3, 9, 8)),
    case("Conv2d", 1, 1, 1, x=(1, 1, 1, 1)),
    case("Conv2d", 3, 8, (3, 5), stride=(2, 1), padding=(1, 2), x=(2, 3, 9, 8)),
    case("Conv2d", 4, 8, 3, padding=2, dilation=2, groups=4, x=(2, 4, 9, 8)),
    case("Conv2d", 6, 6, 3, groups=6, padding="same", x=(37, 6, 5, 5)),
    case("Conv2d", 3, 5, 2, padding="valid", bias=False, x=(3, 7, 7)),
    case("Conv2d", 3, 4, (2, 3), padding="same", dilation=(1, 2), x=(2, 3, 6, 7)),
    case("Conv2d", 3, 4, 3, x=(0, 3, 6, 7)),
    *[
        case("Conv2d", 3, 4, 3, padding=2, padding_mode=mode, x=(2, 3, 6, 7))
        for mode in ("reflect", "replicate", "circular")
    ],
    case("Conv2d", 3, 4, (2, 3), padding="same", padding_mode="circular", x=(2, 3, 6, 7)),
    case("Conv1d", 3, 4, 3, padding=1, padding_mode="reflect", x=(2, 3, 6)),
    case("Conv3d", 2, 4, 3, x=(2, 2, 5, 6, 7)),
    case(
        "Conv3d", 2, 4, (1, 2, 3), stride=(1, 2, 2), padding=(0, 1, 1), groups=2, x=(1, 2, 4, 6, 7)
    ),
    case("Conv3d", 2, 3, 2, padding="same", padding_mode="replicate", x=(1, 2, 3, 4, 5)),
    case("ConvTranspose1d", 3, 8, 4, stride=2, padding=1, x=(2, 3, 10)),
    case("ConvTranspose1d", 3, 4, 3, stride=3, output_padding=2, x=(3, 7)),
    case(
        "ConvTranspose1d",
        4,
        6,
        3,
        stride=1,
        dilation=3,
        output_padding=2,
        padding=1,
        groups=2,
        x=(2, 4, 5),
    ),
    case("ConvTranspose1d", 2, 3, 3, dilation=4, output_padding=3, padding=4, x=(2, 2, 5)),
    case("ConvTranspose2d", 3, 8, 3, stride=2, padding=1, output_padding=1, x=(2, 3, 5, 6)),
    case("ConvTranspose2d", 4, 8, (2, 3), stride=(1, 3), groups=4, bias=False, x=(2, 4, 5, 6)),
    case("ConvTranspose3d", 2, 4, 2, stride=2, x=(1, 2, 3, 3, 4)),
    case(
        "ConvTranspose3d",
        2,
        4,
        3,
        stride=(1, 2, 1),
        padding=1,
        dilation=(2, 1, 1),
        x=(2, 2, 3, 4, 3),
    ),
    case("BatchNorm1d", 5, x=(8, 5)),
    case("BatchNorm1d", 3, momentum=None, x=(4, 3, 7)),
    case("BatchNorm1d", 3, affine=False, x=(5, 3)),
    case("BatchNorm2d", 4, x=(3, 4, 5, 6)),
    case("BatchNorm2d", 1, eps=0.1, momentum=0.7, x=(2, 1, 1, 1)),
    case("BatchNorm2d", 4, track_running_stats=False, x=(3, 4, 5, 6)),
    case("BatchNorm2d", 4, affine=False, track_running_stats=False, x=(3, 4, 2, 1)),
    case("BatchNorm3d", 2, x=(2, 2, 3, 4, 3)),
    case("LayerNorm", 37, x=(3, 37)),
    case("LayerNorm", (4, 5), eps=0.01, x=(2, 3, 4, 5)),
    case("LayerNorm", (4, 5), elementwise_affine=False, x=(4, 5)),
    case("LayerNorm", 6, bias=False, x=(2, 0, 6)),
    case("Embedding", 10, 4, x=None),
    case("Embedding", 10, 3, padding_idx=2, x=None),
    case("Embedding", 10, 1, padding_idx=-1, x=None),
    case("MaxPool1d", 3, x=(2, 3, 11)),
    case("MaxPool1d", 3, stride=2, padding=1, dilation=2, ceil_mode=True, x=(3, 12)),
    case("MaxPool2d", 2, x=(2, 3, 7, 8)),
    case("MaxPool2d", (3, 2), stride=(2, 1), padding=(1, 0), x=(2, 3, 7, 8)),
    case("MaxPool2d", 3, stride=2, ceil_mode=True, return_indices=True, x=(2, 3, 8, 8)),
    case("MaxPool2d", 2, dilation=3, return_indices=True, x=(3, 8, 8)),
    case("MaxPool3d", 2, return_indices=True, x=(2, 2, 4, 5, 6)),
    case("AvgPool1d", 3, stride=2, padding=1, count_include_pad=False, x=(2, 3, 11)),
    case("AvgPool1d", 4, ceil_mode=True, x=(3, 11)),
    case("AvgPool2d", 2, x=(2, 3, 7, 8)),
    case("AvgPool2d", 3, stride=2, padding=1, ceil_mode=True, x=(2, 3, 8, 9)),
    case("AvgPool2d", 3, stride=2, padding=1, ceil_mode=True, divisor_override=5, x=(2, 3, 8, 9)),
    case("AvgPool2d", (2, 3), count_include_pad=False, padding=1, divisor_override=-2, x=(3, 8, 9)),
    case("AvgPool3d", 2, stride=1, x=(1, 2, 4, 5, 3)),
    case("AdaptiveAvgPool1d", 4, x=(2, 3, 10)),
    case("AdaptiveAvgPool1d", 11, x=(2, 3, 4)),
    case("AdaptiveAvgPool2d", 1, x=(2, 3, 7, 8)),
    case("AdaptiveAvgPool2d", (3, None), x=(2, 3, 7, 8)),
    case("AdaptiveAvgPool2d", (7, 2), x=(3, 7, 8)),
    case("AdaptiveAvgPool3d", (2, 1, 3), x=(2, 2, 4, 5, 6)),
    case("Dropout", 0.0, x=(2, 3)),
    *[case(f"Dropout{d}d", 0.0, x=(2, 3, 4, 4, 4)[: d + 2]) for d in (1, 2, 3)],
    case("Dropout", 1.0, x=(2, 3)),
    case("Flatten", x=(2, 3, 4)),
    case("Flatten", 0, 1, x=(2, 3, 4)),
    case("Unflatten", 1, (3, -1), x=(2, 12)),
    *[
        case(name, x=(37, 5))
        for name in (
            "ReLU",
            "ReLU6",
            "LeakyReLU",
            "ELU",
            "SELU",
            "CELU",
            "GELU",
            "SiLU",
            "Mish",
            "Sigmoid",
            "LogSigmoid",
            "Tanh",
            "Softplus",
            "Softsign",
            "Hardtanh",
            "Hardsigmoid",
            "Hardswish",
            "Hardshrink",
            "Softshrink",
            "Tanhshrink",
            "PReLU",
        )
    ],
    case("LeakyReLU", 0.3, x=()),
    case("ELU", 0.5, x=(0, 3)),
    case("CELU", 2.0, x=(3, 4)),
    case("GELU", "tanh", x=(3, 4, 5)),
    case("Softplus", 0.5, 1.0, x=(5, 7)),
    case("Hardtanh", -0.5, 2.0, x=(5, 7)),
    case("Hardshrink", 0.1, x=(5, 7)),
    case("Softshrink", 0.1, x=(5, 7)),
    case("Threshold", 0.2, -3.0, x=(5, 7)),
    case("PReLU", 3, 0.1, x=(2, 3, 4)),
    case("GLU", x=(3, 6)),
    case("GLU", 1, x=(3, 4, 5)),
    *[
        case(name, dim, x=(3, 4, 5))
        for name in ("Softmax", "LogSoftmax", "Softmin")
        for dim in (-1, 0, 1)
    ],
    case("Softmax", 0, x=()),
]


def pair_of(name: str, args: Any, kwargs: Any, dtype: str) -> tuple[Any, Any]:
    """The layer in PyTorch with random weights, and gpudl's with the same."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype))
    with torch.no_grad():
        for param in theirs.parameters():
            param.normal_()
    ours = getattr(gd.nn, name)(*args, **kwargs).to(dtype)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, ours


def variants(x: np.ndarray) -> list[np.ndarray]:
    """`x` in other memory layouts: C order, reversed axes, negative strides."""
    back = tuple(range(x.ndim))[::-1]
    flipped = np.flip(np.flip(x).copy())
    return [x, x.transpose(back).copy().transpose(back), flipped]


def inputs_for(name: str, shapes: list[Any], dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    if name == "Embedding":
        return [rng.integers(0, 10, (5, 3))]
    return [np.asarray(rng.normal(size=shape) * 2, dtype) for shape in shapes]


def run(module: Any, library: Any, xs: list[Any], seed: int = 2) -> dict[str, Any]:
    """Outputs, gradients and buffers of one forward and backward pass, as NumPy arrays."""
    out = module(*xs)
    outs = list(out) if isinstance(out, tuple) else [out]
    found = {f"output {i}": y for i, y in enumerate(outs)}
    rng = np.random.default_rng(seed)
    y = outs[0]
    g = rng.normal(size=tuple(y.shape)).astype(str(y.dtype).replace("torch.", ""))
    if y.requires_grad:
        y.backward(torch.from_numpy(g) if library is torch else gd.asarray(g))
    found |= {f"gradient {i}": x.grad for i, x in enumerate(xs) if x.requires_grad}
    found |= {f"gradient of {name}": p.grad for name, p in module.named_parameters()}
    found |= {f"buffer {name}": b for name, b in module.named_buffers()}
    return {k: None if v is None else v.detach().numpy() for k, v in found.items()}


def compare(
    ours: dict[str, Any], theirs: dict[str, Any], dtype: str, xs: Any, tolerance: Any = None
) -> None:
    assert ours.keys() == theirs.keys()
    gradients = [v for k, v in theirs.items() if k.startswith("gradient") and v is not None]
    for key, expected in theirs.items():
        actual = ours[key]
        if expected is None or actual is None:
            # PyTorch gives zeros where gpudl gives no gradient, or the other way round.
            rest = actual if expected is None else expected
            assert rest is None or not np.any(rest), key
            continue
        scale = gradients if key.startswith("gradient") else xs
        assert_close(
            actual, expected, tolerance=tolerance or TOLERANCE[dtype], scale=scale, what=key
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "args", "kwargs", "shapes"), LAYERS)
def test_layer(name, args, kwargs, shapes, dtype, count):
    theirs, ours = pair_of(name, args, kwargs, dtype)
    arrays = inputs_for(name, shapes, dtype)
    differentiable = name != "Embedding"
    for layout in range(3):
        xs = [torch.from_numpy(x.copy()).requires_grad_(differentiable) for x in arrays]
        ys = [gd.asarray(variants(x)[layout]) for x in arrays]
        for y in ys:
            y.requires_grad = differentiable
        theirs.zero_grad()
        ours.zero_grad()
        tolerance = LOOSER.get((name, dtype))
        compare(run(ours, gd, ys), run(theirs, torch, xs), dtype, arrays, tolerance)
        count("layers against PyTorch", 1, 1)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shapes"),
    [p for p in LAYERS if str(p.values[0]).startswith("BatchNorm")],
)
def test_batch_norm_evaluates_with_running_statistics(name, args, kwargs, shapes, dtype):
    theirs, ours = pair_of(name, args, kwargs, dtype)
    rng = np.random.default_rng(3)
    for _ in range(3):
        x = (rng.normal(size=shapes[0]) * 3 + 5).astype(dtype)
        theirs(torch.from_numpy(x))
        ours(gd.asarray(x))
    x = rng.normal(size=shapes[0]).astype(dtype)
    theirs.eval()
    ours.eval()
    a, b = gd.tensor(x, requires_grad=True), torch.from_numpy(x).requires_grad_()
    # The statistics of three float32 batches differ in their last digits.
    compare(run(ours, gd, [a]), run(theirs, torch, [b]), dtype, [x])


# ----- losses -----
def loss_case(
    name: str, shapes: Any, *, make: Any = None, weights: Any = None, **kwargs: Any
) -> Any:
    shown = ",".join(f"{k}={v}" for k, v in kwargs.items())
    extra = f",{'+'.join(weights)}" if weights else ""
    return pytest.param(
        name,
        shapes,
        make,
        weights or {},
        kwargs,
        id=f"{name}({shown}{extra}){shapes}".replace(" ", ""),
    )


def labels(classes: int, ignore: int | None = None) -> Any:
    def make(rng: np.random.Generator, shape: Any, dtype: str) -> np.ndarray:
        made = rng.integers(0, classes, shape)
        if ignore is not None and made.size > 1:
            made.reshape(-1)[::3] = ignore
        return made

    return make


def logits(rng, shape, dtype):
    return (rng.normal(size=shape) * 2).astype(dtype)


def log_probabilities(rng, shape, dtype):
    x = rng.normal(size=shape)
    axis = 1 if len(shape) > 1 else 0
    return (x - np.log(np.exp(x).sum(axis, keepdims=True))).astype(dtype)


def probabilities(rng, shape, dtype):
    return np.exp(log_probabilities(rng, shape, "float64")).astype(dtype)


def unit(rng, shape, dtype):
    return rng.uniform(0.01, 0.99, shape).astype(dtype)


def positive(rng, shape, dtype):
    return rng.uniform(0.1, 4, shape).astype(dtype)


def counts(rng, shape, dtype):
    return rng.integers(0, 5, shape).astype(dtype)


def signs(rng, shape, dtype):
    return np.where(rng.random(shape) < 0.5, -1, 1).astype(dtype)


LOSSES = [
    *[
        loss_case(
            "CrossEntropyLoss",
            [shape, (shape[0], *shape[2:]) if len(shape) > 1 else ()],
            make=[logits, labels(shape[1] if len(shape) > 1 else shape[0], ignore)],
            weights=weights,
            **({} if ignore is None else {"ignore_index": ignore}),
            **kwargs,
        )
        for shape in [(7, 5), (4, 3, 6), (2, 3, 4, 5), (5,), (1, 1), (37, 1128)]
        for ignore, weights, kwargs in [
            (None, None, {}),
            (-100, {"weight": positive}, {}),
            (1, None, {"label_smoothing": 0.1}),
            (0, {"weight": positive}, {"label_smoothing": 0.3}),
        ]
        if not (ignore == 1 and shape == (1, 1)) and not (ignore == 0 and shape in [(1, 1), (5,)])
    ],
    *[
        loss_case(
            "CrossEntropyLoss",
            [shape, shape],
            make=[logits, probabilities],
            weights=weights,
            **kwargs,
        )
        for shape in [(7, 5), (4, 3, 6), (5,)]
        for weights, kwargs in [(None, {}), ({"weight": positive}, {"label_smoothing": 0.2})]
    ],
    loss_case("NLLLoss", [(7, 5), (7,)], make=[log_probabilities, labels(5)]),
    loss_case(
        "NLLLoss",
        [(4, 3, 6), (4, 6)],
        make=[log_probabilities, labels(3, 2)],
        weights={"weight": positive},
        ignore_index=2,
    ),
    loss_case("NLLLoss", [(5,), ()], make=[log_probabilities, labels(5)]),
    *[
        loss_case(name, [shape, shape], **kwargs)
        for name, kwargs in [
            ("MSELoss", {}),
            ("L1Loss", {}),
            ("SmoothL1Loss", {}),
            ("SmoothL1Loss", {"beta": 0.3}),
            ("SmoothL1Loss", {"beta": 0.0}),
            ("HuberLoss", {}),
            ("HuberLoss", {"delta": 0.4}),
        ]
        for shape in [(37, 5), (), (2, 1, 3)]
    ],
    loss_case("BCELoss", [(7, 5), (7, 5)], make=[unit, unit]),
    loss_case("BCELoss", [(7, 5), (7, 5)], make=[unit, unit], weights={"weight": positive}),
    loss_case("BCEWithLogitsLoss", [(7, 5), (7, 5)], make=[logits, unit]),
    loss_case(
        "BCEWithLogitsLoss",
        [(7, 5), (7, 5)],
        make=[logits, unit],
        weights={"weight": positive, "pos_weight": positive},
    ),
    loss_case(
        "BCEWithLogitsLoss", [(3,), (3,)], make=[lambda r, s, d: logits(r, s, d) * 100, unit]
    ),
    loss_case("KLDivLoss", [(7, 5), (7, 5)], make=[log_probabilities, probabilities]),
    loss_case(
        "KLDivLoss", [(7, 5), (7, 5)], make=[log_probabilities, log_probabilities], log_target=True
    ),
    loss_case("PoissonNLLLoss", [(7, 5), (7, 5)], make=[logits, counts]),
    loss_case(
        "PoissonNLLLoss", [(7, 5), (7, 5)], make=[positive, counts], log_input=False, full=True
    ),
    loss_case("GaussianNLLLoss", [(7, 5), (7, 5), (7, 5)], make=[logits, logits, positive]),
    loss_case(
        "GaussianNLLLoss", [(7, 5), (7, 5), (7, 1)], make=[logits, logits, positive], full=True
    ),
    loss_case("GaussianNLLLoss", [(7, 5), (7, 5), (7,)], make=[logits, logits, positive], eps=2.0),
    loss_case("CosineEmbeddingLoss", [(7, 5), (7, 5), (7,)], make=[logits, logits, signs]),
    loss_case("CosineEmbeddingLoss", [(5,), (5,), ()], make=[logits, logits, signs], margin=0.2),
    loss_case("MarginRankingLoss", [(7,), (7,), (7,)], make=[logits, logits, signs], margin=0.3),
    loss_case("HingeEmbeddingLoss", [(7, 5), (7, 5)], make=[logits, signs]),
    loss_case("HingeEmbeddingLoss", [(7, 5), (7, 5)], make=[logits, signs], margin=0.2),
    loss_case("TripletMarginLoss", [(7, 5), (7, 5), (7, 5)]),
    loss_case("TripletMarginLoss", [(7, 5), (7, 5), (7, 5)], margin=0.5, p=1.0, swap=True),
    loss_case("TripletMarginLoss", [(5,), (5,), (5,)], p=3.0),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "shapes", "make", "weights", "kwargs"), LOSSES)
def test_loss(name, shapes, make, weights, kwargs, dtype, reduction, count):
    rng = np.random.default_rng(5)
    makers = make if make is not None else [logits] * len(shapes)
    arrays = [np.asarray(f(rng, shape, dtype)) for f, shape in zip(makers, shapes, strict=True)]
    classes = shapes[0][1] if len(shapes[0]) > 1 else (shapes[0] or (1,))[0]
    extra = {key: f(rng, (classes,), dtype) for key, f in weights.items()}
    theirs = getattr(torch.nn, name)(
        reduction=reduction, **kwargs, **{k: torch.from_numpy(v) for k, v in extra.items()}
    )
    ours = getattr(gd.nn, name)(
        reduction=reduction, **kwargs, **{k: gd.asarray(v) for k, v in extra.items()}
    )
    floats = [x.dtype.kind == "f" for x in arrays]
    # Targets that PyTorch does not differentiate are left out: those of ranking and embedding
    # losses.
    wants = [f and m not in (signs, counts) for f, m in zip(floats, makers, strict=True)]
    xs = [torch.tensor(x, requires_grad=w) for x, w in zip(arrays, wants, strict=True)]
    ys = [gd.tensor(x, requires_grad=w) for x, w in zip(arrays, wants, strict=True)]
    compare(run(ours, gd, ys), run(theirs, torch, xs), dtype, arrays)
    count("losses against PyTorch", 1, 1)


def test_kl_div_batchmean():
    rng = np.random.default_rng(0)
    x, t = log_probabilities(rng, (7, 5), "float64"), probabilities(rng, (7, 5), "float64")
    expected = torch.nn.KLDivLoss(reduction="batchmean")(torch.from_numpy(x), torch.from_numpy(t))
    assert_close(
        gd.nn.KLDivLoss(reduction="batchmean")(gd.asarray(x), gd.asarray(t)), expected.numpy()
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_all_labels_ignored_is_nan_without_a_gradient_as_there(name, weighted):
    for lib in (gd, torch):
        x = lib.zeros((2, 3), requires_grad=True) if lib is torch else gd.tensor(np.zeros((2, 3)))
        x.requires_grad = True
        weight = lib.ones(3, dtype=x.dtype) if weighted else None
        loss = getattr(lib.nn.functional, name)(x, lib.tensor([-100, -100]), weight)
        loss.backward()
        assert np.isnan(loss.item()) and not x.grad.numpy().any()


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    "pad", [(1, 2), (0, 3), (1, 2, 2, 0), (3, 3, 2, 2), (-1, 2), (2, -3), (-1, -1, -2, 2)]
)
def test_pad(mode, pad):
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    if mode != "constant" and len(pad) == 2:
        x = x[0]
    a, b = gd.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ours, theirs = gd.nn.functional.pad(a, pad, mode), torch.nn.functional.pad(b, pad, mode)
    assert_close(ours, theirs.detach().numpy(), tolerance=0.0)
    g = np.random.default_rng(1).normal(size=tuple(ours.shape))
    ours.backward(gd.asarray(g))
    theirs.backward(torch.from_numpy(g))
    assert_close(a.grad, b.grad.numpy(), tolerance=1e-12)


def test_negative_pad_cuts():
    x = np.arange(30.0).reshape(5, 6)
    ours = gd.nn.functional.pad(gd.asarray(x), (-1, 2, -2, -1), value=7.0)
    theirs = torch.nn.functional.pad(torch.from_numpy(x), (-1, 2, -2, -1), value=7.0)
    assert_close(ours, theirs.numpy(), tolerance=0.0)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("normalize", ()),
        ("normalize", (1.0, 0)),
        ("normalize", (3.0, -1)),
        ("cosine_similarity", ()),
        ("cosine_similarity", (0,)),
        ("pairwise_distance", ()),
        ("pairwise_distance", (1.0,)),
        ("pairwise_distance", (float("inf"),)),
    ],
)
def test_distances(name, args):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(7, 5)) for _ in range(1 if name == "normalize" else 2)]
    xs = [gd.tensor(x, requires_grad=True) for x in arrays]
    ys = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = getattr(gd.nn.functional, name)(*xs, *args)
    theirs = getattr(torch.nn.functional, name)(*ys, *args)
    assert_close(ours, theirs.detach().numpy(), tolerance=1e-10)
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    for x, y in zip(xs, ys, strict=True):
        assert_close(x.grad, y.grad.numpy(), tolerance=1e-10, scale=1.0)


# ----- whole networks -----
def networks(lib: Any) -> Any:
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, bias=False),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 20),
        nn.LayerNorm(20),
        nn.Tanh(),
        nn.Linear(20, 10),
    )


@pytest.mark.parametrize("through", ["numpy", "tensors", "safetensors"])
def test_state_dict_of_a_network_loads_and_gives_the_same_numbers(through, tmp_path):
    torch.manual_seed(0)
    theirs, ours = networks(torch), networks(gd)
    state = theirs.state_dict()
    if through == "numpy":
        loaded: Any = {k: v.numpy() for k, v in state.items()}
    elif through == "tensors":
        loaded = state
    else:
        save_file = pytest.importorskip(
            "safetensors.torch", reason="writes a file as PyTorch users do"
        ).save_file
        save_file(state, str(tmp_path / "model.safetensors"))
        loaded = gd.load(tmp_path / "model.safetensors")
    result = ours.load_state_dict(loaded)
    assert result.missing_keys == [] and result.unexpected_keys == []
    x = np.random.default_rng(0).normal(size=(5, 1, 12, 12)).astype(np.float32)
    y = np.array([1, 2, 3, 4, 5])
    for training in (True, False):
        theirs.train(training)
        ours.train(training)
        expected = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x)), torch.from_numpy(y)
        )
        actual = gd.nn.functional.cross_entropy(ours(gd.asarray(x)), gd.asarray(y))
        assert_close(actual, expected.detach().numpy(), tolerance=1e-5)
    expected.backward()
    actual.backward()
    grads = [p.grad.numpy() for p in theirs.parameters()]
    for (name, p), g in zip(ours.named_parameters(), grads, strict=True):
        assert_close(p.grad, g, tolerance=2e-5, scale=grads, what=name)


def test_state_dict_goes_back():
    theirs, ours = networks(torch), networks(gd)
    state = {k: torch.from_numpy(np.array(v.numpy())) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    x = np.random.default_rng(0).normal(size=(5, 1, 12, 12)).astype(np.float32)
    assert_close(ours(gd.asarray(x)), theirs(torch.from_numpy(x)).detach().numpy(), tolerance=1e-5)


def test_repr_of_a_network():
    assert repr(networks(gd)) == repr(networks(torch))


# ----- initialization: the same distributions -----
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("uniform_", {"a": -1.0, "b": 3.0}),
        ("normal_", {"mean": 1.0, "std": 2.0}),
        ("trunc_normal_", {"std": 1.5}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("kaiming_uniform_", {"a": 0.3}),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("orthogonal_", {"gain": 1.5}),
        ("sparse_", {"sparsity": 0.3}),
    ],
)
def test_initialization_has_the_same_moments(name, kwargs):
    torch.manual_seed(0)
    gd.manual_seed(0)
    theirs, ours = torch.empty(300, 200), gd.zeros(300, 200)
    getattr(torch.nn.init, name)(theirs, **kwargs)
    getattr(gd.nn.init, name)(ours, **kwargs)
    a, b = ours.numpy().astype(np.float64), theirs.numpy().astype(np.float64)
    scale = b.std()
    assert abs(a.mean() - b.mean()) < 0.03 * scale
    assert abs(a.std() - scale) < 0.02 * scale
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert abs(np.quantile(a, q) - np.quantile(b, q)) < 0.04 * scale


@pytest.mark.parametrize(
    "name", ["Linear", "Conv2d", "ConvTranspose2d", "Embedding", "Bilinear", "BatchNorm2d"]
)
def test_default_initialization_has_the_same_spread(name):
    args = {
        "Linear": (300, 200),
        "Conv2d": (32, 64, 5),
        "ConvTranspose2d": (64, 32, 5),
        "Embedding": (300, 200),
        "Bilinear": (40, 30, 50),
        "BatchNorm2d": (7,),
    }[name]
    torch.manual_seed(1)
    gd.manual_seed(1)
    theirs, ours = getattr(torch.nn, name)(*args), getattr(gd.nn, name)(*args)
    for (key, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        b = b.detach().numpy()
        big = np.abs(b).max() or 1.0
        assert abs(np.abs(a.data).max() - np.abs(b).max()) < 0.25 * big, key
        assert abs(a.data.std() - b.std()) < 0.2 * (b.std() or 1.0), key


@pytest.mark.parametrize(
    ("nonlinearity", "param"),
    [
        ("linear", None),
        ("conv2d", None),
        ("sigmoid", None),
        ("tanh", None),
        ("relu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.3),
        ("selu", None),
    ],
)
def test_gain(nonlinearity, param):
    assert gd.nn.init.calculate_gain(nonlinearity, param) == torch.nn.init.calculate_gain(
        nonlinearity, param
    )


def test_dirac_and_eye():
    for groups in (1, 2):
        theirs, ours = torch.empty(4, 2, 3, 3), gd.zeros(4, 2, 3, 3)
        torch.nn.init.dirac_(theirs, groups)
        gd.nn.init.dirac_(ours, groups)
        assert np.array_equal(ours.numpy(), theirs.numpy())
    assert np.array_equal(gd.nn.init.eye_(gd.zeros(3, 5)).numpy(), np.eye(3, 5, dtype=np.float32))


# ----- clipping -----
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_clip_grad_norm(p, limit):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (), (0,), (37,)]
    ours, theirs = [], []
    for shape in shapes:
        w, g = rng.normal(size=shape), rng.normal(size=shape)
        ours.append(gd.tensor(w, requires_grad=True))
        theirs.append(torch.tensor(w, requires_grad=True))
        ours[-1].grad, theirs[-1].grad = gd.tensor(g), torch.tensor(g)
    ours.append(gd.tensor([1.0], requires_grad=True))  # no gradient: passed over
    if p == float("inf"):  # PyTorch has no maximum of nothing
        theirs = [t for t in theirs if t.numel()]
    a = gd.nn.utils.clip_grad_norm_(ours, limit, p)
    b = torch.nn.utils.clip_grad_norm_(theirs, limit, p)
    assert_close(a, b.numpy(), tolerance=1e-10)
    mine = [x.grad for x in ours if x.grad is not None and x.size]
    for x, y in zip(mine, [t.grad for t in theirs if t.numel()], strict=True):
        assert_close(x, y.numpy(), tolerance=1e-10)


def test_clip_grad_value():
    ours, theirs = (
        gd.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([1.0, 2.0], requires_grad=True),
    )
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    gd.nn.utils.clip_grad_value_([ours], 3.0)
    torch.nn.utils.clip_grad_value_([theirs], 3.0)
    assert np.array_equal(ours.grad.numpy(), theirs.grad.numpy())


# ----- names, argument order, defaults -----
def test_signatures_agree():
    """Every class and function here takes PyTorch's parameters, in its order, with its defaults."""
    import inspect

    def plain(default: Any) -> Any:
        """A default; of a function, its name."""
        return default.__name__ if inspect.isfunction(default) else default

    def parameters(f: Any) -> list[tuple[str, Any]]:
        return [
            (p.name, plain(p.default))
            for p in inspect.signature(f).parameters.values()
            if p.name != "self"
        ]

    checked = 0
    for space, peer in (
        (gd.nn, torch.nn),
        (gd.nn.init, torch.nn.init),
        (gd.nn.functional, torch.nn.functional),
    ):
        for name, ours in vars(space).items():
            theirs = getattr(peer, name, None)
            if name.startswith("_") or theirs is None or not callable(ours):
                continue
            if isinstance(ours, type) and not issubclass(ours, gd.nn.Module):
                continue
            try:
                expected = parameters(theirs.__init__ if isinstance(theirs, type) else theirs)
            except ValueError:  # a builtin without a signature
                continue
            actual = parameters(ours.__init__ if isinstance(ours, type) else ours)
            if [k for k, _ in expected] == ["args", "kwargs"] or expected == actual:
                checked += 1
                continue
            assert [k for k, _ in actual][: len(expected)] == [k for k, _ in expected][
                : len(actual)
            ], name
            for (key, a), (_, b) in zip(actual, expected, strict=False):
                assert a == b or (a is None and b is None), f"{name}: {key}={a}, PyTorch {b}"
            checked += 1
    assert checked > 100
