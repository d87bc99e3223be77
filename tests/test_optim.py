"""Optimizers: packing, state, groups and errors. Numbers against PyTorch are in tests/peers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, StateDictError
from gpudl.kernels.optim import reference

MAKERS: dict[str, Any] = {
    "sgd": lambda ps: gd.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda ps: gd.optim.Adam(ps, lr=0.1, amsgrad=True),
    "adamw": lambda ps: gd.optim.AdamW(ps, lr=0.1),
    "rmsprop": lambda ps: gd.optim.RMSprop(ps, lr=0.1, centered=True, momentum=0.5),
    "adagrad": lambda ps: gd.optim.Adagrad(ps, lr=0.1, initial_accumulator_value=0.1),
    "adadelta": lambda ps: gd.optim.Adadelta(ps, weight_decay=0.1),
    "adafactor": lambda ps: gd.optim.Adafactor(ps, weight_decay=0.1),
    "adamax": lambda ps: gd.optim.Adamax(ps, lr=0.1),
    "nadam": lambda ps: gd.optim.NAdam(ps, lr=0.1, decoupled_weight_decay=True, weight_decay=0.1),
    "radam": lambda ps: gd.optim.RAdam(ps, lr=0.1, betas=(0.5, 0.9)),
    "asgd": lambda ps: gd.optim.ASGD(ps, lr=0.1, t0=1, lambd=0.1),
    "rprop": lambda ps: gd.optim.Rprop(ps, lr=0.1),
    "lion": lambda ps: gd.optim.Lion(ps, lr=0.1, weight_decay=0.1),
    "lamb": lambda ps: gd.optim.LAMB(ps, lr=0.1),
}
SHAPES = [(), (1,), (37,), (4, 3, 3, 3), (5, 0), (2, 1128)]


def leaves(seed: int, shapes: Any = SHAPES, dtype: Any = np.float32) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [gd.tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for s in shapes]


def give(params: list[Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = gd.asarray(rng.normal(size=p.shape).astype(p.dtype))


def arrays(params: list[Any]) -> list[Any]:
    return [p.detach().numpy().copy() for p in params]


def same(a: list[Any], b: list[Any]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# ----- packing -----
def test_packing_lays_parameters_end_to_end_and_keeps_them() -> None:
    params = leaves(0)
    w = np.random.default_rng(1).normal(size=(4, 3, 3, 2)).astype(np.float32)
    params.append(gd.asarray(w.transpose(0, 3, 1, 2)).requires_grad_())  # OHWI under OIHW
    before, ids = arrays(params), [id(p) for p in params]
    strides = params[-1].data.strides
    opt = gd.optim.SGD(params, lr=0.0)
    give(params, 2)
    opt.step()
    assert [id(p) for p in opt.param_groups[0]["params"]] == ids
    assert same(arrays(params), before)
    assert params[-1].data.strides == strides
    base = params[0].data.base
    start = base.__array_interface__["data"][0]
    end = start
    for p in params:
        assert p.data.base is base
        at = p.data.__array_interface__["data"][0]
        if p.size:
            assert at >= end
            assert (at - start) % 64 == 0
            end = at + p.nbytes


def test_one_pass_for_all_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def adam(p: Any, *args: Any, **options: Any) -> None:
        calls.append((p.size, options["segments"]))

    monkeypatch.setattr("gpudl.kernels.optim.cpu.adam", adam)
    params = leaves(0, [(3, 4)] * 50)
    opt = gd.optim.Adam(params)
    give(params, 1)
    opt.step()
    assert calls == [(50 * 16, None)]


@pytest.mark.parametrize("name", MAKERS)
def test_packed_and_alone_give_the_same_bits(name: str) -> None:
    together, alone = leaves(3), leaves(3)
    one = MAKERS[name](together)
    many = [MAKERS[name]([p]) for p in alone]
    for step in range(5):
        give(together, step)
        give(alone, step)
        if step == 2:
            together[2].grad = alone[2].grad = None
        one.step()
        for opt in many:
            opt.step()
    assert same(arrays(together), arrays(alone))


@pytest.mark.parametrize("name", MAKERS)
def test_moved_and_replaced_parameters_are_packed_again(name: str) -> None:
    moved, still = leaves(4), leaves(4)
    a, b = MAKERS[name](moved), MAKERS[name](still)
    for step in range(6):
        give(moved, step)
        give(still, step)
        if step == 2:
            moved[3].data = moved[3].data.copy()
        if step == 4:
            for p in (moved[2], still[2]):
                p.data = np.full_like(p.data, 0.5)
        a.step()
        b.step()
        assert all(p.data.base is moved[0].data.base for p in moved)
    assert same(arrays(moved), arrays(still))


def test_a_model_follows_its_parameters() -> None:
    w = gd.tensor([[1.0, 2.0]], requires_grad=True)
    opt = gd.optim.SGD([w], lr=1.0)
    x = gd.ones((3, 1))
    (x @ w).sum().backward()
    opt.step()
    assert w.tolist() == [[-2.0, -1.0]]
    assert (x @ w).tolist() == [[-2.0, -1.0]] * 3


def test_a_graph_that_saved_a_parameter_notices_the_step() -> None:
    w = gd.tensor([1.0, 2.0], requires_grad=True)
    opt = gd.optim.SGD([w], lr=1.0)
    for _ in range(2):  # the first step packs, the second writes in place
        y = (w * w).sum()
        w.grad = gd.ones(2)
        opt.step()
        with pytest.raises(gd.errors.StaleValueError, match="overwritten"):
            y.backward()


def test_frozen_parameters_take_no_room_and_may_thaw() -> None:
    params = leaves(5, [(4,), (3,)])
    params[0].requires_grad = False
    opt = gd.optim.Adam(params, lr=0.1)
    params[1].grad = gd.ones(3)
    opt.step()
    assert params[0].data.base is None
    assert set(opt.state_dict()["state"]) == {1}
    params[0].requires_grad = True
    before = params[0].detach().numpy().copy()
    give(params, 1)
    opt.step()
    assert (params[0].detach().numpy() != before).all()
    assert opt.state[params[0]]["step"] == 1
    assert opt.state[params[1]]["step"] == 2


def test_a_tied_weight_is_updated_once() -> None:
    w = gd.ones(3, requires_grad=True)
    opt = gd.optim.SGD([w, w], lr=0.5)
    w.grad = gd.ones(3)
    opt.step()
    assert w.tolist() == [0.5] * 3
    assert len(opt.param_groups[0]["params"]) == 1


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_is_updated_in_float32(name: str) -> None:
    dtype = getattr(gd.dtypes, name)
    (w,) = leaves(8, [(100,)])
    half = gd.asarray(w.detach().numpy().astype(dtype)).requires_grad_()
    wide = half.detach().astype(np.float32).requires_grad_()
    a, b = gd.optim.Adam([half], lr=0.01), gd.optim.Adam([wide], lr=0.01)
    for step in range(3):
        g = np.random.default_rng(step).normal(size=100).astype(dtype)
        half.grad = gd.asarray(g)
        wide.grad = gd.asarray(g.astype(np.float32))
        wide.data[...] = half.data.astype(np.float32)
        a.step()
        b.step()
        rounded = wide.detach().numpy().astype(dtype)
        assert np.array_equal(half.detach().numpy(), rounded)
    assert opt_dtypes(a) == {np.dtype(np.float32)}


def opt_dtypes(opt: Any) -> set[Any]:
    return {v.dtype for s in opt.state.values() for v in s.values() if isinstance(v, gd.Tensor)}


def test_two_dtypes_in_one_group() -> None:
    params = [*leaves(1, [(3,), (4,)]), *leaves(2, [(5,)], np.float64)]
    alone = [*leaves(1, [(3,), (4,)]), *leaves(2, [(5,)], np.float64)]
    one, many = gd.optim.Adam(params), [gd.optim.Adam([p]) for p in alone]
    give(params, 0)
    give(alone, 0)
    one.step()
    for opt in many:
        opt.step()
    assert same(arrays(params), arrays(alone))


# ----- state -----
@pytest.mark.parametrize("name", MAKERS)
def test_state_dict_resumes_in_the_same_bits(name: str, tmp_path: Any) -> None:
    straight = leaves(9)
    opt = MAKERS[name](straight)
    for step in range(6):
        if step == 3:
            gd.save(opt.state_dict(), tmp_path / "opt.safetensors")
            resumed = [gd.tensor(p, requires_grad=True) for p in straight]
            again = MAKERS[name](resumed)
            give(resumed, 77)  # an optimizer that has state of its own already
            again.step()
            for p, q in zip(resumed, straight, strict=True):
                p.data[...] = q.data
            again.load_state_dict(gd.load(tmp_path / "opt.safetensors"))
        give(straight, step)
        opt.step()
    for step in range(3, 6):
        give(resumed, step)
        again.step()
    assert same(arrays(resumed), arrays(straight))


def test_state_dict_is_shaped_as_pytorchs_and_holds_copies() -> None:
    params = leaves(1, [(3,), (2, 2)])
    opt = gd.optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    give(params, 0)
    opt.step()
    saved = opt.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1]]
    assert saved["param_groups"][1]["lr"] == 0.5
    assert set(saved["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}
    kept = saved["state"][1]["exp_avg"].numpy().copy()
    opt.step()
    assert np.array_equal(saved["state"][1]["exp_avg"].numpy(), kept)


def test_state_can_be_read_and_assigned() -> None:
    (w,) = leaves(1, [(3,)])
    opt = gd.optim.SGD([w], lr=0.1, momentum=0.5)
    w.grad = gd.ones(3)
    opt.step()
    assert opt.state[w]["momentum_buffer"].tolist() == [1.0] * 3
    opt.state[w]["momentum_buffer"] = gd.full((3,), 4.0)
    opt.step()
    assert opt.state[w]["momentum_buffer"].tolist() == [3.0] * 3
    opt.state[w]["momentum_buffer"] = gd.ones(2)
    with pytest.raises(StateDictError, match="shape"):
        opt.step()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("name", MAKERS)
def test_copies_go_on_alike(name: str, how: Any) -> None:
    params = leaves(2)
    opt = MAKERS[name](params)
    give(params, 0)
    opt.step()
    other_params, other = how((params, opt))
    for step in (1, 2):
        give(params, step)
        give(other_params, step)
        opt.step()
        other.step()
    assert same(arrays(params), arrays(other_params))
    assert params[2].data.base is not other_params[2].data.base


def test_what_does_not_fit_changes_nothing() -> None:
    params = leaves(1, [(3,), (2, 2)])
    opt = gd.optim.Adam(params, lr=0.1)
    give(params, 0)
    opt.step()
    good = opt.state_dict()
    other = gd.optim.Adam(leaves(1, [(3,), (2, 3)]), lr=0.7)
    with pytest.raises(StateDictError, match="shape"):
        other.load_state_dict(good)
    assert other.param_groups[0]["lr"] == 0.7
    assert not other.state
    with pytest.raises(StateDictError, match="groups"):
        gd.optim.Adam(leaves(1, [(3,)])).load_state_dict(good)
    with pytest.raises(StateDictError, match="lacks"):
        gd.optim.SGD(params).load_state_dict(good)
    for wrong in (None, {}, {"state": {}}, []):
        with pytest.raises(StateDictError):
            opt.load_state_dict(wrong)  # type: ignore[arg-type]


# ----- steps -----
def test_closure_records_and_its_loss_is_returned() -> None:
    w = gd.tensor([3.0], requires_grad=True)
    opt = gd.optim.SGD([w], lr=0.25)

    def closure() -> Any:
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with gd.no_grad():
        loss = opt.step(closure)
    assert loss.item() == 9.0
    assert w.tolist() == [1.5]


def test_zero_grad() -> None:
    (w,) = leaves(1, [(3,)])
    opt = gd.optim.SGD([w])
    opt.zero_grad()
    w.grad = gd.ones(3)
    opt.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0] * 3
    opt.zero_grad()
    assert w.grad is None
    opt.step()  # nothing has a gradient, so nothing happens
    assert not opt.state


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", MAKERS)
def test_a_gradient_that_is_not_finite_changes_nothing(name: str, bad: float) -> None:
    params = leaves(2)
    opt = MAKERS[name]([("first", params[0]), *((f"w{i}", p) for i, p in enumerate(params[1:], 1))])
    give(params, 0)
    opt.step()
    before, state = arrays(params), opt.state_dict()
    give(params, 1)
    params[3].grad.data[1, 2, 0, 1] = bad
    with pytest.raises(GradError, match=r"1 of 108 elements of the gradient of 'w3'"):
        opt.step()
    assert same(arrays(params), before)
    after = opt.state_dict()
    for i, entries in state["state"].items():
        for key, value in entries.items():
            assert np.array_equal(np.asarray(after["state"][i][key]), np.asarray(value))


def test_a_closure_must_be_callable() -> None:
    with pytest.raises(ArgumentTypeError, match="callable"):
        gd.optim.SGD(leaves(1), lr=0.1).step(1)


def test_large_finite_gradients_pass() -> None:
    (w,) = leaves(1, [(3,)], np.float64)
    opt = gd.optim.SGD([w], lr=1e-200)
    w.grad = gd.full((3,), 1e200, dtype=np.float64)  # its square is not finite
    before = arrays([w])[0]
    opt.step()
    assert np.allclose(w.detach().numpy(), before - 1.0)


@pytest.mark.parametrize("name", MAKERS)
def test_native_steps_equal_the_reference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = leaves(6, dtype=np.float64)
    opt = MAKERS[name](params)
    for step in range(3):
        give(params, step)
        opt.step()
    for kernel in ("sgd", "adam", "rmsprop", "sumsq"):
        monkeypatch.setattr(f"gpudl.kernels.optim.cpu.{kernel}", getattr(reference, kernel))
    others = leaves(6, dtype=np.float64)
    opt = MAKERS[name](others)
    for step in range(3):
        give(others, step)
        opt.step()
    assert same(arrays(params), arrays(others))


# ----- wrong calls -----
def test_wrong_parameters() -> None:
    w = gd.ones(3, requires_grad=True)
    with pytest.raises(ArgumentError, match="no parameters"):
        gd.optim.SGD([])
    with pytest.raises(ArgumentTypeError, match="params is Tensor"):
        gd.optim.SGD(w)
    with pytest.raises(ArgumentTypeError, match="params is int"):
        gd.optim.SGD(3)
    with pytest.raises(ArgumentTypeError, match="not ndarray"):
        gd.optim.SGD([np.ones(3)])
    with pytest.raises(ArgumentError, match="computed"):
        gd.optim.SGD([w * 2])
    with pytest.raises(DTypeError):
        gd.optim.SGD([gd.ones(3, dtype=complex)])
    with pytest.raises(ArgumentError, match="two groups"):
        gd.optim.SGD([{"params": [w]}, {"params": [w]}])
    with pytest.raises(ArgumentTypeError, match="'params'"):
        gd.optim.SGD([{"weights": [w]}])
    with pytest.raises(ArgumentTypeError, match="not str"):
        gd.optim.SGD([{"params": "abc"}])


def test_parameters_over_one_memory() -> None:
    memory = np.zeros((4, 6), np.float32)
    left, right = (gd.asarray(memory[:, cut]).requires_grad_() for cut in (slice(3), slice(3, 6)))
    gd.optim.SGD([left, right])  # interleaved in memory, but apart
    whole = gd.asarray(memory).requires_grad_()
    with pytest.raises(ArgumentError, match="share memory"):
        gd.optim.SGD([left, right, whole])
    with pytest.raises(ArgumentError, match="share memory"):
        gd.optim.SGD([{"params": [left]}, {"params": [whole]}])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": -1.0}),
        ("SGD", {"lr": float("nan")}),
        ("SGD", {"momentum": -0.1}),
        ("SGD", {"weight_decay": -0.1}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("Adam", {"lr": float("inf")}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": (0.9, -0.1)}),
        ("AdamW", {"eps": -1e-8}),
        ("AdamW", {"weight_decay": -1}),
        ("RMSprop", {"alpha": -1}),
        ("RMSprop", {"momentum": -1}),
    ],
)
def test_options_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        getattr(gd.optim, name)([gd.ones(3, requires_grad=True)], **options)
    assert caught.value.op == name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": "fast"}),
        ("SGD", {"lr": True}),
        ("Adam", {"betas": 0.9}),
        ("Adam", {"eps": None}),
    ],
)
def test_options_of_another_type(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError):
        getattr(gd.optim, name)([gd.ones(3, requires_grad=True)], **options)


def test_repr_lists_the_options() -> None:
    text = repr(gd.optim.SGD([gd.ones(3, requires_grad=True)], lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n")
    assert "    lr: 0.5\n" in text


def test_state_that_belongs_to_no_parameter_is_refused() -> None:
    opt = gd.optim.Adam(leaves(0))
    give(opt.param_groups[0]["params"], 1)
    opt.step()
    state = opt.state_dict()
    named = {**state, "state": {str(number): entry for number, entry in state["state"].items()}}
    with pytest.raises(StateDictError, match="no parameter"):
        opt.load_state_dict(named)
    for damaged in ({**state, "param_groups": [{}]}, {**state, "state": []}):
        with pytest.raises(StateDictError, match="not the state"):
            opt.load_state_dict(damaged)
    assert len(opt.state) == len(SHAPES)
