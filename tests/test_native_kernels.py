"""Native CPU kernels against float64 NumPy: every layout, dtype and instruction set."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gpudl.errors import IndexRangeError, ShapeError

_C = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")

from gpudl.kernels.attention import cpu as attention  # noqa: E402
from gpudl.kernels.conv import cpu as conv  # noqa: E402
from gpudl.kernels.elementwise import cpu as elementwise  # noqa: E402
from gpudl.kernels.norm import cpu as norm  # noqa: E402
from gpudl.kernels.pooling import cpu as pooling  # noqa: E402
from gpudl.kernels.softmax import cpu as softmax  # noqa: E402

DTYPES = [np.float32, np.float64]
TOLERANCE = {np.dtype(np.float32): 3e-6, np.dtype(np.float64): 1e-13}


@pytest.fixture(params=[2, 1, 0], ids=["avx512", "avx2", "base"])
def simd(request):
    """Each instruction set that this CPU has."""
    before = _C.simd_level()
    if _C.limit_simd(request.param) != request.param:
        _C.limit_simd(before)
        pytest.skip("this CPU lacks the instruction set")
    yield request.param
    _C.limit_simd(before)


def close(got, want, factor=1.0, terms=0.0):
    """Equal on the scale of the largest result or, where results cancel, of their largest terms."""
    assert got.shape == want.shape
    if want.size == 0:
        return
    scale = max(float(np.abs(want[np.isfinite(want)]).max(initial=0.0)), terms, 1e-30)
    tolerance = factor * TOLERANCE[got.dtype] * scale
    np.testing.assert_allclose(got.astype(np.float64), want, rtol=0, atol=tolerance)


def rand(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


LAYOUTS = {
    "plain": lambda x: x,
    "channels_last": channels_last,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "negative": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "negative_channels": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "sliced": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "broadcast_channels": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "unaligned": lambda x: unaligned(x),
}


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    out = raw[1:].view(x.dtype).reshape(x.shape) if x.size else x
    if x.size:
        out[...] = x
    return out


# Convolution: the definition, tap by tap, in float64.


def pad(x, padding, value=0.0):
    return np.pad(x.astype(np.float64), [(0, 0), (0, 0), *padding], constant_values=value)


def tap_slices(position, dilation, stride, out):
    return tuple(
        slice(p * d, p * d + s * (n - 1) + 1, s)
        for p, d, s, n in zip(position, dilation, stride, out, strict=True)
    )


def out_size(size, kernel, stride, padding, dilation):
    return tuple(
        (n + lo + hi - d * (k - 1) - 1) // s + 1
        for n, k, s, (lo, hi), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def conv_reference(x, w, g, stride, padding, dilation, groups):
    """(y, gx, gw) in float64."""
    kernel = w.shape[2:]
    out = out_size(x.shape[2:], kernel, stride, padding, dilation)
    xp, w64 = pad(x, padding), w.astype(np.float64)
    y = np.zeros((x.shape[0], w.shape[0], *out))
    gxp, gw = np.zeros_like(xp), np.zeros(w.shape)
    cg, og = w.shape[1], w.shape[0] // groups
    for position in np.ndindex(*kernel):
        at = tap_slices(position, dilation, stride, out)
        for k in range(groups):
            cs, os = slice(k * cg, (k + 1) * cg), slice(k * og, (k + 1) * og)
            tap = (os, slice(None), *position)
            part = xp[(slice(None), cs, *at)]
            y[:, os] += np.einsum("nc...,oc->no...", part, w64[tap])
            if g is not None:
                up = g[:, os].astype(np.float64)
                gxp[(slice(None), cs, *at)] += np.einsum("no...,oc->nc...", up, w64[tap])
                flat = (math.prod(out),)
                gw[tap] += np.einsum(
                    "nop,ncp->oc",
                    up.reshape(*up.shape[:2], *flat),
                    part.reshape(*part.shape[:2], *flat),
                )
    inner = tuple(slice(lo, lo + n) for (lo, _), n in zip(padding, x.shape[2:], strict=True))
    return y, gxp[(slice(None), slice(None), *inner)], gw


def check_conv(x, w, stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = conv.conv(x, w, **options)
    g = rand(y.shape, x.dtype, 2)
    want, want_gx, want_gw = conv_reference(x, w, g, stride, padding, dilation, groups)
    close(y, want)
    assert y.size == 0 or np.moveaxis(y, 1, -1).flags.c_contiguous
    close(conv.conv_dgrad(g, w, x_shape=x.shape, **options), want_gx)
    close(conv.conv_wgrad(g, x, w_shape=w.shape, **options), want_gw)


CONV_SHAPES = [  # N, C, O, spatial, kernel, groups
    (2, 1, 32, (9, 11), (3, 3), 1),
    (3, 5, 7, (8, 9), (3, 2), 1),
    (1, 16, 70, (7, 7), (3, 3), 1),
    (2, 37, 130, (5, 6), (1, 1), 1),
    (2, 8, 16, (6, 7), (3, 3), 4),
    (2, 24, 16, (9, 8), (2, 3), 2),
    (2, 21, 21, (9, 8), (3, 3), 21),
    (2, 45, 45, (6, 5), (3, 5), 45),
    (2, 3, 70, (6, 7), (3, 3), 1),
    (2, 1, 6, (9, 8), (5, 5), 1),
    (2, 5, 10, (5, 6), (3, 3), 5),
    (0, 3, 4, (5, 5), (3, 3), 1),
    (1, 1, 1, (1, 1), (1, 1), 1),
    (3, 12, 9, (37,), (5,), 3),
    (2, 1, 1, (1128,), (3,), 1),
    (2, 9, 10, (5, 6, 4), (3, 2, 3), 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONV_SHAPES, ids=str)
def test_conv_parameters(simd, case, dtype):
    n, c, o, size, kernel, groups = case
    rank = len(size)
    x, w = rand((n, c, *size), dtype), rand((o, c // groups, *kernel), dtype, 1)
    pads = [((0, 0),), ((1, 1),), ((2, 0), (0, 3)), ((0, 1), (2, 1), (1, 0)), ((-1, 2),)]
    for stride, padding, dilation in itertools.product((1, 2, 3), pads, (1, 2)):
        pairs = tuple(padding[i % len(padding)] for i in range(rank))
        strides = tuple(stride if i % 2 == 0 else max(1, stride - 1) for i in range(rank))
        span = [dilation * (k - 1) + 1 for k in kernel]
        if any(s + lo + hi < k for s, (lo, hi), k in zip(size, pairs, span, strict=True)):
            continue
        if padding == ((-1, 2),):
            # Negative padding crops: only the forward and weight gradient have a simple reference.
            cropped = x[(slice(None), slice(None), *(slice(1, None),) * rank)]
            pairs0 = ((0, 2),) * rank
            options = {"stride": strides, "dilation": (dilation,) * rank, "groups": groups}
            got = conv.conv(x, w, padding=pairs, **options)
            want, _, _ = conv_reference(
                cropped, w, None, strides, pairs0, (dilation,) * rank, groups
            )
            close(got, want)
            continue
        check_conv(x, w, strides, pairs, (dilation,) * rank, groups)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_conv_layouts(layout, dtype):
    make = LAYOUTS[layout]
    for c, groups in ((3, 1), (12, 1), (12, 12)):
        x, w = make(rand((3, c, 6, 5), dtype)), rand((12, c // groups, 3, 3), dtype, 1)
        options = {
            "stride": (1, 2),
            "padding": ((1, 1), (0, 1)),
            "dilation": (1, 1),
            "groups": groups,
        }
        want, want_gx, want_gw = conv_reference(x, w, None, *options.values())
        close(conv.conv(x, w, **options), want)
        close(
            conv.conv(x, make(w), **options), conv_reference(x, make(w), None, *options.values())[0]
        )
        g = make(rand(want.shape, dtype, 2))
        _, want_gx, want_gw = conv_reference(x, w, g, *options.values())
        close(conv.conv_dgrad(g, w, x_shape=x.shape, **options), want_gx)
        close(conv.conv_wgrad(g, x, w_shape=w.shape, **options), want_gw)


def test_conv_empty_operands():
    options = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    x, w = np.zeros((2, 0, 4, 4), np.float32), np.zeros((3, 0, 3, 3), np.float32)
    assert not conv.conv(x, w, **options).any()
    g = np.ones((2, 3, 4, 4), np.float32)
    assert conv.conv_dgrad(g, w, x_shape=x.shape, **options).shape == x.shape
    assert conv.conv_wgrad(g, x, w_shape=w.shape, **options).shape == w.shape
    none = np.zeros((0, 3, 4, 4), np.float32)
    gw = conv.conv_wgrad(none, none, w_shape=(3, 3, 3, 3), **options)
    assert gw.shape == (3, 3, 3, 3)
    assert not gw.any()


def test_conv_refuses_what_does_not_fit():
    x, w = rand((1, 3, 4, 4), np.float32), rand((2, 3, 3, 3), np.float32)
    options = {"stride": (1, 1), "padding": ((0, 0),) * 2, "dilation": (1, 1), "groups": 1}
    with pytest.raises(ShapeError):
        conv.conv(x, rand((2, 3, 5, 5), np.float32), **options)
    with pytest.raises(ValueError, match="channels"):
        conv.conv(x, rand((2, 4, 3, 3), np.float32), **options)
    with pytest.raises(ValueError, match="stride"):
        _C.conv_fwd(x, w, np.zeros((1, 2, 2, 2), np.float32), [0, 1], [0, 0], [1, 1], 1)
    assert conv.conv(x.astype(np.float16), w.astype(np.float16), **options) is NotImplemented
    assert conv.conv(x, w.astype(np.float64), **options) is NotImplemented


# Pooling.


def pool_windows(size, kernel, stride, padding, dilation, ceil_mode):
    out = []
    for n, k, s, (lo, hi), d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + lo + hi - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= n + lo:
            count -= 1
        out.append(count)
    return tuple(out)


def pool_reference(x, kernel, stride, padding, dilation, ceil_mode):
    """(max, index, sums, sizes without padding, sizes with padding), window by window."""
    size = x.shape[2:]
    out = pool_windows(size, kernel, stride, padding, dilation, ceil_mode)
    y = np.full((*x.shape[:2], *out), -np.inf)
    index = np.full(y.shape, -1, np.int64)
    sums, inside, padded = np.zeros(y.shape), np.zeros(out), np.zeros(out)
    for o in np.ndindex(*out):
        padded[o] = math.prod(
            min(j * s - lo + k, n + hi) - (j * s - lo)
            for j, s, (lo, hi), k, n in zip(o, stride, padding, kernel, size, strict=True)
        )
        places = []
        for tap in np.ndindex(*kernel):
            at = tuple(
                j * s - lo + t * d
                for j, s, (lo, _), t, d in zip(o, stride, padding, tap, dilation, strict=True)
            )
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                places.append(int(np.ravel_multi_index(at, size)))
        inside[o] = len(places)
        if places:
            planes = x.reshape(*x.shape[:2], math.prod(size))
            values = planes[:, :, places].astype(np.float64)
            best = values.argmax(-1)  # the first maximum, the first NaN
            y[(..., *o)] = np.take_along_axis(values, best[..., None], -1)[..., 0]
            index[(..., *o)] = np.array(places)[best]
            sums[(..., *o)] = values.sum(-1)
    return y, index, sums, inside, padded


POOL_CASES = [  # N, C, spatial, kernel
    (2, 5, (7, 8), (2, 2)),
    (2, 37, (5, 6), (3, 2)),
    (1, 83, (5, 4), (2, 2)),
    (0, 4, (5, 5), (2, 2)),
    (2, 0, (5, 5), (2, 2)),
    (1, 1, (1, 1), (1, 1)),
    (3, 17, (11,), (3,)),
    (1, 3, (4, 5, 6), (2, 3, 2)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_pooling_parameters(simd, case, dtype):
    n, c, size, kernel = case
    x = np.round(rand((n, c, *size), dtype) * 2)  # many ties
    if x.size > 20:
        x.reshape(-1)[[3, 11]] = np.nan
    rank = len(size)
    for stride, padding, dilation, ceil_mode in itertools.product(
        (1, 2, 3), ((0, 0), (1, 1), (1, 0), (0, 1)), (1, 2), (False, True)
    ):
        args = (kernel, (stride,) * rank, (padding,) * rank, (dilation,) * rank)
        if any(
            s + sum(padding) < dilation * (k - 1) + 1 for s, k in zip(size, kernel, strict=True)
        ):
            continue
        y, index, sums, inside, padded = pool_reference(x, *args, ceil_mode)
        names = dict(zip(("kernel", "stride", "padding"), args[:3], strict=True))
        got_y, got_index = pooling.max_pool(x, **names, dilation=args[3], ceil_mode=ceil_mode)
        np.testing.assert_array_equal(got_y.astype(np.float64), y)
        np.testing.assert_array_equal(got_index, index)
        g = rand(y.shape, dtype, 1)
        flat = np.zeros((n, c, math.prod(size)))
        for at in np.ndindex(*y.shape):
            if index[at] >= 0:
                flat[at[0], at[1], index[at]] += float(g[at])
        got = pooling.max_pool_bwd(g, got_index, x_shape=x.shape)
        close(got, flat.reshape(x.shape))
        v = rand(x.shape, dtype, 2)
        places = index.reshape(n, c, math.prod(y.shape[2:])).clip(0)
        picked = np.take_along_axis(v.reshape(n, c, math.prod(size)), places, -1)
        want = np.where(index >= 0, picked.reshape(index.shape), 0)
        np.testing.assert_array_equal(pooling.max_pool_gather(v, got_index), want)
        if dilation > 1:
            continue
        for include in (False, True):
            options = {**names, "ceil_mode": ceil_mode, "count_include_pad": include}
            count = np.maximum(padded if include else inside, 1)
            close(pooling.avg_pool(x, **options), sums / count, 4)
            got = pooling.avg_pool_bwd(g, x_shape=x.shape, **options)
            close(got, avg_adjoint(g, x.shape, args, count), 4)


def avg_adjoint(g, x_shape, args, count):
    kernel, stride, padding, _ = args
    size = x_shape[2:]
    gx = np.zeros(x_shape)
    for o in np.ndindex(*g.shape[2:]):
        window = tuple(
            slice(max(0, j * s - lo), max(0, min(n, j * s - lo + k)))
            for j, s, (lo, _), k, n in zip(o, stride, padding, kernel, size, strict=True)
        )
        share = g[(..., *o)].astype(np.float64) / count[o]
        gx[(slice(None), slice(None), *window)] += share.reshape(*share.shape, *(1,) * len(size))
    return gx


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pooling_layouts(layout):
    x = LAYOUTS[layout](rand((2, 6, 7, 6), np.float32))
    options = {"kernel": (3, 2), "stride": (2, 2), "padding": ((1, 1), (0, 0)), "ceil_mode": True}
    y, index, sums, inside, _ = pool_reference(x, (3, 2), (2, 2), ((1, 1), (0, 0)), (1, 1), True)
    got_y, got_index = pooling.max_pool(x, dilation=(1, 1), **options)
    np.testing.assert_array_equal(got_y, y)
    np.testing.assert_array_equal(got_index, index)
    close(pooling.avg_pool(x, count_include_pad=False, **options), sums / inside)
    g = LAYOUTS[layout](rand(y.shape, np.float32, 1))
    want = pooling.max_pool_bwd(np.ascontiguousarray(g), got_index, x_shape=x.shape)
    np.testing.assert_array_equal(
        pooling.max_pool_bwd(g, np.ascontiguousarray(got_index), x_shape=x.shape), want
    )


@pytest.mark.parametrize("bad", [-2, 4, 2**62, -(2**63), 2**63 - 1])
def test_pooling_index_out_of_range(bad):
    g, idx = np.ones((1, 1, 1, 2), np.float32), np.array([[[[0, bad]]]])
    with pytest.raises(IndexRangeError, match=str(bad)):
        pooling.max_pool_bwd(g, idx, x_shape=(1, 1, 2, 2))
    with pytest.raises(IndexRangeError, match=str(bad)):
        pooling.max_pool_gather(np.ones((1, 1, 2, 2), np.float32), idx)


# Normalisation.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    [(4, 3), (2, 37, 5), (3, 5, 4, 3), (1, 1, 1, 1), (1128, 2), (2, 3, 2, 2, 3), (9, 133, 3, 3)],
    ids=str,
)
def test_batch_norm(simd, shape, dtype, layout):
    x = LAYOUTS[layout](rand(shape, dtype) * 3 + 1)
    c = shape[1]
    weight, bias = rand(c, dtype, 1), rand(c, dtype, 2)
    axes, line = (0, *range(2, len(shape))), (1, c) + (1,) * (len(shape) - 2)
    x64 = x.astype(np.float64)
    mean, var = x64.mean(axes), x64.var(axes)
    rstd = 1 / np.sqrt(var + 1e-5)
    xhat = (x64 - mean.reshape(line)) * rstd.reshape(line)
    y, got_mean, got_rstd = norm.batch_norm(x, weight, bias, eps=1e-5)
    scale = 1 + float(np.abs(mean * rstd).max())
    close(y, xhat * weight.reshape(line) + bias.reshape(line), scale)
    close(got_mean, mean)
    close(got_rstd, rstd, scale)
    g = LAYOUTS[layout](rand(shape, dtype, 3))
    g64 = g.astype(np.float64)
    gx, gweight, gbias = norm.batch_norm_bwd(g, x, weight, got_mean, got_rstd)
    ghat = g64 * weight.reshape(line)
    want = rstd.reshape(line) * (
        ghat - ghat.mean(axes, keepdims=True) - xhat * (ghat * xhat).mean(axes, keepdims=True)
    )
    close(gx, want, 10 * scale, float(np.abs(rstd.reshape(line) * ghat).max()))
    close(gweight, (g64 * xhat).sum(axes), 10 * scale, float(np.abs(g64).sum(axes).max()))
    close(gbias, g64.sum(axes), 10)


def test_batch_norm_mean_far_from_zero():
    x = (rand((64, 8, 9, 9), np.float32) * 0.01 + 1000).astype(np.float32)
    y, _, rstd = norm.batch_norm(x, np.ones(8, np.float32), np.zeros(8, np.float32), eps=0.0)
    x64 = x.astype(np.float64)
    std = x64.std((0, 2, 3))
    close(rstd, 1 / std)
    close(y, (x64 - x64.mean((0, 2, 3), keepdims=True)) / std.reshape(1, 8, 1, 1))


def test_norm_of_nothing():
    with np.errstate(all="ignore"):
        y, mean, rstd = norm.batch_norm(
            np.zeros((0, 3, 2), np.float32),
            np.ones(3, np.float32),
            np.ones(3, np.float32),
            eps=1e-5,
        )
    assert y.shape == (0, 3, 2)
    assert np.isnan(mean).all()
    assert rstd.shape == (3,)
    assert norm.layer_norm(np.zeros((0, 4), np.float32), None, None, eps=1e-5)[0].shape == (0, 4)
    assert norm.layer_norm(np.zeros((2, 0), np.float32), None, None, eps=1e-5)[0].shape == (2, 0)
    gx, gw, gb = norm.layer_norm_bwd(
        np.zeros((0, 4), np.float32),
        np.zeros((0, 4), np.float32),
        np.ones(4, np.float32),
        np.zeros(0, np.float32),
        np.zeros(0, np.float32),
    )
    assert gx.shape == (0, 4)
    assert not gw.any()
    assert not gb.any()


@pytest.mark.parametrize("layout", ["plain", "transposed", "negative", "broadcast", "unaligned"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [(True, True), (True, False), (False, True), (False, False)])
def test_layer_norm(simd, affine, dtype, layout):
    for shape in ((3, 5), (1128, 4), (2, 3, 37), (4, 1), (37,)):
        x = LAYOUTS[layout](rand(shape, dtype) * 2 + 3)
        n = shape[-1]
        weight, bias = (rand(n, dtype, i) if given else None for i, given in enumerate(affine))
        x64 = x.astype(np.float64)
        mean, rstd = x64.mean(-1), 1 / np.sqrt(x64.var(-1) + 1e-3)
        xhat = (x64 - mean[..., None]) * rstd[..., None]
        w64 = np.ones(n) if weight is None else weight.astype(np.float64)
        want = xhat * w64 + (0 if bias is None else bias)
        y, got_mean, got_rstd = norm.layer_norm(x, weight, bias, eps=1e-3)
        close(y, want, 4, float(np.abs(mean * rstd).max()))
        close(np.asarray(got_mean), mean)
        close(np.asarray(got_rstd), rstd)
        g = LAYOUTS[layout](rand(shape, dtype, 3))
        ghat = g.astype(np.float64) * w64
        want = rstd[..., None] * (
            ghat - ghat.mean(-1, keepdims=True) - xhat * (ghat * xhat).mean(-1, keepdims=True)
        )
        gx, gweight, gbias = norm.layer_norm_bwd(g, x, weight, got_mean, got_rstd)
        # Rounded to its dtype, the mean moves xhat by rstd * mean * eps.
        offset = 1 + float(np.abs(mean * rstd).max())
        close(gx, want, 1, float(np.abs(rstd[..., None] * ghat).max()) * offset)
        terms = g.astype(np.float64) * xhat
        sums = terms.reshape(-1, n).sum(0)
        if weight is None:
            assert gweight is None
        else:
            close(gweight, sums, 1, float(np.abs(g).sum()) * offset)
        close(gbias, g.astype(np.float64).reshape(-1, n).sum(0), 4)


@pytest.mark.parametrize("layout", ["plain", "transposed", "negative", "broadcast", "unaligned"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rms_norm(simd, dtype, layout):
    for shape in ((3, 5), (1128, 4), (2, 3, 37), (3, 2, 5, 8), (2, 1, 3, 2, 6), (4, 1), (37,)):
        x, g = (LAYOUTS[layout](rand(shape, dtype, seed) + 1) for seed in (0, 3))
        n = shape[-1]
        weight = rand(n, dtype, 1)
        x64, ghat = x.astype(np.float64), g.astype(np.float64) * weight
        scale = 1 / np.sqrt((x64**2).mean(-1, keepdims=True) + 1e-3)
        y, rstd = norm.rms_norm(x, weight, eps=1e-3)
        close(y, x64 * scale * weight, 4)
        close(np.asarray(rstd), scale[..., 0])
        gx, gweight = norm.rms_norm_bwd(g, x, weight, rstd)
        along = (ghat * x64 * scale).mean(-1, keepdims=True)
        close(gx, scale * (ghat - x64 * scale * along), 4, float(np.abs(scale * ghat).max()))
        terms = g.astype(np.float64) * x64 * scale
        close(gweight, terms.reshape(-1, n).sum(0), 1, float(np.abs(g).sum()))


def test_rms_norm_of_heads_stays_where_they_lie():
    heads = rand((2, 5, 3, 4, 8), np.float32).transpose(2, 0, 3, 1, 4)[1]
    y, rstd = norm.rms_norm(heads, np.ones(8, np.float32), eps=0.0)
    assert y.transpose(0, 2, 1, 3).flags.c_contiguous  # (batch, place, head, feature)
    assert rstd.shape == heads.shape[:-1]
    assert norm.rms_norm(np.zeros((0, 4), np.float32), heads[0, 0, 0, :4], eps=0)[0].size == 0


@pytest.mark.parametrize("layout", ["plain", "transposed", "negative", "broadcast", "unaligned"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rotary(simd, dtype, layout):
    for shape in ((3, 4), (1, 2), (0, 4), (5, 0), (2, 3, 74), (3, 2, 5, 8), (2, 1, 3, 2, 6)):
        x = LAYOUTS[layout](rand(shape, dtype))
        turns = rand((2, shape[-2], shape[-1] // 2), dtype, 1)
        a, b = np.split(x.astype(np.float64), 2, axis=-1)
        want = np.concatenate([a * turns[0] - b * turns[1], b * turns[0] + a * turns[1]], -1)
        close(attention.rotary(x, turns), want, 4)


# Softmax and cross-entropy.


def log_softmax64(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True, initial=-np.inf)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("layout", ["plain", "transposed", "negative", "broadcast", "unaligned"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax(simd, dtype, layout):
    for shape in ((3, 5), (2, 3, 37), (0, 4), (4, 1), (3, 1128), (17,)):
        x = LAYOUTS[layout](rand(shape, dtype) * 5)
        logp = log_softmax64(x)
        p = np.exp(logp)
        close(softmax.softmax(x), p)
        close(softmax.log_softmax(x), logp)
        g = LAYOUTS[layout](rand(shape, dtype, 1))
        g64 = g.astype(np.float64)
        most = float(np.abs(g64).max(initial=0))
        close(
            softmax.softmax_bwd(g, p.astype(dtype)),
            p * (g64 - (g64 * p).sum(-1, keepdims=True)),
            4,
            most,
        )
        close(
            softmax.log_softmax_bwd(g, logp.astype(dtype)),
            g64 - p * g64.sum(-1, keepdims=True),
            40,
            most,
        )
    assert softmax.softmax(np.zeros((3, 0), dtype)).shape == (3, 0)


def test_softmax_special_values(simd):
    x = np.array([[np.inf, 0.0], [-np.inf, -np.inf], [np.nan, 0.0], [-np.inf, 1.0]], np.float32)
    p = softmax.softmax(x)
    assert np.isnan(p[:3]).all()
    np.testing.assert_array_equal(p[3], [0, 1])
    np.testing.assert_array_equal(softmax.log_softmax(x)[3], [-np.inf, 0])
    late = np.zeros((1, 40), np.float32)
    late[0, 39] = np.nan
    assert np.isnan(softmax.softmax(late)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy(simd, dtype, smoothing):
    for (n, c), shift in itertools.product(
        ((5, 10), (0, 3), (1, 1), (37, 1128), (1128, 2)), (0, 1000)
    ):
        x = rand((n, c), dtype) * 3 + dtype(shift)
        labels = np.random.default_rng(1).integers(0, c, n)
        labels[::3] = -100
        logp = log_softmax64(x)
        ignored = labels == -100
        target = np.where(np.arange(c) == labels[:, None], 1 - smoothing, 0) + smoothing / c
        target[ignored] = 0
        options = {"ignore_index": -100, "label_smoothing": smoothing}
        loss, lse = softmax.cross_entropy(x, labels, **options)
        close(loss, -(target * logp).sum(-1), 4)
        close(lse, (x.astype(np.float64)[:, :1] - logp[:, :1])[:, 0])
        g = rand(n, dtype, 2)
        want = (np.exp(logp) * ~ignored[:, None] - target) * g[:, None].astype(np.float64)
        close(softmax.cross_entropy_bwd(g, x, labels, lse, **options), want, 8)


@pytest.mark.parametrize("bad", [-1, 3, 2**62, -(2**63)])
def test_cross_entropy_label_out_of_range(bad):
    x, labels = rand((2, 3), np.float32), np.array([0, bad])
    options = {"ignore_index": -100, "label_smoothing": 0.0}
    with pytest.raises(IndexRangeError, match=f"label {bad} at row 1"):
        softmax.cross_entropy(x, labels, **options)
    one = np.ones(2, np.float32)
    with pytest.raises(IndexRangeError, match=f"label {bad} at row 1"):
        softmax.cross_entropy_bwd(one, x, labels, one, **options)


# Elementwise.

ERF = np.vectorize(math.erf, otypes=[np.float64])
ERFC = np.vectorize(math.erfc, otypes=[np.float64])


def tanh_gelu(x):
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def tanh_gelu_slope(x):
    k = 2 * math.sqrt(2 / math.pi)
    s = 1 / (1 + np.exp(-k * (x + 0.044715 * x**3)))
    return s + x * s * (1 - s) * k * (1 + 3 * 0.044715 * x**2)


def exp(x):
    return elementwise._unary(_C.exp, x)


def log(x):
    return elementwise._unary(_C.log, x)


# name: (kernel, float64 function, largest |x|, ulp in float32)
UNARY = {
    "exp": (exp, np.exp, 87.0, 4),
    "tanh": (elementwise.tanh, np.tanh, 12.0, 4),
    "sigmoid": (elementwise.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 85.0, 4),
    "erf": (elementwise.erf, ERF, 6.0, 4),
    "silu": (elementwise.silu, lambda x: x / (1 + np.exp(-x)), 80.0, 6),
    "relu": (elementwise.relu, lambda x: np.maximum(x, 0), 10.0, 0),
}


def ulps(got, want):
    got64 = got.astype(np.float64)
    return float(
        np.max(np.abs(got64 - want) / np.spacing(np.abs(want).astype(got.dtype)).astype(np.float64))
    )


@pytest.mark.parametrize("name", UNARY)
def test_unary_accuracy(simd, name):
    kernel, exact, largest, limit = UNARY[name]
    rng = np.random.default_rng(0)
    tiny = np.exp(rng.uniform(np.log(1e-30), np.log(largest), 30000))
    x = np.concatenate(
        [rng.uniform(-largest, largest, 30000), tiny, -tiny, rng.uniform(-1.2, 1.2, 30000)]
    )
    x32 = x.astype(np.float32)
    assert ulps(kernel(x32), exact(x32.astype(np.float64))) <= limit
    assert ulps(kernel(x), exact(x)) <= 8


def test_log_accuracy_and_edges(simd):
    rng = np.random.default_rng(0)
    x = np.concatenate([np.exp(rng.uniform(-103, 88.7, 30000)), rng.uniform(0.5, 2.0, 30000)])
    x = x.astype(np.float32)
    x = x[x > 0]
    assert ulps(log(x), np.log(x.astype(np.float64))) <= 2
    edges = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1.0, 1e-45], np.float32)
    with np.errstate(all="ignore"):
        want = np.log(edges.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(log(edges), want)


BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
SIMPLE = {
    "sqrt": np.sqrt,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "negative": np.negative,
    "abs": np.abs,
}
PAIRS = [((37, 1128), s) for s in [(37, 1128), (1128,), (37, 1), (1, 1), (), (1, 1128)]]
PAIRS += [((0, 3), (3,)), ((5, 1, 7), (6, 1)), ((4, 6, 5, 3), (6, 1, 1)), ((1,), (1,))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_has_numpys_bits(simd, name, dtype):
    kernel, exact = getattr(elementwise, name), BINARY[name]
    for shapes in [*PAIRS, *[pair[::-1] for pair in PAIRS]]:
        a, b = (rand(s, dtype, i) for i, s in enumerate(shapes))
        want = exact(a, b)
        out = np.empty(want.shape, dtype)
        assert kernel(a, b, out=out) is out
        np.testing.assert_array_equal(out, want)
        if want.ndim > 1:  # in the memory order of a transposed result
            out = np.empty(want.shape[::-1], dtype).T
            a, b = np.asfortranarray(a), np.asfortranarray(b)
            assert kernel(a, b, out=out) is out
            np.testing.assert_array_equal(out, want)


def test_binary_special_values(simd):
    values = np.array([0.0, -1.0, 1.0, np.inf, -np.inf, np.nan], np.float32)
    a, b = (np.ascontiguousarray(x) for x in np.meshgrid(values, values))
    for name, exact in BINARY.items():
        with np.errstate(all="ignore"):
            want = exact(a, b)
        np.testing.assert_array_equal(getattr(elementwise, name)(a, b, out=np.empty_like(a)), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SIMPLE)
def test_simple_unary_has_numpys_bits(simd, name, dtype):
    values = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan], dtype)
    for x in (rand((37, 1128), dtype), rand((0, 3), dtype), rand((5, 4, 3), dtype).T, values):
        out = np.empty_like(x)
        with np.errstate(all="ignore"):
            want = SIMPLE[name](x)
            assert getattr(elementwise, name)(x, out=out) is out
        np.testing.assert_array_equal(out, want)
        np.testing.assert_array_equal(np.signbit(out[out == 0]), np.signbit(want[want == 0]))


def test_large_kernels_leave_other_layouts_to_numpy():
    x = rand((40, 60), np.float32)
    out = np.empty((40, 30), np.float32)
    assert elementwise.add(x[:, ::2], x[:, ::2], out=out) is NotImplemented
    assert elementwise.add(x[:, ::-2], x[:, ::2], out=out) is NotImplemented
    assert elementwise.exp(x[:, ::2], out=out) is NotImplemented
    assert elementwise.exp(x.astype(np.float64), out=np.empty((40, 60))) is NotImplemented
    assert elementwise.abs(x.astype(np.int64), out=np.empty((40, 60), np.int64)) is NotImplemented
    for wrong in ((x, x[:5], np.empty_like(x)), (x, x, out), (x, x, np.empty((40, 120))[:, ::2])):
        with pytest.raises((ValueError, TypeError)):
            _C.add(*wrong)


def test_exp_underflow_and_overflow(simd):
    x = np.array([-87.5, -100.0, -103.9, -104.5, 88.7, 89.0], np.float32)
    want = np.exp(x.astype(np.float64))
    got = exp(x)
    np.testing.assert_allclose(got[:3].astype(np.float64), want[:3], rtol=0, atol=2e-45)
    assert got[3] == 0
    assert abs(float(got[4]) - want[4]) <= 4 * float(np.spacing(got[4]))
    assert np.isinf(got[5])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_accuracy(simd, dtype):
    x = np.linspace(-12, 12, 40001).astype(dtype)
    g = rand(x.shape, dtype)
    x64, g64 = x.astype(np.float64), g.astype(np.float64)
    eps = float(np.finfo(dtype).eps)
    cdf = 0.5 * ERFC(-x64 / math.sqrt(2))
    slope = cdf + x64 * np.exp(-(x64**2) / 2) / math.sqrt(2 * math.pi)
    # Relative in the body, absolute in the tails: exp(-x^2 / 2) magnifies the rounding of x^2.
    for got, want in (
        (elementwise.gelu(x), x64 * cdf),
        (elementwise.gelu(x, "tanh"), tanh_gelu(x64)),
        (elementwise.gelu_bwd(g, x), g64 * slope),
        (elementwise.gelu_bwd(g, x, "tanh"), g64 * tanh_gelu_slope(x64)),
        (
            elementwise.silu_bwd(g, x),
            g64 * (lambda s: s + x64 * s * (1 - s))(1 / (1 + np.exp(-x64))),
        ),
    ):
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=32 * eps, atol=4 * eps)
    tail = x64[(x64 < -3) & (x64 > -9)]
    np.testing.assert_allclose(
        elementwise.gelu(tail.astype(dtype)).astype(np.float64),
        tail * 0.5 * ERFC(-tail / math.sqrt(2)),
        rtol=100 * eps,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_erfinv(dtype):
    y = np.concatenate([np.linspace(-3.5, 3.5, 4001), [1e-10, -1e-20, 1e-300]])
    x = ERF(y).astype(dtype)
    got = elementwise.erfinv(x).astype(np.float64)
    # erf(erfinv(x)) == x as far as the rounding of the result allows: slope * |y| * eps.
    slope = 2 / math.sqrt(math.pi) * np.exp(-got * got)
    eps = float(np.finfo(dtype).eps)
    finite = np.isfinite(got)
    assert finite.mean() > 0.99
    error = np.abs(np.where(got >= 0, ERFC(np.abs(got)) - (1 - np.abs(x.astype(np.float64))), 0))[
        finite
    ]
    assert (error <= (slope * np.abs(got) * 2 * eps + 2.3e-16)[finite]).all()
    np.testing.assert_allclose(elementwise.erfinv(-x), -elementwise.erfinv(x), rtol=0)
    ends = elementwise.erfinv(np.array([1, -1, 1.5, np.nan, 0.0, -0.0], dtype))
    np.testing.assert_array_equal(ends, [np.inf, -np.inf, np.nan, np.nan, 0, 0])
    assert np.signbit(ends[5])


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(simd, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0] * 9, dtype)
    nan, inf = np.nan, np.inf
    for kernel, want in (
        (elementwise.relu, [nan, inf, 0, 0, 0]),
        (elementwise.sigmoid, [nan, 1, 0, 0.5, 0.5]),
        (elementwise.tanh, [nan, 1, -1, 0, 0]),
        (elementwise.gelu, [nan, inf, 0, 0, 0]),
        (lambda x: elementwise.gelu(x, "tanh"), [nan, inf, 0, 0, 0]),
        (elementwise.silu, [nan, inf, 0, 0, 0]),
        (elementwise.erf, [nan, 1, -1, 0, 0]),
        (exp, [nan, inf, 0, 1, 1]),
        (lambda x: elementwise.silu_bwd(np.ones_like(x), x), [nan, 1, 0, 0.5, 0.5]),
        (lambda x: elementwise.gelu_bwd(np.ones_like(x), x), [nan, 1, 0, 0.5, 0.5]),
        (lambda x: elementwise.gelu_bwd(np.ones_like(x), x, "tanh"), [nan, 1, 0, 0.5, 0.5]),
    ):
        np.testing.assert_array_equal(kernel(x), np.array(want * 9, dtype))
    for kernel in (elementwise.tanh, elementwise.erf, elementwise.gelu, elementwise.silu):
        assert np.signbit(kernel(x)[4::5]).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_elementwise_layouts(layout, dtype):
    for shape in ((2, 3, 4, 5), (1, 37), (0, 3), (3, 1, 1128)):
        x = LAYOUTS[layout](rand(shape, dtype))
        got = elementwise.tanh(x)
        close(got, np.tanh(x.astype(np.float64)))
        if elementwise._C.is_dense(x) and x.size and x.flags.aligned:
            long = [i for i, n in enumerate(shape) if n > 1]
            assert [got.strides[i] for i in long] == [x.strides[i] for i in long]
        for g in (rand(shape, dtype, 1), channels_last(rand(shape, dtype, 1)), x):
            got = elementwise.relu_bwd(g, x)
            np.testing.assert_array_equal(got, np.where(x > 0, g, 0))
        b = rand(shape[1], dtype, 2)
        np.testing.assert_array_equal(
            elementwise.bias_add(x, b), x + b.reshape(1, -1, *(1,) * (len(shape) - 2))
        )
    scalar = np.array(0.5, dtype)
    close(elementwise.tanh(scalar), np.tanh(np.float64(0.5)))


def test_what_is_not_taken():
    for x in (np.zeros((2, 3), np.float16), np.zeros((2, 3), np.int64), np.zeros((2, 3), ">f4")):
        assert elementwise.relu(x) is NotImplemented
        assert softmax.softmax(x) is NotImplemented
        assert norm.layer_norm(x, None, None, eps=1e-5) is NotImplemented
        assert (
            pooling.max_pool(
                x, kernel=(1,), stride=(1,), padding=(0,), dilation=(1,), ceil_mode=False
            )
            is NotImplemented
        )


# The same bits for any number of threads.


def everything(dtype):
    x = channels_last(rand((9, 12, 30, 29), dtype))
    w, b = rand((70, 12, 3, 3), dtype, 1), rand(12, dtype, 2)
    options = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    y = conv.conv(x, w, **options)
    yield y
    yield conv.conv_dgrad(y, w, x_shape=x.shape, **options)
    yield conv.conv_wgrad(y, x, w_shape=w.shape, **options)
    dw = rand((12, 1, 3, 3), dtype, 3)
    options["groups"] = 12
    z = conv.conv(x, dw, **options)
    yield z
    yield conv.conv_wgrad(z, x, w_shape=dw.shape, **options)
    pool = {"kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1),) * 2, "ceil_mode": False}
    best, index = pooling.max_pool(x, dilation=(1, 1), **pool)
    yield from (best, index, pooling.max_pool_bwd(best, index, x_shape=x.shape))
    yield pooling.avg_pool(x, count_include_pad=True, **pool)
    yield pooling.avg_pool_bwd(best, x_shape=x.shape, count_include_pad=True, **pool)
    y, mean, rstd = norm.batch_norm(x, b, b, eps=1e-5)
    yield from (y, mean, rstd, *norm.batch_norm_bwd(y, x, b, mean, rstd))
    rows = rand((3000, 37), dtype)
    gamma = rand(37, dtype, 4)
    y, mean, rstd = norm.layer_norm(rows, gamma, gamma, eps=1e-5)
    yield from (y, mean, rstd, *norm.layer_norm_bwd(y, rows, gamma, mean, rstd))
    y, rstd = norm.rms_norm(rows, gamma, eps=1e-5)
    yield from (y, rstd, *norm.rms_norm_bwd(y, rows, gamma, rstd))
    yield attention.rotary(rows[:, :36], rand((2, 3000, 18), dtype, 5))
    p = softmax.softmax(rows)
    yield from (p, softmax.softmax_bwd(rows, p), softmax.log_softmax(rows))
    labels = np.arange(3000) % 37
    loss, lse = softmax.cross_entropy(rows, labels, ignore_index=5, label_smoothing=0.1)
    yield from (loss, lse)
    yield softmax.cross_entropy_bwd(loss, rows, labels, lse, ignore_index=5, label_smoothing=0.1)
    for kernel in (elementwise.gelu, elementwise.erfinv, elementwise.sigmoid):
        yield kernel(x)
    yield elementwise.bias_add(x, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_thread_count(dtype):
    before = _C.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            results.append([np.ascontiguousarray(a).tobytes() for a in everything(dtype)])
    finally:
        _C.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_row_kernels_do_not_depend_on_the_instruction_set():
    before = _C.simd_level()
    x, gamma = rand((50, 37), np.float32), rand(37, np.float32, 1)
    results = []
    for level in range(before + 1):
        _C.limit_simd(level)
        y, mean, rstd = norm.layer_norm(x, gamma, gamma, eps=1e-5)
        parts = [
            y,
            softmax.softmax(x),
            elementwise.gelu(x),
            *norm.layer_norm_bwd(x, y, gamma, mean, rstd),
            *norm.rms_norm(x, gamma, eps=1e-5),
            *norm.rms_norm_bwd(x, y, gamma, rstd),
        ]
        results.append([a.tobytes() for a in parts])
    _C.limit_simd(before)
    assert all(r == results[0] for r in results)
