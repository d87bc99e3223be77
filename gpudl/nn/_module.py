"""`Module`: the tree of layers, with what it owns by name.

A module keeps parameters, buffers and children as ordinary attributes, so reading `self.weight`
costs nothing extra; which name is what stands in `_kinds`, in the order of first assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from .. import devices
from .._namespace.creation import destination, zeros_like
from ..autograd import Variable, is_leaf, make
from ..autograd.writes import replace
from ..dtypes import DType, as_dtype, is_float, is_inexact
from ..errors import (
    ArgumentError,
    ArgumentTypeError,
    GradError,
    MissingAttributeError,
    undefined,
)
from ..tensor import Tensor
from ._hooks import Hooks, RemovableHandle
from ._parameter import Parameter
from ._tree import BUFFER, CHILD, PARAMETER, Tree

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """What `load_state_dict` found: names that were missing, and names that no module has."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Tree):
    """The base of layers and networks: assign parameters and modules as attributes, and write
    `forward`.

    Source: the interface of PyTorch's `torch.nn.Module`.

    >>> import gpudl as gd
    >>> class Net(gd.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = gd.nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return gd.nn.functional.relu(self.fc(x))
    >>> net = Net()
    >>> net(gd.ones(4, 3)).shape
    (4, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    training: bool
    _transient: set[str]
    _hooks: Hooks | None

    def __init__(self) -> None:
        put = object.__setattr__
        put(self, "_kinds", {})
        put(self, "_transient", set())
        put(self, "_hooks", None)
        put(self, "training", True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise undefined(self, "forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.run(self, args, kwargs)

    # ----- attributes -----
    def __setattr__(self, name: str, value: Any) -> None:
        kinds = self.__dict__.get("_kinds")
        if kinds is not None and "parametrizations" in kinds and name in self.parametrizations:
            self.parametrizations[name].right_inverse(value)
            return
        new = (
            PARAMETER
            if isinstance(value, Parameter)
            else CHILD
            if isinstance(value, Module)
            else None
        )
        if kinds is None:
            if new is not None:
                raise MissingAttributeError(
                    type(self).__name__,
                    f"{name!r} is assigned before the module is set up",
                    remedy="call super().__init__() first",
                )
        elif new is not None:
            kinds[name] = new
            self._transient.discard(name)
        elif name in kinds:
            self._check_kept(name, kinds[name], value)
        object.__setattr__(self, name, value)

    def _check_kept(self, name: str, kind: str, value: Any) -> None:
        if value is None or (kind == BUFFER and isinstance(value, Variable)):
            return
        wanted = {PARAMETER: "a gd.nn.Parameter", BUFFER: "a tensor", CHILD: "a module"}[kind]
        raise ArgumentTypeError(
            f"{type(self).__name__}.{name}",
            f"is a {kind}, and {type(value).__name__} is not {wanted}",
            remedy=f"assign {wanted} or None, or `del` the attribute first",
        )

    def __delattr__(self, name: str) -> None:
        self._kinds.pop(name, None)
        self._transient.discard(name)
        object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Any:
        kinds = self.__dict__.get("_kinds")
        if kinds is not None and "parametrizations" in kinds:  # see `nn/utils/parametrize.py`
            computed = self.__dict__["parametrizations"]
            if name in computed:
                return computed[name].current()
        raise MissingAttributeError(type(self).__name__, f"has no attribute {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (or None, which holds its place) under `name`."""
        self._check_name("register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentTypeError(
                "register_parameter", f"{name!r} is no gd.nn.Parameter", param=param
            )
        self._kinds[name] = PARAMETER
        object.__setattr__(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained, in the state dict if `persistent`."""
        self._check_name("register_buffer", name)
        if tensor is not None and not isinstance(tensor, Variable):
            raise ArgumentTypeError("register_buffer", f"{name!r} is no tensor", tensor=tensor)
        self._kinds[name] = BUFFER
        (self._transient.discard if persistent else self._transient.add)(name)
        object.__setattr__(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under `name`, which may be a number."""
        self._check_name("add_module", name)
        if module is not None and not isinstance(module, Module):
            raise ArgumentTypeError("add_module", f"{module!r} is no module")
        self._kinds[name] = CHILD
        object.__setattr__(self, name, module)

    register_module = add_module

    def _check_name(self, op: str, name: str) -> None:
        if "_kinds" not in self.__dict__:
            raise MissingAttributeError(
                op, "the module is not set up", remedy="call super().__init__() first"
            )
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(
                op, f"{name!r} is no name", remedy="a string that is not empty and has no dot"
            )
        if name not in self._kinds and hasattr(self, name):
            raise ArgumentError(
                op, f"the attribute {name!r} exists", remedy="another name, or `del` it first"
            )

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below, then on this one, and return it."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ----- modes -----
    def train(self: Self, mode: bool = True) -> Self:
        """Set training (or evaluation) mode on all modules, and return this one."""
        if not isinstance(mode, bool):
            raise ArgumentTypeError("train", f"mode is True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode: dropout passes, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Set whether the parameters collect gradients, and return the module."""
        for param in self.parameters():
            param.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                param.grad = zeros_like(param.grad)

    # ----- dtype and device -----
    def to(self: Self, *targets: Any, dtype: Any = None, device: Any = None) -> Self:
        """Move parameters and buffers to a device, floating ones to a dtype; identities stay."""
        dtype, device = destination(targets, dtype, device)
        wanted = None if dtype is None else as_dtype(dtype, "to")
        if wanted is not None and not is_inexact(wanted):
            raise ArgumentError(
                "to", f"{wanted.name} is no dtype for parameters", remedy="a floating dtype"
            )
        place = None if device is None else devices.device(device)
        owned = [*self.parameters(), *self.buffers()]
        for x in owned:
            if not is_leaf(x._node):
                raise GradError(
                    "to", "a computed tensor stands among the buffers", remedy="x.detach()", x=x
                )
        for x in owned:
            _convert(x, wanted, place)
        return self

    def float(self: Self) -> Self:
        """Cast floating parameters and buffers to float32."""
        return self.to("float32")

    def double(self: Self) -> Self:
        """Cast floating parameters and buffers to float64."""
        return self.to("float64")

    def half(self: Self) -> Self:
        """Cast floating parameters and buffers to float16."""
        return self.to("float16")

    def bfloat16(self: Self) -> Self:
        """Cast floating parameters and buffers to bfloat16."""
        return self.to("bfloat16")

    def cpu(self: Self) -> Self:
        """Move to the CPU."""
        return self.to(device="cpu")

    def cuda(self: Self, index: int = 0) -> Self:
        """Move to a GPU."""
        return self.to(device=f"cuda:{index}")

    # ----- state -----
    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name: the module's memory, no history."""
        out: dict[str, Tensor] = {}
        for path, module in self.named_modules(
            prefix=prefix.removesuffix("."), remove_duplicate=False
        ):
            for name, kind in module._kinds.items():
                value = module.__dict__[name]
                if kind != CHILD and value is not None and name not in module._transient:
                    key = f"{path}.{name}" if path else name
                    out[key] = value if keep_vars else value.detach()
        return out

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> LoadResult:
        """Copy values into the parameters and buffers, by name; values are tensors or arrays of any
        library.

        Everything is checked before anything changes. With `strict`, names must match exactly. With
        `assign` the values' memory and dtype are taken over. Raises `StateDictError`; returns
        `missing_keys` and `unexpected_keys`.
        """
        from ._state import load

        return load(self, state_dict, strict, assign)

    # ----- hooks -----
    def _ensure_hooks(self) -> Hooks:
        if self._hooks is None:
            object.__setattr__(self, "_hooks", Hooks())
        assert self._hooks is not None
        return self._hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; a result that is not None replaces `args`."""
        return self._ensure_hooks().add("pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; a result replaces the output."""
        return self._ensure_hooks().add("post", hook, prepend, with_kwargs)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Both are tuples with one entry per tensor among the positional arguments, and the results.
        What the hook returns, if not None, replaces `grad_input`.
        """
        return self._ensure_hooks().add("backward", hook, prepend, False)

    # ----- text -----
    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [
            f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._own(CHILD)
        ]
        head = type(self).__name__
        if not lines:
            return f"{head}({extra})"
        first = [extra] if extra else []
        return f"{head}(\n  " + "\n  ".join(first + lines) + "\n)"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[:1].isdigit()]

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _convert(x: Any, dtype: DType | None, device: devices.Device | None) -> None:
    """Change dtype and device of a parameter or buffer in place, its gradient too."""
    changed = make(x.data)
    if device is not None:
        changed = changed.to_device(device)
    if dtype is not None and is_float(x.dtype):
        changed = changed.astype(dtype, copy=False)
    if changed.data is x.data:
        return
    grad = x.grad
    replace(x, changed.data)
    if grad is not None:
        x.grad = grad.detach().to(x)
