"""`Tensor`: the public array, with operators, NumPy's methods, and automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import devices
from ._namespace import (
    array_function,
    convert,
    creation,
    indexing,
    linear,
    manipulation,
    reductions,
)
from ._namespace import elementwise as ew
from ._namespace.torch_names import METHODS
from .autograd import (
    Node,
    Row,
    Variable,
    backward,
    is_leaf,
    make,
    new_leaf,
    no_grad,
    rare,
    set_result_class,
)
from .autograd.apply import run, run_hooked
from .autograd.variable import share
from .autograd.writes import overwrite
from .checks import function
from .dtypes import DType, as_dtype, is_inexact, kind
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceError,
    DTypeError,
    GradError,
    MissingAttributeError,
    ShapeError,
)
from .ops import elementwise as ops
from .ops.shape import contiguous, identity, permute, reshape
from .ops.shape import copy as copy_row
from .shapes import normalize_axis

_Float = float  # `Tensor.float` is a method
_OPERANDS = (Variable, bool, int, float, complex, np.ndarray, np.generic, list, tuple)


def _operate(row: Row, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """A binary operator: the row at once for two tensors of one dtype, else through promotion."""
    if type(a) is Tensor and type(b) is Tensor and a.data.dtype is b.data.dtype:
        return run_hooked(row, (a, b), {}) if rare.active else run(row, (a, b), {})
    if type(b) is float and type(a) is Tensor and a.data.dtype.kind == "f":
        return row(a, convert.scalar(row.name, b, a.data.dtype, a))
    if not isinstance(a, _OPERANDS) or not isinstance(b, _OPERANDS):
        return NotImplemented
    return function(a, b)


class Tensor(Variable):
    """An n-dimensional array with a place on the tape.

    Made by `gd.tensor`, `gd.asarray`, `gd.zeros`, ... It follows the array API standard and
    NumPy's habits (`axis`, `keepdims`, views by slicing), and records operations once something
    `requires_grad`. `.data` is the raw array of the device that holds it.

    >>> import gpudl as gd
    >>> x = gd.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__",)
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __init__(self, data: Any, dtype: Any = None, device: Any = None) -> None:
        made = creation.tensor(data, dtype=dtype, device=device)
        self.data, self._node, self._alias = made.data, None, None

    # ----- what it is -----
    @property
    def device(self) -> devices.Device:
        """The device that holds the data."""
        return devices.of(self.data)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.data.size)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.data.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return int(self.data.nbytes)

    @property
    def T(self) -> Tensor:
        """The axes in reverse order, a view."""
        return permute(self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged, a view."""
        return manipulation.matrix_transpose(self)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return ew.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return ew.imag(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version is not None and api_version not in _API_VERSIONS:
            raise ArgumentError(
                "__array_namespace__",
                f"api_version {api_version!r}",
                remedy=" or ".join(_API_VERSIONS),
            )
        import gpudl

        return gpudl

    # ----- automatic differentiation -----
    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._node is None:
            self._node = new_leaf(self.shape, self.dtype)
        elif not value and self._node is not None:
            if not is_leaf(self._node):
                raise GradError(
                    "requires_grad", "a computed tensor has history", remedy="x.detach()", x=self
                )
            self._node = None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`, and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed by recorded operations."""
        return is_leaf(self._node)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have accumulated, or None."""
        node = self._node
        return node.extra.grad if node is not None and node.extra is not None else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise ArgumentTypeError("grad", f"a gradient is a tensor or None, not {value!r}")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    "grad", "the gradient has another shape or dtype", x=self, grad=value
                )
        if self._node is None:
            if value is None:
                return
            raise GradError("grad", "the tensor does not require a gradient", x=self)
        self._node.ensure_extra().grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `.grad` too."""
        if self._node is None:
            raise GradError("retain_grad", "the tensor does not require a gradient", x=self)
        if not is_leaf(self._node):
            self._node.ensure_extra().keep = True

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHook:
        """Call `hook(gradient)` once it is known; a result that is not None replaces it."""
        if self._node is None:
            raise GradError("register_hook", "the tensor does not require a gradient", x=self)
        return RemovableHook(self._node, function("register_hook", "hook", hook))

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradient of this tensor into `.grad` of the leaves it was computed from.

        `gradient` (shape and dtype of this tensor) may be left out for one element;
        `create_graph` records the pass so that it can be differentiated; `retain_graph` keeps the
        graph for another pass; with `inputs` only those tensors receive gradients. Raises
        `GradError`, or `StaleValueError` if a value it needs was overwritten.
        """
        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same data without history; it shares the memory."""
        out = identity(make(self.data))
        share(self, out)
        return out

    # ----- to Python and other libraries -----
    def item(self) -> Any:
        """The one element as a Python number."""
        if self.data.size != 1:
            raise ShapeError(
                "item", "the tensor has not exactly one element", remedy="x.tolist()", x=self
            )
        value = self._host().reshape(()).item()
        return float(value) if self.dtype.kind == "V" else value

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._host().tolist()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The data as a NumPy array, memory shared; the tensor is on the CPU, without gradient."""
        if self._node is not None:
            raise GradError(
                "numpy", "the tensor requires a gradient", remedy="x.detach().numpy()", x=self
            )
        if self.device.kind != "cpu":
            raise DeviceError(
                "numpy", f"the tensor is on {self.device}", remedy="x.cpu().numpy()", x=self
            )
        return self.data

    def _host(self) -> np.ndarray[Any, Any]:
        return self.device.to_host(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and _numpy_dtype(dtype) != array.dtype:
            if copy is False:
                raise ArgumentError("__array__", "a cast needs a copy", x=self)
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = _UFUNCS.get(ufunc.__name__) if method == "__call__" and not kwargs else None
        if function is None:
            raise ArgumentTypeError(
                f"numpy.{ufunc.__name__}",
                f"no such operation on tensors (method {method!r}, {sorted(kwargs)})",
                remedy="use the function of gpudl, or x.numpy()",
            )
        return function(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return array_function.call(func, args, kwargs)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        if self._node is not None:
            raise BufferError("__dlpack__: the tensor requires a gradient\n  remedy: x.detach()")
        if self.device.kind == "emu":
            raise BufferError("__dlpack__: the tensor is on the emulated device\n  remedy: x.cpu()")
        try:
            return self.data.__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ArgumentTypeError("__dlpack__", str(error), x=self) from None

    def __dlpack_device__(self) -> Any:
        if self.device.kind == "emu":
            raise BufferError("__dlpack__: the tensor is on the emulated device\n  remedy: x.cpu()")
        return self.data.__dlpack_device__()

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """The tensor on another device."""
        return creation.move(self, devices.device(device))

    def to(self, *targets: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """On another device or with another dtype, or as another tensor is; itself if it is so."""
        dtype, device = creation.destination(targets, dtype, device)
        out = self if device is None else self.to_device(device)
        return out if dtype is None else creation.astype(out, dtype, copy=False)

    def cpu(self) -> Tensor:
        """The tensor on the CPU."""
        return self.to_device("cpu")

    def cuda(self, index: int = 0) -> Tensor:
        """The tensor on a GPU."""
        return self.to_device(f"cuda:{index}")

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ArgumentError(
                "bool",
                "the truth of several elements is ambiguous",
                remedy="x.any() or x.all()",
                x=self,
            )
        return bool(self.item())

    def __index__(self) -> int:
        if self.data.ndim or kind(self.dtype) != 1:
            raise ArgumentTypeError("index", "only 0-d integer tensors are indices", x=self)
        return int(self.item())

    def __len__(self) -> int:
        if not self.data.ndim:
            raise ArgumentTypeError("len", "a 0-d tensor has no length", x=self)
        return int(self.data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self.data.ndim:
            raise ArgumentTypeError("iter", "a 0-d tensor cannot be iterated", x=self)
        return (self[i] for i in range(self.data.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool(reductions.any(ew.equal(self, value)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.data.size == 1 and spec else str(self)

    def __repr__(self) -> str:
        body = np.array2string(self._host(), separator=", ", prefix="tensor(")
        notes = []
        if not self.size and self.ndim > 1:
            notes.append(f"shape={self.shape}")
        if self.dtype not in _SHOWN_PLAIN:
            notes.append(f"dtype={self.dtype.name}")
        if self.device.kind != "cpu":
            notes.append(f"device={self.device}")
        if self._node is not None:
            notes.append(
                "requires_grad=True" if is_leaf(self._node) else f"from={self._node.prim.name}"
            )
        return f"tensor({', '.join([body, *notes])})"

    def __reduce__(self) -> tuple[Any, ...]:
        node = self._node
        if not is_leaf(node):
            raise GradError("pickle", "a computed tensor has history", remedy="x.detach()", x=self)
        return _rebuild, (self._c_order(), node is not None, self.device.name)

    def _c_order(self) -> np.ndarray[Any, Any]:
        return np.asarray(self._host(), order="C")

    def __copy__(self) -> Tensor:
        out: Tensor = make(self.data, self._node)
        share(self, out)  # a write to either must be seen by the graph of the other
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not is_leaf(self._node):
            raise GradError(
                "deepcopy", "only leaves can be copied", remedy="x.detach() or x.clone()", x=self
            )
        with no_grad():
            out = copy_row(self)
        out.requires_grad = self._node is not None
        if self.grad is not None:
            out.grad = self.grad.clone()
        memo[id(self)] = out
        return out

    # ----- arithmetic -----
    def __add__(self, other: Any) -> Tensor:
        return _operate(ops.add, ew.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _operate(ops.add, ew.add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _operate(ops.subtract, ew.subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _operate(ops.subtract, ew.subtract, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _operate(ops.multiply, ew.multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _operate(ops.multiply, ew.multiply, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return ew.divide(self, other)
        return NotImplemented

    def __rtruediv__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return ew.divide(other, self)
        return NotImplemented

    def __floordiv__(self, other: Any) -> Tensor:
        return _operate(ops.floor_divide, ew.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return _operate(ops.floor_divide, ew.floor_divide, other, self)

    def __mod__(self, other: Any) -> Tensor:
        return _operate(ops.remainder, ew.remainder, self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return _operate(ops.remainder, ew.remainder, other, self)

    def __pow__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return ew.pow(self, other)
        return NotImplemented

    def __rpow__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return ew.pow(other, self)
        return NotImplemented

    def __matmul__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return linear.matmul(self, other)
        return NotImplemented

    def __rmatmul__(self, other: Any) -> Tensor:
        if isinstance(other, _OPERANDS):
            return linear.matmul(other, self)
        return NotImplemented

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __pos__(self) -> Tensor:
        return ew.positive(self)

    def __abs__(self) -> Tensor:
        return ops.absolute(self)

    # ----- bits -----
    def __invert__(self) -> Tensor:
        return ops.bitwise_invert(self)

    def __and__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_and, ew.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_and, ew.bitwise_and, other, self)

    def __or__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_or, ew.bitwise_or, self, other)

    def __ror__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_or, ew.bitwise_or, other, self)

    def __xor__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_xor, ew.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_xor, ew.bitwise_xor, other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_left_shift, ew.bitwise_left_shift, self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_left_shift, ew.bitwise_left_shift, other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_right_shift, ew.bitwise_right_shift, self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return _operate(ops.bitwise_right_shift, ew.bitwise_right_shift, other, self)

    # ----- comparisons -----
    def __eq__(self, other: Any) -> Any:
        return _operate(ops.equal, ew.equal, self, other)

    def __ne__(self, other: Any) -> Any:
        return _operate(ops.not_equal, ew.not_equal, self, other)

    def __lt__(self, other: Any) -> Any:
        return _operate(ops.less, ew.less, self, other)

    def __le__(self, other: Any) -> Any:
        return _operate(ops.less_equal, ew.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return _operate(ops.greater, ew.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return _operate(ops.greater_equal, ew.greater_equal, self, other)

    # ----- in place -----
    def _write(self, op: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        if value.shape != self.shape:
            raise ShapeError(
                op, "the result has another shape than the tensor written to", x=self, result=value
            )
        if kind(value.dtype) > kind(self.dtype):
            raise ArgumentTypeError(
                op, f"{value.dtype.name} results do not fit {self.dtype.name}", x=self
            )
        overwrite(op, self, convert.cast(value, self.dtype))
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._write("iadd", self + other)

    def __isub__(self, other: Any) -> Tensor:
        return self._write("isub", self - other)

    def __imul__(self, other: Any) -> Tensor:
        return self._write("imul", self * other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._write("itruediv", self / other)

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self._write("ifloordiv", self // other)

    def __imod__(self, other: Any) -> Tensor:
        return self._write("imod", self % other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._write("ipow", self**other)

    def __imatmul__(self, other: Any) -> Tensor:
        return self._write("imatmul", self @ other)

    def __iand__(self, other: Any) -> Tensor:
        return self._write("iand", self & other)

    def __ior__(self, other: Any) -> Tensor:
        return self._write("ior", self | other)

    def __ixor__(self, other: Any) -> Tensor:
        return self._write("ixor", self ^ other)

    def __ilshift__(self, other: Any) -> Tensor:
        return self._write("ilshift", self << other)

    def __irshift__(self, other: Any) -> Tensor:
        return self._write("irshift", self >> other)

    def copy_(self, source: Any) -> Tensor:
        """Overwrite the elements by `source`, broadcast and cast to this tensor, and return it."""
        source = convert.cast(convert.tensor_of("copy_", source), self.dtype)
        return self._write("copy_", manipulation.broadcast_to(source, self.shape))

    def zero_(self) -> Tensor:
        """Set all elements to 0."""
        return self.fill_(0)

    def fill_(self, value: Any) -> Tensor:
        """Set all elements to `value`."""
        self[...] = value
        return self

    # ----- indexing -----
    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.setitem(self, key, value)

    # ----- shape -----
    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one entry may be -1."""
        return manipulation.reshape(self, shape[0] if len(shape) == 1 else shape)

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order, a view."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        return manipulation.permute_dims(self, order)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, reversed by default; `swapaxes` exchanges two of them."""
        if not axes or axes == (None,):
            return self.T
        if len(axes) == 2 and self.ndim != 2 and not isinstance(axes[0], (tuple, list)):
            raise ArgumentError(
                "transpose", f"two axes {axes} for a tensor with {self.ndim}",
                remedy=f"x.swapaxes{axes} exchanges two axes; transpose takes all of them", x=self,
            )  # fmt: skip
        return self.permute(*axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged, a view."""
        i, j = (normalize_axis("swapaxes", axis, self.ndim) for axis in (axis1, axis2))
        order = list(range(self.ndim))
        order[i], order[j] = j, i
        return permute(self, axes=tuple(order))

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without axes of extent 1 (all, or those given)."""
        if axis is None:
            axis = tuple(i for i, n in enumerate(self.shape) if n == 1)
        return manipulation.squeeze(self, axis)

    def unsqueeze(self, axis: int) -> Tensor:
        """With a new axis of extent 1 at the position `axis`."""
        return manipulation.expand_dims(self, axis=axis)

    def flatten(self, start: int = 0, end: int = -1) -> Tensor:
        """The axes from `start` to `end`, both included, as one."""
        if not self.ndim:
            return reshape(self, shape=(1,))
        i, j = (normalize_axis("flatten", axis, self.ndim) for axis in (start, end))
        if i > j:
            raise ArgumentError(
                "flatten", f"axis {start} comes after axis {end}", remedy="start <= end", x=self
            )
        n = int(np.prod(self.shape[i : j + 1], dtype=np.int64))
        return reshape(self, shape=(*self.shape[:i], n, *self.shape[j + 1 :]))

    def ravel(self) -> Tensor:
        """All elements along one axis."""
        return reshape(self, shape=(self.size,))

    def repeat(self, repeats: Any, *more: Any, axis: Any = None) -> Tensor:
        """Each element repeated, as in NumPy. To lay copies side by side: `gd.tile`."""
        if more:
            args = (repeats, *more)
            raise ArgumentError(
                "repeat", f"x.repeat{args} means different things in NumPy and PyTorch",
                remedy=f"x.repeat({repeats}, axis=...) repeats elements, gd.tile(x, {args}) copies",
                x=self,
            )  # fmt: skip
        return manipulation.repeat(self, repeats, axis=axis)

    if not TYPE_CHECKING:  # to type checkers, what is not written here is not there

        def __getattr__(self, name: str) -> NoReturn:
            hint = METHODS.get(name)
            if hint is None:
                raise AttributeError(f"'Tensor' object has no attribute {name!r}")
            raise MissingAttributeError("Tensor", f"has no attribute {name!r}", remedy=hint)

    def view(self, *shape: Any) -> NoReturn:
        """Not there: `reshape` gives another shape, `astype` another dtype."""
        raise MissingAttributeError(
            "view", "means different things in NumPy and PyTorch", remedy="x.reshape(...)", x=self
        )

    def contiguous(self) -> Tensor:
        """Itself if the memory is in C order, else a copy that is."""
        if self.data.flags.c_contiguous:
            return self
        return contiguous(self)

    def clone(self) -> Tensor:
        """A copy, with the graph."""
        return copy_row(self)

    def copy(self) -> Tensor:
        """A copy, with the graph."""
        return copy_row(self)

    def astype(self, dtype: Any, *, copy: bool = True) -> Tensor:
        """With another dtype."""
        return creation.astype(self, dtype, copy=copy)

    def float(self) -> Tensor:
        """As float32."""
        return self.to("float32")

    def double(self) -> Tensor:
        """As float64."""
        return self.to("float64")

    def long(self) -> Tensor:
        """As int64."""
        return self.to("int64")

    # ----- reductions -----
    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        """The sum over `axis`."""
        return reductions.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def prod(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        """The product over `axis`."""
        return reductions.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The mean over `axis`."""
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def var(
        self,
        *positional: Any,
        axis: Any = None,
        correction: _Float = 0.0,
        keepdims: bool = False,
    ) -> Tensor:
        """The variance over `axis`, as in NumPy (PyTorch's default is `correction=1`)."""
        _refuse_default("var", positional)
        return reductions.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(
        self,
        *positional: Any,
        axis: Any = None,
        correction: _Float = 0.0,
        keepdims: bool = False,
    ) -> Tensor:
        """The standard deviation over `axis`, as in NumPy (PyTorch's default is `correction=1`)."""
        _refuse_default("std", positional)
        return reductions.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def max(self, *positional: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The largest element over `axis`; the index that PyTorch gives too is `argmax`."""
        _refuse_positional("max", positional)
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self, *positional: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The smallest element over `axis`; the index that PyTorch gives too is `argmin`."""
        _refuse_positional("min", positional)
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether any element over `axis` is true."""
        return reductions.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Whether all elements over `axis` are true."""
        return reductions.all(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The index of the first largest element."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The index of the first smallest element."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int) -> Tensor:
        """Running sums along `axis`."""
        return reductions.cumulative_sum(self, axis=axis)

    # ----- functions -----
    def exp(self) -> Tensor:
        """e to the power of each element."""
        return ew.exp(self)

    def log(self) -> Tensor:
        """The natural logarithm of each element."""
        return ew.log(self)

    def sqrt(self) -> Tensor:
        """The square root of each element."""
        return ew.sqrt(self)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent of each element."""
        return ew.tanh(self)

    def abs(self) -> Tensor:
        """The absolute value of each element."""
        return ew.abs(self)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Each element limited to [min, max]."""
        return ew.clip(self, min, max)

    def conj(self) -> Tensor:
        """The complex conjugate of each element."""
        return ew.conj(self)


class RemovableHook:
    """What `register_hook` gives: `remove()` takes the hook off again; also a context manager."""

    def __init__(self, node: Node, hook: Callable[[Any], Any]) -> None:
        self._hooks = node.ensure_extra().hooks
        self._hooks[id(self)] = hook

    def remove(self) -> None:
        """Take the hook off. A second call does nothing."""
        self._hooks.pop(id(self), None)

    def __enter__(self) -> RemovableHook:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise DTypeError("__array__", f"{dtype!r:.80}: {error}") from None


def _refuse_positional(op: str, positional: tuple[Any, ...]) -> None:
    if positional:
        raise ArgumentError(
            op, f"x.{op}({positional[0]!r}) means different things in NumPy and PyTorch",
            remedy=f"x.{op}(axis=...) for the values, x.arg{op}(axis=...) for the indices",
        )  # fmt: skip


def _refuse_default(op: str, positional: tuple[Any, ...]) -> None:
    if positional:
        raise ArgumentError(
            op, f"x.{op}({positional[0]!r}) divides by n in NumPy and by n - 1 in PyTorch",
            remedy=f"x.{op}(axis=..., correction=0) or correction=1",
        )  # fmt: skip


def _rebuild(array: np.ndarray[Any, Any], requires_grad: bool, device: str = "cpu") -> Tensor:
    out: Tensor = make(devices.device(device).from_host(array, copy=False))
    if requires_grad and is_inexact(out.dtype):
        out._node = new_leaf(out.shape, out.dtype)
    return out


_API_VERSIONS = ("2022.12", "2023.12", "2024.12", "2025.12")
_SHOWN_PLAIN: tuple[DType, ...] = tuple(as_dtype(t) for t in ("float32", "int64", "bool"))
_UFUNCS: dict[str, Callable[..., Any]] = {
    name: getattr(ew, name)
    for name in ew.__all__
    if hasattr(np, name) and isinstance(getattr(np, name), np.ufunc)
} | {
    "absolute": ew.abs,
    "arccos": ew.acos,
    "arccosh": ew.acosh,
    "arcsin": ew.asin,
    "arcsinh": ew.asinh,
    "arctan": ew.atan,
    "arctan2": ew.atan2,
    "arctanh": ew.atanh,
    "conjugate": ew.conj,
    "invert": ew.bitwise_invert,
    "left_shift": ew.bitwise_left_shift,
    "matmul": linear.matmul,
    "power": ew.pow,
    "right_shift": ew.bitwise_right_shift,
    "rint": ew.round,
    "true_divide": ew.divide,
}

set_result_class(Tensor)
