"""The tape: what backward passes deliver, keep and free, on one thread and on several."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import gpudl as gd
from gpudl.errors import GpudlError, GradError, ShapeError


def leaf(values, dtype=gd.float64):
    return gd.tensor(values, dtype=dtype, requires_grad=True)


def close(x, expected, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(x.detach()), expected, rtol=tolerance, atol=tolerance)


# ----- what arrives where -----
def test_gradients_add_up_over_uses_and_passes():
    x = leaf([1.0, 2.0])
    y = x * x + 3 * x + x
    y.sum().backward()
    close(x.grad, [6.0, 8.0])
    (x * 2).sum().backward()
    close(x.grad, [8.0, 10.0])


def test_diamond():
    x = leaf(0.5)
    a = x * x
    b, c = a.exp(), a * 3
    (b * c).backward()
    v = 0.25
    close(x.grad, (np.exp(v) * 3 * v + np.exp(v) * 3) * 2 * 0.5)


def test_deep_sharing_is_visited_once():
    x = leaf(1.0)
    y = x
    for _ in range(200):  # 2**200 paths
        y = (y + y) * 0.5
    y.backward()
    close(x.grad, 1.0)


def test_results_that_nothing_uses_cost_nothing():
    x = leaf([3.0, 1.0, 2.0])
    values, order = gd.max(x, axis=0), gd.argmax(x, axis=0)
    values.backward()
    close(x.grad, [1.0, 0.0, 0.0])
    assert not order.requires_grad


def test_several_results_of_one_operation():
    x = leaf([[4.0, 1.0], [1.0, 3.0]])
    values, vectors = gd.linalg.eigh(x)
    (values[0] * 2 + values[1] + 0 * vectors.sum()).backward()
    _, v = np.linalg.eigh(np.asarray(x.detach()))
    close(x.grad, 2 * np.outer(v[:, 0], v[:, 0]) + np.outer(v[:, 1], v[:, 1]))


def test_leaves_do_not_share_the_memory_of_their_gradients():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    g = gd.tensor([1.0, 1.0], dtype=gd.float64)
    (x + y).backward(g)
    arrays = [x.grad.data, y.grad.data, g.data]
    for i, a in enumerate(arrays):
        for b in arrays[i + 1 :]:
            assert not np.shares_memory(a, b)
    x.grad.data[...] = 7
    close(y.grad, [1.0, 1.0])
    close(g, [1.0, 1.0])


def test_gradients_of_broadcasts_are_dense():
    x = leaf(np.ones((3, 4)))
    x.sum().backward()
    assert x.grad.data.flags.owndata
    assert 0 not in x.grad.data.strides


def test_accumulation_does_not_write_into_a_gradient_that_was_taken():
    x = leaf([1.0])
    (x * 2).backward()
    first = x.grad
    (x * 5).backward()
    close(first, [2.0])
    close(x.grad, [7.0])


def test_the_gradient_argument():
    x = leaf([1.0, 2.0, 3.0])
    (x * x).backward(gd.tensor([1.0, 0.0, -1.0], dtype=gd.float64))
    close(x.grad, [2.0, 0.0, -6.0])
    with pytest.raises(GradError, match="one element"):
        (x * x).backward()
    with pytest.raises(ShapeError):
        (x * x).backward(gd.ones(2, dtype=gd.float64))
    with pytest.raises(TypeError):
        (x * x).backward(gd.ones(3, dtype=gd.float32))
    with pytest.raises(TypeError):
        (x * x).backward(1.0)


def test_inputs_restrict_who_receives():
    x, y = leaf([1.0]), leaf([2.0])
    z = x * y
    out = z * z
    out.backward(inputs=[x], retain_graph=True)
    close(x.grad, [2 * 2 * 2.0])
    assert y.grad is None
    out.backward(inputs=z)
    close(z.grad, [4.0])
    assert y.grad is None
    with pytest.raises(GradError):
        (x * 2).backward(inputs=[gd.ones(1)])


def test_gradients_that_are_returned_can_be_written_to():
    a, b, seed = leaf(np.ones(37)), leaf(np.ones(37)), gd.asarray(np.ones(37))
    for ga, gb in (
        gd.autograd.grad((a + b).sum(), [a, b]),
        gd.autograd.grad(a + b, [a, b], seed),
        gd.grad(lambda a, b: (a + b).sum(), argnums=(0, 1))(a.detach(), b.detach()),
        gd.vjp(lambda a, b: a + b, a.detach(), b.detach())[1](seed),
    ):
        ga *= 3
        close(ga, 3 * np.ones(37))
        close(gb, np.ones(37))
        close(seed, np.ones(37))


def test_grad_leaves_dot_grad_alone():
    x, y, z = leaf([1.0]), leaf([2.0]), leaf([0.0])
    gx, gy = gd.autograd.grad(x * y, [x, y])
    close(gx, [2.0])
    close(gy, [1.0])
    assert x.grad is None
    with pytest.raises(GradError, match="do not depend"):
        gd.autograd.grad(x * y, [x, z])
    assert gd.autograd.grad(x * y, [x, z], allow_unused=True)[1] is None
    several = gd.autograd.grad(
        [x * y, x * 3], x, [gd.ones(1, dtype=gd.float64), gd.full(1, 2.0, dtype=gd.float64)]
    )
    close(several[0], [2.0 + 6.0])


def test_retain_grad():
    x = leaf([2.0])
    y = x * 3
    y.retain_grad()
    (y * y).backward()
    close(y.grad, [12.0])
    close(x.grad, [36.0])
    with pytest.raises(GradError):
        gd.ones(1).retain_grad()


def test_only_inexact_tensors_require_gradients():
    with pytest.raises(GradError):
        gd.tensor([1, 2], requires_grad=True)
    x = leaf([1.5, 2.5])
    assert not gd.floor(x).astype(gd.int64).requires_grad
    assert not (x > 2).requires_grad
    assert (x.astype(gd.float32) * 2).requires_grad


def test_casts_bring_gradients_back_in_the_dtype_of_the_leaf():
    x = leaf([1.0, 2.0], dtype=gd.bfloat16)
    (x.astype(gd.float32) * 3).sum().backward()
    assert x.grad.dtype == gd.bfloat16
    close(x.grad.astype(gd.float64), [3.0, 3.0])


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
def test_empty_tensors(shape):
    x = leaf(np.zeros(shape))
    ((x * x).sum() + gd.exp(x).sum()).backward()
    assert x.grad.shape == shape
    y = leaf(np.zeros((4, 0)))
    w = leaf(np.zeros((0, 3)))
    (y @ w).sum().backward()
    assert (y.grad.shape, w.grad.shape) == ((4, 0), (0, 3))


# ----- keeping and freeing graphs -----
def test_a_graph_is_freed_by_its_backward_pass():
    x = leaf([1.0])
    y = (x * x).exp()
    y.backward()
    with pytest.raises(GradError, match="retain_graph=True"):
        y.backward()


def test_part_of_a_graph_that_was_freed():
    x = leaf([1.0])
    y = x * x
    (y * 2).backward()
    with pytest.raises(GradError, match="freed"):
        (y * 3).backward()


def test_retain_graph():
    x = leaf([3.0])
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    close(x.grad, [12.0])


def test_create_graph_keeps_the_graph_and_records_the_gradients():
    x = leaf([3.0])
    y = x * x * x
    y.backward(create_graph=True)
    assert x.grad.requires_grad
    g = x.grad
    x.grad = None
    g.backward()
    close(x.grad, [18.0])


@pytest.mark.parametrize(
    ("f", "derivatives"),
    [
        (lambda x: x**4, lambda v: [4 * v**3, 12 * v**2, 24 * v, 24.0]),
        (gd.sin, lambda v: [np.cos(v), -np.sin(v), -np.cos(v), np.sin(v)]),
        (gd.exp, lambda v: [np.exp(v)] * 4),
        (lambda x: 1 / x, lambda v: [-(v**-2), 2 * v**-3, -6 * v**-4, 24 * v**-5]),
        (gd.log, lambda v: [1 / v, -(v**-2), 2 * v**-3, -6 * v**-4]),
        (lambda x: gd.nn.functional.sigmoid(x), None),
    ],
    ids=["power", "sin", "exp", "reciprocal", "log", "sigmoid"],
)
def test_derivatives_up_to_the_fourth(f, derivatives):
    x = leaf(0.7)
    v = 0.7
    if derivatives is None:
        s = 1 / (1 + np.exp(-v))
        expected = [s * (1 - s), s * (1 - s) * (1 - 2 * s), s * (1 - s) * (1 - 6 * s + 6 * s * s)]
    else:
        expected = derivatives(v)
    y = f(x)
    for value in expected:
        (y,) = gd.autograd.grad(y, x, create_graph=True)
        close(y, value, 1e-10)


def test_no_gradient_without_a_leaf():
    with pytest.raises(GradError, match="does not require a gradient"):
        gd.ones(1).backward()
    with gd.no_grad():
        y = leaf([1.0]) * 2
    with pytest.raises(GradError):
        y.backward()


# ----- hooks -----
def test_hooks_see_and_change_gradients():
    x = leaf([1.0, 2.0])
    seen = []
    handle = x.register_hook(lambda g: seen.append(np.asarray(g).copy()))
    double = x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    close(x.grad, [6.0, 6.0])
    np.testing.assert_array_equal(seen, [[3.0, 3.0]])
    double.remove()
    double.remove()
    handle.remove()
    x.grad = None
    (x * 3).sum().backward()
    close(x.grad, [3.0, 3.0])
    assert len(seen) == 1


def test_hooks_of_computed_tensors_run_on_the_whole_gradient():
    x = leaf([1.0])
    y = x * 2
    calls = []
    with y.register_hook(lambda g: calls.append(float(g)) or g * 10):
        (y * 3 + y).backward()
    assert calls == [4.0]
    close(x.grad, [80.0])


def test_bad_hooks():
    x = leaf([1.0])
    with pytest.raises(TypeError):
        x.register_hook("no function")
    with pytest.raises(GradError):
        gd.ones(1).register_hook(print)
    x.register_hook(lambda g: g.reshape(1, 1))
    with pytest.raises(ShapeError):
        (x * 2).backward()


@pytest.mark.parametrize("answer", [lambda g: g.astype(gd.float32), lambda g: 1.0])
def test_a_hook_keeps_the_dtype_and_returns_a_tensor(answer):
    x = leaf(np.ones(37))
    x.register_hook(answer)
    with pytest.raises(GpudlError, match="register_hook"):
        (x * 2).sum().backward()


def test_what_a_hook_returns_is_not_the_memory_of_the_gradient():
    x, constant = leaf(np.ones(37)), gd.asarray(np.full(37, 5.0))
    x.register_hook(lambda g: constant)
    (x * 2).sum().backward()
    gd.nn.utils.clip_grad_value_([x], 1.0)
    close(x.grad, np.ones(37))
    close(constant, np.full(37, 5.0))


def test_an_error_in_a_hook_leaves_recording_as_it_was():
    x = leaf([1.0])

    def fail(g):
        raise KeyError("mine")

    x.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        (x * 2).backward()
    assert gd.is_grad_enabled()
    assert (x * 2).requires_grad


# ----- modes -----
def test_no_grad_and_enable_grad_nest_and_decorate():
    x = leaf([1.0])
    assert gd.is_grad_enabled()
    with gd.no_grad():
        assert not (x * 2).requires_grad
        with gd.enable_grad():
            assert (x * 2).requires_grad
            with gd.no_grad():
                assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad

    @gd.no_grad()
    def plain(y):
        return y * 2

    @gd.enable_grad()
    def recorded(y):
        return plain(y), y * 2

    for _ in range(2):  # a decorated function can be called again
        assert [y.requires_grad for y in recorded(x)] == [False, True]
    assert plain.__name__ == "plain"


def test_modes_are_restored_after_errors():
    with pytest.raises(ZeroDivisionError), gd.no_grad():
        raise ZeroDivisionError
    assert gd.is_grad_enabled()


def test_a_generator_under_no_grad():
    x = leaf([1.0])

    def numbers():
        with gd.no_grad():
            yield x * 2

    assert [y.requires_grad for y in numbers()] == [False]
    assert gd.is_grad_enabled()


# ----- threads -----
def test_threads_have_their_own_graphs_and_modes():
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def work(i: int) -> None:
        try:
            start.wait()
            rng = np.random.default_rng(i)
            for step in range(40):
                v = rng.standard_normal((5, 5))
                x = leaf(v)
                if i % 2:
                    with gd.no_grad():
                        assert not (x @ x).requires_grad
                y = (x @ x).sum() * i
                y.backward()
                close(x.grad, i * (v.sum(1)[None, :] + v.sum(0)[:, None]), 1e-10)
                assert gd.is_grad_enabled(), step
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    with gd.no_grad():
        for t in threads:
            t.join()
    assert not errors


def test_threads_can_share_leaves():
    x = leaf(np.ones(37))
    found: list[np.ndarray] = []

    def work() -> None:
        for _ in range(50):
            found.append(np.asarray(gd.autograd.grad((x * x).sum(), x)[0]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 200
    assert all((g == 2).all() for g in found)


def test_threads_add_up_in_one_gradient():
    x = leaf(np.zeros(200_000))  # large enough that NumPy lets other threads run

    def work() -> None:
        for _ in range(20):
            (x * 1).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (np.asarray(x.grad) == 80).all()


# ----- long chains and memory -----
def test_a_chain_of_100_000_operations():
    x = leaf([1.0])
    y = x
    for _ in range(50_000):
        y = y * 1.0 + 0.0
    y.backward()
    close(x.grad, [1.0])
    for _ in range(100_000):
        x = x + 0.0
    del x, y  # freed without recursion


def test_second_derivative_of_a_long_chain():
    x = leaf([1.0])
    y = x * x
    for _ in range(5_000):
        y = y * 1.0
    (g,) = gd.autograd.grad(y, x, create_graph=True)
    (h,) = gd.autograd.grad(g, x)
    close(h, [2.0])


def live(cls) -> int:
    return sum(1 for obj in gc.get_objects() if type(obj) is cls)


def training_step(w, b, x, y):
    loss = ((gd.tanh(x @ w + b) - y) ** 2).mean()
    loss.backward()
    with gd.no_grad():
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad = None
    return float(loss)


def test_nothing_is_left_over_1000_steps_without_the_collector():
    rng = np.random.default_rng(0)
    w, b = leaf(rng.standard_normal((5, 3))), leaf(np.zeros(3))
    x, y = gd.asarray(rng.standard_normal((8, 5))), gd.asarray(rng.standard_normal((8, 3)))
    first = training_step(w, b, x, y)
    gc.collect()
    gc.disable()
    try:
        before = live(gd.Tensor), live(gd.autograd.Node), len(gc.get_objects())
        for _ in range(1000):
            last = training_step(w, b, x, y)
        after = live(gd.Tensor), live(gd.autograd.Node), len(gc.get_objects())
    finally:
        gc.enable()
    assert last < first
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 50


def test_graphs_are_freed_by_reference_counts():
    gc.collect()
    gc.disable()
    try:
        x = leaf([1.0, 2.0])
        y = gd.exp(x)  # saves its own result
        z = (y * y).sum()
        nodes = [weakref.ref(t) for t in (y, z)]
        del y, z
        assert [ref() for ref in nodes] == [None, None]
        u, s, vh = gd.linalg.svd(leaf(np.eye(3)))  # several saved results
        refs = [weakref.ref(t) for t in (u, s, vh)]
        del u, s, vh
        assert all(ref() is None for ref in refs)
    finally:
        gc.enable()


def test_backward_frees_what_was_saved():
    x = leaf(np.ones(10))
    middle = x * 2
    ref = weakref.ref(middle)
    y = (middle * middle).sum()
    del middle
    assert ref() is not None
    y.backward()
    assert ref() is None


# ----- complex -----
@pytest.mark.parametrize(
    "f",
    [
        lambda z: gd.sum(gd.abs(z) ** 2),
        lambda z: gd.sum(gd.real(gd.exp(z) * gd.conj(z))),
        lambda z: gd.sum(gd.imag(z * z * z)),
        lambda z: gd.abs(gd.sum(gd.sin(z) / (z + 2))),
        lambda z: gd.sum(gd.real(gd.sqrt(z + 3) * gd.log(z + 3))),
        lambda z: gd.sum(gd.abs(z @ gd.conj(z.T))),
    ],
)
def test_complex_gradients_follow_the_conjugate_convention(f):
    rng = np.random.default_rng(0)
    v = rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))
    z = gd.tensor(v, requires_grad=True)
    f(z).backward()
    h = 1e-6
    expected = np.zeros_like(v)
    for at in np.ndindex(*v.shape):
        for step in (1, 1j):
            moved = []
            for sign in (1, -1):
                w = v.copy()
                w[at] += sign * h * step
                moved.append(float(f(gd.tensor(w))))
            expected[at] += step * (moved[0] - moved[1]) / (2 * h)
    np.testing.assert_allclose(np.asarray(z.grad), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.peers
def test_complex_gradients_equal_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    v = np.random.default_rng(1).standard_normal((2, 3, 2)) @ np.array([1, 1j])
    z, t = gd.tensor(v, requires_grad=True), torch.tensor(v, requires_grad=True)
    ((gd.tanh(z) * gd.conj(gd.exp(z))).sum() * (1 - 2j)).backward()
    one = torch.ones((), dtype=torch.complex128)
    ((torch.tanh(t) * torch.conj(torch.exp(t))).sum() * (1 - 2j)).backward(one)
    np.testing.assert_allclose(np.asarray(z.grad), t.grad.numpy(), rtol=1e-12)


def test_real_leaves_of_complex_graphs_get_real_gradients():
    x = leaf([1.0, 2.0])
    gd.abs(x * (1 + 2j)).sum().backward()
    assert x.grad.dtype == gd.float64
    close(x.grad, [np.sqrt(5)] * 2)


# ----- leaves -----
def test_leaves_can_be_turned_on_and_off():
    x = gd.ones(2)
    assert x.is_leaf and not x.requires_grad
    x.requires_grad = True
    y = x * 2
    assert x.is_leaf and not y.is_leaf
    with pytest.raises(GradError, match="history"):
        y.requires_grad = False
    x.requires_grad_(False)
    assert not (x * 2).requires_grad


def test_grad_can_be_assigned_and_is_checked():
    x = gd.ones(2, requires_grad=True)
    x.grad = gd.zeros(2)
    (x * 3).sum().backward()
    close(x.grad, [3.0, 3.0])
    with pytest.raises(ShapeError):
        x.grad = gd.zeros(3)
    with pytest.raises(TypeError):
        x.grad = 1.0
    x.grad = None
    assert x.grad is None


def test_detach_cuts_the_graph_and_shares_the_memory():
    x = leaf([1.0, 2.0])
    y = (x * 3).detach()
    assert not y.requires_grad
    (x * y).sum().backward()
    close(x.grad, [3.0, 6.0])
    assert np.shares_memory(x.detach().data, x.data)


def test_the_gradient_of_a_long_product_takes_linear_memory():
    x = leaf(np.random.default_rng(0).normal(1, 1e-3, 200_000))  # squared: 320 GB
    x.prod().backward()
    values = np.asarray(x.detach())
    close(x.grad, values.prod() / values, 1e-9)
