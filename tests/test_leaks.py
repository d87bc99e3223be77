"""Memory: what runs again and again keeps no more objects and no more bytes."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import GpudlError


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def network_step():
    gd.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )
    optimizer = gd.optim.Adam(net.parameters())
    x, y = gd.ones((5, 1, 8, 8)), gd.asarray(np.arange(5) % 3)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def views_and_writes():
    base = gd.zeros(1000)

    def step():
        base[1:] = base[:-1]
        with gd.no_grad():
            base[::2] += 1

    return step


def failing_calls():
    x = gd.ones((3, 4), requires_grad=True)

    def step():
        y = x * 2
        for wrong in (
            lambda: y @ y,
            lambda: y[7],
            lambda: y.backward(),
            lambda: gd.concat([y, 3]),
            lambda: nn.functional.cross_entropy(y, gd.asarray([0, 9, 1])),
            lambda: nn.functional.max_pool1d(y, 5),
        ):
            with pytest.raises(GpudlError):
                wrong()

    return step


def transforms():
    x = gd.asarray(np.linspace(0.1, 0.9, 5))
    clipped = gd.custom_vjp(lambda v: v * 1)
    clipped.defvjp(lambda v: (v * 1, None), lambda _, g: (g.clip(-1, 1),))

    def step():
        gd.hessian(lambda v: gd.sum(gd.sin(v) * v))(x)
        clipped(gd.tensor([0.5, 2.0], requires_grad=True)).sum().backward()
        gd.value_and_grad(gd.checkpoint(lambda v: gd.sum(gd.exp(v))))(x)

    return step


def retained_graphs():
    x = gd.ones(5, requires_grad=True)

    def step():
        y = gd.exp(x)
        handle = y.register_hook(lambda g: g * 2)
        y.sum().backward(retain_graph=True, create_graph=True)
        handle.remove()
        x.grad = None

    return step


def hooked_module():
    layer = nn.Linear(3, 3)
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: None)

    def step():
        with gd.profiler.profile():
            layer(gd.ones((2, 3), requires_grad=True)).sum().backward()

    return step


STEPS = [hooked_module, network_step, views_and_writes, failing_calls, transforms, retained_graphs]


@pytest.mark.parametrize("make", STEPS, ids=lambda f: f.__name__)
def test_objects(make):
    """After a warm-up, no step leaves an object of ours behind, the cyclic collector off."""
    step = make()
    for _ in range(5):
        step()
    gc.collect()
    gc.disable()
    try:
        before = ours()
        for _ in range(50):
            step()
        after = ours()
    finally:
        gc.enable()
    assert after == before


def ours() -> dict[str, int]:
    """Living objects of the engine, by class."""
    found = {"Tensor": 0, "Node": 0, "Storage": 0}
    for obj in gc.get_objects():
        if type(obj).__name__ in found and type(obj).__module__.startswith("gpudl"):
            found[type(obj).__name__] += 1
    return found


@pytest.mark.parametrize(
    "make", [network_step, views_and_writes, transforms], ids=lambda f: f.__name__
)
def test_bytes(make):
    """Three hundred steps do not grow the process by more than the pool's own blocks."""
    step = make()
    for _ in range(30):
        step()
    gc.collect()
    before = resident()
    for _ in range(300):
        step()
    gc.collect()
    assert resident() - before < 8 << 20


def test_large_temporaries_are_reused():
    x = gd.ones((1024, 1024))
    for _ in range(5):
        ((x + 1) * 2 - x).sum()
    before = resident()
    for _ in range(50):
        ((x + 1) * 2 - x).sum()
    assert resident() - before < 32 << 20
