"""`Tensor`: making, showing, converting, promotion, methods that NumPy and PyTorch disagree on."""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    GpudlError,
    GradError,
    MissingAttributeError,
    ShapeError,
)


# ----- making -----
@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"),
        (1.5, "float32"),
        (1j, "complex64"),
        (True, "bool"),
        ([1, 2], "int64"),
        ([1.0, 2], "float32"),
        ([], "float32"),
        ([[1.0], [2.0]], "float32"),
        (np.float64(2), "float64"),
        (np.ones(2), "float64"),
        (np.ones(2, np.int8), "int8"),
        (np.ones(2, ml_dtypes.bfloat16), "bfloat16"),
        (range(3), "int64"),
    ],
)
def test_default_dtypes(data, dtype):
    if isinstance(data, range):
        data = list(data)
    assert gd.tensor(data).dtype == dtype


def test_tensor_copies_and_asarray_shares():
    array = np.ones(3)
    copied, shared = gd.tensor(array), gd.asarray(array, copy=False)
    array[0] = 5
    assert float(copied[0]) == 1
    assert float(shared[0]) == 5
    assert gd.asarray(shared) is shared or np.shares_memory(gd.asarray(shared).data, array)


def test_zero_dimensional_results_are_tensors():
    for x in (gd.ones(3).sum(), gd.ones(3)[0], gd.ones(()) * 2, gd.max(gd.ones((2, 2)))):
        assert isinstance(x, gd.Tensor)
        assert type(x.data) is np.ndarray
        assert x.shape == ()


# ----- promotion -----
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("int64", "float32", "float32"),
        ("bool", "float16", "float16"),
        ("int8", "int16", "int16"),
        ("uint8", "int8", "int16"),
        ("float32", "float64", "float64"),
        ("bfloat16", "float16", "float32"),
        ("bfloat16", "float32", "float32"),
        ("float32", "complex64", "complex64"),
        ("float64", "complex64", "complex128"),
        ("int64", "bfloat16", "bfloat16"),
        ("bool", "int8", "int8"),
    ],
)
def test_promotion_of_tensors(a, b, expected):
    for first, second in ((a, b), (b, a)):
        x, y = gd.ones(2, dtype=first), gd.ones(2, dtype=second)
        assert (x + y).dtype == expected
        assert gd.result_type(x, y) == expected


@pytest.mark.parametrize(
    ("dtype", "scalar", "expected"),
    [
        ("float16", 2.5, "float16"),
        ("bfloat16", 2, "bfloat16"),
        ("int8", 3, "int8"),
        ("int64", 2.5, "float32"),
        ("bool", 1, "int64"),
        ("float32", 1j, "complex64"),
        ("float64", 1j, "complex128"),
        ("float32", True, "float32"),
        ("float32", np.float64(2), "float32"),
        ("float32", np.float32(2), "float32"),
        ("float16", np.float32(2), "float32"),
    ],
)
def test_python_scalars_are_weak(dtype, scalar, expected):
    assert (gd.ones(2, dtype=dtype) + scalar).dtype == expected
    assert (scalar + gd.ones(2, dtype=dtype)).dtype == expected


def test_dtypes_that_do_not_mix():
    with pytest.raises(DTypeError, match="common"):
        gd.ones(2, dtype=gd.uint64) + gd.ones(2, dtype=gd.int64)
    with pytest.raises(GpudlError):
        gd.ones(2, dtype=gd.uint8) + 300


# ----- operators against NumPy -----
@pytest.mark.parametrize(
    "op", ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">="]
)
@pytest.mark.parametrize("other", [2, 2.5, "array", "list", "tensor"])
def test_operators_equal_numpys_both_ways(op, other):
    a = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -6.0]])
    b = np.array([2.0, 0.5, 3.0])
    if op == "**":
        a = np.abs(a)
    right = {"array": b, "list": b.tolist(), "tensor": b}.get(other, other)
    given = gd.asarray(b) if other == "tensor" else right
    x = gd.asarray(a)
    names = {"x": x, "y": given, "a": a, "b": right}
    np.testing.assert_allclose(np.asarray(eval(f"x {op} y", names)), eval(f"a {op} b", names))
    np.testing.assert_allclose(np.asarray(eval(f"y {op} x", names)), eval(f"b {op} a", names))


def test_numpys_functions_work_on_tensors():
    x = gd.tensor([1.0, 2.0], requires_grad=True)
    y = np.exp(x) + np.multiply(x, 3)
    assert isinstance(y, gd.Tensor)
    y.sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), np.exp([1.0, 2.0]) + 3, rtol=1e-6)
    with pytest.raises(ArgumentTypeError, match="add"):
        np.add.reduce(x)


def test_powers_have_gradients_everywhere():
    for exponent in (0, 1, 2, 3, 0.5):
        values = [-1.5, 0.0, 2.0] if exponent in (0, 1, 2, 3) else [0.25, 2.0]
        x = gd.tensor(values, dtype=gd.float64, requires_grad=True)
        (x**exponent).sum().backward()
        v = np.array(values)
        expected = exponent * np.where(
            exponent == 0, 0.0, np.power(v, max(exponent - 1, 0) if exponent != 0.5 else -0.5)
        )
        np.testing.assert_allclose(np.asarray(x.grad), expected)


def test_ties_share_the_gradient():
    x = gd.tensor([2.0, 1.0, 2.0], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.5]
    a, b = (gd.tensor([1.0], requires_grad=True) for _ in range(2))
    gd.maximum(a, b).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.5], [0.5])


# ----- to Python -----
def test_conversions():
    x = gd.tensor(2.5)
    assert (float(x), int(x), bool(x), complex(x), x.item()) == (2.5, 2, True, 2.5 + 0j, 2.5)
    assert [1, 2, 3][gd.tensor(1)] == 2
    assert gd.tensor([[1, 2]]).tolist() == [[1, 2]]
    assert f"{x:.2f}" == "2.50"
    assert len(gd.ones((3, 2))) == 3
    assert 2.0 in gd.tensor([1.0, 2.0])
    for wrong in (
        lambda: bool(gd.ones(2)),
        lambda: float(gd.ones(2)),
        lambda: len(gd.tensor(1.0)),
        lambda: [1][gd.tensor(0.0)],
        lambda: iter(gd.tensor(1.0)),
        lambda: gd.ones(2).item(),
    ):
        with pytest.raises(GpudlError):
            wrong()


def test_numpy_needs_a_tensor_without_history():
    x = gd.ones(2, requires_grad=True)
    for convert in (lambda: x.numpy(), lambda: np.asarray(x), lambda: np.from_dlpack(x)):
        with pytest.raises((GradError, BufferError), match="detach"):
            convert()
    assert np.asarray(x.detach(), dtype=np.float64).dtype == np.float64
    assert np.from_dlpack(x.detach()).shape == (2,)


def test_repr():
    assert repr(gd.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(gd.tensor([1], dtype=gd.int8)) == "tensor([1], dtype=int8)"
    x = gd.ones(1, requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], from=multiply)"
    assert repr(gd.zeros((0, 3))) == "tensor([], shape=(0, 3))"
    assert repr(gd.zeros(0)) == "tensor([])"


def test_pickle_and_copy():
    x = gd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert other.requires_grad and other.is_leaf
        np.testing.assert_array_equal(np.asarray(other.detach()), np.asarray(x.detach()))
        assert not np.shares_memory(other.data, x.data)
    half = gd.ones(3, dtype=gd.bfloat16)
    assert pickle.loads(pickle.dumps(half)).dtype == gd.bfloat16
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(GradError, match="detach"):
            copier(x * 2)
    (x * 2).sum().backward()
    assert copy.deepcopy(x).grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_tensors_are_compared_by_value_and_hashed_by_identity():
    x, y = gd.ones(2), gd.ones(2)
    assert (x == y).tolist() == [True, True]
    assert len({x, y}) == 2


# ----- calls in PyTorch's manner -----
@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda x: x.transpose(1, 2), "swapaxes"),
        (lambda x: x.max(0), "axis="),
        (lambda x: x.min(1), "axis="),
        (lambda x: x.view(-1), "reshape"),
        (lambda x: x.repeat(2, 1, 1), r"gd.tile\(x, \(2, 1, 1\)\)"),
        (lambda x: gd.arange(3) ** -1, "float32"),
    ],
)
def test_ambiguous_calls_name_the_right_one(call, hint):
    with pytest.raises((ArgumentError, MissingAttributeError), match=hint):
        call(gd.ones((2, 3, 4)))


@pytest.mark.parametrize("values", [2**70, [1, None], np.array([object()])])
def test_values_that_no_dtype_holds(values):
    with pytest.raises(DTypeError, match="int64"):
        gd.tensor(values)


def test_memory_order():
    x = gd.asarray(np.arange(12.0).reshape(3, 4))
    assert x.contiguous() is x
    t = x.T
    c = t.contiguous()
    assert c.data.flags.c_contiguous and not t.data.flags.c_contiguous
    np.testing.assert_array_equal(np.asarray(c), np.asarray(t))
    leaf = gd.ones((2, 3), requires_grad=True)
    (leaf.T.contiguous() * 3).sum().backward()
    assert leaf.grad.tolist() == [[3.0] * 3] * 2


def test_moves():
    x = gd.ones(2)
    assert x.to("cpu") is x
    assert x.to(gd.float64).dtype == gd.float64
    assert x.to("cpu", gd.int8).dtype == gd.int8
    with pytest.raises(GpudlError):
        x.to("tpu")
    with pytest.raises(GpudlError):
        x.to("cuda:0")


def test_iteration_and_indexing_errors_name_the_axis():
    x = gd.ones((3, 4))
    with pytest.raises(IndexError, match="axis 1"):
        x[0, 4]
    with pytest.raises(IndexError, match="3 indices"):
        x[0, 0, 0]
    with pytest.raises(ShapeError, match="broadcast"):
        x + gd.ones(3)


@pytest.mark.parametrize("name", ["std", "var", "max", "min"])
def test_an_axis_by_position_names_the_keyword(name):
    with pytest.raises(ArgumentError, match="axis=") as caught:
        getattr(gd.ones(2, 3), name)(0)
    assert caught.value.op == name


def test_contiguous_copies_once_and_keeps_the_graph():
    x = gd.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    assert x.contiguous() is x
    y = x.T.contiguous()
    assert y.data.flags.c_contiguous
    (y * y).sum().backward()
    np.testing.assert_array_equal(np.asarray(x.grad), 2 * np.arange(12.0).reshape(3, 4))


def test_to_takes_what_another_tensor_has():
    x = gd.ones(3)
    assert x.to(gd.ones(1, dtype=gd.float64)).dtype == gd.float64
    assert x.to("cpu", "float16").dtype == gd.float16
