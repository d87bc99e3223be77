"""gd.testing: it accepts what is right and, above all, finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl import ops, testing
from gpudl.errors import ArgumentTypeError, DTypeError, GradError

RNG = np.random.default_rng(0)


def leaf(array, dtype=gd.float64):
    return gd.tensor(np.asarray(array), dtype=dtype, requires_grad=True)


def cases():
    base = RNG.standard_normal((4, 6))
    yield "matrix", base[:2, :3]
    yield "transposed", base.T[:3, :2]
    yield "negative strides", base[::-2, ::-3]
    yield "one", base[:1, :1]
    yield "empty", base[:0]
    yield "scalar", np.asarray(0.7)


@pytest.mark.parametrize(("name", "x"), list(cases()), ids=[name for name, _ in cases()])
def test_right_gradients_pass(name, x):
    v = leaf(x)
    assert testing.gradcheck(lambda v: (v * v).sum() + v, v)
    assert testing.gradgradcheck(lambda v: v * v * v, v)


def test_broadcast_operands_and_several_outputs():
    a, b = leaf(RNG.standard_normal((3, 1))), leaf(RNG.standard_normal(4))
    assert testing.gradcheck(lambda a, b: (a * b, a + b), [a, b])
    assert testing.gradgradcheck(lambda a, b: (a * b, a + b), [a, b])


def test_inputs_without_gradient_stay_fixed():
    a, fixed = leaf([1.0, 2.0]), gd.tensor([3.0, 4.0], dtype=gd.float64)
    assert testing.gradcheck(lambda a, b: a * b, [a, fixed])


def test_complex_gradients_follow_the_conjugate_convention():
    z = leaf([1.0 + 2j, -0.5 + 0.25j], gd.complex128)
    assert testing.gradcheck(lambda z: z * z, z)
    assert testing.gradcheck(lambda z: ops.elementwise.absolute(z), z)


def wrong_rule(x):
    @gd.custom_vjp
    def cube(x):
        return x * x * x

    cube.defvjp(lambda x: (x * x * x, x), lambda x, g: (g * x * x * 2,))
    return cube(x)


def test_wrong_gradients_are_found():
    with pytest.raises(GradError, match="derivatives of output 0 with respect to input 0"):
        testing.gradcheck(wrong_rule, leaf([0.5, 2.0]))


def test_wrong_second_derivatives_are_found():
    def once(x):
        # The first derivative is right, but the factor x * x is a constant to the second.
        @gd.custom_vjp
        def cube(x):
            return x * x * x

        cube.defvjp(lambda x: (x * x * x, x), lambda x, g: (g * (x * x).detach() * 3,))
        return cube(x)

    x = leaf([0.5, 2.0])
    assert testing.gradcheck(once, x)
    with pytest.raises(GradError):
        testing.gradgradcheck(once, x)


def test_typed_errors():
    with pytest.raises(DTypeError, match="double precision"):
        testing.gradcheck(lambda x: x * 2, leaf([1.0], gd.float32))
    with pytest.raises(GradError, match="no input requires"):
        testing.gradcheck(lambda x: x * 2, gd.tensor([1.0], dtype=gd.float64))
    with pytest.raises(ArgumentTypeError, match="not a tensor"):
        testing.gradcheck(lambda x: 3.0, leaf([1.0]))
    with pytest.raises(ArgumentTypeError):
        testing.gradcheck(lambda x: x, [np.ones(3)])


# ----- assert_close -----
@pytest.mark.parametrize(
    ("dtype", "inside", "outside"),
    [("float32", 5e-6, 5e-5), ("float64", 5e-11, 5e-10), ("float16", 2e-3, 5e-2)],
)
def test_tolerance_follows_the_dtype(dtype, inside, outside):
    b = np.array([1.0, -2.0, 0.5])
    testing.assert_close((b + 2 * inside).astype(dtype), b)
    with pytest.raises(AssertionError, match="allowed"):
        testing.assert_close((b + 2 * outside).astype(dtype), b)


def test_zero_is_compared_on_the_scale_of_its_terms():
    noise, zero = np.float32([1e-7]), np.zeros(1)
    with pytest.raises(AssertionError):
        testing.assert_close(noise, zero)
    testing.assert_close(noise, zero, scale=100.0)
    testing.assert_close(noise, zero, scale=[np.float32([100.0, np.inf])])
    with pytest.raises(AssertionError):
        testing.assert_close(np.float32([1e-3]), zero, scale=100.0)


def test_shapes_integers_and_special_values():
    with pytest.raises(AssertionError, match="shape"):
        testing.assert_close(gd.ones(3), np.ones((3, 1)))
    testing.assert_close(gd.ones((0, 3)), np.ones((0, 3)))
    with pytest.raises(AssertionError):
        testing.assert_close(np.int64([1, 2]), np.int64([1, 3]))
    special = np.float32([np.nan, np.inf, -np.inf, 1.0])
    testing.assert_close(special, special.astype("f8"))
    for wrong in ([0, np.inf, -np.inf, 1], [np.nan, -np.inf, -np.inf, 1], [np.nan, np.inf, 5, 1]):
        with pytest.raises(AssertionError):
            testing.assert_close(special, np.float64(wrong))
    with pytest.raises(AssertionError, match=r"worst at \(1,\)"):
        testing.assert_close(np.float32([1, 2, 3]), np.float64([1, 2.5, 3]))
