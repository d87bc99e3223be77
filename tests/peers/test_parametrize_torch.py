"""Parametrizations against PyTorch: its state dicts load, and give the same outputs, gradients and
buffers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.testing import assert_close

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = [pytest.mark.peers]

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}

LAYERS = {
    "square": ("Linear", (5, 5), (3, 5)),
    "wide": ("Linear", (7, 4), (3, 7)),
    "tall": ("Linear", (4, 7), (3, 4)),
    "conv": ("Conv2d", (3, 4, 2), (2, 3, 5, 4)),
    "transposed": ("ConvTranspose1d", (3, 4, 2), (2, 3, 5)),
}
WAYS = [
    *[
        (layer, "weight_norm", {} if dim == 0 else {"dim": dim})
        for layer in LAYERS
        for dim in (0, 1, None)
    ],
    *[(layer, "weight_norm", {"name": "bias", "dim": None}) for layer in ("tall", "conv")],
    *[
        (layer, "spectral_norm", kwargs)
        for layer in LAYERS
        for kwargs in ({}, {"n_power_iterations": 3}, {"dim": 1, "eps": 1e-3})
    ],
    *[(layer, "spectral_norm", {"name": "bias"}) for layer in ("tall", "conv")],
    *[
        (layer, "orthogonal", kwargs)
        for layer in ("square", "wide", "tall")
        for kwargs in (
            {},
            {"orthogonal_map": "matrix_exp"},
            {"orthogonal_map": "cayley"},
            {"orthogonal_map": "householder"},
            {"orthogonal_map": "householder", "use_trivialization": False},
        )
    ],
]


def pair_of(layer: str, way: str, kwargs: Any, dtype: str) -> tuple[Any, Any, np.ndarray]:
    name, args, shape = LAYERS[layer]
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args).to(getattr(torch, dtype))
    theirs = getattr(torch.nn.utils.parametrizations, way)(theirs, **kwargs)
    with torch.no_grad():
        for key, p in theirs.named_parameters():
            # Of reflections the diagonal is signs.
            signs = way == "orthogonal" and "original" in key
            p.add_(torch.randn_like(p).tril(-1) * 0.5 if signs else torch.randn_like(p) * 0.3)
    ours = getattr(gd.nn, name)(*args).to(dtype)
    ours = getattr(gd.nn.utils.parametrizations, way)(ours, **kwargs)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs, np.random.default_rng(1).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "way", "kwargs"), WAYS, ids=lambda v: str(v).replace(" ", ""))
def test_outputs_gradients_and_buffers(layer, way, kwargs, dtype, count):
    ours, theirs, x = pair_of(layer, way, kwargs, dtype)
    tolerance = TOLERANCE[dtype]
    rng = np.random.default_rng(2)
    for step in range(3):
        if step == 2:
            ours.eval()
            theirs.eval()
        a, b = gd.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        assert_close(y, z.detach().numpy(), tolerance=tolerance, scale=[x], what="output")
        g = rng.normal(size=y.shape).astype(dtype)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(gd.asarray(g))
        z.backward(torch.from_numpy(g))
        named = dict(theirs.named_parameters())
        scale = [p.grad.numpy() for p in named.values()]
        assert_close(a.grad, b.grad.numpy(), tolerance=tolerance, scale=scale)
        for key, p in ours.named_parameters():
            assert_close(
                p.grad, named[key].grad.numpy(), tolerance=tolerance, scale=scale, what=key
            )
        buffers = dict(theirs.named_buffers())
        for key, p in ours.named_buffers():
            assert_close(p, buffers[key].numpy(), tolerance=tolerance, scale=[x], what=key)
    count("parametrizations against PyTorch: configurations", 1, 1)


@pytest.mark.parametrize("way", ["weight_norm", "spectral_norm", "orthogonal"])
def test_copies_and_removal(way):
    ours, theirs, x = pair_of("tall", way, {}, "float64")
    twin = copy.deepcopy(ours).eval()
    ours.eval()
    theirs.eval()
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    assert_close(twin(gd.asarray(x)), expected, tolerance=1e-10)
    removed = gd.nn.utils.parametrize.remove_parametrizations(ours, "weight")
    torch.nn.utils.parametrize.remove_parametrizations(theirs, "weight")
    assert list(removed.state_dict()) == list(theirs.state_dict())
    assert_close(removed.weight, theirs.weight.detach().numpy(), tolerance=1e-10)
    assert_close(removed(gd.asarray(x)), expected, tolerance=1e-10)
    assert_close(twin(gd.asarray(x)), expected, tolerance=1e-10)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("layer", ["square", "wide", "tall"])
def test_it_starts_from_the_same_orthogonal_matrix(layer, orthogonal_map):
    name, args, _ = LAYERS[layer]
    theirs = getattr(torch.nn, name)(*args).double()
    ours = getattr(gd.nn, name)(*args).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for module, library in ((ours, gd), (theirs, torch)):
        library.nn.utils.parametrizations.orthogonal(module, orthogonal_map=orthogonal_map)
    assert_close(ours.weight, theirs.weight.detach().numpy(), tolerance=1e-10)
    start = torch.linalg.qr(torch.randn(args[1], args[1], dtype=torch.float64))[0]
    start = (
        start[:, : args[0]]
        if args[0] <= args[1]
        else torch.linalg.qr(torch.randn(args[0], args[0], dtype=torch.float64))[0][: args[1]]
    )
    ours.weight, theirs.weight = gd.asarray(start.numpy()), start
    assert_close(ours.weight, start.numpy(), tolerance=1e-10)
    assert_close(theirs.weight.detach().numpy(), start.numpy(), tolerance=1e-10)
