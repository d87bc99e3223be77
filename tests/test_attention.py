"""Attention and the transformer without a peer: identities, shapes, dropout, and typed errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import gpudl as gd
from gpudl import nn
from gpudl.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from gpudl.testing import assert_close, gradcheck, gradgradcheck

F = nn.functional


def normal(*shape, dtype="float64", seed=0):
    return gd.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def qkv(*shape, **options):
    return [normal(*shape, seed=i, **options) for i in range(3)]


def formula(q, k, v, scale, allowed=None):
    q, k, v = (x.numpy().astype(np.float64) for x in (q, k, v))
    s = q @ k.swapaxes(-1, -2) * scale
    if allowed is not None:
        s = np.where(allowed, s, -np.inf)
    with np.errstate(invalid="ignore"):
        e = np.exp(s - s.max(-1, keepdims=True))
    return np.nan_to_num(e / e.sum(-1, keepdims=True)) @ v


# Queries, keys and values in the layouts that layers make: C order, heads side by side, one
# projection for all three, reversed, and keys that are broadcast over the batch.
LAYOUTS = {
    "dense": lambda x: x,
    "heads side by side": lambda x: [gd.asarray(a.swapaxes(1, 2).copy()).swapaxes(1, 2) for a in x],
    "packed": lambda x: [
        gd.asarray(a) for a in np.stack([b.swapaxes(1, 2) for b in x], 2).transpose(2, 0, 3, 1, 4)
    ],
    "reversed": lambda x: [a[::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1] for a in x],
    "broadcast": lambda x: [x[0], *(np.broadcast_to(a[:1], a.shape) for a in x[1:])],
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("causal", [False, True])
def test_layouts(layout, causal, dtype):
    arrays = [x.astype(dtype).numpy() for x in qkv(2, 3, 37, 5)]
    q, k, v = (gd.asarray(x) for x in LAYOUTS[layout](arrays))
    with gd.config(validate=True):
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    assert y.dtype == q.dtype
    wide = [x.astype("float64") for x in (q, k, v)]
    assert_close(
        y, formula(*wide, 5**-0.5, np.tri(37, dtype=bool) if causal else None), scale=arrays
    )


def test_the_result_of_a_projection_is_read_and_written_in_place():
    """Queries (N, L, H, D) give a result whose heads can be merged without a copy."""
    q, k, v = (x.astype("float32").reshape((2, 9, 3, 4)).permute(0, 2, 1, 3) for x in qkv(2, 9, 12))
    y = F.scaled_dot_product_attention(q, k, v)
    assert y.permute(0, 2, 1, 3).numpy().flags.c_contiguous


@pytest.mark.parametrize("mask", [None, "causal", "float", "bool"])
def test_derivatives(mask):
    operands = [
        x.detach() for x in (normal(2, 3, 4), normal(2, 5, 4, seed=1), normal(2, 5, 2, seed=2))
    ]
    if mask == "float":
        operands.append(normal(3, 5, seed=3))
    for x in operands:
        x.requires_grad = True
    keep = gd.asarray(np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]], bool))

    def f(q, k, v, m=None):
        m = keep if mask == "bool" else m
        return F.scaled_dot_product_attention(q, k, v, m, is_causal=mask == "causal")

    assert gradcheck(f, operands)
    assert gradgradcheck(f, operands)


def test_a_query_without_keys_gives_zeros():
    q, k, v = qkv(1, 3, 4, dtype="float32")
    for x in (q, k, v):
        x.requires_grad = True
    keep = gd.asarray(np.array([[True] * 3, [False] * 3, [True] * 3]))
    for p in (0.0, 0.3):
        y = F.scaled_dot_product_attention(q, k, v, keep, dropout_p=p)
        y.sum().backward()
        assert not np.any(y.detach().numpy()[:, 1])
        assert not np.any(q.grad.numpy()[:, 1])
        assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    _, weights = attention(q, k, v, attn_mask=gd.logical_not(keep))
    assert not np.any(weights.detach().numpy()[:, 1])


def test_grouped_queries_are_repeated_keys():
    q, k, v = normal(2, 6, 5, 4), normal(2, 3, 7, 4, seed=1), normal(2, 3, 7, 4, seed=2)
    ours = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    repeated = [gd.repeat(x, 2, axis=1) for x in (k, v)]
    assert_close(ours, F.scaled_dot_product_attention(q, *repeated), tolerance=1e-12)


def test_dropout_keeps_the_mean_and_is_off_in_evaluation():
    gd.manual_seed(0)
    q, k = normal(4, 8, dtype="float32"), normal(64, 8, seed=1, dtype="float32")
    ones = gd.ones(64, 512)
    y = F.scaled_dot_product_attention(q, k, ones, dropout_p=0.25).numpy()
    assert np.ptp(y, axis=1).max() < 1e-5  # one mask for all features
    many = [F.scaled_dot_product_attention(q, k, ones[:, :1], dropout_p=0.25) for _ in range(200)]
    assert abs(np.mean([m.numpy() for m in many]) - 1) < 0.02
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    first, second = (layer(q, k, k)[0].detach().numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    layer.eval()
    first, second = (layer(q, k, k)[0].detach().numpy() for _ in range(2))
    assert np.array_equal(first, second)


def test_causal_places_do_not_see_later_ones():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    x = normal(1, 6, 8, dtype="float32")
    changed = x.numpy().copy()
    changed[:, 4:] = 7
    a, b = (layer(y, mask, is_causal=True).detach().numpy() for y in (x, gd.asarray(changed)))
    assert np.array_equal(a[:, :4], b[:, :4])
    assert not np.array_equal(a[:, 4], b[:, 4])
    assert_close(layer(x, mask), a, tolerance=1e-6)


def test_parameters_have_pytorchs_names():
    packed = nn.MultiheadAttention(6, 2, add_bias_kv=True)
    assert {k: v.shape for k, v in packed.state_dict().items()} == {
        "in_proj_weight": (18, 6),
        "in_proj_bias": (18,),
        "bias_k": (1, 1, 6),
        "bias_v": (1, 1, 6),
        "out_proj.weight": (6, 6),
        "out_proj.bias": (6,),
    }
    apart = nn.MultiheadAttention(6, 2, bias=False, kdim=3, vdim=4)
    assert {k: v.shape for k, v in apart.state_dict().items()} == {
        "q_proj_weight": (6, 6),
        "k_proj_weight": (6, 3),
        "v_proj_weight": (6, 4),
        "out_proj.weight": (6, 6),
    }
    model = nn.Transformer(4, 2, 2, 1, 8)
    assert len(model.state_dict()) == 2 * 12 + 18 + 4
    twin = copy.deepcopy(model)
    twin.load_state_dict(model.state_dict())


SHAPES = [(1, 1), (5, 3), (0, 3), (5, 0), (0, 0)]


@pytest.mark.parametrize(("L", "S"), SHAPES)
@pytest.mark.parametrize("N", [None, 0, 1, 3])
@pytest.mark.parametrize("batch_first", [False, True])
def test_shapes(L, S, N, batch_first):
    layer = nn.MultiheadAttention(4, 2, batch_first=batch_first)

    def shape(n):
        return (n, 4) if N is None else (N, n, 4) if batch_first else (n, N, 4)

    q, k = gd.ones(shape(L), requires_grad=True), gd.ones(shape(S))
    y, weights = layer(q, k, k)
    assert y.shape == shape(L)
    assert weights.shape == ((L, S) if N is None else (N, L, S))
    y.sum().backward()
    assert q.grad.shape == q.shape
    each = layer(q, k, k, average_attn_weights=False)[1]
    assert each.shape == ((2, L, S) if N is None else (N, 2, L, S))
    assert layer(q, k, k, need_weights=False)[1] is None


q, k, v = gd.ones(2, 5, 4), gd.ones(2, 3, 4), gd.ones(2, 3, 6)
layer = nn.MultiheadAttention(4, 2, batch_first=True)
sdpa = F.scaled_dot_product_attention


@pytest.mark.parametrize(
    ("error", "f", "words"),
    [
        (ArgumentTypeError, lambda: sdpa([1.0], k, v), "query must be a tensor"),
        (DTypeError, lambda: sdpa(q.astype("int32"), k, v), "floating"),
        (DTypeError, lambda: sdpa(q, k.astype("float64"), v), "float64"),
        (DTypeError, lambda: sdpa(q, k, v, gd.ones(5, 3, dtype=gd.int32)), "attn_mask"),
        (ShapeError, lambda: sdpa(gd.ones(4), k, v), "two axes"),
        (ShapeError, lambda: sdpa(q, gd.ones(2, 3, 5), v), "features"),
        (ShapeError, lambda: sdpa(q, k, gd.ones(2, 4, 6)), "number"),
        (ShapeError, lambda: sdpa(gd.ones(3, 5, 4), k, v), "broadcast"),
        (ShapeError, lambda: sdpa(q, k, v, gd.ones(4, 3)), "broadcast"),
        (ShapeError, lambda: sdpa(gd.ones(5, 5, 4), k, v, enable_gqa=True), "heads"),
        (ArgumentError, lambda: sdpa(q, k, v, gd.ones(5, 3), is_causal=True), "exclude"),
        (ArgumentError, lambda: sdpa(q, k, v, dropout_p=1.5), "from 0 to 1"),
        (ArgumentTypeError, lambda: sdpa(q, k, v, scale="2"), "scale"),
        (ArgumentError, lambda: nn.MultiheadAttention(5, 2), "5 features in 2 heads"),
        (ArgumentError, lambda: nn.MultiheadAttention(4, 2, dropout=2.0), "dropout"),
        (ShapeError, lambda: layer(q, k, v), "features"),
        (ShapeError, lambda: layer(q, k, gd.ones(2, 4, 4)), "length"),
        (ShapeError, lambda: layer(q, k[0], k[0]), "inputs"),
        (ShapeError, lambda: layer(q, k, k, attn_mask=gd.ones(5, 4)), "attn_mask"),
        (ShapeError, lambda: layer(q, k, k, key_padding_mask=gd.ones(3, 2)), "key_padding_mask"),
        (ArgumentError, lambda: layer(q, k, k, is_causal=True), "hint"),
        (DTypeError, lambda: layer(*[q.astype("float64")] * 3), "float64"),
        (ArgumentError, lambda: nn.TransformerEncoderLayer(4, 2, activation="no"), "activation"),
        (ArgumentTypeError, lambda: nn.TransformerEncoder(3, 2), "module"),
        (ShapeError, lambda: nn.Transformer(4, 2, 1, 1, 8)(q, k), "batch"),
        (ShapeError, lambda: nn.Transformer(6, 2, 1, 1, 8)(q, q), "6 features"),
    ],
)
def test_errors_name_what_is_wrong(error, f, words):
    with pytest.raises(error, match=words):
        f()
