"""A softmax over many classes whose rare ones lie in clusters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .._namespace.convert import cast
from ..dtypes import int64, kind
from ..errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from ..ops import elementwise as ew
from ..ops.index import HOLE, index_add
from ..ops.reduce import argmax
from ..ops.shape import expand, gather_axis, join, reshape
from . import functional as F
from ._container import ModuleList, Sequential
from ._layer import positive
from ._linear import Linear
from ._module import Module
from .functional._check import as_ints, number, on_host, placed, tensor


class AdaptiveOutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives: the log-probability of each target, and the loss."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of each target (N,) for x (N, in_features), and the mean of its negative.

    Classes are sorted by frequency and cut at `cutoffs`: those before the first are in the head,
    each later part is a cluster, which the head has one entry for, with in_features / div_value^i
    features. Only clusters with a target in the batch are computed. Raises `IndexRangeError` for a
    target outside the classes. Source: Grave et al., ICML 2017.

    >>> import gpudl as gd
    >>> loss = gd.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])
    >>> loss(gd.ones(3, 8), gd.tensor([0, 7, 19])).output.shape
    (3,)
    >>> loss.log_prob(gd.ones(3, 8)).shape
    (3, 20)
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Any,
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = positive(op, "in_features", in_features)
        self.n_classes = positive(op, "n_classes", n_classes)
        cuts = as_ints(op, cutoffs)
        ends = (0, *cuts, self.n_classes)
        if not cuts or any(a >= b for a, b in pairwise(ends)):
            raise ArgumentError(
                op, f"cutoffs={cutoffs!r}", remedy=f"growing, from 1 to {self.n_classes - 1}"
            )
        self.div_value = number(op, "div_value", div_value)
        if not self.div_value > 0:
            raise ArgumentError(op, f"div_value is {div_value}", remedy="a positive number")
        self.cutoffs, self.head_bias = [*cuts, self.n_classes], bool(head_bias)
        self.shortlist_size, self.n_clusters = cuts[0], len(cuts)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(self.in_features, self.head_size, self.head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            inner = int(self.in_features // self.div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(self.in_features, inner, False, device, dtype),
                    Linear(inner, high - low, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> AdaptiveOutput:
        op = "AdaptiveLogSoftmaxWithLoss"
        x, t = tensor(op, input_), tensor(op, target_, "target")
        if kind(t.data.dtype) != 1:
            raise ArgumentTypeError(
                op, f"labels of dtype {t.dtype.name}", remedy="integers", target=t
            )
        if t.ndim > 1 or x.ndim != t.ndim + 1 or x.shape[:-1] != t.shape:
            raise ShapeError(op, "needs (N, K) and (N,), or (K,) and ()", input=x, target=t)
        if not t.ndim:
            x, t = reshape(x, shape=(1, *x.shape)), reshape(t, shape=(1,))
        N = t.shape[0]
        labels = on_host(cast(t, int64))
        if N and (labels.min() < 0 or labels.max() >= self.n_classes):
            raise IndexRangeError(op, f"a target outside 0 .. {self.n_classes - 1}", target=target_)
        entry = labels.copy()
        head = F.log_softmax(self.head(x), 1)
        parts = []
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            rows = np.flatnonzero((labels >= low) & (labels < high))
            if not len(rows):
                continue
            entry[rows] = self.shortlist_size + i
            at = placed(rows, x)
            inner = F.log_softmax(self.tail[i](x[at]), 1)
            picked = gather_axis(inner, placed((labels[rows] - low)[:, None], x), axis=1)
            parts.append(
                index_add(reshape(picked, shape=(len(rows),)), at, key=(HOLE,), shape=(N,))
            )
        output = reshape(gather_axis(head, placed(entry[:, None], x), axis=1), shape=(N,))
        for part in parts:
            output = output + part
        loss = (-output).mean()
        return AdaptiveOutput(output if target_.ndim else reshape(output, shape=()), loss)

    def log_prob(self, input: Any) -> Any:
        """The log-probabilities of all classes: (N, n_classes)."""
        x = self._rows("log_prob", input)
        head = F.log_softmax(self.head(x), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            inner = F.log_softmax(cluster(x), 1)
            parts.append(inner + expand(head[:, self.shortlist_size + i], axis=(1,)))
        return join(tuple(parts), 1)

    def predict(self, input: Any) -> Any:
        """The most likely class of each row: (N,). A row whose best head entry is a frequent class
        takes that."""
        x = self._rows("predict", input)
        best = argmax(self.head(x), axis=1)
        full = argmax(self.log_prob(x), axis=1)
        return ew.where(best < self.shortlist_size, best, full)

    def _rows(self, op: str, input: Any) -> Any:
        x = tensor(op, input)
        if x.ndim != 2:
            raise ShapeError(op, f"needs (N, {self.in_features})", input=x)
        return x
