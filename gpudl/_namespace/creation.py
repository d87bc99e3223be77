"""Creation functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import devices, shapes
from ..autograd import Variable, make, new_leaf, no_grad
from ..checks import flag, real
from ..dtypes import as_dtype, default_complex, default_float, default_int, kind
from ..errors import ArgumentError, ArgumentTypeError, DeviceError, ShapeError
from ..ops import create, elementwise
from ..ops.shape import copy as copy_row
from ..ops.shape import to_device
from ..ops.shape import tril as tril_row
from ..ops.shape import triu as triu_row
from .convert import Scalar, check_real, host_array, tensor_of, to_dtype

if TYPE_CHECKING:
    from ..tensor import Tensor


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested lists, arrays or tensors.

    Python floats become float32, ints int64; arrays keep their dtype. With `requires_grad` it is a
    leaf of the tape.

    >>> import gpudl as gd
    >>> gd.tensor([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    target = devices.resolve(device)
    wanted = None if dtype is None else as_dtype(dtype, "tensor")
    if isinstance(data, Variable):
        source = devices.of(data.data)
        target = source if device is None else target
        out = make(target.receive(data.data, source))
        if wanted is not None and wanted != out.dtype:
            check_real("tensor", out.dtype, wanted)
            with no_grad():
                out = elementwise.cast(out, dtype=wanted)
    else:
        array = to_dtype("tensor", host_array("tensor", data, wanted), wanted)
        out = make(target.from_host(array, copy=True))
    if requires_grad:
        out._node = new_leaf(out.shape, out.dtype)
    return out


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Tensor:
    """`obj` as a tensor, sharing memory where possible unless `copy`; a tensor keeps its graph.

    `copy=False` raises `ArgumentError` where a copy cannot be avoided.

    >>> import gpudl as gd
    >>> gd.asarray([1, 2.5])
    tensor([1. , 2.5])
    """
    wanted = None if dtype is None else as_dtype(dtype, "asarray")
    if devices.holds(obj):
        as_dtype(obj.dtype, "asarray")
        obj = make(obj)
    if isinstance(obj, Variable):
        out: Any = obj if device is None else move(obj, devices.device(device))
        out = out if wanted is None else astype(out, wanted, copy=False)
        if copy is False and out is not obj:
            raise ArgumentError("asarray", "this needs a copy", remedy="copy=None", obj=obj)
        return copy_row(out) if copy and out is obj else out
    shares = isinstance(obj, np.ndarray) or not isinstance(obj, (list, tuple, *Scalar))
    array = host_array("asarray", obj, wanted)
    converted = to_dtype("asarray", array, wanted)
    if copy is False and (not shares or converted is not array):
        raise ArgumentError("asarray", "this needs a copy", remedy="copy=None")
    target = devices.resolve(device)
    return make(target.from_host(converted, copy=bool(copy) and converted is array))


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """`x` with another dtype; the same tensor if nothing changes and `copy` is False.

    >>> import gpudl as gd
    >>> gd.astype(gd.tensor([1.7]), gd.int64)
    tensor([1])
    """
    x = tensor_of("astype", x)
    wanted = as_dtype(dtype, "astype")
    out = x if x.dtype == wanted else elementwise.cast(x, dtype=wanted)
    if device is not None:
        out = move(out, devices.device(device))
    return copy_row(out) if copy and out is x else out


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object with `__dlpack__`; a copy if `copy`, or for another
    device.

    Raises `ArgumentTypeError` for objects without the protocol, `ArgumentError` where `copy=False`
    cannot hold.

    >>> import gpudl as gd
    >>> import numpy as np
    >>> gd.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise ArgumentTypeError("from_dlpack", f"{type(x).__name__} has no __dlpack__")
    kind_of_device, index = (int(n) for n in x.__dlpack_device__())
    source = {1: "cpu", 2: f"cuda:{index}", 13: f"cuda:{index}"}.get(kind_of_device)
    if source is None:
        raise DeviceError(
            "from_dlpack", f"no way from a device of DLPack kind {kind_of_device}", x=x
        )
    place = devices.device(source)
    try:
        array = place.scoped(place.xp.from_dlpack)(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ArgumentError("from_dlpack", f"{error}", x=x) from None
    as_dtype(array.dtype, "from_dlpack")
    target = place if device is None else devices.device(device)
    if copy is False and target != place:
        raise ArgumentError("from_dlpack", f"a copy is needed from {place} to {target}", x=x)
    return make(target.receive(array, place) if copy or target != place else array)


def move(x: Any, device: devices.Device) -> Tensor:
    """`x` on `device`; the same tensor if it is there already. Gradients find their way back."""
    source = devices.of(x.data)
    return x if source == device else to_device(x, device=device, source=source)


def destination(targets: tuple[Any, ...], dtype: Any, device: Any) -> tuple[Any, Any]:
    """Dtype and device as the arguments of `to` give them; a tensor gives both."""
    for target in targets:
        if isinstance(target, Variable):
            dtype, device = target.dtype, devices.of(target.data)
        elif devices.names_one(target):
            device = target
        elif target is not None:
            dtype = target
    return dtype, device


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of `shape` filled with a number, or a 0-d array.

    >>> import gpudl as gd
    >>> gd.full((2,), 7)
    tensor([7, 7])
    """
    if not isinstance(fill_value, Scalar):
        value = tensor_of("full", fill_value)
        if value.ndim:
            raise ArgumentError("full", "the fill value is one number", fill_value=value)
        wanted = value.dtype if dtype is None else as_dtype(dtype, "full")
        fill_value = value.item()
    elif dtype is None:
        wanted = as_dtype(type(fill_value) if not isinstance(fill_value, np.generic) else float)
    else:
        wanted = as_dtype(dtype, "full")
    if kind(wanted) < 3 and isinstance(fill_value, complex) and not isinstance(fill_value, float):
        raise ArgumentTypeError("full", f"{fill_value!r} does not fit {wanted.name}")
    if kind(wanted) == 1:
        if (
            not math.isfinite(fill_value)
            or not np.iinfo(wanted).min <= fill_value <= np.iinfo(wanted).max
        ):
            raise ArgumentError("full", f"{fill_value!r} does not fit {wanted.name}")
    return create.full(
        shape=shapes.as_shape("full", shape),
        value=fill_value,
        dtype=wanted,
        device=devices.resolve(device),
    )


def zeros(
    shape: Any, *more: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros; the shape is given as a tuple or as integers.

    >>> import gpudl as gd
    >>> gd.zeros(2, 3).shape
    (2, 3)
    """
    return _filled("zeros", _shape("zeros", shape, more), 0, dtype, device, requires_grad)


def ones(
    shape: Any, *more: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones; the shape is given as a tuple or as integers.

    >>> import gpudl as gd
    >>> gd.ones((2,), dtype=gd.int64)
    tensor([1, 1])
    """
    return _filled("ones", _shape("ones", shape, more), 1, dtype, device, requires_grad)


def empty(shape: Any, *more: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor whose values are not set.

    >>> import gpudl as gd
    >>> gd.empty(2, 3).shape
    (2, 3)
    """
    wanted = default_float if dtype is None else as_dtype(dtype, "empty")
    target = devices.resolve(device)
    return make(target.empty(_shape("empty", shape, more), wanted))


def _shape(op: str, shape: Any, more: tuple[Any, ...]) -> tuple[int, ...]:
    return shapes.as_shape(op, (shape, *more) if more else shape)


def _filled(
    op: str, shape: tuple[int, ...], value: float, dtype: Any, device: Any, requires_grad: bool
) -> Any:
    wanted = default_float if dtype is None else as_dtype(dtype, op)
    out = create.full(shape=shape, value=value, dtype=wanted, device=devices.resolve(device))
    if requires_grad:
        out._node = new_leaf(out.shape, out.dtype)
    return out


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of `x`.

    >>> import gpudl as gd
    >>> gd.zeros_like(gd.tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones with the shape, dtype and device of `x`.

    >>> import gpudl as gd
    >>> gd.ones_like(gd.tensor([1, 2]))
    tensor([1, 1])
    """
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor with the shape, dtype and device of `x` whose values are not set.

    >>> import gpudl as gd
    >>> gd.empty_like(gd.ones(2, 3)).shape
    (2, 3)
    """
    x = tensor_of("empty_like", x)
    return empty(x.shape, dtype=dtype or x.dtype, device=device or devices.of(x.data))


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`fill_value` with the shape, dtype and device of `x`.

    >>> import gpudl as gd
    >>> gd.full_like(gd.ones(2), 7)
    tensor([7., 7.])
    """
    x = tensor_of("full_like", x)
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or devices.of(x.data))


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """start, start + step, ... up to but without `stop`. One argument is the stop.

    >>> import gpudl as gd
    >>> gd.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    if stop is None:
        start, stop = 0, start
    for value in (start, stop, step):
        if isinstance(value, complex) or not isinstance(value, (int, float)):
            raise ArgumentTypeError("arange", f"{value!r} is no real number")
    if step == 0 or not all(math.isfinite(v) for v in (start, stop, step)):
        raise ArgumentError("arange", f"start={start}, stop={stop}, step={step}")
    if dtype is None:
        whole = all(isinstance(value, int) for value in (start, stop, step))
        wanted = default_int if whole else default_float
    else:
        wanted = as_dtype(dtype, "arange")
    if all(isinstance(v, int) for v in (start, stop, step)):
        length = max(0, -((start - stop) // step) if step > 0 else -((stop - start) // -step))
    else:
        length = max(0, math.ceil((stop - start) / step))
    shapes.count("arange", (length,), 8)
    return create.arange(
        start=start, step=step, length=length, dtype=wanted, device=devices.resolve(device)
    )


def _number(op: str, name: str, value: Any) -> complex:
    return value if isinstance(value, complex) else real(op, name, value)


def linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` evenly spaced values from `start` to `stop`, the end included unless `endpoint` is
    False.

    >>> import gpudl as gd
    >>> gd.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    num = shapes.as_int("linspace", "num", num)
    if num < 0:
        raise ArgumentError("linspace", f"num is {num}", remedy="at least 0")
    shapes.count("linspace", (num,), 16)
    default = (
        default_complex
        if isinstance(start, complex) or isinstance(stop, complex)
        else default_float
    )
    wanted = default if dtype is None else as_dtype(dtype, "linspace")
    first, last = _number("linspace", "start", start), _number("linspace", "stop", stop)
    with np.errstate(all="ignore"), devices.allocating("linspace", (num,), wanted):
        array = np.linspace(first, last, num, endpoint=flag("linspace", "endpoint", endpoint))
        array = array.astype(wanted)
    return make(devices.resolve(device).from_host(array, copy=False))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Tensor:
    """Ones on diagonal `k`, zeros elsewhere.

    >>> import gpudl as gd
    >>> gd.eye(2, k=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    rows = shapes.as_int("eye", "n_rows", n_rows)
    cols = rows if n_cols is None else shapes.as_int("eye", "n_cols", n_cols)
    k = shapes.as_int("eye", "k", k)
    one = ones(shapes.as_shape("eye", (rows, cols)), dtype=dtype, device=device)
    k = max(-rows - 1, min(cols + 1, k))
    return tril_row(triu_row(one, k=k), k=k)


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, up to diagonal `k`.

    >>> import gpudl as gd
    >>> gd.tril(gd.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", tril_row, x, k)


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, from diagonal `k` on.

    >>> import gpudl as gd
    >>> gd.triu(gd.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triangle("triu", triu_row, x, k)


def _triangle(op: str, row: Any, x: Any, k: int) -> Any:
    x = tensor_of(op, x)
    if x.ndim < 2:
        raise ShapeError(op, "needs at least two axes", x=x)
    bound = max(x.shape[-2:]) + 1
    return row(x, k=max(-bound, min(bound, shapes.as_int(op, "k", k))))


__all__ = [
    "arange",
    "asarray",
    "astype",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]
