"""Layers that take their size from the first input."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import ShapeError
from gpudl.testing import assert_close


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.LazyConv2d(4, 3),
        nn.LazyBatchNorm2d(),
        nn.ReLU(),
        nn.LazyConvTranspose2d(2, 2),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def eager() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 2),
        nn.Flatten(),
        nn.Linear(2 * 5 * 4, 3),
    )


X = gd.asarray(np.random.default_rng(0).normal(size=(3, 2, 6, 5)).astype(np.float32))


def test_a_lazy_network_becomes_the_eager_one():
    """The same classes, shapes and, from the same seed, the same weights."""
    gd.manual_seed(7)
    lazy = network()
    y = lazy(X)
    gd.manual_seed(7)
    plain = eager()
    assert repr(lazy) == repr(plain) and [type(m) for m in lazy] == [type(m) for m in plain]
    assert_close(y, plain(X).detach(), tolerance=0.0)
    for (name, a), (other, b) in zip(
        lazy.state_dict().items(), plain.state_dict().items(), strict=True
    ):
        assert name == other and np.array_equal(a.numpy(), b.numpy())
    assert all(type(p) is nn.Parameter for p in lazy.parameters())


def test_an_optimizer_made_before_the_first_call_trains_the_parameters():
    net = network()
    optimizer = gd.optim.SGD(net.parameters(), lr=0.1)
    net(X).sum().backward()
    before = [p.detach().numpy().copy() for p in net.parameters()]
    optimizer.step()
    assert all(
        not np.array_equal(p.detach().numpy(), b)
        for p, b in zip(net.parameters(), before, strict=True)
        if p.grad.numpy().any()
    )


def test_dtype_and_device_are_kept():
    net = network().to("float64").to("emu")
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    y = net(X.astype("float64").to("emu"))
    assert y.dtype.name == "float64" and y.device == gd.device("emu")


@pytest.mark.parametrize("through", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_wait_too(through):
    net = through(network())
    assert repr(net[0].weight) == "<UninitializedParameter>" and net[0].weight.requires_grad
    assert repr(net[1].running_mean) == "<UninitializedBuffer>"
    assert net(X).shape == (3, 3)


def test_a_state_dict_gives_the_shapes():
    net, plain = network(), eager()
    net.load_state_dict(plain.state_dict())
    assert not net[5].has_uninitialized_params()
    assert_close(net(X), plain(X).detach(), tolerance=0.0)
    assert repr(net) == repr(plain)


def test_wrong_inputs_leave_the_layer_waiting():
    for layer, x in [
        (nn.LazyLinear(3), gd.ones(())),
        (nn.LazyConv2d(4, 2), gd.ones(2, 3)),
        (nn.LazyConv2d(4, 2, groups=2), gd.ones(1, 3, 4, 4)),
        (nn.LazyBatchNorm2d(), gd.ones(2, 3)),
        (nn.LazyInstanceNorm2d(), gd.ones(2, 3)),
    ]:
        with pytest.raises(ShapeError):
            layer(x)
        assert layer.has_uninitialized_params() and type(layer).__name__.startswith("Lazy")
    good = nn.LazyConv2d(4, 2, groups=2)
    with pytest.raises(ShapeError):
        good(gd.ones(1, 3, 4, 4))
    assert good(gd.ones(1, 4, 4, 4)).shape == (1, 4, 3, 3)


def test_instance_normalization_finds_the_channels_with_and_without_a_batch():
    for cls, lazy in (
        (nn.InstanceNorm1d, nn.LazyInstanceNorm1d),
        (nn.InstanceNorm2d, nn.LazyInstanceNorm2d),
        (nn.InstanceNorm3d, nn.LazyInstanceNorm3d),
    ):
        rank = cls.ranks[0] - 1
        for batch in ((), (2,)):
            shape = (*batch, 5, *(2, 7, 3)[:rank])
            x = gd.asarray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
            plain, waiting = cls(5, affine=True, track_running_stats=True), lazy()
            assert_close(waiting(x), plain(x).detach(), tolerance=0.0)
            assert type(waiting) is cls and repr(waiting) == repr(plain)
            assert np.array_equal(waiting.running_var.numpy(), plain.running_var.numpy())
