"""Attention with several heads between learned projections."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import shapes
from ...checks import flag
from ...errors import ArgumentError, ShapeError
from ...ops import attention as ops
from ...ops.create import zeros_like
from ...ops.matmul import matmul
from ...ops.reduce import sum_
from ...ops.shape import broadcast_to, join, permute, reshape
from ._attention import additive, attend
from ._check import number, real_float, same_dtype, tensor
from ._dropout import dropout
from ._linear import linear
from ._pad import pad

OP = "multi_head_attention_forward"


class Projections(NamedTuple):
    """The parameters of multi-head attention: `in_weight` (3E, E), or one weight for each of query,
    key and value."""

    in_weight: Any
    in_bias: Any
    bias_k: Any
    bias_v: Any
    out_weight: Any
    out_bias: Any
    separate: tuple[Any, Any, Any] | None = None

    def third(self, i: int) -> tuple[Any, Any]:
        """Weight and bias of the query (0), key (1) or value (2)."""
        E = self.out_weight.shape[0]
        part = slice(i * E, (i + 1) * E)
        weight = self.in_weight[part] if self.separate is None else self.separate[i]
        return weight, None if self.in_bias is None else self.in_bias[part]


def multi_head(
    query: Any,
    key: Any,
    value: Any,
    params: Projections,
    *,
    num_heads: int,
    batch_first: bool,
    dropout_p: float,
    add_zero_attn: bool = False,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    static: tuple[Any, Any] = (None, None),
) -> tuple[Any, Any]:
    """The result, in the layout of `query`, and the weights (N, L, S), (N, H, L, S) or None."""
    xs = [real_float(OP, query, "query"), tensor(OP, key, "key"), tensor(OP, value, "value")]
    same_dtype(OP, xs[0], key=xs[1], value=xs[2])
    E, H = params.out_weight.shape[0], num_heads
    batched = _check_inputs(xs, E, batch_first)
    if is_causal and attn_mask is None:
        raise ArgumentError(
            OP,
            "is_causal is a hint about attn_mask, which is missing",
            remedy="attn_mask=gd.nn.Transformer.generate_square_subsequent_mask(L)",
        )
    if not batched:
        at = 0 if batch_first else 1
        xs = [reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:])) for x in xs]
        if key_padding_mask is not None:
            mask = tensor(OP, key_padding_mask, "key_padding_mask")
            key_padding_mask = reshape(mask, shape=(1, *mask.shape))
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)  # to (N, H, L, D), and back

    def heads(i: int) -> Any:
        x, (weight, bias) = xs[i], params.third(i)
        if x.shape[-1] != weight.shape[1]:
            raise ShapeError(
                OP,
                f"{('query', 'key', 'value')[i]} has {x.shape[-1]} features, its projection takes "
                f"{weight.shape[1]}",
                input=x,
            )
        y = linear(x, weight, bias)
        return permute(reshape(y, shape=(*y.shape[:2], H, E // H)), axes=order)

    q = heads(0)
    k, v = (
        heads(i) if given is None else _static(name, given, q.shape)
        for i, name, given in ((1, "static_k", static[0]), (2, "static_v", static[1]))
    )
    k, v, extra = _appended(k, v, params, add_zero_attn)
    N, _, L, D = q.shape
    S = k.shape[2]
    hint = is_causal and key_padding_mask is None and not need_weights and not extra
    mask = None if hint else _merged(q, attn_mask, key_padding_mask, (N, H, L, S - extra), extra)
    scale = 1 / math.sqrt(max(D, 1))
    weights = None
    if need_weights:
        masks = () if mask is None else (mask,)
        weights = dropout(ops.probabilities(q, k, *masks, scale=scale, causal=False), dropout_p)
        y = matmul(weights, v)
        weights = _reported(weights, average_attn_weights, batched)
    else:
        y = attend(q, k, v, mask, dropout_p=dropout_p, causal=hint, scale=scale)
    back = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    out = linear(
        reshape(permute(y, axes=back), shape=xs[0].shape), params.out_weight, params.out_bias
    )
    return out if batched else reshape(out, shape=(L, E)), weights


def _check_inputs(xs: list[Any], E: int, batch_first: bool) -> bool:
    """Whether there is a batch axis; `ShapeError` for inputs that do not fit."""
    query, key, value = xs
    given = {"query": query, "key": key, "value": value}
    rank = query.ndim
    if rank not in (2, 3) or key.ndim != rank or value.ndim != rank:
        layout = "(N, L, E)" if batch_first else "(L, N, E)"
        raise ShapeError(OP, f"inputs are {layout}, or (L, E) without a batch", **given)
    at = 0 if batch_first else 1
    same_batch = rank == 2 or key.shape[at] == query.shape[at]
    if query.shape[-1] != E or key.shape[:-1] != value.shape[:-1] or not same_batch:
        raise ShapeError(
            OP,
            f"the query has {E} features; key and value agree in length, all in batch size",
            **given,
        )
    return bool(rank == 3)


def _static(name: str, given: Any, shape: tuple[int, ...]) -> Any:
    """Keys or values (N * H, S, D) that come projected, as (N, H, S, D)."""
    N, H, _, D = shape
    x = tensor(OP, given, name)
    if x.ndim != 3 or x.shape[0] != N * H or x.shape[2] != D:
        raise ShapeError(OP, f"{name} is ({N * H}, S, {D})", **{name: x})
    return reshape(x, shape=(N, H, x.shape[1], D))


def _appended(k: Any, v: Any, params: Projections, zero: bool) -> tuple[Any, Any, int]:
    """Keys and values (N, H, S, D) with a learned entry and one of zeros, and how many those
    are."""
    N, H, _, D = k.shape
    extra = 0
    if (params.bias_k is None) != (params.bias_v is None):
        raise ArgumentError(OP, "bias_k and bias_v come together")
    if params.bias_k is not None:
        k, v = (
            join((x, broadcast_to(reshape(b, shape=(1, H, 1, D)), shape=(N, H, 1, D))), 2)
            for x, b in ((k, params.bias_k), (v, params.bias_v))
        )
        extra += 1
    if zero:
        k, v = (join((x, zeros_like(x, (N, H, 1, D))), 2) for x in (k, v))
        extra += 1
    return k, v, extra


def _merged(q: Any, attn: Any, padding: Any, shape: tuple[int, ...], extra: int) -> Any:
    """Both masks as one to add to the scores (N, H, L, S); `extra` keys at the end are never
    hidden."""
    N, H, L, S = shape
    total = None
    if attn is not None:
        m = additive(OP, "attn_mask", attn, q, hides=True)
        if m.shape not in ((L, S), (N * H, L, S)):
            raise ShapeError(OP, f"attn_mask is ({L}, {S}) or ({N * H}, {L}, {S})", attn_mask=m)
        total = reshape(m, shape=(1, 1, L, S) if m.ndim == 2 else (N, H, L, S))
    if padding is not None:
        m = additive(OP, "key_padding_mask", padding, q, hides=True)
        if m.shape != (N, S):
            raise ShapeError(OP, f"key_padding_mask is ({N}, {S})", key_padding_mask=m)
        m = reshape(m, shape=(N, 1, 1, S))
        total = m if total is None else total + m
    return total if total is None or not extra else pad(total, (0, extra))


def _reported(weights: Any, average: bool, batched: bool) -> Any:
    if average:
        weights = sum_(weights, axis=(1,), keepdims=False) * (1.0 / weights.shape[1])
    return weights if batched else reshape(weights, shape=weights.shape[1:])


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """What `gd.nn.MultiheadAttention` computes, of (L, N, E), (S, N, E) and (S, N, E) or without N,
    with its parameters as arguments: the result and the weights, or None for these.

    `static_k` and `static_v` (N * num_heads, S, E / num_heads) take the place of projected keys and
    values. Masks are as there.
    """
    E = shapes.as_int(OP, "embed_dim_to_check", embed_dim_to_check)
    H = shapes.pair(OP, "num_heads", num_heads, 1, low=1)[0]
    p = number(OP, "dropout_p", dropout_p)
    if not 0 <= p <= 1:
        raise ArgumentError(OP, f"dropout_p is {p}", remedy="from 0 to 1")
    x = real_float(OP, query, "query")
    separate = None
    if flag(OP, "use_separate_proj_weight", use_separate_proj_weight):
        separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights = (
        {"in_proj_weight": in_proj_weight}
        if separate is None
        else {f"{name}_proj_weight": w for name, w in zip("qkv", separate, strict=True)}
    )
    for name, w in {**weights, "out_proj_weight": out_proj_weight}.items():
        rows = 3 * E if name == "in_proj_weight" else E
        if tensor(OP, w, name).ndim != 2 or w.shape[0] != rows:
            raise ShapeError(OP, f"{name} has {rows} rows", **{name: w})
    if E % H:
        raise ArgumentError(OP, f"{E} features in {H} heads", remedy="a divisor of the features")
    for name, b, n in (
        ("in_proj_bias", in_proj_bias, 3 * E),
        ("bias_k", bias_k, E),
        ("bias_v", bias_v, E),
    ):
        if b is not None and tensor(OP, b, name).data.size != n:
            raise ShapeError(OP, f"{name} has {n} entries", **{name: b})
    same_dtype(OP, x, **weights, bias_k=bias_k, bias_v=bias_v)
    return multi_head(
        x,
        key,
        value,
        Projections(
            in_proj_weight, in_proj_bias, bias_k, bias_v, out_proj_weight, out_proj_bias, separate
        ),
        num_heads=H,
        batch_first=False,
        dropout_p=p if training else 0.0,
        add_zero_attn=bool(add_zero_attn),
        key_padding_mask=key_padding_mask,
        need_weights=bool(need_weights),
        attn_mask=attn_mask,
        average_attn_weights=bool(average_attn_weights),
        is_causal=bool(is_causal),
        static=(static_k, static_v),
    )
