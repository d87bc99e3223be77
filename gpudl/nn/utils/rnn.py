"""Sequences of different lengths in one batch: padded, packed, and back; `torch.nn.utils.rnn`.

A packed batch has the first element of every sequence, then the second of every sequence that has
one, and so on, longest sequence first. Each function is one selection of rows, so gradients pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import shapes
from ..._namespace.creation import asarray
from ...autograd import Variable
from ...checks import items
from ...errors import ArgumentError, ArgumentTypeError, ShapeError
from ...ops.create import full
from ...ops.index import HOLE, take_items
from ...ops.shape import join, permute, reshape
from ..functional._check import number, tensor

Ints = np.ndarray[Any, np.dtype[np.int64]]


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """A batch of sequences without padding: `data` (rows, ...) has the elements step by step, and
    `batch_sizes`, int64 on the CPU, how many sequences each step has.

    `sorted_indices` says which sequence of the caller is at which place, `unsorted_indices` the
    reverse; both None where the caller's were sorted. Made by `pack_sequence` and
    `pack_padded_sequence`; recurrent layers take and give them. Source: PyTorch's
    `torch.nn.utils.rnn.PackedSequence`.

    >>> import gpudl as gd
    >>> packed = gd.nn.utils.rnn.pack_sequence([gd.tensor([1, 2, 3]), gd.tensor([4, 5])])
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1, 4, 2, 5, 3], [2, 2, 1])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> PackedSequence:
        op = "PackedSequence"
        if batch_sizes is None and isinstance(data, (list, tuple)) and len(data) == 2:
            data, batch_sizes = data
        tensor(op, data, "data")
        sizes = _lengths(op, "batch_sizes", batch_sizes)
        falls = bool(np.all(np.diff(sizes) <= 0)) and sizes.min(initial=1) >= 0
        if not falls or data.ndim < 1 or data.shape[0] != sizes.sum():
            raise ShapeError(
                op,
                f"batch_sizes never rise and sum up to the rows of data, not {sizes.tolist()}",
                remedy="pack_sequence or pack_padded_sequence",
                data=data,
            )
        if sorted_indices is not None and unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        counts = asarray(sizes, device="cpu")
        return super().__new__(cls, data, counts, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data` on another device or of another dtype, as `Tensor.to` takes them."""
        data = self.data.to(*args, **kwargs)
        orders = [None if i is None else i.to(data.device) for i in self[2:]]
        return PackedSequence(data, self.batch_sizes, *orders)

    def cpu(self) -> PackedSequence:
        """With `data` on the CPU."""
        return self.to("cpu")

    def cuda(self) -> PackedSequence:
        """With `data` on the GPU."""
        return self.to("cuda")


# ----- what several functions need -----
def _lengths(op: str, name: str, given: Any) -> Ints:
    """A tensor, array or list of integers, as a vector on the host."""
    if isinstance(given, Variable):
        given = given.detach().cpu().numpy()  # type: ignore[attr-defined]
    elif not isinstance(given, np.ndarray):
        given = np.array([shapes.as_int(op, name, n) for n in items(op, name, given)], np.int64)
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise ArgumentTypeError(
            op, f"{name} is a vector of integers, not {given.dtype.name}{given.shape}"
        )
    return np.asarray(given, np.int64)


def _take(x: Any, index: Ints) -> Any:
    """The rows of `x` at `index`, an array of any rank."""
    return take_items(x, asarray(index, device=x.device), key=(HOLE,))


def _sizes(lengths: Ints) -> Ints:
    """How many of the sequences have an element at each step."""
    steps = np.arange(lengths.max(initial=0))
    return np.asarray((lengths[:, None] > steps).sum(0), np.int64)


def _padded(rows: Any, index: Ints, value: float) -> Any:
    """`rows` at `index`, (N, T) or (T, N), with `value` where the index is past the rows."""
    if not bool((index < rows.shape[0]).all()):
        shape = (1, *rows.shape[1:])
        rest = full(shape=shape, value=value, dtype=rows.dtype, device=rows.device)
        rows = join((rows, rest), 0)
    return _take(rows, index)


def _flag(op: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ArgumentTypeError(op, f"{name} is True or False, not {value!r}")
    return value


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes `permutation`, a vector of integers; None for None.

    >>> import gpudl as gd
    >>> gd.nn.utils.rnn.invert_permutation(gd.tensor([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    if permutation is None:
        return None
    op = "invert_permutation"
    order = _lengths(op, "permutation", tensor(op, permutation, "permutation"))
    if not np.array_equal(np.sort(order), np.arange(len(order))):
        raise ArgumentError(op, f"{order.tolist()} is no permutation", remedy="each place once")
    return asarray(np.argsort(order), device=permutation.device)


# ----- packing -----
def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack `input` (T, N, ...), or (N, T, ...) if `batch_first`, of whose sequence n the first
    `lengths[n]` elements count.

    Lengths fall unless `enforce_sorted` is False, which sorts them and notes the order. Raises
    `ArgumentError` for lengths that do not fall, or are not from 1 to T.

    >>> import gpudl as gd
    >>> x = gd.tensor([[1, 2, 0], [3, 4, 5]])
    >>> packed = gd.nn.utils.rnn.pack_padded_sequence(x, [2, 3], True, enforce_sorted=False)
    >>> packed.data.tolist(), packed.sorted_indices.tolist()
    ([3, 1, 4, 2, 5], [1, 0])
    """
    op = "pack_padded_sequence"
    x, sizes = tensor(op, input), _lengths(op, "lengths", lengths)
    first = _flag(op, "batch_first", batch_first)
    if x.ndim < 2:
        raise ShapeError(op, "needs (T, N, ...), or (N, T, ...) with batch_first", input=x)
    (N, T) = x.shape[:2] if first else x.shape[1::-1]
    if len(sizes) != N or N == 0:
        raise ShapeError(op, f"{len(sizes)} lengths for a batch of {N}", input=x)
    if sizes.min() < 1 or sizes.max() > T:
        raise ArgumentError(op, f"lengths {sizes.tolist()}", remedy=f"each from 1 to {T}")
    order = None
    if not _flag(op, "enforce_sorted", enforce_sorted):
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    elif np.any(np.diff(sizes) > 0):
        raise ArgumentError(
            op, f"lengths {sizes.tolist()} do not fall", remedy="enforce_sorted=False"
        )
    places = np.arange(N) if order is None else order
    batch_sizes = _sizes(sizes)
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    which = np.concatenate([places[:n] for n in batch_sizes])
    rows = reshape(x, shape=(N * T, *x.shape[2:]))
    data = _take(rows, which * T + step if first else step * N + which)
    sorted_indices = None if order is None else asarray(order, device=x.device)
    return PackedSequence(data, batch_sizes, sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """(x, lengths) of a packed batch: x (T, N, ...), or (N, T, ...) if `batch_first`, filled up
    with `padding_value`, in the caller's order.

    T is the longest length, or `total_length`. Raises `ArgumentError` where that is less.

    >>> import gpudl as gd
    >>> packed = gd.nn.utils.rnn.pack_sequence([gd.tensor([1, 2, 3]), gd.tensor([4, 5])])
    >>> x, lengths = gd.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    >>> x.tolist(), lengths.tolist()
    ([[1, 2, 3], [4, 5, 0]], [3, 2])
    """
    op = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise ArgumentTypeError(op, f"needs a PackedSequence, not {type(sequence).__name__}")
    batch_sizes = _lengths(op, "batch_sizes", sequence.batch_sizes)
    T = len(batch_sizes)
    if total_length is not None:
        total = shapes.as_int(op, "total_length", total_length)
        if total < T:
            raise ArgumentError(
                op, f"total_length={total} for sequences of up to {T}", remedy=f"at least {T}"
            )
        shapes.count(op, (total, *sequence.data.shape), sequence.data.dtype.itemsize)
        T = total
    N, L = int(batch_sizes.max(initial=0)), sequence.data.shape[0]
    index = np.full((T, N), L, np.int64)
    starts = np.cumsum(batch_sizes) - batch_sizes
    for t, (start, n) in enumerate(zip(starts, batch_sizes, strict=True)):
        index[t, :n] = np.arange(start, start + n)
    lengths = np.asarray((index < L).sum(0), np.int64)
    if sequence.unsorted_indices is not None:
        order = _lengths(op, "unsorted_indices", sequence.unsorted_indices)
        index, lengths = index[:, order], lengths[order]
    index = index.T if _flag(op, "batch_first", batch_first) else index
    value = number(op, "padding_value", padding_value)
    return _padded(sequence.data, index, value), asarray(lengths, device="cpu")


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (length, ...), which become shorter unless `enforce_sorted` is
    False.

    >>> import gpudl as gd
    >>> gd.nn.utils.rnn.pack_sequence([gd.ones(3, 2), gd.ones(1, 2)]).batch_sizes.tolist()
    [2, 1, 1]
    """
    xs = items("pack_sequence", "sequences", sequences)
    padded = pad_sequence(xs)
    lengths = [x.shape[0] for x in xs]
    return pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences of a packed batch, in the caller's order.

    >>> import gpudl as gd
    >>> packed = gd.nn.utils.rnn.pack_sequence([gd.tensor([1, 2, 3]), gd.tensor([4, 5])])
    >>> [x.tolist() for x in gd.nn.utils.rnn.unpack_sequence(packed)]
    [[1, 2, 3], [4, 5]]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), True)


# ----- padding -----
def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Sequences (length, ...) as one tensor (T, N, ...), or (N, T, ...) if `batch_first`, with
    `padding_value` after ("right") or before ("left") the shorter ones.

    >>> import gpudl as gd
    >>> gd.nn.utils.rnn.pad_sequence([gd.tensor([1, 2]), gd.tensor([3])], True).tolist()
    [[1, 2], [3, 0]]
    """
    op = "pad_sequence"
    xs = [tensor(op, x, "a sequence") for x in items(op, "sequences", sequences)]
    if not xs or any(x.ndim < 1 or x.shape[1:] != xs[0].shape[1:] for x in xs):
        given = {f"x{i}": x for i, x in enumerate(xs)}
        raise ShapeError(op, "needs sequences (length, ...) equal but for their lengths", **given)
    if padding_side not in ("left", "right"):
        raise ArgumentError(op, f"padding_side={padding_side!r}", remedy='"left" or "right"')
    lengths = np.array([x.shape[0] for x in xs], np.int64)
    T, L = int(lengths.max()), int(lengths.sum())
    index = np.full((len(xs), T), L, np.int64)
    starts = np.cumsum(lengths) - lengths
    for own, start, n in zip(index, starts, lengths, strict=True):
        own[T - n if padding_side == "left" else 0 :][:n] = np.arange(start, start + n)
    index = index if _flag(op, "batch_first", batch_first) else index.T
    return _padded(join(tuple(xs), 0), index, number(op, "padding_value", padding_value))


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences of a tensor (T, N, ...), or (N, T, ...) if `batch_first`: the first
    `lengths[n]` elements of each.

    >>> import gpudl as gd
    >>> [x.tolist() for x in gd.nn.utils.rnn.unpad_sequence(gd.tensor([[1, 3], [2, 0]]), [2, 1])]
    [[1, 2], [3]]
    """
    op = "unpad_sequence"
    x, sizes = tensor(op, padded_sequences, "padded_sequences"), _lengths(op, "lengths", lengths)
    if x.ndim < 2:
        raise ShapeError(op, "needs (T, N, ...), or (N, T, ...) with batch_first", input=x)
    if not _flag(op, "batch_first", batch_first):
        x = permute(x, axes=(1, 0, *range(2, x.ndim)))
    if len(sizes) != x.shape[0] or (
        sizes.size and not 0 <= sizes.min() <= sizes.max() <= x.shape[1]
    ):
        raise ShapeError(
            op, f"lengths {sizes.tolist()} for {x.shape[0]} sequences of {x.shape[1]}", input=x
        )
    return [x[i, :n] for i, n in enumerate(sizes.tolist())]
