"""Linear algebra and Fourier transforms: values against NumPy, composite gradients by
differences, typed errors.
"""

import numpy as np
import pytest

import gpudl as gd
from gpudl import fft, linalg

SHAPES = [(3, 3), (2, 4, 4), (0, 3, 3), (1, 1), (2, 0, 0)]


def draw(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def close(have, want, tol=1e-10):
    np.testing.assert_allclose(np.asarray(have.detach().numpy()), want, rtol=tol, atol=tol)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_square_matrices(shape, dtype):
    x = draw(shape, dtype)
    t = gd.tensor(x)
    close(linalg.det(t), np.linalg.det(x))
    close(linalg.inv(t), np.linalg.inv(x))
    sign, log = linalg.slogdet(t)
    close(sign * gd.exp(log), np.linalg.det(x))
    for n in (-2, 0, 1, 5):
        close(linalg.matrix_power(t, n), np.linalg.matrix_power(x, n), 1e-8)
    spd = x @ x.conj().swapaxes(-1, -2) + np.eye(shape[-1])
    close(linalg.cholesky(gd.tensor(spd)), np.linalg.cholesky(spd))
    upper = linalg.cholesky(gd.tensor(spd), upper=True)
    close(upper.mT.conj() @ upper, spd)
    values, v = linalg.eigh(gd.tensor(spd))
    close((v * gd.expand_dims(values, -2)) @ v.mT.conj(), spd)
    close(linalg.eigvalsh(gd.tensor(spd)), np.linalg.eigvalsh(spd))
    w, v = linalg.eig(t)
    close(t @ v - v * gd.expand_dims(w, -2), np.zeros(shape))
    assert linalg.eigvals(t).dtype == gd.complex128


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 5, 3), (4, 4), (0, 3), (37, 1)], ids=str)
def test_any_matrices(shape, dtype):
    x = draw(shape, dtype)
    t = gd.tensor(x)
    for full in (False, True):
        u, s, vh = linalg.svd(t, full_matrices=full)
        k = s.shape[-1]
        close((u[..., :k] * gd.expand_dims(s, -2)) @ vh[..., :k, :], x)
    close(linalg.svdvals(t), np.linalg.svd(x, compute_uv=False))
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(t, mode=mode)
        close(q @ r, x)
    close(linalg.pinv(t), np.linalg.pinv(x))
    assert linalg.matrix_rank(t).tolist() == np.linalg.matrix_rank(x).tolist()


def test_rank_and_pseudo_inverse_of_a_singular_matrix():
    x = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    assert int(linalg.matrix_rank(gd.tensor(x))) == 1
    close(linalg.pinv(gd.tensor(x)), np.linalg.pinv(x))
    assert linalg.matrix_rank(gd.tensor(np.stack([x, 0 * x])), rtol=[1e-3, 1e-3]).tolist() == [1, 0]


def test_wide_qr_has_a_gradient():
    w = gd.tensor(draw((3, 5), seed=1))

    def f(x):
        q, r = linalg.qr(x)
        return gd.sum(r * w) + gd.sum(q[0] * q[1])

    x = gd.tensor(draw((3, 5)), requires_grad=True)
    gd.testing.gradcheck(f, x)
    gd.testing.gradgradcheck(f, x)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, gd.inf, -gd.inf], ids=str)
def test_matrix_norms(order, dtype):
    x = draw((2, 3, 4), dtype)
    want = np.linalg.norm(x, ord=order, axis=(1, 2), keepdims=True)
    close(linalg.matrix_norm(gd.tensor(x), ord=order, keepdims=True), want)
    close(linalg.norm(gd.tensor(x), order, axis=(1, 2)), want[:, 0, 0])
    t = gd.tensor(x, requires_grad=True)
    gd.testing.gradcheck(lambda x: linalg.matrix_norm(x, ord=order), t)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, gd.inf, -gd.inf], ids=str)
def test_vector_norms(order, dtype):
    x = draw((2, 5), dtype)
    want = np.linalg.norm(x, ord=order, axis=1)
    close(linalg.vector_norm(gd.tensor(x), ord=order, axis=1), want)
    t = gd.tensor(x[:, ::-1], requires_grad=True)
    if order:
        gd.testing.gradcheck(lambda x: linalg.vector_norm(x, ord=order, axis=-1), t)


def test_gradient_of_the_norm_of_zero_is_zero():
    x = gd.zeros(3, requires_grad=True)
    linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("k", [-5, -1, 0, 2, 9])
def test_diagonals(k):
    x = draw((2, 3, 5))
    close(linalg.diagonal(gd.tensor(x), offset=k), np.diagonal(x, k, 1, 2))
    close(linalg.trace(gd.tensor(x), offset=k), np.trace(x, k, 1, 2))


def test_products():
    a, b = draw((2, 1, 3)), draw((4, 3), seed=1)
    close(linalg.cross(gd.tensor(a), gd.tensor(b)), np.cross(a, b))
    close(linalg.vecdot(gd.tensor(a), gd.tensor(b)), (a * b).sum(-1))
    m = draw((3, 3))
    close(linalg.solve(gd.tensor(m), gd.tensor(b[0])), np.linalg.solve(m, b[0]))


def test_half_precision_is_computed_in_float32():
    x = gd.tensor([[2.0, 0.0], [0.0, 4.0]], dtype=gd.bfloat16)
    assert linalg.inv(x).dtype == gd.bfloat16
    assert linalg.det(x).item() == 8.0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: linalg.inv(gd.zeros(2, 2)), gd.errors.ArgumentError),
        (lambda: linalg.solve(gd.zeros(2, 2), gd.ones(2)), gd.errors.ArgumentError),
        (lambda: linalg.cholesky(-gd.eye(2)), gd.errors.ArgumentError),
        (lambda: linalg.inv(gd.zeros(2, 3)), gd.errors.ShapeError),
        (lambda: linalg.svd(gd.zeros(2)), gd.errors.ShapeError),
        (lambda: linalg.solve(gd.eye(2), gd.ones(3)), gd.errors.ShapeError),
        (lambda: linalg.qr(gd.eye(2), mode="raw"), gd.errors.ArgumentError),
        (lambda: linalg.cross(gd.ones(2), gd.ones(2)), gd.errors.ShapeError),
        (lambda: linalg.matrix_norm(gd.eye(2), ord=3), gd.errors.ArgumentError),
        (lambda: linalg.vector_norm(gd.eye(2), ord="fro"), gd.errors.ArgumentError),
        (lambda: fft.rfft(gd.ones(2) * 1j), gd.errors.ArgumentTypeError),
        (lambda: fft.fft(gd.ones(2), n=0), gd.errors.ShapeError),
        (lambda: fft.fft(gd.ones(2), norm="both"), gd.errors.ArgumentError),
        (lambda: fft.fftn(gd.ones(2), axes=(0, 0)), gd.errors.ShapeError),
        (lambda: fft.irfft(gd.ones(1)), gd.errors.ShapeError),
        (lambda: fft.fftfreq(0), gd.errors.ArgumentError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 3, 8])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_fourier(name, n, norm):
    x = draw((2, 6, 3), "float64" if name in ("rfft", "ihfft") else "complex128")[:, ::-1]
    function = getattr(fft, name)
    want = getattr(np.fft, name)(x, n, axis=1, norm=norm)
    close(function(gd.tensor(x), n=n, axis=1, norm=norm), want)
    t = gd.tensor(x[:, :, 0], requires_grad=True)
    gd.testing.gradcheck(lambda x: function(x, n=n, axis=1, norm=norm), t)


@pytest.mark.parametrize("s", [None, (5, 3)])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_fourier_of_several_axes(name, s):
    x = draw((2, 4, 5), "float64" if name == "rfftn" else "complex128")
    function = getattr(fft, name)
    close(function(gd.tensor(x), s=s, axes=(0, 2)), getattr(np.fft, name)(x, s, axes=(0, 2)))
    t = gd.tensor(x[:, :2], requires_grad=True)
    gd.testing.gradcheck(lambda x: function(x, s=s, axes=(2, 0)), t)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_frequencies_and_shifts(n):
    close(fft.fftfreq(n, d=0.5, dtype=gd.float64), np.fft.fftfreq(n, 0.5))
    close(fft.rfftfreq(n, dtype=gd.float64), np.fft.rfftfreq(n))
    x = draw((n, 3))
    close(fft.fftshift(gd.tensor(x)), np.fft.fftshift(x))
    close(fft.ifftshift(gd.tensor(x), axes=0), np.fft.ifftshift(x, axes=0))


def test_float32_stays_in_single_precision():
    assert fft.fft(gd.ones(4)).dtype == gd.complex64
    assert fft.irfft(fft.rfft(gd.ones(4))).dtype == gd.float32
    assert linalg.svd(gd.ones(2, 3)).S.dtype == gd.float32
