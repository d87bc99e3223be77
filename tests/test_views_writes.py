"""Views and writes: what aliases, what a write does to the graph, errors that name both places."""

from __future__ import annotations

import copy
import linecache
import re
import sys

import numpy as np
import pytest

import gpudl as gd
from gpudl.autograd import writes
from gpudl.errors import (
    ArgumentTypeError,
    GpudlError,
    GradError,
    IndexRangeError,
    ShapeError,
    StaleValueError,
)


def leaf(values):
    return gd.tensor(values, dtype=gd.float64, requires_grad=True)


def here() -> str:
    """`file:line` of the caller, as errors write it."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def places(error: BaseException) -> list[str]:
    """The source lines that a message names in this file."""
    numbers = re.findall(re.escape(__file__) + r":(\d+)", str(error))
    return [linecache.getline(__file__, int(n)).strip() for n in numbers]


# ----- what aliases -----
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[1:],
        lambda x: x[::-1],
        lambda x: x[None, 2],
        lambda x: x.T,
        lambda x: x.permute(1, 0),
        lambda x: x.swapaxes(0, 1),
        lambda x: x.detach(),
        lambda x: gd.broadcast_to(x, (2, 3, 4)),
        lambda x: gd.flip(x, axis=0),
        lambda x: x.squeeze(),
        lambda x: x.unsqueeze(0),
        lambda x: x[...],
        lambda x: x[()],
    ],
)
def test_views_share_memory(view):
    x = gd.asarray(np.arange(12.0).reshape(3, 4))
    y = view(x)
    assert np.shares_memory(y.data, x.data)
    expected = view(x.clone())
    x[...] = x + 1
    np.testing.assert_array_equal(np.asarray(y), np.asarray(expected) + 1)


@pytest.mark.parametrize(
    "share", [copy.copy, gd.nn.Parameter, lambda x: copy.copy(gd.nn.Parameter(x)), gd.Tensor.detach]
)
def test_a_write_through_a_sharing_tensor_is_noticed(share):
    w = leaf(np.ones(37))
    x = gd.asarray(np.arange(37.0))
    y = (x * w).sum()
    with gd.no_grad():
        other = share(x)
        other += 1
    assert float(x[0]) == 1.0
    with pytest.raises(StaleValueError):
        y.backward()


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x[[0, 1]],
        lambda x: x[x > 3],
        lambda x: x.clone(),
        lambda x: x + 0,
        lambda x: x.copy(),
    ],
)
def test_copies_do_not(copy):
    x = gd.asarray(np.arange(12.0).reshape(3, 4))
    y = copy(x)
    before = np.asarray(y).copy()
    x[...] = -1
    np.testing.assert_array_equal(np.asarray(y), before)


# ----- writes into values that the graph needs -----
def test_a_saved_operand_that_was_overwritten_is_noticed():
    x, c = leaf([1.0, 2.0]), gd.ones(2, dtype=gd.float64)
    y = x * c
    c[0] = 5
    with pytest.raises(StaleValueError) as raised:
        y.sum().backward()
    assert "operand of 'multiply'" in str(raised.value)
    assert places(raised.value) == ["c[0] = 5"]


def test_under_detect_anomaly_the_line_of_use_is_named_too():
    x = leaf([1.0, 2.0])
    with gd.detect_anomaly():
        c = x * 1
        y = c * c
        with gd.no_grad():
            c += 1
        with pytest.raises(StaleValueError) as raised:
            y.sum().backward()
    assert "y = c * c" in str(raised.value)
    assert places(raised.value)[0] == "c += 1"


def test_a_saved_result_that_was_overwritten_is_noticed():
    x = leaf([1.0, 2.0])
    y = gd.exp(x)
    with gd.no_grad():
        y += 1
    with pytest.raises(StaleValueError, match="result of 'exp'") as raised:
        y.sum().backward()
    assert places(raised.value) == ["y += 1"]


def test_a_write_through_a_view_or_a_detached_twin_is_noticed():
    for write in (lambda c: c[1:].fill_(3), lambda c: c.detach().fill_(3), lambda c: c.T.zero_()):
        x, c = leaf([[1.0, 2.0]]), gd.ones((1, 2), dtype=gd.float64)
        y = (x * c).sum()
        write(c)
        if c.shape[0] > 1 or np.all(np.asarray(c) == 1):
            continue
        with pytest.raises(StaleValueError):
            y.backward()


def test_values_that_the_rule_does_not_need_may_be_overwritten():
    x, c = leaf([1.0, 2.0]), gd.ones(2, dtype=gd.float64)
    y = x + c  # addition saves nothing
    c[...] = 9
    z = gd.exp(y)
    y2 = y.detach().clone()
    y2 *= 3
    z.sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), np.exp([2.0, 3.0]))


def test_writes_before_use_are_no_matter():
    c = gd.ones(2, dtype=gd.float64)
    c[0] = 4
    x = leaf([1.0, 2.0])
    (x * c).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), [4.0, 1.0])


# ----- leaves and no_grad -----
def test_a_leaf_cannot_be_written_in_recorded_code():
    x = leaf([1.0, 2.0])
    for write in (
        lambda: x.__setitem__(0, 3.0),
        lambda: x.__iadd__(1),
        lambda: x.fill_(1),
        lambda: x.copy_(gd.zeros(2)),
    ):
        with pytest.raises(GradError, match="no_grad"):
            write()
    np.testing.assert_array_equal(np.asarray(x.detach()), [1.0, 2.0])
    with gd.no_grad():
        x[0] = 3.0
        x += 1
    np.testing.assert_array_equal(np.asarray(x.detach()), [4.0, 3.0])
    assert x.is_leaf and x.requires_grad


def test_an_optimizer_step_makes_an_old_graph_stale():
    w, x = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    loss = (w @ x).sum()
    loss.backward(retain_graph=True)
    with gd.no_grad():
        w -= 0.1 * w.grad
    with pytest.raises(StaleValueError, match="overwritten"):
        loss.backward()


def test_rebinding_and_noting_writes_as_the_optimizers_do():
    w, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = (w * x).sum()
    writes.rebind(w, np.array([7.0, 8.0]))
    with pytest.raises(StaleValueError):
        loss.backward()
    loss = (w * x).sum()
    w.data[...] = 0
    writes.wrote_all([w])
    with pytest.raises(StaleValueError):
        loss.backward()
    (w * x).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), [0.0, 0.0])


def test_a_write_under_no_grad_reaches_views_and_does_not_poison_them():
    x = gd.zeros(3)
    view = x[1:]
    with gd.no_grad():
        x[...] = 5
    np.testing.assert_array_equal(np.asarray(view), [5, 5])
    assert not (view * 2).requires_grad


def test_read_only_memory():
    array = np.zeros(3)
    array.flags.writeable = False
    x = gd.asarray(array, copy=False)
    with pytest.raises(GpudlError):
        x[0] = 1
    y = gd.broadcast_to(gd.zeros(1), (3,))
    with pytest.raises(GpudlError):
        y[0] = 1


# ----- recorded writes -----
def test_a_recorded_write_makes_a_new_node():
    x, v = leaf([1.0, 2.0, 3.0]), leaf(10.0)
    y = x * 2
    y[1] = v * v
    assert y.requires_grad
    np.testing.assert_array_equal(np.asarray(y.detach()), [2.0, 100.0, 6.0])
    (y * gd.tensor([1.0, 2.0, 3.0], dtype=gd.float64)).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), [2.0, 0.0, 6.0])
    assert float(v.grad) == 40.0


def test_a_plain_tensor_becomes_part_of_the_graph():
    buffer, x = gd.zeros(3, dtype=gd.float64), leaf([1.0, 2.0])
    buffer[1:] = x * 3
    assert buffer.requires_grad and not buffer.is_leaf
    (buffer * buffer).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), [18.0, 36.0])


def test_views_with_history_go_stale():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2
    view = y[1:]
    y[0] = 0.0
    with pytest.raises(StaleValueError) as raised:
        view * 2
    assert places(raised.value) == ["view = y[1:]", "y[0] = 0.0"]
    np.testing.assert_array_equal(np.asarray((y[1:] * 1).detach()), [4.0, 6.0])


def test_views_without_history_are_poisoned():
    buffer, x = gd.zeros(3, dtype=gd.float64), leaf([1.0, 2.0])
    view = buffer[1:]
    again = view[:1]
    buffer[1:] = x
    for stale in (view, again):
        with pytest.raises(StaleValueError) as raised:
            stale + 1
        assert places(raised.value)[-1] == "buffer[1:] = x"
    with pytest.raises(StaleValueError) as raised:
        view + 1
    assert "view = buffer[1:]" in places(raised.value)
    with pytest.raises(StaleValueError):
        view[0] = 1.0
    with pytest.raises(StaleValueError):
        view.backward()


def test_views_cannot_be_written_in_recorded_code():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2
    view = y[1:]
    with pytest.raises(StaleValueError, match="cannot be written") as raised:
        view[0] = 5.0
    assert places(raised.value) == ["view = y[1:]"]
    plain = gd.zeros(3, dtype=gd.float64)
    with pytest.raises(StaleValueError, match=r"y\[i\] = y\[i\] \+ x"):
        plain[1:].__setitem__(0, x[0])
    np.testing.assert_array_equal(np.asarray(y.detach()), [2.0, 4.0, 6.0])


def test_writes_in_a_loop_have_the_right_gradient():
    x = leaf([0.5, 2.0, 3.0])
    state = gd.zeros(4, dtype=gd.float64)
    for i in range(3):
        state[i + 1] = state[i] * 0.5 + x[i] ** 2
    state.sum().backward()
    weights = [1 + 0.5 + 0.25, 1 + 0.5, 1.0]
    np.testing.assert_allclose(np.asarray(x.grad), 2 * np.array([0.5, 2.0, 3.0]) * weights)


def test_the_saved_value_before_a_recorded_write_is_protected():
    x = leaf([1.0, 2.0])
    y = x * 2
    z = y * y  # needs y as it is now
    y[0] = 7.0
    with pytest.raises(StaleValueError):
        z.sum().backward()


def test_second_derivatives_through_writes():
    x = leaf([1.0, 2.0])
    y = x * x * x
    y[0] = x[1] ** 2
    (g,) = gd.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = gd.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(np.asarray(h), [0.0, 6 * 2.0 + 2.0])


# ----- index assignment against finite differences -----
KEYS = {
    "integer": (3, 5),
    "slice": slice(1, 3),
    "step": (slice(None, None, 2), slice(4, 0, -2)),
    "ellipsis": (Ellipsis, 2),
    "none": (None, 1),
    "list": [2, 0],
    "pairs": ([0, 2, 1], [4, 0, 2]),
    "grid": ([[0], [2]], [1, 3]),
    "mask": "mask",
    "row mask": "rows",
    "mixed": (slice(None), [0, 3]),
    "empty": slice(2, 2),
    "empty list": [],
}
KEYS["integer"] = (2, 4)


def key_of(key):
    mask = np.arange(15).reshape(3, 5) % 3 == 0
    return (
        gd.asarray(mask)
        if key == "mask"
        else gd.asarray(np.array([True, False, True]))
        if key == "rows"
        else key
    )


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("broadcast", [False, True])
def test_setitem_gradients(name, broadcast):
    key = KEYS[name]
    rng = np.random.default_rng(0)
    base = rng.standard_normal((3, 5))
    plain = key_of(key)
    numpy_key = np.asarray(plain) if isinstance(plain, gd.Tensor) else plain
    values = rng.standard_normal(() if broadcast else base[numpy_key].shape)
    weights = rng.standard_normal((3, 5))

    def f(x, v):
        out = x * x
        out[key_of(key)] = gd.sin(v)
        return (out * gd.asarray(weights)).sum()

    x, v = leaf(base), leaf(values)
    f(x, v).backward()
    expected = (base * base).copy()
    expected[numpy_key] = np.sin(values)
    with gd.no_grad():
        np.testing.assert_allclose(float(f(x, v)), (expected * weights).sum())
    for tensor, array in ((x, base), (v, values)):
        direction = rng.standard_normal(array.shape)
        h = 1e-6
        moved = [
            float(
                f(*[gd.asarray(a + s * h * direction if a is array else a) for a in (base, values)])
            )
            for s in (1, -1)
        ]
        slope = (moved[0] - moved[1]) / (2 * h)
        np.testing.assert_allclose(
            (np.asarray(tensor.grad) * direction).sum(), slope, rtol=1e-6, atol=1e-7
        )


def test_repeated_indices_in_recorded_writes_are_refused():
    x = leaf([1.0, 2.0])
    buffer = gd.zeros(3, dtype=gd.float64)
    with pytest.raises(GradError, match="written twice"):
        buffer[[1, 1]] = x
    np.testing.assert_array_equal(np.asarray(buffer), [0, 0, 0])
    buffer[[1, 1]] = gd.tensor(
        [5.0, 6.0], dtype=gd.float64
    )  # nothing is recorded: NumPy's rule, the last one stays
    assert float(buffer[1]) == 6.0


def test_overlapping_writes_read_before_they_write():
    x = gd.asarray(np.arange(1000.0))
    x[1:] = x[:-1]
    np.testing.assert_array_equal(np.asarray(x), [0, *range(999)])
    x = gd.asarray(np.arange(1000.0))
    x[:-1] = x[1:]
    np.testing.assert_array_equal(np.asarray(x), [*range(1, 1000), 999])
    x = gd.asarray(np.arange(5.0))
    x[...] = x[::-1]
    np.testing.assert_array_equal(np.asarray(x), [4, 3, 2, 1, 0])
    x += x[::-1]
    np.testing.assert_array_equal(np.asarray(x), [4, 4, 4, 4, 4])


def test_overlapping_writes_in_recorded_code():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    y[1:] = y[:-1]
    (y * gd.tensor([1.0, 10.0, 100.0], dtype=gd.float64)).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), [11.0, 100.0, 0.0])


# ----- in-place operators -----
@pytest.mark.parametrize(
    ("op", "dtype"),
    [(op, "float64") for op in ("+=", "-=", "*=", "/=", "//=", "%=", "**=")]
    + [
        (op, "int64")
        for op in ("+=", "-=", "*=", "//=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>=")
    ],
)
def test_in_place_operators_equal_numpys(op, dtype):
    a, b = np.array([5, 2, 7]).astype(dtype), np.array([2, 1, 3]).astype(dtype)
    x, expected = gd.asarray(a.copy()), a.copy()
    same = x
    scope = {"x": x, "y": gd.asarray(b), "a": expected, "b": b}
    exec(f"x {op} y\na {op} b", scope)
    assert scope["x"] is same
    np.testing.assert_allclose(np.asarray(x), expected)
    assert x.dtype == dtype


def test_in_place_operators_record():
    x = leaf([1.0, 2.0])
    y = x * 1
    y += x
    y *= 3
    y /= 2
    y -= x * x
    y.sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), 3 - 2 * np.array([1.0, 2.0]))


def test_in_place_operators_that_need_what_they_overwrite_say_so():
    x = leaf([1.0, 2.0])
    y = x * 1
    y **= 2
    with pytest.raises(StaleValueError, match="clone"):
        y.sum().backward()


def test_in_place_matmul():
    x, w = leaf([[1.0, 2.0], [3.0, 4.0]]), gd.asarray(np.array([[0.0, 1.0], [1.0, 0.0]]))
    y = x * 1
    y @= w
    np.testing.assert_array_equal(np.asarray(y.detach()), [[2.0, 1.0], [4.0, 3.0]])


def test_in_place_results_must_fit():
    x = gd.zeros(3)
    with pytest.raises(ShapeError):
        x += gd.zeros((2, 3))
    i = gd.asarray(np.arange(3))
    with pytest.raises(ArgumentTypeError):
        i += 0.5
    with pytest.raises(ArgumentTypeError):
        i[0] = 1.5
    with pytest.raises(ShapeError):
        x[:2] = gd.zeros(3)
    with pytest.raises(IndexRangeError):
        x[5] = 1
    np.testing.assert_array_equal(np.asarray(x), [0, 0, 0])
    half = gd.zeros(3, dtype=gd.float16)
    half += gd.ones(3, dtype=gd.float64)  # as in NumPy, the tensor keeps its dtype
    assert half.dtype == gd.float16


def test_an_iteration_over_a_tensor_gives_views():
    x = gd.zeros((3, 2))
    for i, row in enumerate(x):
        row[...] = i
    np.testing.assert_array_equal(np.asarray(x), [[0, 0], [1, 1], [2, 2]])


def test_errors_name_the_place_of_the_call():
    x = leaf([1.0])
    y = gd.exp(x)
    place = here()
    with gd.no_grad():
        y.zero_()
    with pytest.raises(StaleValueError) as raised:
        y.backward()
    file, line = place.rsplit(":", 1)
    assert f"{file}:{int(line) + 2}" in str(raised.value)
