"""The engine on a second device: tensors, modules, optimizers, data, files, random numbers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentTypeError, DeviceError, GradError, IndexRangeError, ShapeError
from gpudl.kernels import find

EMU = gd.device("emu")


def on(x, **options):
    return gd.tensor(x, device="emu", **options)


# ----- tensors -----
def test_moves_are_explicit_and_differentiable():
    x = gd.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("emu")
    assert y.device == EMU and y.requires_grad and y.to("emu") is y
    (y * y).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [2.0, 4.0]
    assert y.detach().cpu().numpy().tolist() == [1.0, 2.0]
    with pytest.raises(DeviceError, match=r"x\.cpu\(\)\.numpy\(\)"):
        y.detach().numpy()
    with pytest.raises(DeviceError):
        np.asarray(y.detach())
    assert gd.asarray([1.0], device="emu").device == EMU
    assert gd.asarray(y.detach(), device="cpu").device == "cpu"
    assert x.to(y).device == EMU and y.to(x).device == "cpu"


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "bfloat16", "float32", "complex64"])
def test_round_trips_keep_bits_and_layout(dtype):
    x = gd.asarray(np.arange(24).reshape(2, 3, 4).transpose(0, 2, 1)).to(dtype)
    y = x.to("emu")
    assert y.dtype == x.dtype and y.data.strides == x.data.strides
    assert y.cpu().data.tobytes() == x.data.tobytes()


def test_python_sees_values():
    x = on([[1.0, 2.0], [3.0, 4.0]])
    assert repr(x) == "tensor([[1., 2.],\n        [3., 4.]], device=emu:0)"
    assert repr(on([1.0], requires_grad=True)).endswith("device=emu:0, requires_grad=True)")
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]] and x[1, 0].item() == 3.0
    assert bool(x.sum() > 9) and float(x[0, 0]) == 1 and int(on(7)) == 7 and [1, 2][on(1)] == 2
    assert 4.0 in x and len(x) == 2 and [row.tolist() for row in x] == x.tolist()
    assert f"{x[0, 1]:.1f}" == "2.0"


def test_indexing_and_assignment():
    x = on(np.arange(12.0, dtype="f4").reshape(3, 4))
    index = on([2, 0])
    assert x[index].tolist() == x.cpu()[gd.tensor([2, 0])].tolist()
    assert x[[2, 0], 1:].tolist() == [[9, 10, 11], [1, 2, 3]]
    assert x[x > 9].tolist() == [10, 11] and x[:, None, ::-1].shape == (3, 1, 4)
    x[1] = 0
    x[:, 0] = on([5.0, 6.0, 7.0])
    x[index, 1] = -1
    x[x > 10] = 9
    assert x.tolist() == [[5, -1, 2, 3], [6, 0, 0, 0], [7, -1, 10, 9]]
    for wrong in (lambda: x[on([3])], lambda: x[on([0, -4])], lambda: x[5]):
        with pytest.raises(IndexRangeError, match="out of range"):
            wrong()
    with pytest.raises(IndexRangeError):
        x[on([3])] = 1
    with pytest.raises(DeviceError):
        x[0] = np.ones(4, "f4")
    with pytest.raises(DeviceError):
        x[np.array([0])]
    y = x.T  # overlapping source and target
    x[:, :3] = y[:3].T + 0
    x[1:] = x[:-1]
    assert x[2].tolist() == [6, 0, 0, 0]
    with pytest.raises(GradError, match="read-only"):
        gd.broadcast_to(on([1.0]), (3,))[0] = 1


def test_gradients_through_indexing_and_writes():
    x = on([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[on([0, 2])] = on([5.0, 6.0])
    (y * y).sum().backward()
    assert x.grad.device == EMU and x.grad.tolist() == [0, 4, 0]
    x.grad = None
    (x[on([0, 0, 2])] * on([1.0, 2.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [3, 0, 4]


@pytest.mark.parametrize("at", [(), (0, 0), (1, 2)])
def test_second_derivatives(at):
    x = on(np.linspace(0.5, 2, 6).reshape(2, 3))
    h = gd.hessian(lambda x: (x**3).sum())(x)
    assert h.device == EMU
    i = np.arange(6)
    assert np.allclose(h.cpu().numpy().reshape(6, 6)[i, i], 6 * np.linspace(0.5, 2, 6))


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: gd.zeros(2, 3, **o),
        lambda **o: gd.ones((2,), **o),
        lambda **o: gd.full((2,), 7, **o),
        lambda **o: gd.arange(5, **o),
        lambda **o: gd.linspace(0, 1, 5, **o),
        lambda **o: gd.eye(3, **o),
        lambda **o: gd.random.normal((5,), generator=gd.Generator(3), **o),
        lambda **o: gd.random.uniform((37,), generator=gd.Generator(3), **o),
        lambda **o: gd.random.integers(0, 10, (37,), generator=gd.Generator(3), **o),
        lambda **o: gd.random.permutation(37, generator=gd.Generator(3), **o),
    ],
)
def test_creation_gives_the_cpus_bits(make):
    a, b = make(), make(device="emu")
    assert b.device == EMU and b.cpu().data.tobytes() == a.data.tobytes()
    with gd.default_device("emu"):
        assert make().device == EMU


def test_functions_that_depend_on_values():
    x = on([3.0, 0.0, 3.0, 1.0])
    assert [i.tolist() for i in gd.nonzero(x)] == [[0, 2, 3]]
    found = gd.unique_all(x)
    assert found.values.device == EMU and found.values.tolist() == [0, 1, 3]
    assert found.counts.tolist() == [1, 1, 2] and found.inverse_indices.tolist() == [2, 0, 2, 1]
    assert gd.one_hot(on([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(IndexRangeError):
        gd.one_hot(on([3]), 3)
    assert gd.repeat(x, on([1, 0, 2, 0])).tolist() == [3, 3, 3]
    assert gd.isin(x, on([3.0])).tolist() == [True, False, True, False]
    assert gd.searchsorted(on([1.0, 2.0]), x).tolist() == [2, 0, 2, 0]
    assert (on([2, 3]) ** on([2, 0])).tolist() == [4, 1]


def test_pickles_and_copies_stay_on_the_device():
    x = on([1.0, 2.0], requires_grad=True)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        assert y.device == EMU and y.requires_grad and y.tolist() == [1.0, 2.0]
    p = gd.nn.Parameter(on([1.0]))
    for q in (pickle.loads(pickle.dumps(p)), copy.deepcopy(p)):
        assert type(q) is gd.nn.Parameter and q.device == EMU and q.tolist() == [1.0]


def test_no_dlpack_from_the_emulated_device():
    with pytest.raises(BufferError, match=r"x\.cpu\(\)"):
        np.from_dlpack(on([1.0]))
    assert gd.from_dlpack(np.arange(3), device="emu").device == EMU


def test_anomalies_validation_and_profiles(capsys):
    x = on([0.0, 1.0], requires_grad=True)
    with pytest.raises(gd.errors.AnomalyError), gd.detect_anomaly():
        (gd.sqrt(x) * 0).sum().backward()
    with gd.config(validate=True, debug=2):
        gd.nn.functional.softmax(x * 2, dim=0)
    assert "softmax" in capsys.readouterr().err
    with gd.profiler.profile() as prof:
        x * x
    assert "multiply" in str(prof.table())


# ----- modules and optimizers -----
def net():
    gd.manual_seed(0)
    return gd.nn.Sequential(
        gd.nn.Conv2d(1, 4, 3, padding=1), gd.nn.BatchNorm2d(4), gd.nn.ReLU(), gd.nn.MaxPool2d(2),
        gd.nn.Flatten(), gd.nn.Dropout(0.5), gd.nn.Linear(4 * 4 * 4, 10),
    )  # fmt: skip


OPTIMIZERS = {
    "sgd": lambda p: gd.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: gd.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: gd.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: gd.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_few_steps_follow_the_cpu(name):
    losses = {}
    for device in ("cpu", "emu"):
        model = net().to(device)
        opt = OPTIMIZERS[name](model.parameters())
        x = gd.random.normal((6, 1, 8, 8), generator=gd.Generator(1), device=device)
        labels = gd.random.integers(0, 10, (6,), generator=gd.Generator(2), device=device)
        gd.manual_seed(5)
        losses[device] = []
        for _ in range(3):
            opt.zero_grad()
            loss = gd.nn.functional.cross_entropy(model(x), labels)
            loss.backward()
            opt.step()
            losses[device].append(loss.item())
        assert all(p.device == device and p.grad.device == device for p in model.parameters())
    assert np.allclose(losses["cpu"], losses["emu"], rtol=1e-3), losses


def test_moving_a_model_after_a_step_packs_again():
    model = gd.nn.Linear(3, 2)
    opt = gd.optim.Adam(model.parameters(), lr=0.1)
    for device in ("cpu", "emu", "emu:1", "cpu"):
        model.to(device)
        opt.zero_grad()
        model(gd.ones(4, 3, device=device)).sum().backward()
        opt.step()
        assert {p.device for p in model.parameters()} == {gd.device(device)}
    state = opt.state[model.weight]
    assert state["step"] == 4 and state["exp_avg"].device == "cpu"


@pytest.mark.skipif(find("sumsq", "emu") is None, reason="needs the kernel `sumsq`")
def test_gradients_that_are_not_finite_raise():
    w = on([1.0, 2.0], requires_grad=True)
    opt = gd.optim.SGD([w], lr=0.1)
    (w * on([float("nan"), 1.0])).sum().backward()
    with pytest.raises(GradError, match="1 of 2 elements"):
        opt.step()
    assert w.tolist() == [1.0, 2.0]


def test_optimizers_see_shared_memory():
    x = on([1.0, 2.0, 3.0])
    a, b = gd.nn.Parameter(x[:2]), gd.nn.Parameter(x[1:])
    with pytest.raises(gd.errors.ArgumentError, match="share memory"):
        gd.optim.SGD([a, b], lr=0.1)


def test_initialisation_is_the_cpus():
    for init in (
        gd.nn.init.kaiming_normal_, gd.nn.init.orthogonal_, gd.nn.init.eye_,
        lambda w, **o: gd.nn.init.sparse_(w, 0.5, **o),
    ):  # fmt: skip
        a, b = gd.empty(4, 3), gd.empty(4, 3, device="emu")
        options = {} if init is gd.nn.init.eye_ else {"generator": gd.Generator(1)}
        init(a, **options)
        options = {} if init is gd.nn.init.eye_ else {"generator": gd.Generator(1)}
        init(b, **options)
        assert np.allclose(a.numpy(), b.cpu().numpy(), atol=1e-6)


# ----- data and files -----
def test_batches_move():
    data = gd.data.TensorDataset(gd.arange(10.0), gd.arange(10))
    for x, y in gd.data.DataLoader(data, batch_size=4):
        assert (x.to("emu") + y.to("emu")).device == EMU


def test_files_hold_what_the_device_holds(tmp_path):
    model = net().to("emu")
    opt = gd.optim.Adam(model.parameters())
    model(gd.ones(2, 1, 8, 8, device="emu")).sum().backward()
    opt.step()
    state = {"model": model.state_dict(), "opt": opt.state_dict()}
    gd.save(state, tmp_path / "c.safetensors")
    read = gd.load(tmp_path / "c.safetensors")
    other = net().to("emu")
    other.load_state_dict(read["model"])
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert a.cpu().detach().data.tobytes() == b.cpu().detach().data.tobytes()
    resumed = gd.optim.Adam(other.parameters())
    resumed.load_state_dict(read["opt"])
    assert resumed.state[next(iter(other.parameters()))]["exp_avg"].device == EMU


def test_wrong_values_are_typed_errors():
    with pytest.raises(ArgumentTypeError):
        on([1])[0] = 1.5
    with pytest.raises(DeviceError, match="on the host"):
        on([1.0]) + np.ones(1)
    assert (on([1.0]) + [2.0]).tolist() == [3.0]


@pytest.mark.parametrize("device", ["cpu", "emu"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_no_element_is_none_to_choose(name, dtype, device):
    """The kernels have a start value for an extremum; it is never a result."""
    choose = getattr(gd, name)
    x = gd.zeros((2, 0, 4), dtype=dtype, device=device)
    for axis in (1, -2, None):
        with pytest.raises(ShapeError, match="no elements to choose from"):
            choose(x, axis=axis)
    assert choose(x, axis=2).shape == (2, 0)
    assert choose(x, axis=0, keepdims=True).shape == (1, 0, 4)


def test_the_demo_runs_on_it(capsys):
    from gpudl.cli import main

    assert main(["train", "cnn", "--data", "digits", "--device", "emu", "--steps", "3"]) == 0
    assert "device    emu:0" in capsys.readouterr().out
