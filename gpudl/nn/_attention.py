"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from . import init
from ._layer import parameter, positive
from ._linear import Linear
from ._module import Module
from ._parameter import Parameter
from .functional._check import number
from .functional._multihead import Projections, multi_head


class MultiheadAttention(Module):
    """`num_heads` attentions side by side: queries (L, N, embed_dim), keys (S, N, kdim) and values
    (S, N, vdim) give the result (L, N, embed_dim) and the weights (N, L, S).

    With `batch_first` the first two axes change places; without a batch there is no N. Of
    `need_weights=False` the weights are None and memory and time are saved;
    `average_attn_weights=False` gives them per head (N, H, L, S). `key_padding_mask` (N, S) and
    `attn_mask` (L, S) or (N * H, L, S) are True where a key is hidden, or numbers added to the
    scores; `is_causal` says that `attn_mask` is the causal one. A query whose keys are all hidden
    gets weights of zero (PyTorch: NaN).

    `add_bias_kv` appends a learned key and value, `add_zero_attn` ones of zeros. Raises
    `ShapeError` for inputs and masks that do not fit, `ArgumentError` unless `num_heads` divides
    `embed_dim`. Source: Vaswani et al., NeurIPS 2017.

    >>> import gpudl as gd
    >>> attention = gd.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = gd.random.normal((3, 5, 8))
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op = "MultiheadAttention"
        E = self.embed_dim = positive(op, "embed_dim", embed_dim)
        self.num_heads = positive(op, "num_heads", num_heads)
        self.kdim = E if kdim is None else positive(op, "kdim", kdim)
        self.vdim = E if vdim is None else positive(op, "vdim", vdim)
        self.head_dim = E // self.num_heads
        if E % self.num_heads:
            raise ArgumentError(
                op, f"{E} features in {num_heads} heads", remedy="a divisor of embed_dim"
            )
        self.dropout = number(op, "dropout", dropout)
        if not 0 <= self.dropout <= 1:
            raise ArgumentError(op, f"dropout is {dropout}", remedy="from 0 to 1")
        self.batch_first, self.add_zero_attn = bool(batch_first), bool(add_zero_attn)
        packed = self.kdim == E and self.vdim == E
        for name, width in (("q", E), ("k", self.kdim), ("v", self.vdim)):
            made = None if packed else parameter((E, width), dtype, device)
            self.register_parameter(f"{name}_proj_weight", made)
        self.register_parameter(
            "in_proj_weight", parameter((3 * E, E), dtype, device) if packed else None
        )
        self.register_parameter(
            "in_proj_bias", parameter((3 * E,), dtype, device) if bias else None
        )
        for name in ("bias_k", "bias_v"):
            made = parameter((1, 1, E), dtype, device) if add_bias_kv else None
            self.register_parameter(name, made)
        self.out_proj = Linear(E, E, bias=bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for entry in (self.bias_k, self.bias_v):
            if entry is not None:
                init.xavier_normal_(entry)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        packed = self.in_proj_weight is not None
        params = Projections(
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.out_proj.weight,
            self.out_proj.bias,
            None if packed else (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight),
        )
        return multi_head(
            query,
            key,
            value,
            params,
            num_heads=self.num_heads,
            batch_first=self.batch_first,
            dropout_p=self.dropout if self.training else 0.0,
            add_zero_attn=self.add_zero_attn,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
