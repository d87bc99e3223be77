"""Functions of the namespace against NumPy: einsum, sorting, sets, NumPy's names, NumPy's own
functions on tensors.
"""

import numpy as np
import pytest

import gpudl as gd

rng = np.random.default_rng(0)


def close(have, want, tol=1e-12):
    np.testing.assert_allclose(have.detach().numpy(), want, rtol=tol, atol=tol)
    assert have.shape == np.shape(want)


EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ij,ij->", (3, 4), (3, 4)),
    ("i,j->ji", (3,), (4,)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ba", (3, 4)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("i...,i...->...", (3, 4), (3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("a,ab,abc->abc", (2,), (2, 3), (2, 3, 4)),
    ("ij,j->i", (0, 4), (4,)),
    ("ij,jk->ik", (3, 0), (0, 5)),
    ("ij,ij->ij", (1, 4), (3, 4)),
    (" i j , j k -> i k ", (37, 4), (4, 1)),
    (",i->i", (), (3,)),
]


@pytest.mark.parametrize("case", EINSUMS, ids=lambda case: case[0])
def test_einsum(case):
    subscripts, *shapes = case
    arrays = [rng.standard_normal(shape) for shape in shapes]
    close(gd.einsum(subscripts, *map(gd.tensor, arrays)), np.einsum(subscripts, *arrays))


@pytest.mark.parametrize(
    "case",
    [case for case in EINSUMS if 0 not in sum(case[1:], ()) and 37 not in sum(case[1:], ())],
    ids=lambda c: c[0],
)
def test_einsum_gradients(case):
    subscripts, *shapes = case
    xs = [gd.tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]
    assert gd.testing.gradcheck(lambda *xs: gd.einsum(subscripts, *xs), xs)


def test_einsum_of_views():
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((4, 5))
    close(gd.einsum("ij,jk->ik", gd.tensor(x).T, gd.tensor(y)[::-1]), x.T @ y[::-1])


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(3, 4)]),
        ("ij->k", [(3, 4)]),
        ("ij->ii", [(3, 4)]),
        ("ij,jk", [(3, 4), (5, 6)]),
        ("i", [(3, 4)]),
        ("i1", [(3, 4)]),
        ("ii", [(3, 4)]),
        ("...i->i", [(3, 4)]),
    ],
)
def test_einsum_errors(subscripts, shapes):
    with pytest.raises(gd.errors.GpudlError):
        gd.einsum(subscripts, *[gd.ones(shape) for shape in shapes])


# ----- sorting and sets -----
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((5,), 0), ((3, 37), -1), ((37, 3), 0), ((0, 3), 1), ((2, 0), 1)]
)
def test_sort(shape, axis, descending, dtype):
    x = rng.integers(-3, 4, shape).astype(dtype)
    want = np.sort(x, axis)
    want = np.flip(want, axis) if descending else want
    t = gd.tensor(x)
    np.testing.assert_array_equal(gd.sort(t, axis=axis, descending=descending).numpy(), want)
    order = gd.argsort(t, axis=axis, descending=descending).numpy()
    np.testing.assert_array_equal(np.take_along_axis(x, order, axis), want)
    keys = x.astype("float64") * (-1 if descending else 1)
    np.testing.assert_array_equal(order, np.argsort(keys, axis, kind="stable"))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    x, v = np.sort(rng.standard_normal(37)), rng.standard_normal((3, 4))
    found = gd.searchsorted(gd.tensor(x), gd.tensor(v), side=side)
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(x, v, side))
    order = rng.permutation(37)
    back = gd.searchsorted(
        gd.tensor(x[order]), gd.tensor(v), side=side, sorter=gd.tensor(np.argsort(order))
    )
    np.testing.assert_array_equal(back.numpy(), found.numpy())
    assert gd.searchsorted(gd.tensor(x), 1e9).item() == 37


def test_unique():
    x = gd.tensor([[3.0, 1.0], [3.0, gd.nan], [gd.nan, 1.0]], requires_grad=True)
    values, indices, inverse, counts = gd.unique_all(x)
    assert values.shape == (4,)  # every NaN is one of its own
    assert counts.tolist() == [2, 2, 1, 1]
    assert indices.tolist() == [1, 0, 3, 4]
    assert inverse.shape == x.shape
    gd.sum(values[:2]).backward()
    assert x.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert gd.unique_values(gd.zeros((0,))).shape == (0,)


@pytest.mark.parametrize("invert", [False, True])
def test_isin(invert):
    x, y = rng.integers(0, 9, (4, 5)), rng.integers(0, 9, 4)
    have = gd.isin(gd.tensor(x), gd.tensor(y), invert=invert)
    np.testing.assert_array_equal(have.numpy(), np.isin(x, y, invert=invert))
    assert gd.isin(gd.tensor(x), gd.zeros((0,)), invert=invert).numpy().all() == invert
    assert not gd.isin(gd.tensor([gd.nan]), gd.tensor([1.0, gd.nan])).item()
    assert gd.isin(gd.tensor([1j]), gd.tensor([1j])).item()
    assert gd.isin(gd.tensor(x), 3).numpy().sum() == (x == 3).sum()


def test_nonzero():
    x = rng.integers(0, 2, (3, 1, 37))
    for have, want in zip(gd.nonzero(gd.tensor(x)), np.nonzero(x), strict=True):
        np.testing.assert_array_equal(have.numpy(), want)
    with pytest.raises(gd.errors.ShapeError):
        gd.nonzero(gd.tensor(1.0))


# ----- activations -----
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, axis):
    x = rng.standard_normal((3, 4, 37)) * 30
    e = np.exp(x - x.max(axis, keepdims=True))
    want = e / e.sum(axis, keepdims=True)
    if name == "log_softmax":
        want = x - x.max(axis, keepdims=True) - np.log(e.sum(axis, keepdims=True))
    close(getattr(gd, name)(gd.tensor(x), axis), want)
    t = gd.tensor(x[:2, :2, :3], requires_grad=True)
    assert gd.testing.gradcheck(lambda x: getattr(gd, name)(x, axis), t)


@pytest.mark.parametrize("axis", [1, (0, 1), None])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_of_no_elements(axis, keepdims):
    x = gd.zeros((2, 0, 4), requires_grad=True)
    y = gd.logsumexp(x, axis=axis, keepdims=keepdims)
    close(y, np.full(np.zeros(x.shape).sum(axis, keepdims=keepdims).shape, -np.inf))
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_one_hot():
    labels = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(gd.one_hot(gd.tensor(labels), 3).numpy(), np.eye(3)[labels])
    assert gd.one_hot(gd.tensor([1]), 2, dtype=gd.int64).tolist() == [[0, 1]]
    for wrong in ([3], [-1]):
        with pytest.raises(gd.errors.IndexRangeError):
            gd.one_hot(gd.tensor(wrong), 3)


# ----- NumPy's names -----
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)], ids=str)
def test_shapes_as_in_numpy(shape):
    x = rng.standard_normal(shape)
    t = gd.tensor(x)
    for name in ("atleast_1d", "atleast_2d", "atleast_3d", "ravel", "transpose"):
        close(getattr(gd, name)(t), getattr(np, name)(x))
    for a, b in (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3, 5)), ((), (3,))):
        u, v = rng.standard_normal(a), rng.standard_normal(b)
        close(gd.dot(gd.tensor(u), gd.tensor(v)), np.dot(u, v))


@pytest.mark.parametrize(
    ("what", "axis"), [(3, 0), ([1, 4], 0), ([2], 1), (2, -1), ([0, 0, 99], 0)], ids=str
)
def test_split(what, axis):
    x = rng.standard_normal((6, 4))
    have, want = gd.split(gd.tensor(x), what, axis=axis), np.split(x, what, axis)
    for a, b in zip(have, want, strict=True):
        close(a, b)
    with pytest.raises(gd.errors.ShapeError):
        gd.split(gd.tensor(x), 5)


def test_stacks_and_ranges():
    x, y = rng.standard_normal(3), rng.standard_normal(3)
    for name in ("vstack", "hstack"):
        close(getattr(gd, name)([gd.tensor(x), gd.tensor(y)]), getattr(np, name)([x, y]))
    close(gd.logspace(-1, 2, 7, dtype=gd.float64), np.logspace(-1, 2, 7))
    close(gd.swapaxes(gd.tensor(np.ones((2, 3, 4))), 0, -1), np.ones((4, 3, 2)))


# ----- NumPy's own functions on tensors -----
M = rng.standard_normal((3, 4))
CALLS = {
    "sum": lambda x: np.sum(x, 0, keepdims=True),
    "prod": lambda x: np.prod(x, axis=(0, 1)),
    "mean": lambda x: np.mean(x, axis=1),
    "std": lambda x: np.std(x, 0, ddof=1),
    "var": lambda x: np.var(x),
    "max": lambda x: np.max(x, 1),
    "min": lambda x: np.min(x, axis=-1, keepdims=True),
    "any": lambda x: np.any(x > 0, 0),
    "argmax": lambda x: np.argmax(x),
    "cumsum": lambda x: np.cumsum(x),
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "concatenate": lambda x: np.concatenate([x, x], 1),
    "concatenate with an array": lambda x: np.concatenate([x, np.zeros((1, 4))]),
    "stack": lambda x: np.stack((x, x), axis=-1),
    "vstack": lambda x: np.vstack([x, x]),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "reshape": lambda x: np.reshape(x, (2, -1)),
    "transpose": lambda x: np.transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "flip": lambda x: np.flip(x, 0),
    "roll": lambda x: np.roll(x, 2),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "tile": lambda x: np.tile(x, (2, 1)),
    "where": lambda x: np.where(x > 0, x, 0.0),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "sort": lambda x: np.sort(x),
    "argsort": lambda x: np.argsort(x, 0),
    "unique": lambda x: np.unique(x),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "tensordot": lambda x: np.tensordot(x, x, axes=([0, 1], [0, 1])),
    "dot": lambda x: np.dot(x, x.T),
    "outer": lambda x: np.outer(x[0], x[1]),
    "tril": lambda x: np.tril(x),
    "zeros_like": lambda x: np.zeros_like(x),
    "exp": lambda x: np.exp(x),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_functions_on_tensors(name):
    have = CALLS[name](gd.tensor(M))
    assert isinstance(have, gd.Tensor)
    close(have, CALLS[name](M))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.median(x),
        lambda x: np.linalg.qr(x),
        lambda x: np.sum(x, where=x > 0),
        lambda x: np.sum(x, out=np.zeros(())),
        lambda x: np.partition(x, 1),
    ],
)
def test_numpy_functions_that_tensors_do_not_take(call):
    with pytest.raises(gd.errors.ArgumentTypeError, match="numpy"):
        call(gd.tensor(M))


# ----- exchange -----
def test_from_dlpack():
    x = np.arange(6.0).reshape(2, 3)
    t = gd.from_dlpack(x)
    x[0, 0] = 7
    assert t[0, 0].item() == 7
    copied = gd.from_dlpack(x, copy=True)
    x[0, 0] = 8
    assert copied[0, 0].item() == 7
    np.testing.assert_array_equal(np.from_dlpack(gd.tensor(x)), x)
    with pytest.raises(gd.errors.ArgumentTypeError):
        gd.from_dlpack([1, 2])
    with pytest.raises(BufferError):
        np.from_dlpack(gd.ones(2, requires_grad=True))


def test_masks_of_extent_zero_select_nothing():
    x = gd.ones(2, 3, requires_grad=True)
    picked = x[gd.zeros((2, 0), dtype=gd.bool)]
    assert picked.shape == (0,)
    picked.sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2


def test_infinities_in_floor_division_and_expm1():
    a = gd.tensor([gd.inf, -1.0, gd.inf, 7.0])
    assert gd.floor_divide(a, gd.tensor([2.0, gd.inf, -2.0, 2.0])).tolist() == [
        gd.inf,
        -0.0,
        -gd.inf,
        3.0,
    ]
    assert gd.expm1(gd.tensor(complex(-gd.inf, gd.inf))).item() == -1
