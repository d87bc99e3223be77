"""Attention and the transformer against PyTorch: the same weights in, the same outputs and all
gradients out, over configurations drawn by a seeded generator.

A query whose keys are all masked is left out where PyTorch gives NaN: here it gives zeros, as both
do in `scaled_dot_product_attention` (`test_rows_without_keys`).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

import gpudl as gd
from gpudl.testing import assert_close

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")
pytestmark = [
    pytest.mark.peers,
    # PyTorch's remarks on masks of two kinds, and on nested tensors.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
DTYPES = list(TOLERANCE)
F, TF = gd.nn.functional, torch.nn.functional


def both(x: np.ndarray, grad: bool = True) -> tuple[Any, Any]:
    grad = grad and x.dtype.kind == "f"
    return torch.tensor(x, requires_grad=grad), gd.tensor(x, requires_grad=grad)


def close(ours: Any, theirs: Any, dtype: str, scale: list[np.ndarray], what: str) -> None:
    assert (ours is None) == (theirs is None), what
    if theirs is not None:
        expected = theirs.detach().numpy()
        assert_close(ours, expected, tolerance=TOLERANCE[dtype], scale=scale, what=what)


def compare(
    ours: list[Any], theirs: list[Any], leaves: list[tuple[str, Any, Any]], dtype: str
) -> None:
    """Outputs, then the gradients of the leaves (name, ours, PyTorch's), of one random
    functional."""
    scale = [x.detach().numpy() for _, _, x in leaves]
    rng = np.random.default_rng(7)
    total, expected = 0, 0
    for i, (y, z) in enumerate(zip(ours, theirs, strict=True)):
        close(y, z, dtype, scale, f"output {i}")
        if y is not None:
            g = rng.normal(size=y.shape).astype(dtype)
            total = total + (y * gd.asarray(g)).sum()
            expected = expected + (z * torch.from_numpy(g)).sum()
    total.backward()
    expected.backward()
    grads = [x.grad.numpy() for _, _, x in leaves if x.grad is not None]
    for name, x, z in leaves:
        got = None if x.grad is None else x.grad.numpy()
        want = np.zeros(z.shape) if z.grad is None else z.grad.numpy()
        got = np.zeros(z.shape) if got is None else got
        assert_close(got, want, tolerance=TOLERANCE[dtype], scale=grads, what=f"gradient of {name}")


def parameters(ours: Any, theirs: Any) -> list[tuple[str, Any, Any]]:
    named = dict(theirs.named_parameters())
    assert [n for n, _ in ours.named_parameters()] == list(named)
    return [(n, p, named[n]) for n, p in ours.named_parameters()]


def mask_of(rng: Any, shape: tuple[int, ...], kind: str, dtype: str, *, hides: bool) -> np.ndarray:
    """A random mask of which no row hides everything."""
    hidden = rng.random(shape) < 0.4
    hidden[..., rng.integers(shape[-1])] = False
    if kind == "bool":
        return hidden if hides else ~hidden
    values = rng.normal(size=shape)
    if kind == "inf":
        values = np.where(hidden, -np.inf, 0.0)
    return values.astype(dtype)


# ----- the function -----
def drawn_sdpa(n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(20)
    found = []
    for _ in range(n):
        H = int(rng.choice([1, 2, 4, 6]))
        groups = int(rng.choice([d for d in (1, 2, 3) if H % d == 0]))
        found.append({
            "batch": tuple(rng.integers(1, 4, rng.integers(0, 3))),
            "H": H,
            "groups": groups,
            "L": int(rng.choice([1, 2, 5, 37])),
            "S": int(rng.choice([1, 3, 5, 33])),
            "E": int(rng.choice([1, 4, 8, 13])),
            "V": int(rng.choice([1, 4, 7])),
            "mask": [None, "causal", "bool", "float", "inf"][rng.integers(5)],
            "mask_shape": int(rng.integers(4)),
            "scale": [None, 0.3, -1.1][rng.integers(3)],
            "layout": int(rng.integers(2)),
        })  # fmt: skip
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", drawn_sdpa(120), ids=lambda c: "-".join(map(str, c.values())))
def test_scaled_dot_product_attention(c, dtype, count):
    rng = np.random.default_rng(1)
    batch, H, L, S = c["batch"], c["H"], c["L"], c["S"]
    shapes = [
        (*batch, H, L, c["E"]),
        (*batch, H // c["groups"], S, c["E"]),
        (*batch, H // c["groups"], S, c["V"]),
    ]
    leaves = []
    for name, shape in zip("qkv", shapes, strict=True):
        x = rng.normal(size=shape).astype(dtype)
        if c["layout"]:  # heads side by side, as a projection leaves them
            x = np.ascontiguousarray(x.swapaxes(-2, -3)).swapaxes(-2, -3)
        b, a = both(x)
        leaves.append((name, gd.asarray(x), b))
        leaves[-1][1].requires_grad = True
    options: dict[str, Any] = {"scale": c["scale"], "enable_gqa": c["groups"] > 1}
    ours, theirs = dict(options), dict(options)
    if c["mask"] == "causal":
        ours["is_causal"] = theirs["is_causal"] = True
    elif c["mask"] is not None:
        shape = [(L, S), (1, 1, S), (*batch, H, L, S), (*[1] * len(batch), H, 1, S)][
            c["mask_shape"]
        ]
        m = mask_of(rng, shape, c["mask"], dtype, hides=False)
        b, a = both(m, c["mask"] == "float")
        ours["attn_mask"], theirs["attn_mask"] = a, b
        if c["mask"] == "float":
            leaves.append(("mask", a, b))
    mine = F.scaled_dot_product_attention(*[x for _, x, _ in leaves[:3]], **ours)
    other = TF.scaled_dot_product_attention(*[x for _, _, x in leaves[:3]], **theirs)
    compare([mine], [other], leaves, dtype)
    count("attention against PyTorch: configurations", 1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_rows_without_keys(kind, dtype):
    """They are zero, and so are their gradients, as in PyTorch."""
    rng = np.random.default_rng(0)
    keep = rng.random((2, 1, 5, 4)) < 0.5
    keep[:, :, 1:3] = False
    m = keep if kind == "bool" else np.where(keep, 0, -np.inf).astype(dtype)
    pairs = [both(rng.normal(size=(2, 3, n, 4)).astype(dtype)) for n in (5, 4, 4)]
    mask = both(m, False)
    mine = F.scaled_dot_product_attention(*[x for _, x in pairs], attn_mask=mask[1])
    other = TF.scaled_dot_product_attention(*[x for x, _ in pairs], attn_mask=mask[0])
    assert not np.any(mine.detach().numpy()[:, :, 1:3])
    leaves = [(n, a, b) for n, (b, a) in zip("qkv", pairs, strict=True)]
    compare([mine], [other], leaves, dtype)


# ----- the layer -----
def drawn_layers(n: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(21)
    found = []
    for _ in range(n):
        H = int(rng.choice([1, 2, 3]))
        flags = [bool(x) for x in rng.integers(0, 2, 8)]
        found.append({
            "E": H * int(rng.choice([2, 4, 5])),
            "H": H,
            "kdim": [None, 3][rng.integers(2)],
            "vdim": [None, None, 7][rng.integers(3)],
            "bias": flags[0],
            "add_bias_kv": flags[1],
            "add_zero_attn": flags[2],
            "batch_first": flags[3],
            "need_weights": flags[4],
            "average": flags[5],
            "N": [None, 1, 3][rng.integers(3)],
            "L": int(rng.choice([1, 4, 7])),
            "S": int(rng.choice([1, 5, 9])),
            "same": ["query", "key", "none"][rng.integers(3)],
            "attn": [None, "bool", "float", "inf", "heads", "causal"][rng.integers(6)],
            "padding": [None, "bool", "inf"][rng.integers(3)],
        })  # fmt: skip
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", drawn_layers(160), ids=lambda c: "-".join(map(str, c.values())))
def test_multihead_attention(c, dtype, count):
    rng = np.random.default_rng(2)
    E, H, N, L, S = c["E"], c["H"], c["N"], c["L"], c["S"]
    same = c["same"]
    kdim, vdim = (None, None) if same == "query" else (c["kdim"], c["vdim"])
    if same == "key":
        vdim = kdim
    if same == "query" or c["attn"] == "causal":
        S = L
    options = {k: c[k] for k in ("bias", "add_bias_kv", "add_zero_attn", "batch_first")} | {
        "kdim": kdim,
        "vdim": vdim,
    }
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(E, H, **options).to(getattr(torch, dtype))
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_().div_(math.sqrt(E))
    ours = gd.nn.MultiheadAttention(E, H, **options).to(dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})

    def given(n: int, width: int) -> tuple[Any, Any]:
        shape = (n, width) if N is None else (N, n, width) if c["batch_first"] else (n, N, width)
        return both(rng.normal(size=shape).astype(dtype))

    q = given(L, E)
    k = q if same == "query" else given(S, kdim or E)
    v = k if same in ("query", "key") else given(S, vdim or E)
    calls: list[dict[str, Any]] = [
        {"need_weights": c["need_weights"], "average_attn_weights": c["average"]} for _ in range(2)
    ]

    def mask(name: str, m: np.ndarray) -> None:
        calls[0][name], calls[1][name] = both(m, False)

    kind = c["attn"]
    if kind == "causal":
        mask("attn_mask", np.triu(np.full((L, L), -np.inf, dtype), 1))
        # With keys appended PyTorch's hint would hide those.
        if not (c["add_bias_kv"] or c["add_zero_attn"]):
            calls[0]["is_causal"] = calls[1]["is_causal"] = True
    elif kind is not None:
        shape = ((N or 1) * H, L, S) if kind == "heads" else (L, S)
        mask("attn_mask", mask_of(rng, shape, kind, dtype, hides=True))
    if c["padding"] is not None:
        m = mask_of(rng, (N or 1, S), c["padding"], dtype, hides=True)
        m[:, 0] = 0  # a key that every mask leaves
        if kind is not None and kind != "causal":
            a = calls[0]["attn_mask"]
            a[..., 0] = False if a.dtype == torch.bool else 0.0
            calls[1]["attn_mask"] = gd.tensor(a.numpy())
        mask("key_padding_mask", m if N is not None else m[0])
    expected = theirs(q[0], k[0], v[0], **calls[0])
    actual = ours(q[1], k[1], v[1], **calls[1])
    unique = {id(x[1]): (f"input {i}", x[1], x[0]) for i, x in enumerate((q, k, v))}
    leaves = [*unique.values(), *parameters(ours, theirs)]
    compare(list(actual), list(expected), leaves, dtype)
    count("attention layers against PyTorch: configurations", 1, 1)


def test_static_keys_and_values():
    """Of `multi_head_attention_forward`, which the layer does not use."""
    rng = np.random.default_rng(0)
    N, H, E, L, S = 2, 3, 6, 4, 5
    pairs = {
        "query": both(rng.normal(size=(L, N, E))),
        "key": both(rng.normal(size=(S, N, E))),
        "static_k": both(rng.normal(size=(N * H, S, E // H))),
        "static_v": both(rng.normal(size=(N * H, S, E // H))),
        "in": both(rng.normal(size=(3 * E, E))),
        "out": both(rng.normal(size=(E, E))),
    }
    results = []
    for i, function in ((1, F.multi_head_attention_forward), (0, TF.multi_head_attention_forward)):
        x = {name: pair[i] for name, pair in pairs.items()}
        results.append(
            function(
                x["query"], x["key"], x["key"], E, H, x["in"], None, None, None, False, 0.0,
                x["out"], None, static_k=x["static_k"], static_v=x["static_v"],
            )
        )  # fmt: skip
    compare(*map(list, results), [(n, a, b) for n, (b, a) in pairs.items()], "float64")


# ----- the transformer -----
STACKS = [
    {
        "norm_first": norm_first,
        "batch_first": batch_first,
        "bias": bias,
        "activation": activation,
        "layer_norm_eps": 1e-5 if bias else 1e-2,
    }
    for norm_first in (False, True)
    for batch_first in (False, True)
    for bias, activation in ((True, "relu"), (False, "gelu"), (True, "tanh"))
]


def pair_of(make: Any, dtype: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs = make(torch.nn).to(getattr(torch, dtype))
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_().div_(math.sqrt(p.shape[-1]))
    ours = make(gd.nn).to(dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masks", ["none", "causal", "padding"])
@pytest.mark.parametrize("o", STACKS, ids=lambda o: "-".join(map(str, o.values())))
def test_transformer(o, masks, dtype, count):
    rng = np.random.default_rng(3)
    N, S, T, E = 2, 5, 4, 6

    def make(nn: Any) -> Any:
        functional = nn.functional.tanh if hasattr(nn.functional, "tanh") else torch.tanh
        activation = functional if o["activation"] == "tanh" else o["activation"]
        return nn.Transformer(E, 2, 2, 1, 8, 0.0, **{**o, "activation": activation})

    ours, theirs = pair_of(make, dtype)
    first = o["batch_first"]
    src = both(rng.normal(size=(N, S, E) if first else (S, N, E)).astype(dtype))
    tgt = both(rng.normal(size=(N, T, E) if first else (T, N, E)).astype(dtype))
    calls: list[dict[str, Any]] = [{}, {}]

    def mask(name: str, m: np.ndarray) -> None:
        calls[0][name], calls[1][name] = both(m, False)

    if masks == "causal":
        made = [
            lib.Transformer.generate_square_subsequent_mask(T, dtype=getattr(root, dtype))
            for lib, root in ((torch.nn, torch), (gd.nn, gd))
        ]
        assert_close(made[1], made[0].numpy(), tolerance=0.0)
        for call, m in zip(calls, made, strict=True):
            call |= {"tgt_mask": m, "tgt_is_causal": True}
        mask("src_mask", mask_of(rng, (S, S), "bool", dtype, hides=True))
    elif masks == "padding":
        for name, n in (("src", S), ("tgt", T), ("memory", S)):
            mask(f"{name}_key_padding_mask", mask_of(rng, (N, n), "bool", dtype, hides=True))
        mask("memory_mask", mask_of(rng, (T, S), "float", dtype, hides=True))
    leaves = [("src", src[1], src[0]), ("tgt", tgt[1], tgt[0]), *parameters(ours, theirs)]
    compare([ours(src[1], tgt[1], **calls[1])], [theirs(src[0], tgt[0], **calls[0])], leaves, dtype)
    count("transformers against PyTorch: configurations", 1, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_layers_without_a_batch(name, dtype):
    rng = np.random.default_rng(4)
    ours, theirs = pair_of(lambda nn: getattr(nn, name)(6, 3, 8, 0.0), dtype)
    xs = [both(rng.normal(size=(n, 6)).astype(dtype)) for n in (4, 5)]
    xs = xs if "Decoder" in name else xs[:1]
    leaves = [(f"input {i}", a, b) for i, (b, a) in enumerate(xs)] + parameters(ours, theirs)
    compare([ours(*[x for _, x in xs])], [theirs(*[x for x, _ in xs])], leaves, dtype)


def test_evaluation_and_copies():
    """Without gradients PyTorch takes another way through its layers; the numbers are the same."""
    ours, theirs = pair_of(
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, nn.LayerNorm(8)
        ),
        "float32",
    )
    x = np.random.default_rng(5).normal(size=(3, 7, 8)).astype("float32")
    with torch.no_grad(), gd.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
        for model in (ours.eval(), copy.deepcopy(ours)):
            assert_close(model(gd.asarray(x)), expected, tolerance=1e-5)
