"""The monitor names the layer where a gradient vanishes, explodes or is NaN; the summary counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, ArgumentTypeError, MissingDependencyError
from gpudl.nn.monitor import Monitor, Reading

SEEDS = range(20)


class Residual(gd.nn.Module):
    """A block with a skip connection, whose layers have names of two parts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = gd.nn.LayerNorm(width)
        self.up = gd.nn.Linear(width, 2 * width)
        self.act = gd.nn.GELU()
        self.down = gd.nn.Linear(2 * width, width)

    def forward(self, x: Any) -> Any:
        return x + self.down(self.act(self.up(self.norm(x))))


def net(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """A random deep network with an input and a target for it."""
    depth, width = int(rng.integers(6, 16)), int(rng.integers(24, 64))
    kind = int(rng.integers(5))
    act = [gd.nn.ReLU, gd.nn.Tanh, gd.nn.LeakyReLU, gd.nn.GELU][int(rng.integers(4))]
    if kind == 4:
        blocks = [Residual(width) for _ in range(depth // 2)]
        model = gd.nn.Sequential(*blocks, gd.nn.Linear(width, 3))
        return model, gd.random.normal((16, width)), gd.random.normal((16, 3))
    if kind == 3:
        layers: list[Any] = [gd.nn.Conv2d(2, 8, 3, padding=1)]
        for _ in range(depth):
            layers += [act(), gd.nn.Conv2d(8, 8, 3, padding=1)]
        model = gd.nn.Sequential(*layers, gd.nn.AvgPool2d(2), gd.nn.Flatten(), gd.nn.Linear(72, 3))
        return model, gd.random.normal((4, 2, 6, 6)), gd.random.normal((4, 3))
    layers = []
    for _ in range(depth):
        layers += [gd.nn.Linear(width, width, bias=kind != 1), act()]
        if kind == 2:
            layers.append(gd.nn.LayerNorm(width))
    model = gd.nn.Sequential(*layers, gd.nn.Linear(width, 3))
    return model, gd.random.normal((16, width)), gd.random.normal((16, 3))


def watched(model: Any, x: Any, target: Any, steps: int = 2) -> Monitor:
    with Monitor(model) as monitor:
        for _ in range(steps):
            model.zero_grad()
            gd.nn.functional.mse_loss(model(x), target).backward()
            monitor()
    return monitor


def planted(seed: int, change: Any) -> tuple[Monitor, str]:
    """A random network with `change` done to the weight of a random layer, watched."""
    gd.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model, x, target = net(rng)
    names = [n for n, m in model.named_modules() if type(m) in (gd.nn.Linear, gd.nn.Conv2d)]
    name = names[int(rng.integers(len(names)))]
    weight = model.get_submodule(name).weight
    change(weight.data, rng)
    return watched(model, x, target), name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sound_network_is_called_sound(seed: int) -> None:
    gd.manual_seed(seed)
    model, x, target = net(np.random.default_rng(seed))
    assert all(
        finding.message.count("little by little")
        for finding in watched(model, x, target).diagnose()
    )


def _scale(factor: float) -> Any:
    def change(weight: Any, rng: np.random.Generator) -> None:
        weight *= factor

    return change


@pytest.mark.parametrize("seed", SEEDS)
def test_names_the_layer_where_the_gradient_vanishes(seed: int) -> None:
    monitor, name = planted(seed, _scale(1e-6))
    cause = monitor.diagnose()[0]
    assert (cause.kind, cause.where, cause.layer) == ("vanishing", "gradient", name)
    assert name in monitor.table().splitlines()[-1]


@pytest.mark.parametrize("seed", SEEDS)
def test_names_the_layer_where_the_gradient_explodes(seed: int) -> None:
    monitor, name = planted(seed, _scale(1e6))
    cause = monitor.diagnose()[0]
    assert (cause.kind, cause.layer) == ("exploding", name)


def _spoil(weight: Any, rng: np.random.Generator) -> None:
    weight.flat[int(rng.integers(weight.size))] = [np.nan, np.inf][int(rng.integers(2))]


@pytest.mark.parametrize("seed", SEEDS)
def test_names_the_layer_with_the_first_nan(seed: int) -> None:
    monitor, name = planted(seed, _spoil)
    (cause,) = monitor.diagnose()
    assert (cause.kind, cause.where, cause.layer, cause.step) == ("nan", "activation", name, 0)


class Root(gd.nn.Module):
    """The gradient of the root of 0 is infinite, that of the product NaN; the values are fine."""

    def forward(self, x: Any) -> Any:
        return gd.sqrt(gd.abs(x) * 0) + x


@pytest.mark.parametrize("seed", SEEDS)
def test_names_the_layer_with_the_first_nan_of_a_gradient(seed: int) -> None:
    gd.manual_seed(seed)
    rng = np.random.default_rng(seed)
    at, depth = int(rng.integers(8)), 8
    layers = [Root() if i == at else gd.nn.Linear(8, 8) for i in range(depth)]
    model = gd.nn.Sequential(*layers, gd.nn.Linear(8, 2))
    with np.errstate(all="ignore"):
        monitor = watched(model, gd.random.normal((4, 8)), gd.random.normal((4, 2)))
    (cause,) = monitor.diagnose()
    assert (cause.kind, cause.where, cause.layer) == ("nan", "gradient", str(at))


def test_a_gradient_that_fades_little_by_little() -> None:
    gd.manual_seed(0)
    layers: list[Any] = []
    for _ in range(20):
        layers += [gd.nn.Linear(32, 32), gd.nn.Sigmoid()]
    model = gd.nn.Sequential(*layers, gd.nn.Linear(32, 2))
    (cause,) = watched(model, gd.random.normal((8, 32)), gd.random.normal((8, 2))).diagnose()
    assert (cause.kind, cause.where) == ("vanishing", "gradient")
    assert 10 < int(cause.layer) < 40  # on the way, not at the beginning
    assert "little by little" in str(cause)


def test_what_begins_late_and_what_has_healed() -> None:
    gd.manual_seed(0)
    layers = [gd.nn.Linear(16, 16) for _ in range(8)]
    model = gd.nn.Sequential(*layers)
    x, target = gd.random.normal((4, 16)), gd.random.normal((4, 16))
    with Monitor(model) as monitor:
        for step in range(30):
            if step == 15:
                layers[5].weight.data[...] *= 1e6
            if step == 22:
                layers[5].weight.data[...] *= 1e-6
            model.zero_grad()
            gd.nn.functional.mse_loss(model(x), target).backward()
            monitor()
            if step == 14:
                assert monitor.diagnose() == []
            if step == 21:
                (cause,) = monitor.diagnose()
                assert (cause.kind, cause.layer, cause.step) == ("exploding", "5", 12)
                assert monitor.diagnose(last=3)[0].step == 19
    assert monitor.diagnose() == []
    with pytest.raises(ArgumentError, match="last"):
        monitor.diagnose(0)


def test_numbers_of_one_layer() -> None:
    model = gd.nn.Linear(2, 1, bias=False)
    model.weight.data[...] = [[3.0, 4.0]]
    with Monitor(model) as monitor:
        (model(gd.tensor([[1.0, 1.0]])) * 2).sum().backward()
        monitor()
    assert monitor.steps == [
        {"Linear": Reading(1.0, 7.0, pytest.approx(10.0), 2.0, pytest.approx(math.sqrt(8)))}
    ]
    assert monitor.history("activation") == [[7.0]]


def test_large_and_half_precision_values_have_norms() -> None:
    for dtype, large in ((gd.float32, 1e30), (gd.float16, 3e4)):
        model = gd.nn.Identity()
        with Monitor(model) as monitor:
            model(gd.full((100,), large, dtype=dtype))
            monitor()
        assert monitor.steps[0]["Identity"].activation == pytest.approx(large, rel=1e-2)


def test_shared_layers_and_results_of_several_tensors() -> None:
    class Two(gd.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = gd.nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return {"a": self.fc(self.fc(x)), "n": gd.asarray([1])}

    model = Two()
    with Monitor(model) as monitor:
        model(gd.ones((2, 3)))["a"].sum().backward()
        monitor()
    assert monitor.layers == ["fc"]
    assert monitor.steps[0]["fc"].gradient is not None


def test_results_and_gradients_do_not_change_and_hooks_come_off() -> None:
    gd.manual_seed(1)
    model = gd.nn.Sequential(gd.nn.Conv2d(1, 2, 3), gd.nn.Flatten(), gd.nn.Linear(8, 2))
    x = gd.random.normal((3, 1, 4, 4))

    def run() -> list[Any]:
        model.zero_grad()
        y = model(x)
        y.sum().backward()
        return [y.numpy().copy() if not y.requires_grad else y.detach().numpy().copy()] + [
            p.grad.numpy().copy() for p in model.parameters()
        ]

    plain = run()
    with Monitor(model) as monitor:
        seen = run()
        monitor()
    again = run()
    for a, b, c in zip(plain, seen, again, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)
    assert len(monitor.steps) == 1
    assert x.grad is None


def test_evaluation_without_gradients_is_recorded_too() -> None:
    model = gd.nn.Sequential(gd.nn.Linear(3, 3), gd.nn.ReLU())
    with Monitor(model) as monitor, gd.no_grad():
        model(gd.ones((2, 3)))
        monitor()
    assert monitor.steps[0]["0"].activation is not None
    assert monitor.steps[0]["0"].gradient is None
    assert monitor.diagnose() == []


def test_a_heat_map_and_lines() -> None:
    pytest.importorskip("matplotlib", reason="draws with matplotlib")
    monitor, _ = planted(3, _scale(1e-6))
    figure = monitor.plot("weights")
    heat, lines, *_ = figure.axes
    assert heat.images[0].get_array().shape == (len(monitor.layers), 2)
    assert len(lines.lines) == len(monitor.layers)
    figure.canvas.draw()


def test_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, _ = planted(3, _scale(1.0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "gpudl\[train\]"'):
        monitor.plot()


def test_monitor_errors() -> None:
    with pytest.raises(ArgumentTypeError, match="a module"):
        Monitor(3)  # type: ignore[arg-type]
    monitor = Monitor(gd.nn.Linear(2, 2))
    for call in (monitor.table, monitor.plot, lambda: monitor.history("colour")):
        with pytest.raises(ArgumentError):
            call()


# ----- summary -----
def test_summary_of_a_small_cnn() -> None:
    model = gd.nn.Sequential(
        gd.nn.Conv2d(3, 8, 3, padding=1),  # 8 (3 9) + 8 parameters
        gd.nn.ReLU(),
        gd.nn.MaxPool2d(2),
        gd.nn.Conv2d(8, 4, 3, groups=2, bias=False),  # 4 (4 9)
        gd.nn.Flatten(),
        gd.nn.Linear(4 * 2 * 2, 10),
    )
    model[3].weight.requires_grad = False
    found = gd.nn.summary(model, gd.ones((5, 3, 8, 8)))
    shapes = [(5, 10), (5, 8, 8, 8), (5, 8, 8, 8), (5, 8, 4, 4), (5, 4, 2, 2), (5, 16), (5, 10)]
    conv1, relu = 5 * 8 * 64 * (2 * 27 + 1), 5 * 8 * 64
    conv2, linear = 2 * 5 * 4 * 4 * 36, 2 * 5 * 16 * 10
    flops = [conv1 + relu + conv2 + linear, conv1, relu, 0, conv2, 0, linear]
    assert [row.shape for row in found.rows] == shapes
    assert [row.params for row in found.rows] == [0, 224, 0, 0, 144, 0, 170]
    assert [row.flops for row in found.rows] == flops
    assert [row.memory for row in found.rows] == [4 * math.prod(s) for s in shapes]
    assert (found.params, found.trainable, found.flops) == (538, 394, flops[0])
    assert found.memory == sum(4 * math.prod(s) for s in shapes[1:])
    assert "538 parameters, 394 of them trained" in str(found)
    assert len(str(found).splitlines()) == 9


def test_summary_of_shared_layers_and_several_inputs() -> None:
    class Twice(gd.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = gd.nn.Linear(4, 4)
            self.norm = gd.nn.BatchNorm1d(4)
            self.out = gd.nn.Linear(4, 4)
            self.out.weight = self.fc.weight

        def forward(self, x: Any, y: Any) -> Any:
            return self.out(self.norm(self.fc(x))), {"y": self.fc(y)}

    model = Twice()
    found = gd.nn.summary(model, (gd.ones((3, 4)), gd.ones((7, 4))))
    assert [(row.name, row.params) for row in found.rows] == [
        ("Twice", 0), ("fc", 20), ("norm", 8), ("out", 4), ("fc", 0),
    ]  # fmt: skip
    assert found.params == 32
    assert found.rows[0].shape == [(3, 4), {"y": (7, 4)}]
    assert found.rows[1].flops == 2 * 3 * 16
    assert found.rows[4].flops == 2 * 7 * 16
    assert model.training
    assert model._hooks is None or not model._hooks.pre
    assert int(model.norm.num_batches_tracked) == 0


def test_summary_errors_leave_the_model_as_it_was() -> None:
    with pytest.raises(ArgumentTypeError, match="a module"):
        gd.nn.summary(gd.ones(2), gd.ones(2))
    model = gd.nn.Sequential(gd.nn.BatchNorm1d(3), gd.nn.Linear(2, 2))
    with pytest.raises(gd.errors.GpudlError):
        gd.nn.summary(model, gd.random.normal((4, 3)))
    assert int(model[0].num_batches_tracked) == 0
    assert not model[0]._hooks.pre
    assert not model[0]._hooks.post
