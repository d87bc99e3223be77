"""The transformer: encoder and decoder layers, stacks of them, and both together.

PyTorch's `Transformer*` names, arguments and parameter names. Masks are those of
`MultiheadAttention`: True, or -inf, hides a key.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from .._namespace.creation import full, triu
from ..checks import function
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from . import functional as F
from . import init
from ._attention import MultiheadAttention
from ._container import ModuleList
from ._dropout import Dropout
from ._layer import positive, size
from ._linear import Linear
from ._module import Module
from ._norm import LayerNorm
from .functional._check import tensor

Activation = str | Callable[[Any], Any]


def _activation(op: str, given: Activation) -> Callable[[Any], Any]:
    if isinstance(given, str):
        if given not in ("relu", "gelu"):
            raise ArgumentError(op, f"activation={given!r}", remedy='"relu", "gelu" or a function')
        return F.relu if given == "relu" else F.gelu
    made: Callable[[Any], Any] = function(op, "activation", given)
    return made


class _Layer(Module):
    """What both kinds of layers have: attention, the two linear maps, norms and dropouts."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        device: Any,
        dtype: Any,
        *,
        attentions: tuple[str, ...],
    ) -> None:
        super().__init__()
        where = {"bias": bias, "device": device, "dtype": dtype}
        for name in attentions:
            made = MultiheadAttention(
                d_model, nhead, dropout=dropout, batch_first=batch_first, **where
            )
            self.add_module(name, made)
        self.linear1 = Linear(d_model, dim_feedforward, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **where)
        self.norm_first = bool(norm_first)
        n = len(attentions) + 1
        for i in range(1, n + 1):
            self.add_module(f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, **where))
        for i in range(1, n + 1):
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = _activation(type(self).__name__, activation)

    def _attend(
        self, attention: Any, x: Any, memory: Any, mask: Any, padding: Any, causal: bool
    ) -> Any:
        return attention(
            x,
            memory,
            memory,
            attn_mask=mask,
            key_padding_mask=padding,
            need_weights=False,
            is_causal=bool(causal),
        )[0]

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention and two linear maps, each with dropout, a residual sum and a layer norm: (S,
    N, d_model), (N, S, d_model) with `batch_first`, or (S, d_model), to the same shape.

    With `norm_first` each norm stands before its block, else after the sum. `activation` is "relu",
    "gelu" or a function. Source: Vaswani et al., NeurIPS 2017; Xiong et al., ICML 2020
    (`norm_first`).

    >>> import gpudl as gd
    >>> layer = gd.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(gd.random.normal((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            device,
            dtype,
            attentions=("self_attn",),
        )

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        def block(x: Any) -> Any:
            y = self._attend(self.self_attn, x, x, src_mask, src_key_padding_mask, is_causal)
            return self.dropout1(y)

        if self.norm_first:
            x = src + block(self.norm1(src))
            return x + self.dropout2(self._feed_forward(self.norm2(x)))
        x = self.norm1(src + block(src))
        return self.norm2(x + self.dropout2(self._feed_forward(x)))


class TransformerDecoderLayer(_Layer):
    """`TransformerEncoderLayer` with a second attention, to `memory`, the result of the encoder.

    >>> import gpudl as gd
    >>> layer = gd.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(gd.random.normal((3, 5, 8)), gd.random.normal((3, 7, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            device,
            dtype,
            attentions=("self_attn", "multihead_attn"),
        )

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        def to_itself(x: Any) -> Any:
            y = self._attend(self.self_attn, x, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
            return self.dropout1(y)

        def to_memory(x: Any) -> Any:
            hidden = memory_key_padding_mask
            y = self._attend(self.multihead_attn, x, memory, memory_mask, hidden, memory_is_causal)
            return self.dropout2(y)

        if self.norm_first:
            x = tgt + to_itself(self.norm1(tgt))
            x = x + to_memory(self.norm2(x))
            return x + self.dropout3(self._feed_forward(self.norm3(x)))
        x = self.norm1(tgt + to_itself(tgt))
        x = self.norm2(x + to_memory(x))
        return self.norm3(x + self.dropout3(self._feed_forward(x)))


def _clones(op: str, layer: Any, num_layers: int) -> ModuleList:
    if not isinstance(layer, Module):
        raise ArgumentTypeError(op, f"the layer to repeat is no module but {layer!r:.60}")
    return ModuleList(copy.deepcopy(layer) for _ in range(size(op, "num_layers", num_layers)))


class TransformerEncoder(Module):
    """`num_layers` copies of a layer, one after the other, and `norm` at the end.

    The copies start with equal parameters. `enable_nested_tensor` and `mask_check` are taken for
    PyTorch's sake and have no effect: there are no nested tensors, so places that
    `src_key_padding_mask` hides keep what the layers compute there.

    >>> import gpudl as gd
    >>> layer = gd.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> gd.nn.TransformerEncoder(layer, 2)(gd.random.normal((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        encoder_layer: Any,
        num_layers: int,
        norm: Any = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _clones("TransformerEncoder", encoder_layer, num_layers)
        self.num_layers = len(self.layers)
        self.norm = None if norm is None else function("TransformerEncoder", "norm", norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Any:
        x = src
        for layer in self.layers:
            x = layer(
                x,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal),
            )
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, and `norm` at the end.

    >>> import gpudl as gd
    >>> layer = gd.nn.TransformerDecoderLayer(8, 2, 16)
    >>> decoder = gd.nn.TransformerDecoder(layer, 2)
    >>> decoder(gd.random.normal((5, 3, 8)), gd.random.normal((7, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Any = None) -> None:
        super().__init__()
        self.layers = _clones("TransformerDecoder", decoder_layer, num_layers)
        self.num_layers = len(self.layers)
        self.norm = None if norm is None else function("TransformerDecoder", "norm", norm)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=bool(memory_is_causal),
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encoder and decoder: `src` (S, N, d_model) and `tgt` (T, N, d_model) give (T, N, d_model).

    With `batch_first` N comes first; both may come without N. `custom_encoder` and `custom_decoder`
    take the place of the stacks. Matrices start uniform (Glorot). Raises `ShapeError` for inputs
    that do not fit. Source: Vaswani et al., NeurIPS 2017.

    >>> import gpudl as gd
    >>> model = gd.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> mask = model.generate_square_subsequent_mask(4)
    >>> model(gd.random.normal((3, 5, 8)), gd.random.normal((3, 4, 8)), tgt_mask=mask).shape
    (3, 4, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        options = (batch_first, norm_first, bias, device, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(*layer, *options)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*layer, *options)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.encoder = function("Transformer", "custom_encoder", custom_encoder)
        self.decoder = function("Transformer", "custom_decoder", custom_decoder)
        for param in self.parameters():
            if param.ndim > 1:
                init.xavier_uniform_(param)
        self.d_model, self.nhead = positive("Transformer", "d_model", d_model), nhead
        self.batch_first = bool(batch_first)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        op = "Transformer"
        src, tgt = tensor(op, src, "src"), tensor(op, tgt, "tgt")
        batch = slice(0, 1) if self.batch_first else slice(1, 2)
        if src.ndim != tgt.ndim or src.ndim not in (2, 3):
            raise ShapeError(op, "src and tgt have three axes, or two without a batch",
                             src=src, tgt=tgt)  # fmt: skip
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(op, "src and tgt differ in batch size", src=src, tgt=tgt)
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(op, f"src and tgt have {self.d_model} features", src=src, tgt=tgt)
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask (sz, sz): 0 up to the diagonal, -inf behind it.

        >>> import gpudl as gd
        >>> gd.nn.Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        n = size("generate_square_subsequent_mask", "sz", sz)
        return triu(full((n, n), -math.inf, dtype=dtype, device=device), k=1)
