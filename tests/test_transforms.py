"""grad, value_and_grad, vjp, jacrev, hessian, custom_vjp, checkpoint: against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import ArgumentError, ArgumentTypeError, DTypeError, GradError, ShapeError

V = np.linspace(0.2, 1.1, 5)


def x64(values=V):
    return gd.asarray(np.asarray(values, np.float64))


def close(x, expected, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(x.detach()), expected, rtol=tolerance, atol=tolerance)


def test_grad_of_trees():
    def f(p, scale):
        return (p["w"] ** 2).sum() * scale + (p["more"][0] * p["more"][1]).sum()

    p = {"w": x64(), "more": [x64([2.0]), x64([3.0])]}
    g = gd.grad(f)(p, 3.0)
    assert set(g) == {"w", "more"}
    assert isinstance(g["more"], list)
    close(g["w"], 6 * V)
    close(g["more"][0], [3.0])
    assert not g["w"].requires_grad


def test_argnums_and_aux():
    def f(a, b):
        return (a * a * b).sum(), {"sum": a + b}

    a, b = x64([2.0]), x64([3.0])
    (value, aux), (ga, gb) = gd.value_and_grad(f, argnums=(0, 1), has_aux=True)(a, b)
    assert float(value) == 12.0
    close(aux["sum"], [5.0])
    assert not aux["sum"].requires_grad
    close(ga, [12.0])
    close(gb, [4.0])
    g, _ = gd.grad(f, argnums=-1, has_aux=True)(a, b)
    close(g, [4.0])


@pytest.mark.parametrize("order", range(1, 6))
def test_grad_nests(order):
    f = gd.sin
    for _ in range(order):
        f = gd.grad(f)
    close(f(x64(0.7)), np.sin(0.7 + order * np.pi / 2))


def test_grad_inside_grad_sees_what_it_closes_over():
    def outer(x):
        def inner(y):
            return x * x * y * y * y

        return gd.grad(inner)(x)  # 3 x**4

    close(gd.grad(outer)(x64(1.5)), 12 * 1.5**3)


def test_perturbations_are_not_confused():
    g = gd.grad(lambda x: x * gd.grad(lambda y: x + y)(x64(1.0)))
    close(g(x64(3.0)), 1.0)


def test_transforms_and_the_tape_of_the_user():
    w = gd.tensor(V, requires_grad=True)
    loss = (gd.grad(lambda x: (x * x * w).sum())(x64()) ** 2).sum()  # sum (2 x w)**2
    loss.backward()
    close(w.grad, 8 * V * V * V)
    with gd.no_grad():
        close(gd.grad(lambda x: (x * x).sum())(x64()), 2 * V)
        assert not gd.is_grad_enabled()


def test_vjp():
    out, pull = gd.vjp(lambda a, b: {"p": a * b, "s": a.sum()}, x64(), x64([2.0]))
    close(out["p"], 2 * V)
    for scale in (1.0, 2.0):  # more than once
        ga, gb = pull({"p": x64(np.full(5, scale)), "s": x64(1.0)})
        close(ga, np.full(5, 2 * scale + 1))
        close(gb, [scale * V.sum()])
    with pytest.raises(ShapeError):
        pull({"p": x64([1.0]), "s": x64(1.0)})
    with pytest.raises(ArgumentTypeError):
        pull(x64(1.0))


def test_jacobian_and_hessian():
    A = np.random.default_rng(0).standard_normal((3, 5))
    close(gd.jacrev(lambda x: gd.asarray(A) @ gd.sin(x))(x64()), A * np.cos(V))

    def f(x):
        return gd.sum(gd.exp(x)) * gd.sum(x)

    e, s = np.exp(V), V.sum()
    close(gd.hessian(f)(x64()), np.diag(e) * s + e[:, None] + e[None, :])
    blocks = gd.hessian(lambda p: (p["a"] ** 2).sum() * p["b"])({"a": x64(), "b": x64(2.0)})
    close(blocks["a"]["a"], 4 * np.eye(5))
    close(blocks["a"]["b"], 2 * V)


def test_no_dependence_gives_zeros():
    close(gd.grad(lambda x: gd.ones((), dtype=gd.float64))(x64()), np.zeros(5))
    assert gd.jacrev(lambda x: x[:0])(x64()).shape == (0, 5)


def test_wrong_calls():
    for wrong, error in (
        (lambda: gd.grad(3), ArgumentTypeError),
        (lambda: gd.grad(lambda x: x)(x64()), ShapeError),
        (lambda: gd.grad(lambda x: 3.0)(x64()), ShapeError),
        (lambda: gd.grad(lambda x: x.sum(), argnums=1)(x64()), ArgumentError),
        (lambda: gd.grad(lambda x: x.sum())(gd.asarray(np.arange(3))), DTypeError),
        (lambda: gd.grad(lambda x: x.sum(), has_aux=True)(x64()), ArgumentTypeError),
        (lambda: gd.vjp(lambda x: 3, x64()), ArgumentTypeError),
    ):
        with pytest.raises(error):
            wrong()
    assert gd.is_grad_enabled()


def test_an_error_inside_leaves_the_state():
    def fail(x):
        raise KeyError("mine")

    for transform in (gd.grad, gd.jacrev, gd.hessian):
        with pytest.raises(KeyError):
            transform(fail)(x64())
    close(gd.grad(lambda x: (x * x).sum())(x64()), 2 * V)


# ----- custom_vjp -----
def doubled():
    @gd.custom_vjp
    def f(a, b):
        return a * b

    f.defvjp(lambda a, b: (a * b, (a, b)), lambda res, g: (g * res[1] * 2, g * res[0] * 3))
    return f


def test_custom_rules_are_used():
    f = doubled()
    ga, gb = gd.grad(lambda a, b: f(a, b).sum(), argnums=(0, 1))(x64(), x64(V * 2))
    close(ga, 4 * V)
    close(gb, 3 * V)
    a = gd.tensor(V, requires_grad=True)
    f(a, x64()).sum().backward()
    close(a.grad, 2 * V)


def test_custom_rules_are_differentiated():
    f = doubled()
    gg = gd.grad(lambda b: gd.grad(lambda a: f(a, b).sum())(x64()).sum())(x64())
    close(gg, np.full(5, 2.0))


def test_custom_rules_with_wrong_gradients():
    @gd.custom_vjp
    def f(x):
        return x * 1

    with pytest.raises(GradError, match="defvjp"):
        f(x64())
    f.defvjp(lambda x: (x * 1, None), lambda _, g: (g[:2],))
    with pytest.raises(ShapeError):
        gd.grad(lambda x: f(x).sum())(x64())
    f.defvjp(lambda x: (x * 1, None), lambda _, g: g)
    with pytest.raises(ArgumentTypeError):
        gd.grad(lambda x: f(x).sum())(x64())


def test_custom_vjp_may_return_what_it_keeps():
    f = gd.custom_vjp(lambda x: x.sum())
    f.defvjp(lambda x: (x.sum(), x), lambda x, g: (x,))
    w = gd.tensor(V, requires_grad=True)
    f(w).backward()
    close(w.grad, V)
    assert not np.shares_memory(w.grad.data, w.data)


def test_custom_vjp_drops_what_it_keeps_after_the_backward_pass():
    import weakref

    kept = []

    def forward(x):
        residual = x * 3
        kept.append(weakref.ref(residual))
        return x * 2, residual

    f = gd.custom_vjp(lambda x: x * 2)
    f.defvjp(forward, lambda _, g: (g * 2,))
    y = f(gd.tensor(V, requires_grad=True))
    assert kept[0]() is not None
    y.sum().backward()
    assert kept[0]() is None


def test_custom_vjp_fills_in_gradients_of_unused_results():
    f = gd.custom_vjp(lambda x: {"used": x * 2, "unused": x.sum()})
    f.defvjp(
        lambda x: ({"used": x * 2, "unused": x.sum()}, None),
        lambda _, g: (2 * g["used"] + g["unused"],),
    )
    close(gd.grad(lambda x: f(x)["used"].sum())(x64()), 2 * np.ones(5))


def test_custom_vjp_refuses_a_gradient_that_is_no_tensor():
    f = gd.custom_vjp(lambda x: x * 1)
    f.defvjp(lambda x: (x * 1, None), lambda _, g: (1.0,))
    with pytest.raises(ArgumentTypeError, match="no tensor"):
        gd.grad(lambda x: f(x).sum())(x64())


# ----- history that leaves a transform -----
def test_a_pullback_is_differentiable_in_its_argument():
    _, pullback = gd.vjp(lambda x: x * x, x64())
    close(gd.grad(lambda g: pullback(g)[0].sum())(gd.ones(5, dtype=gd.float64)), 2 * V)

    def cubic(g):
        return gd.grad(lambda h: pullback(h * h * g)[0].sum())(g).sum()

    # d/dh of 2 x h h g, at h = g, is 4 x g g; and its derivative is 8 x g.
    close(gd.grad(cubic)(gd.ones(5, dtype=gd.float64)), 8 * V)


def test_transforms_inside_no_grad_give_results_without_history():
    w = gd.tensor(V, requires_grad=True)
    with gd.no_grad():
        g = gd.grad(lambda x: (x**2).sum())(w)
        closed = gd.grad(lambda x: (x * w).sum())(x64())
        y, pullback = gd.vjp(lambda x: x * w, w)
        (pulled,) = pullback(y)
        H = gd.hessian(lambda x: (x**3 * w).sum())(w)
    close(g, 2 * V)
    close(closed, V)
    close(pulled, V * V * V)
    close(H, np.diag(6 * V * V))
    assert not any(t.requires_grad for t in (g, closed, y, pulled, H))


def test_no_grad_in_a_function_stops_the_gradient():
    def f(x):
        with gd.no_grad():
            inner = gd.grad(lambda z: (z**3).sum())(x)
        return (inner * x).sum()

    close(gd.grad(f)(x64()), 3 * V * V)


# ----- checkpoint -----
def test_checkpoint_gives_the_same_gradients():
    w = gd.tensor(V, requires_grad=True)

    def block(x, scale):
        return gd.tanh(x * w) * scale, x * 2

    def loss(f):
        a, b = f(x64(), 3.0)
        return (a * b).sum()

    plain = gd.autograd.grad(loss(block), w)[0]
    again = gd.autograd.grad(loss(gd.checkpoint(block)), w)[0]
    close(again, np.asarray(plain))


def test_checkpoint_repeats_the_random_numbers():
    def noisy(x):
        return x * gd.random.normal((5,), dtype=gd.float64)

    gd.manual_seed(3)
    x = gd.tensor(V, requires_grad=True)
    y = gd.checkpoint(noisy)(x)
    after = gd.random.normal((2,)).tolist()
    y.sum().backward()
    close(x.grad, np.asarray(y.detach()) / V)
    gd.manual_seed(3)
    noisy(x64())
    assert gd.random.normal((2,)).tolist() == after


def test_checkpoint_takes_keyword_arguments():
    f = gd.checkpoint(lambda x, *, scale, power=1: x**power * scale)
    close(gd.grad(lambda x: f(x, scale=x, power=2).sum())(x64()), 3 * V * V)


def test_checkpoint_in_second_derivatives():
    f = gd.checkpoint(lambda x: gd.sin(x) * x)
    close(gd.grad(gd.grad(f))(x64(0.6)), 2 * np.cos(0.6) - 0.6 * np.sin(0.6))


def test_checkpoint_keeps_no_intermediate_values():
    import weakref

    kept = []

    def block(x):
        y = gd.exp(x)
        kept.append(weakref.ref(y))
        return gd.exp(y)

    x = gd.tensor(V, requires_grad=True)
    out = gd.checkpoint(block)(x)
    assert kept[0]() is None
    out.sum().backward()
    close(x.grad, np.exp(np.exp(V)) * np.exp(V))
