"""`Module`: the tree, state dicts, hooks, copies, modes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    GpudlError,
    IndexRangeError,
    MissingAttributeError,
    NotSupportedError,
    StateDictError,
    StateKeyError,
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.bn = nn.BatchNorm2d(2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
        self.scale = nn.Parameter(gd.ones(1))
        self.register_buffer("offset", gd.zeros(3), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.head(nn.functional.relu(self.bn(self.conv(x)))) * self.scale + self.offset


NAMES = [
    "scale",
    "conv.weight",
    "conv.bias",
    "bn.weight",
    "bn.bias",
    "head.1.weight",
    "head.1.bias",
]


def image(n: int = 4) -> Any:
    return gd.random.normal((n, 1, 4, 4), generator=gd.Generator(0))


# ----- the tree -----
def test_names_and_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_buffers()] == [
        "offset",
        "bn.running_mean",
        "bn.running_var",
        "bn.num_batches_tracked",
    ]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "conv",
        "bn",
        "head",
        "head.0",
        "head.1",
    ]
    assert [name for name, _ in net.named_children()] == ["conv", "bn", "head"]
    assert len(list(net.parameters(recurse=False))) == 1
    assert net.get_submodule("head.1") is net.head[1]
    assert net.get_parameter("head.1.bias") is net.head[1].bias
    assert net.get_buffer("bn.running_var") is net.bn.running_var
    assert "offset" not in net.state_dict() and "bn.num_batches_tracked" in net.state_dict()


def test_shared_parameters_appear_once_and_stand_twice_in_the_state():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    net = nn.Sequential(a, b, a)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert [k for k in net.state_dict() if k.endswith("weight")] == [
        "0.weight",
        "1.weight",
        "2.weight",
    ]
    assert len(list(net.modules())) == 3
    twin = copy.deepcopy(net)
    assert (
        twin[1].weight is twin[0].weight and twin[0] is twin[2] and twin[0].weight is not a.weight
    )


def test_apply_visits_children_first():
    seen: list[str] = []
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_attributes():
    net = Net()
    with pytest.raises(ArgumentTypeError, match="is a parameter"):
        net.scale = gd.ones(1)
    with pytest.raises(ArgumentTypeError, match="is a module"):
        net.conv = 3
    with pytest.raises(MissingAttributeError, match="nothing_here"):
        net.nothing_here  # noqa: B018
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    del net.bn
    assert not hasattr(net, "bn") and "bn.weight" not in net.state_dict()
    for name in ("", "a.b", 3):
        with pytest.raises(ArgumentError):
            net.register_buffer(name, gd.zeros(1))
    with pytest.raises(ArgumentError, match="exists"):
        net.register_parameter("forward", nn.Parameter(gd.ones(1)))
    with pytest.raises(ArgumentTypeError):
        net.register_parameter("p", gd.ones(1))
    with pytest.raises(MissingAttributeError, match="get_parameter"):
        net.get_parameter("head.1.nothing")


def test_assignment_before_set_up_names_the_remedy():
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(1, 1)

    with pytest.raises(MissingAttributeError, match=r"super\(\).__init__\(\)"):
        Hasty()
    with pytest.raises(NotSupportedError, match="has no forward"):
        nn.Module()(gd.ones(1))


# ----- parameters are ordinary tensors -----
def test_results_of_parameters_are_plain_tensors():
    p = nn.Parameter(gd.ones(3, 3))
    for y in (p * 2, 2 + p, p @ p, p[0], p.T, p.detach(), p.clone(), p.sum(), -p, gd.exp(p)):
        assert type(y) is gd.Tensor
    (p * p).sum().backward()
    assert type(p.grad) is gd.Tensor
    assert nn.Parameter(gd.tensor([1, 2]), requires_grad=False).dtype == np.int64
    x = gd.ones(2)
    assert nn.Parameter(x).data is x.data and not x.requires_grad


def test_parameter_keeps_its_class_through_copies():
    p = nn.Parameter(gd.tensor([1.0, 2.0]))
    (p * p).sum().backward()
    q = copy.deepcopy(p)
    r = pickle.loads(pickle.dumps(p))
    assert type(q) is type(r) is nn.Parameter and q.requires_grad and r.requires_grad
    assert q.data is not p.data and np.array_equal(q.grad.numpy(), [2, 4])
    frozen = pickle.loads(pickle.dumps(nn.Parameter(gd.ones(2), requires_grad=False)))
    assert type(frozen) is nn.Parameter and not frozen.requires_grad


# ----- state dicts -----
def test_state_dict_round_trip():
    a, b = Net(), Net()
    a(image())
    result = b.load_state_dict(a.state_dict())
    assert result == ([], [])
    assert all(
        np.array_equal(b.state_dict()[k].numpy(), v.numpy()) for k, v in a.state_dict().items()
    )
    a.eval(), b.eval()
    assert np.array_equal(a(image()).detach().numpy(), b(image()).detach().numpy())


def test_state_dict_shares_memory_and_has_no_history():
    net = nn.Linear(2, 2)
    state = net.state_dict()
    assert not state["weight"].requires_grad and state["weight"].data is net.weight.data
    assert net.state_dict(keep_vars=True)["weight"] is net.weight
    assert list(net.state_dict(prefix="a.")) == ["a.weight", "a.bias"]


def test_loading_keeps_identity_memory_and_dtype():
    net = nn.Linear(2, 2)
    before, memory = net.weight, net.weight.data
    net.load_state_dict({"weight": np.eye(2), "bias": [1.0, 2.0]})
    assert net.weight is before and net.weight.data is memory and net.weight.requires_grad
    assert net.weight.dtype == np.float32 and np.array_equal(net.weight.detach().numpy(), np.eye(2))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.pop("fc.bias"), "missing: fc.bias"),
        (lambda s: s.update(more=gd.ones(1)), "unexpected: more"),
        (
            lambda s: s.update({"fc.weight": gd.ones(3, 2)}),
            r"fc.weight: shape \(3, 2\) for a tensor of shape \(2, 3\)",
        ),
        (lambda s: s.update({"fc.weight": gd.ones(2, 3, dtype="complex64")}), "complex64"),
        (lambda s: s.update({"fc.weight": "text"}), "fc.weight"),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(change, match):
    net = nn.ModuleDict({"first": nn.Linear(3, 3), "fc": nn.Linear(3, 2)})
    state = {k: v * 0 for k, v in net.state_dict().items()}
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    change(state)
    with pytest.raises(StateDictError, match=match):
        net.load_state_dict(state)
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in net.state_dict().items())
    assert isinstance(StateDictError("x"), RuntimeError)


def test_loading_without_strictness_reports_names_and_still_checks_shapes():
    net = nn.Linear(2, 2)
    result = net.load_state_dict({"weight": gd.zeros(2, 2), "other": gd.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["other"]
    assert not net.weight.detach().numpy().any()
    with pytest.raises(StateDictError):
        net.load_state_dict({"weight": gd.zeros(3, 2)}, strict=False)
    with pytest.raises(ArgumentTypeError):
        net.load_state_dict([("weight", 1)])


def test_assigning_takes_memory_and_dtype_over():
    net = nn.Linear(2, 2)
    weight = gd.zeros(2, 2, dtype="float64")
    before = net.weight
    net.load_state_dict({"weight": weight, "bias": gd.zeros(2, dtype="float64")}, assign=True)
    assert (
        net.weight is before and net.weight.data is weight.data and net.weight.dtype == np.float64
    )
    net(gd.ones(1, 2, dtype="float64")).sum().backward()
    assert net.weight.grad.dtype == np.float64


def test_a_graph_notices_that_its_parameters_were_loaded_over():
    net = nn.Linear(2, 2)
    y = net(gd.tensor(np.ones((1, 2), np.float32), requires_grad=True)).sum()
    net.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(gd.errors.StaleValueError):
        y.backward()


def test_save_and_load_through_a_file(tmp_path):
    a, b = Net(), Net()
    gd.save(a.state_dict(), tmp_path / "net.safetensors")
    b.load_state_dict(gd.load(tmp_path / "net.safetensors"))
    assert np.array_equal(a.conv.weight.detach().numpy(), b.conv.weight.detach().numpy())


# ----- modes, dtype, gradients -----
def test_train_and_eval():
    net = Net()
    assert net.training and net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ArgumentTypeError):
        net.train(1)


def test_hooks_of_parameters_stay_when_the_module_moves():
    fc, calls = nn.Linear(3, 2), []
    handle = fc.weight.register_hook(lambda g: calls.append(g.dtype))
    fc.double()
    fc.load_state_dict(nn.Linear(3, 2).double().state_dict(), assign=True)
    fc(gd.ones(1, 3, dtype=gd.float64)).sum().backward()
    assert calls == [gd.float64]
    handle.remove()
    fc(gd.ones(1, 3, dtype=gd.float64)).sum().backward()
    assert len(calls) == 1


def test_to_checks_everything_before_it_changes_anything():
    net = nn.Sequential(nn.Linear(3, 2))
    net.register_buffer("computed", net[0].weight * 2)
    with pytest.raises(GpudlError, match="detach"):
        net.double()
    assert net[0].weight.dtype == gd.float32


def test_a_parameter_in_the_place_of_a_transient_buffer_is_state():
    module = nn.Module()
    module.register_buffer("a", gd.ones(1), persistent=False)
    assert list(module.state_dict()) == []
    module.a = nn.Parameter(gd.ones(1))
    assert list(module.state_dict()) == ["a"]


def test_to_changes_dtype_and_keeps_identity():
    net = Net()
    params, buffers = dict(net.named_parameters()), dict(net.named_buffers())
    net(image()).sum().backward()
    assert net.double() is net
    for name, p in net.named_parameters():
        assert p is params[name] and p.dtype == np.float64 and p.requires_grad and p.is_leaf
        assert p.grad.dtype == np.float64
    assert all(b is buffers[name] for name, b in net.named_buffers())
    assert net.bn.running_mean.dtype == np.float64 and net.bn.num_batches_tracked.dtype == np.int64
    net.zero_grad()
    net(image().double()).sum().backward()
    assert net.conv.weight.grad.dtype == np.float64
    net.bfloat16()
    assert net(image().astype("bfloat16")).dtype.name == "bfloat16"
    net.to("cpu", dtype=gd.Tensor([1.0]).dtype)
    assert net.half().float().scale.dtype == np.float32
    with pytest.raises(ArgumentError):
        net.to("int32")


def test_a_graph_notices_that_its_parameters_moved():
    net = nn.Linear(2, 2)
    y = net(gd.tensor(np.ones((1, 2), np.float32), requires_grad=True)).sum()
    net.double()
    with pytest.raises(gd.errors.StaleValueError):
        y.backward()


def test_requires_grad_and_zero_grad():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    net(gd.ones(1, 2)).sum().backward()
    assert net[0].weight.grad is None and net[1].weight.grad is not None
    net.zero_grad(set_to_none=False)
    assert not net[1].weight.grad.numpy().any()
    net.zero_grad()
    assert net[1].weight.grad is None
    net[0].requires_grad_()
    assert all(p.requires_grad for p in net.parameters())


# ----- hooks -----
def test_forward_hooks():
    fc = nn.Linear(2, 2)
    x = gd.ones(1, 2)
    plain = fc(x).detach().numpy()
    seen: list[Any] = []
    first = fc.register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    second = fc.register_forward_pre_hook(lambda m, args: args[0] * 2)
    third = fc.register_forward_hook(lambda m, args, out: out + 1)
    doubled = fc(x).detach().numpy()
    assert seen[0][0] is fc and seen[0][1] == (x,)
    first.remove(), second.remove(), second.remove()
    assert np.allclose(fc(x).detach().numpy(), plain + 1)
    third.remove()
    assert np.array_equal(fc(x).detach().numpy(), plain)
    assert np.allclose(
        doubled - 1 - fc.bias.detach().numpy(), 2 * (plain - fc.bias.detach().numpy()), atol=1e-6
    )


def test_hooks_with_keywords_and_order():
    class Add(nn.Module):
        def forward(self, x: Any, *, by: float = 0.0) -> Any:
            return x + by

    add, order = Add(), []
    add.register_forward_pre_hook(lambda m, a, k: (a, {"by": k["by"] * 10}), with_kwargs=True)
    add.register_forward_hook(lambda m, a, o: order.append("second"))
    with add.register_forward_hook(
        lambda m, a, k, o: order.append(k["by"]), prepend=True, with_kwargs=True
    ):
        assert add(gd.zeros(1), by=0.5).tolist() == [5.0]
    add(gd.zeros(1), by=0.5)
    assert order == [5.0, "second", "second"]
    with pytest.raises(ArgumentTypeError):
        add.register_forward_hook(3)


def test_full_backward_hook_sees_and_replaces_gradients():
    fc = nn.Linear(3, 2)
    x = gd.tensor(np.ones((1, 3), np.float32), requires_grad=True)
    fc(x).sum().backward()
    expected = x.grad.numpy().copy()
    seen: list[Any] = []
    handle = fc.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    x.grad = None
    fc(x).sum().backward()
    module, (grad_input,), (grad_output,) = seen[0]
    assert module is fc and np.array_equal(grad_input.numpy(), expected)
    assert np.array_equal(grad_output.numpy(), np.ones((1, 2)))
    assert np.array_equal(x.grad.numpy(), expected)
    handle.remove()
    fc.register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    x.grad = None
    fc(x).sum().backward()
    assert np.allclose(x.grad.numpy(), 3 * expected)


def test_full_backward_hook_on_several_tensors_and_without_gradient_of_the_input():
    class Two(nn.Module):
        def forward(self, a: Any, b: Any, factor: float) -> Any:
            return a * b, a + factor

    seen: list[Any] = []
    two = Two()
    two.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a = gd.tensor([2.0], requires_grad=True)
    y, z = two(a, gd.tensor([5.0]), 1.0)
    (y + 2 * z).backward()
    (gi, go) = seen[0]
    assert gi[0].item() == 7.0 and gi[1] is None and [g.item() for g in go] == [1.0, 2.0]
    fc = nn.Linear(1, 1)
    fc.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    fc(gd.ones(1, 1)).sum().backward()
    assert seen[1][0] == (None,) and seen[1][1][0].item() == 1.0
    with gd.no_grad():
        fc(gd.ones(1, 1))
    assert len(seen) == 2


# ----- copies -----
def test_deepcopy_and_pickle():
    net = Net()
    net(image()).sum().backward()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        assert [n for n, _ in twin.named_parameters()] == NAMES
        assert all(
            type(p) is nn.Parameter and p.is_leaf and p.requires_grad for p in twin.parameters()
        )
        assert np.array_equal(
            twin.eval()(image()).detach().numpy(), net.eval()(image()).detach().numpy()
        )
        with gd.no_grad():
            twin.conv.weight[...] = 0.0
        assert net.conv.weight.detach().numpy().any()
        net.train()


# ----- functional_call -----
def test_functional_call():
    net = Net().eval()
    before = dict(net.named_parameters())
    zeros = {k: p.detach() * 0 for k, p in before.items()}
    x = image()
    assert not nn.functional_call(net, zeros, x).numpy().any()
    assert all(net.get_parameter(k) is p for k, p in before.items())
    some = nn.functional_call(net, {"scale": gd.tensor([2.0])}, x).detach().numpy()
    assert np.allclose(some, 2 * net(x).detach().numpy(), atol=1e-6)
    torch_style = nn.functional_call(net, (zeros, {"offset": gd.ones(3)}), (x,), {})
    assert np.array_equal(torch_style.numpy(), np.ones((4, 3)))


def test_functional_call_differentiates_and_keeps_ties():
    a = nn.Linear(2, 2, bias=False)
    net = nn.Sequential(a, a)
    x = gd.tensor([[1.0, 2.0]])

    def loss(params: Any) -> Any:
        return (nn.functional_call(net, params, x) ** 2).sum()

    params = {k: p.detach() for k, p in net.named_parameters()}
    assert list(params) == ["0.weight"]
    found = gd.grad(loss)(params)["0.weight"].numpy()
    (net(x) ** 2).sum().backward()
    assert np.allclose(found, a.weight.grad.numpy(), atol=1e-6)


def test_functional_call_restores_after_errors():
    net = nn.Linear(2, 2)
    weight = net.weight
    with pytest.raises(gd.errors.ShapeError):
        nn.functional_call(net, {"weight": gd.ones(2, 5)}, gd.ones(1, 2))
    assert net.weight is weight
    with pytest.raises(StateDictError, match="nothing"):
        nn.functional_call(net, {"nothing": gd.ones(1)}, gd.ones(1, 2))
    with pytest.raises(ArgumentTypeError):
        nn.functional_call(net, 3, gd.ones(1, 2))
    with pytest.raises(ArgumentTypeError):
        nn.functional_call(lambda x: x, {}, gd.ones(1, 2))


# ----- containers -----
def test_sequential():
    net = nn.Sequential({"a": nn.Linear(1, 2), "b": nn.ReLU()})
    assert net[1] is net.b and net[-2] is net.a and len(net) == 2
    assert list(net[:1].state_dict()) == ["a.weight", "a.bias"]
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    net.append(nn.Linear(2, 3)).extend([nn.Tanh()]).insert(1, nn.Identity())
    assert [type(m).__name__ for m in net] == ["Linear", "Identity", "ReLU", "Linear", "Tanh"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    del net[1]
    net[1] = nn.SiLU()
    assert type(net.pop()) is nn.Tanh and net(gd.ones(5, 1)).shape == (5, 3)
    for index in (5, -9):
        with pytest.raises(IndexRangeError):
            net[index]
    with pytest.raises(ArgumentTypeError):
        net["0"]
    with pytest.raises(ArgumentTypeError):
        nn.Sequential(None)


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.Linear(1, 2), nn.Linear(2, 1)]
    assert len(layers) == 3 and layers[1] in layers and len(layers[1:]) == 2
    del layers[0:2]
    assert list(layers.state_dict()) == ["0.weight", "0.bias"]
    with pytest.raises(NotSupportedError):
        layers(1)
    heads = nn.ModuleDict([("a", nn.ReLU())])
    heads["b"] = nn.Linear(1, 1)
    assert list(heads) == ["a", "b"] and "b" in heads and len(heads) == 2
    assert type(heads.pop("a")) is nn.ReLU and [k for k, _ in heads.items()] == ["b"]
    with pytest.raises(StateKeyError):
        heads["a"]
    heads.clear()
    assert len(heads) == 0
    with pytest.raises(ArgumentTypeError):
        layers.append(3)


def test_parameter_list():
    ps = nn.ParameterList([gd.ones(2), nn.Parameter(gd.zeros(1))])
    ps.append(gd.ones(3))
    ps[1] = gd.ones(4)
    assert [p.shape for p in ps] == [(2,), (4,), (3,)] and list(ps.state_dict()) == ["0", "1", "2"]
    assert all(type(p) is nn.Parameter for p in ps) and "float32(2,)" in repr(ps)


def test_repr_nests():
    assert repr(nn.ModuleDict({"a": nn.Sequential(nn.ReLU())})) == (
        "ModuleDict(\n  (a): Sequential(\n    (0): ReLU()\n  )\n)"
    )
