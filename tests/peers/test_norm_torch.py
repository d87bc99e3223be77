"""Group, instance, root-mean-square and response normalization against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.testing import assert_close

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = [pytest.mark.peers]

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
DTYPES = list(TOLERANCE)


def case(name: str, *args: Any, x: tuple[int, ...], **kwargs: Any) -> Any:
    shown = ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])
    return pytest.param(name, args, kwargs, x, id=f"{name}({shown}){x}".replace(" ", ""))


CASES = [
    *[
        case("GroupNorm", groups, 12, x=x, **kwargs)
        for groups in (1, 2, 3, 6, 12)
        for x, kwargs in [
            ((2, 12, 5), {}),
            ((3, 12, 4, 3), {"eps": 0.1}),
            ((37, 12, 2, 3, 2), {"affine": False}),
            ((1, 12, 7), {"bias": False}),
            ((0, 12, 4), {}),
        ]
    ],
    case("GroupNorm", 2, 6, x=(5, 6)),
    *[
        case(f"InstanceNorm{d}d", 3, x=x, **kwargs)
        for d in (1, 2, 3)
        for x in [(2, 3, 5, 4, 3)[: d + 2], (3, 5, 4, 3)[: d + 1], (1, 3, 1, 7, 2)[: d + 2]]
        for kwargs in [
            {},
            {"affine": True},
            {"affine": True, "bias": False, "eps": 0.01},
            {"track_running_stats": True, "momentum": 0.3},
            {"track_running_stats": True, "affine": True},
            {"track_running_stats": True, "momentum": None},
        ]
        if not (d == 1 and x == (1, 3, 1))
    ],
    case("RMSNorm", 37, x=(3, 37)),
    case("RMSNorm", (4, 5), eps=0.01, x=(2, 3, 4, 5)),
    case("RMSNorm", (4, 5), elementwise_affine=False, x=(4, 5)),
    case("RMSNorm", 6, x=(2, 0, 6)),
    case("RMSNorm", 2, eps=1e-3, x=(7, 2)),
    *[
        case("LocalResponseNorm", size, x=x, **kwargs)
        for size in (1, 2, 3, 5, 8)
        for x, kwargs in [
            ((2, 7, 5), {}),
            ((2, 4, 3, 5), {"alpha": 0.5, "beta": 0.3, "k": 2.0}),
            ((1, 3, 2, 3, 2), {"alpha": 1.0}),
        ]
    ],
]


def pair_of(name: str, args: Any, kwargs: Any, dtype: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype))
    with torch.no_grad():
        for param in theirs.parameters():
            param.normal_()
    ours = getattr(gd.nn, name)(*args, **kwargs).to(dtype)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return theirs, ours


def compare(theirs: Any, ours: Any, x: np.ndarray, dtype: str, layout: int = 0) -> None:
    """One forward and backward pass: outputs, gradients and buffers."""
    back = tuple(range(x.ndim))[::-1]
    laid = [x, x.transpose(back).copy().transpose(back), np.flip(np.flip(x).copy())][layout]
    a, b = torch.tensor(x.copy(), requires_grad=True), gd.tensor(laid, requires_grad=True)
    ya, yb = theirs(a), ours(b)
    tolerance = TOLERANCE[dtype]
    assert_close(yb, ya.detach().numpy(), tolerance=tolerance, scale=[x], what="output")
    g = np.random.default_rng(2).normal(size=x.shape).astype(dtype)
    theirs.zero_grad()
    ours.zero_grad()
    ya.backward(torch.from_numpy(g))
    yb.backward(gd.asarray(g))
    grads = {"x": (b.grad, a.grad)}
    grads |= {
        n: (p.grad, q.grad)
        for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True)
    }
    scale = [q.numpy() for _, q in grads.values()]
    for name, (p, q) in grads.items():
        assert_close(p, q.numpy(), tolerance=tolerance, scale=scale, what=f"gradient of {name}")
    for (name, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert_close(p, q.numpy(), tolerance=tolerance, scale=[x], what=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), CASES)
def test_layer(name, args, kwargs, shape, dtype):
    theirs, ours = pair_of(name, args, kwargs, dtype)
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(1)
    for layout in range(3):
        x = (rng.normal(size=shape) * 2 + 0.5).astype(dtype)
        compare(theirs, ours, x, dtype, layout)
    theirs.eval()
    ours.eval()
    x = rng.normal(size=shape).astype(dtype)
    if not x.size:
        return
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    assert_close(ours(gd.asarray(x)), expected, tolerance=TOLERANCE[dtype], scale=[x])


# PyTorch's class keeps the first channel in every later window: as many channels as are right. Its
# gradient is that of windows one channel further on, so it is left out.
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("args", "shape"),
    [((5, 0.7, 0.5, 1.5), (2, 3, 4, 5)), ((7, 0.7), (1, 4, 2, 1)), ((4, 0.7), (2, 2, 3, 3))],
)
def test_cross_map(args, shape, dtype):
    theirs, ours = pair_of("CrossMapLRN2d", args, {}, dtype)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    expected = theirs(torch.from_numpy(x)).numpy()
    assert_close(ours(gd.asarray(x)), expected, tolerance=TOLERANCE[dtype], scale=[x])


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_map_follows_its_formula(dtype):
    """For odd sizes it is the local response norm, behind the first window and in its gradient."""
    x = np.random.default_rng(0).normal(size=(2, 11, 3, 2)).astype(dtype)
    for size in (1, 3, 5):
        theirs, ours = torch.nn.LocalResponseNorm(size, 0.6), gd.nn.CrossMapLRN2d(size, 0.6)
        compare(theirs, ours, x, dtype)
