"""ONNX's attention and rotary positions as calls of gpudl."""

from __future__ import annotations

from functools import reduce
from typing import Any

import gpudl as gd
from gpudl.nn import functional as F


def _heads(x: Any, n: int | None) -> Any:
    """(batch, length, heads * width) as (batch, heads, length, width)."""
    if x.ndim == 4:
        return x
    assert n is not None
    return gd.swapaxes(x.reshape((*x.shape[:2], n, x.shape[2] // n)), 1, 2)


def _window(q: Any, k: Any, offset: Any, left: int, right: int) -> Any:
    """True where a key is within reach of a query, `offset` keys before the first query."""
    gap = gd.arange(q.shape[2]).reshape((-1, 1)) + offset - gd.arange(k.shape[2])
    near = gd.ones_like(gap, dtype=gd.bool)
    near = near & (gap <= left) if left >= 0 else near
    return near & (-gap <= right) if right >= 0 else near


def _mask(q: Any, k: Any, given: Any, allowed: list[Any]) -> Any:
    """The mask given, of all keys, and the conditions: boolean or to be added."""
    if given is None and not allowed:
        return None
    if given is not None and given.shape[-1] < k.shape[2]:
        rest = [(0, 0)] * (given.ndim - 1) + [(0, k.shape[2] - given.shape[-1])]
        given = gd.pad(given, rest, value=False if given.dtype == gd.bool else -gd.inf)
    if given is None or given.dtype == gd.bool:
        both = reduce(gd.logical_and, [*allowed, *([] if given is None else [given])])
        return gd.broadcast_to(both, (*both.shape[:-2], q.shape[2], k.shape[2]))
    if not allowed:
        return given
    return gd.where(reduce(gd.logical_and, allowed), given, -gd.inf)


def attention(
    q: Any,
    k: Any,
    v: Any,
    attn_mask: Any = None,
    past_key: Any = None,
    past_value: Any = None,
    kept: Any = None,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softmax_precision: int = 1,
    outputs: int = 1,
) -> Any:
    """`kept`: how many keys of each sample are not padding; the last queries face its end."""
    if outputs == 4:
        raise NotImplementedError("the scores as a result")
    packed = q.ndim == 3
    q, k, v = _heads(q, q_num_heads), _heads(k, kv_num_heads), _heads(v, kv_num_heads)
    offset: Any = 0
    if past_key is not None:
        offset = past_key.shape[2]
        k, v = gd.concat([past_key, k], axis=2), gd.concat([past_value, v], axis=2)
    allowed = []
    if kept is not None:
        kept = kept.reshape((-1, 1, 1, 1))
        offset = kept - q.shape[2]
        allowed.append(gd.arange(k.shape[2]) < kept)
    right = 0 if is_causal else right_window_size
    plain = not allowed and attn_mask is None and isinstance(offset, int) and offset == 0
    if is_causal and plain and left_window_size < 0:
        mask, causal = None, True
    else:
        if left_window_size >= 0 or right >= 0:
            allowed.append(_window(q, k, offset, left_window_size, right))
        mask, causal = _mask(q, k, attn_mask, allowed), False
    y = F.scaled_dot_product_attention(
        q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
    )
    if packed:
        y = gd.swapaxes(y, 1, 2)
        y = y.reshape((*y.shape[:2], -1))
    return y, k, v


def flex_attention(q: Any, k: Any, v: Any, scale: float | None = None) -> Any:
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(q, k, v, scale=scale, enable_gqa=grouped)


def rotary_embedding(
    x: Any,
    cos: Any,
    sin: Any,
    position_ids: Any = None,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Any:
    """Neighbours that turn together are brought into two halves; samples have their own angles."""
    shape = x.shape
    x = x if x.ndim == 4 else _heads(x, num_heads)
    width = rotary_embedding_dim or x.shape[-1]
    if position_ids is not None:
        cos, sin = cos[position_ids], sin[position_ids]
    turned = x[..., :width]
    if interleaved:
        turned = gd.concat([turned[..., 0::2], turned[..., 1::2]], axis=-1)
    y = gd.stack([F.rotary_embedding(*sample) for sample in zip(turned, cos, sin, strict=True)])
    if interleaved:
        y = gd.stack(gd.split(y, 2, axis=-1), axis=-1).reshape(turned.shape)
    y = gd.concat([y, x[..., width:]], axis=-1)
    return y if len(shape) == 4 else gd.swapaxes(y, 1, 2).reshape(shape)


OPS: dict[str, Any] = {
    "Attention": attention,
    "FlexAttention": flex_attention,
    "RotaryEmbedding": rotary_embedding,
}
