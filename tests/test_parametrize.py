"""Parametrizations and the normalizations beside batch and layer norm, without a peer."""

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
    GpudlError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)
from gpudl.nn.utils import parametrizations, parametrize
from gpudl.testing import assert_close, gradcheck, gradgradcheck

F = nn.functional


class Symmetric(nn.Module):
    def forward(self, x):
        return gd.triu(x) + gd.triu(x, k=1).T

    def right_inverse(self, x):
        return gd.triu(x)


class Doubled(nn.Module):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return x * 2


class Cut(nn.Module):
    def forward(self, x):
        return x[:1]


def test_a_parameter_moves_and_comes_back():
    fc = nn.Linear(3, 3)
    weight, value = fc.weight, fc.weight.detach().numpy().copy()
    assert parametrize.register_parametrization(fc, "weight", Doubled()) is fc
    assert fc.parametrizations.weight.original is weight
    assert_close(fc.weight, 2 * value)
    assert list(fc.state_dict()) == ["bias", "parametrizations.weight.original"]
    fc(gd.ones(2, 3)).sum().backward()
    assert_close(weight.grad, np.full((3, 3), 4.0))
    parametrize.remove_parametrizations(fc, "weight", leave_parametrized=False)
    assert fc.weight is weight
    assert_close(fc.weight, value)
    assert not hasattr(fc, "parametrizations")
    assert type(fc) is nn.Linear


def test_two_in_a_row_and_assignment():
    fc = nn.Linear(3, 3)
    parametrize.register_parametrization(fc, "weight", Symmetric())
    parametrize.register_parametrization(fc, "weight", Symmetric())
    assert len(fc.parametrizations.weight) == 2
    wanted = np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]], np.float32)
    before = fc.parametrizations.weight.original
    fc.weight = gd.asarray(wanted)
    assert_close(fc.weight, wanted)
    assert fc.parametrizations.weight.original is before
    parametrize.register_parametrization(fc, "weight", Doubled())
    with pytest.raises(ArgumentError, match="Doubled has none"):
        fc.weight = gd.asarray(wanted)
    assert_close(fc.weight, 2 * wanted)


def test_buffers_too():
    norm = nn.BatchNorm1d(3)
    parametrize.register_parametrization(norm, "running_var", Doubled())
    assert_close(norm.running_var, np.full(3, 2.0))
    assert "parametrizations.running_var.original" in dict(norm.named_buffers())
    parametrize.remove_parametrizations(norm, "running_var")
    assert_close(norm.running_var, np.full(3, 2.0))


def test_cached_computes_once():
    fc = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Doubled())
    Doubled.calls = 0
    with parametrize.cached():
        with parametrize.cached():
            first = fc.weight
        assert fc.weight is first
        (fc(gd.ones(1, 2)) + fc(gd.ones(1, 2))).sum().backward()
        assert Doubled.calls == 1
    assert fc.weight is not first
    assert Doubled.calls == 2


def test_a_failed_registration_changes_nothing():
    for module, error in ((Cut(), ShapeError), (nn.Embedding(2, 2), GpudlError)):
        fc = nn.Linear(3, 3)
        state = {k: v.numpy().copy() for k, v in fc.state_dict().items()}
        names = list(fc._kinds)
        with pytest.raises(error):
            parametrize.register_parametrization(fc, "weight", module)
        assert list(fc._kinds) == names
        assert not parametrize.is_parametrized(fc)
        for name, value in state.items():
            assert np.array_equal(fc.state_dict()[name].numpy(), value)
    fc = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    with pytest.raises(ShapeError):
        parametrize.register_parametrization(fc, "weight", Cut())
    assert len(fc.parametrizations.weight) == 1
    parametrize.register_parametrization(fc, "weight", Cut(), unsafe=True)
    assert fc.weight.shape == (1, 3)


@pytest.mark.parametrize("way", ["weight_norm", "spectral_norm", "orthogonal"])
def test_copies_and_state_dicts(way):
    net = nn.Sequential(getattr(parametrizations, way)(nn.Linear(4, 3)), nn.ReLU()).eval()
    twin = copy.deepcopy(net)
    x = gd.random.normal((2, 4))
    expected = net(x).detach().numpy()
    assert np.array_equal(twin(x).detach().numpy(), expected)
    for p in twin.parameters():
        with gd.no_grad():
            p[...] = 0.5
    assert np.array_equal(net(x).detach().numpy(), expected)  # nothing is shared
    fresh = nn.Sequential(getattr(parametrizations, way)(nn.Linear(4, 3)), nn.ReLU()).eval()
    fresh.load_state_dict(net.state_dict())
    assert np.array_equal(fresh(x).detach().numpy(), expected)
    names = {n: p * 1 for n, p in net.named_parameters()}
    assert np.array_equal(nn.functional_call(net, names, x).detach().numpy(), expected)


def test_an_optimizer_keeps_them_orthogonal():
    fc = parametrizations.orthogonal(nn.Linear(5, 3).double())
    optimizer = gd.optim.SGD(fc.parameters(), lr=0.1)
    start = fc.weight.detach().numpy().copy()
    for _ in range(5):
        optimizer.zero_grad()
        (fc(gd.ones(2, 5, dtype=gd.float64)) ** 2).sum().backward()
        optimizer.step()
    weight = fc.weight.detach().numpy()
    assert np.abs(weight - start).max() > 1e-3
    assert_close(weight @ weight.T, np.eye(3), tolerance=1e-12)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 2), (2, 5), (3, 4, 2)])
def test_orthogonal_has_derivatives(orthogonal_map, shape):
    module = nn.Module()
    module.weight = nn.Parameter(gd.random.normal(shape).astype("float64"))
    parametrizations.orthogonal(module, orthogonal_map=orthogonal_map)
    parametrization = module.parametrizations.weight[0]
    x = gd.asarray(np.random.default_rng(0).normal(size=shape))
    # The diagonal counts as signs in one map, so it is not moved.
    keep = (
        np.tri(*shape[-2:], k=-1) if shape[-2] >= shape[-1] else np.tri(*shape[-2:][::-1], k=-1).T
    )
    base = np.broadcast_to(np.eye(*shape[-2:]), shape)

    def f(x):
        return parametrization(x * gd.asarray(keep) + gd.asarray(base))

    x.requires_grad = True
    assert gradcheck(f, x)
    assert gradgradcheck(f, x)
    q = f(x).detach().numpy()
    product = q @ q.swapaxes(-1, -2) if shape[-2] < shape[-1] else q.swapaxes(-1, -2) @ q
    assert_close(product, np.broadcast_to(np.eye(min(shape[-2:])), product.shape), tolerance=1e-10)


def test_a_complex_weight_becomes_unitary():
    module = nn.Module()
    z = gd.asarray(np.random.default_rng(0).normal(size=(3, 3, 2)) @ np.array([1, 1j]))
    module.weight = nn.Parameter(z)
    parametrizations.orthogonal(module)
    q = module.weight.detach().numpy()
    assert_close(q.conj().T @ q, np.eye(3).astype(complex), tolerance=1e-12)


def test_spectral_norm_has_second_derivatives():
    """As a gradient penalty takes them."""
    fc = parametrizations.spectral_norm(nn.Linear(4, 3).double()).eval()
    x = gd.ones(2, 4, dtype=gd.float64, requires_grad=True)
    (g,) = gd.autograd.grad((fc(x) ** 2).sum(), x, create_graph=True)
    (g**2).sum().backward()
    assert np.abs(fc.parametrizations.weight.original.grad.numpy()).max() > 0
    assert_close(np.linalg.svd(fc.weight.detach().numpy())[1][0], 1.0, tolerance=1e-2)


# ----- normalization -----
@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda x: F.group_norm(x, 2), (2, 4, 3)),
        (lambda x: F.instance_norm(x), (2, 3, 4)),
        (lambda x: F.rms_norm(x, (4,)), (3, 4)),
        (lambda x: F.local_response_norm(x, 3, alpha=0.5), (2, 4, 3)),
        (nn.CrossMapLRN2d(2, alpha=0.5), (2, 4, 3, 1)),
    ],
)
def test_normalizations_have_derivatives(f, shape):
    x = gd.asarray(np.random.default_rng(0).normal(size=shape))
    x.requires_grad = True
    assert gradcheck(f, x)
    assert gradgradcheck(f, x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precisions(dtype):
    x = gd.random.normal((2, 4, 37)).astype(dtype)
    wide = x.astype("float64")
    for f in (lambda x: F.group_norm(x, 2), F.instance_norm, lambda x: F.rms_norm(x, (37,))):
        assert f(x).dtype == x.dtype
        assert_close(f(x), f(wide).numpy(), scale=[x])


linear = nn.Linear(3, 2)
x = gd.ones(2, 4, 3)


@pytest.mark.parametrize(
    ("error", "f", "words"),
    [
        (ArgumentTypeError, lambda: parametrize.register_parametrization(3, "w", Cut()), "module"),
        (
            ArgumentTypeError,
            lambda: parametrize.register_parametrization(linear, "weight", abs),
            "no module",
        ),
        (
            ArgumentError,
            lambda: parametrize.register_parametrization(linear, "no", Cut()),
            "no parameter or buffer 'no'",
        ),
        (ArgumentError, lambda: parametrize.remove_parametrizations(linear, "weight"), "is not"),
        (
            ArgumentError,
            lambda: parametrize.remove_parametrizations(
                parametrizations.weight_norm(nn.Linear(3, 2)), "weight", leave_parametrized=False
            ),
            "2 tensors",
        ),
        (ArgumentError, lambda: parametrizations.weight_norm(linear, "no"), "'no'"),
        (IndexRangeError, lambda: parametrizations.weight_norm(linear, dim=2), "axis"),
        (IndexRangeError, lambda: parametrizations.spectral_norm(linear, dim=2), "axis"),
        (GpudlError, lambda: parametrizations.spectral_norm(linear, n_power_iterations=0), "n_po"),
        (ShapeError, lambda: parametrizations.spectral_norm(nn.Linear(0, 2)), "entries"),
        (ShapeError, lambda: parametrizations.orthogonal(linear, "bias"), "matrices"),
        (ArgumentError, lambda: parametrizations.orthogonal(linear, orthogonal_map="x"), "one of"),
        (
            NotSupportedError,
            lambda: setattr(
                parametrizations.orthogonal(
                    nn.Linear(3, 3), orthogonal_map="cayley", use_trivialization=False
                ),
                "weight",
                gd.eye(3),
            ),
            "use_trivialization",
        ),
        (ShapeError, lambda: F.group_norm(x, 3), "4 channels in 3 groups"),
        (ShapeError, lambda: F.group_norm(gd.ones(3), 1), "two axes"),
        (ShapeError, lambda: F.group_norm(x, 2, gd.ones(3)), "weight"),
        (DTypeError, lambda: F.group_norm(x, 2, gd.ones(4, dtype=gd.float64)), "float64"),
        (ShapeError, lambda: F.group_norm(gd.ones(2, 4, 0), 2), "no values"),
        (ShapeError, lambda: F.instance_norm(gd.ones(2, 4, 1)), "spread"),
        (ArgumentError, lambda: F.instance_norm(x, use_input_stats=False), "running"),
        (ShapeError, lambda: nn.InstanceNorm1d(3)(x), "3 channels"),
        (ShapeError, lambda: nn.InstanceNorm2d(4)(gd.ones(2, 4)), "4 axes, or 3"),
        (ShapeError, lambda: F.rms_norm(x, (4,)), "normalized_shape"),
        (ShapeError, lambda: F.rms_norm(x, (3,), gd.ones(4)), "weight"),
        (ShapeError, lambda: F.local_response_norm(gd.ones(2, 4), 2), "spatial"),
        (ShapeError, lambda: nn.CrossMapLRN2d(2)(x), "N, C, H, W"),
        (ArgumentError, lambda: nn.GroupNorm(3, 4), "divisor"),
    ],
)
def test_errors_name_what_is_wrong(error, f, words):
    with pytest.raises(error, match=words):
        f()
