"""Look-up tables: rows at indices, and reductions of rows over bags."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..autograd import no_grad
from ..errors import ArgumentError, NotSupportedError, ShapeError
from . import functional as F
from . import init
from ._layer import parameter, positive
from ._module import Module
from ._parameter import Parameter
from .functional._check import tensor


class _Table(Module):
    """A table `weight` (num_embeddings, embedding_dim), and how it is read."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Any,
        freeze: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        if sparse:
            raise NotSupportedError(op, "gradients are dense", remedy="sparse=False")
        self.num_embeddings = positive(op, "num_embeddings", num_embeddings)
        self.embedding_dim = positive(op, "embedding_dim", embedding_dim)
        self.padding_idx = (
            None
            if padding_idx is None
            else shapes.normalize_axis(op, padding_idx, self.num_embeddings)
        )
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq = bool(scale_grad_by_freq)
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            self.weight = parameter(shape, dtype, device)
            self.weight.requires_grad = not freeze
            self.reset_parameters()
        else:
            if tensor(op, weight, "_weight").shape != shape:
                raise ShapeError(op, f"the weight is {shape}", weight=weight)
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew, standard normal."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def _shown(self) -> str:
        """The settings of norms and gradients that are not the usual ones."""
        text = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        text += "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        return text + (", scale_grad_by_freq=True" if self.scale_grad_by_freq else "")


class Embedding(_Table):
    """The rows of `weight` (num_embeddings, embedding_dim) at integer indices (...): (...,
    embedding_dim).

    The row `padding_idx` starts at zero and gets no gradient. `max_norm` scales the rows in use
    down to that `norm_type`-norm, in place, at each call; `scale_grad_by_freq` divides a row's
    gradient by how often it is used. Raises `IndexRangeError` for an index outside the table.

    >>> import gpudl as gd
    >>> gd.nn.Embedding(10, 4)(gd.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            _freeze,
            device,
            dtype,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A table with given rows (num_embeddings, embedding_dim), not trained unless `freeze` is
        False."""
        if tensor("from_pretrained", embeddings, "embeddings").ndim != 2:
            raise ShapeError("from_pretrained", "needs a matrix", embeddings=embeddings)
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Any) -> Any:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        pad = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{pad}{self._shown()}"


class EmbeddingBag(_Table):
    """The "sum", "mean" or "max" of the rows of `weight` in each bag of indices; see
    `functional.embedding_bag` for how bags are given.

    >>> import gpudl as gd
    >>> bag = gd.nn.EmbeddingBag(10, 4, mode="sum")
    >>> bag(gd.tensor([1, 2, 3, 4, 5]), gd.tensor([0, 2])).shape
    (2, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if mode not in ("sum", "mean", "max"):
            raise ArgumentError("EmbeddingBag", f"mode={mode!r}", remedy='"sum", "mean" or "max"')
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            False,
            device,
            dtype,
        )
        self.mode, self.include_last_offset = mode, bool(include_last_offset)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A table with given rows (num_embeddings, embedding_dim), not trained unless `freeze` is
        False."""
        if tensor("from_pretrained", embeddings, "embeddings").ndim != 2:
            raise ShapeError("from_pretrained", "needs a matrix", embeddings=embeddings)
        rows, columns = embeddings.shape
        made = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            False,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        pad = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sizes = f"{self.num_embeddings}, {self.embedding_dim}"
        return f"{sizes}{self._shown()}, mode={self.mode!r}{pad}"
