"""Parameters that are computed from others: `torch.nn.utils.parametrize`.

A parametrized tensor leaves its module. Its originals and the modules that compute it stand under
`parametrizations.<name>`, and reading the attribute computes it (`Module.__getattr__`), so the
class of the module stays what it is, and copies and state dicts need nothing special.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...autograd import Variable, no_grad
from ...autograd.writes import overwrite, replace
from ...errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from .._container import ModuleDict, ModuleList
from .._module import Module
from .._parameter import Parameter
from .._tree import BUFFER, PARAMETER

OP = "register_parametrization"


class _Cache(threading.local):
    """What was computed inside `cached`, with its owner, which so cannot lose its identity."""

    depth = 0

    def __init__(self) -> None:
        self.values: dict[int, tuple[Any, Any]] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Inside the block, on this thread, a parametrized tensor is computed once and kept.

    >>> import gpudl as gd
    >>> from gpudl.nn.utils import parametrizations, parametrize
    >>> fc = parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> with parametrize.cached():
    ...     print(fc.weight is fc.weight)
    True
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if _cache.depth == 0:
            _cache.values = {}


def _register(owner: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        owner.register_parameter(name, value)
    else:
        owner.register_buffer(name, value)


def _inverted(modules: list[Any], value: Any, *, required: bool) -> Any:
    """`value` through the `right_inverse` of the modules, the last first."""
    for module in reversed(modules):
        inverse = getattr(module, "right_inverse", None)
        if inverse is None:
            if required:
                raise ArgumentError(
                    "right_inverse",
                    f"{type(module).__name__} has none, so its result cannot be assigned",
                    remedy="define right_inverse, or change the originals",
                )
            continue
        try:
            value = inverse(value)
        except NotImplementedError:
            if required:
                raise
    several = isinstance(value, (tuple, list))
    for part in value if several else (value,):
        if not isinstance(part, Variable):
            raise ArgumentTypeError(
                "right_inverse", f"gives a tensor or several, not {type(part).__name__}"
            )
    return tuple(value) if several else value


def _same(value: Any, wanted: Any, what: str, remedy: str) -> None:
    if not isinstance(value, Variable):
        raise ArgumentTypeError(OP, f"{what} is no tensor but {type(value).__name__}")
    if value.dtype != wanted.dtype:
        raise DTypeError(
            OP,
            f"{what} is {value.dtype.name}, the parameter {wanted.dtype.name}",
            remedy=remedy,
        )
    if value.shape != wanted.shape:
        raise ShapeError(
            OP, f"{what} is {value.shape}, the parameter {wanted.shape}", remedy=remedy
        )


def _set(target: Any, value: Any) -> None:
    """Put `value` into `target`, which stays the same object."""
    with no_grad():
        if (target.shape, target.dtype) == (value.shape, value.dtype):
            overwrite("right_inverse", target, value)
        else:
            replace(target, value.clone().data)


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, and what they compute it from: `original`, or
    `original0`, `original1`, ... where the first module takes several.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> sorted(fc.parametrizations.weight.state_dict())
    ['original0', 'original1']
    """

    def __init__(self, modules: Any, original: Any, unsafe: bool = False) -> None:
        parts = list(modules)
        if not parts:
            raise ArgumentError("ParametrizationList", "needs at least one module")
        with no_grad():
            new = _inverted(parts, original, required=False)
            if not unsafe:
                value = self._through(parts, new)
                _same(value, original, "the result", "unsafe=True to change that")
        if not isinstance(new, tuple) and new.dtype != original.dtype:
            raise DTypeError(
                OP, f"right_inverse of {original.dtype.name} gives one {new.dtype.name} tensor"
            )
        super().__init__(parts)
        self.unsafe, self.is_tensor = bool(unsafe), not isinstance(new, tuple)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new is not original:
                _set(original, new)
            _register(self, "original", original)
            return
        for i, part in enumerate(new):
            # A copy: the tensor given may be the memory of the parameter that goes.
            made: Any = part.detach().clone()
            if isinstance(original, Parameter):
                made = Parameter(made, original.requires_grad)
            _register(self, f"original{i}", made)

    @staticmethod
    def _through(modules: list[Any], given: Any) -> Any:
        x = modules[0](*given) if isinstance(given, tuple) else modules[0](given)
        for module in modules[1:]:
            x = module(x)
        return x

    def originals(self) -> Any:
        """The tensor, or the tuple of tensors, that the first module takes."""
        if self.is_tensor:
            return self.original
        return tuple(getattr(self, f"original{i}") for i in range(self.ntensors))

    def forward(self) -> Any:
        return self._through(list(self), self.originals())

    def current(self) -> Any:
        """The tensor as it is now; inside `cached`, as it was when first read there."""
        if _cache.depth == 0:
            return self()
        found = _cache.values.get(id(self))
        if found is None:
            found = _cache.values[id(self)] = (self, self())
        return found[1]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the tensor becomes `value`, as assigning to it does."""
        if not isinstance(value, Variable):
            raise ArgumentTypeError("right_inverse", f"{value!r:.60} is no tensor")
        with no_grad():
            new = _inverted(list(self), value, required=True)
            parts = new if isinstance(new, tuple) else (new,)
            old = self.originals()
            targets = old if isinstance(old, tuple) else (old,)
            if len(parts) != len(targets) or self.is_tensor == isinstance(new, tuple):
                raise ArgumentError(
                    "right_inverse", f"gives {len(parts)} tensors for {len(targets)} originals"
                )
            for target, part in zip(targets, parts, strict=True):
                if target.dtype != part.dtype:
                    raise DTypeError(
                        "right_inverse", f"gives {part.dtype.name} for {target.dtype.name}"
                    )
            for target, part in zip(targets, parts, strict=True):
                _set(target, part)
        _cache.values.pop(id(self), None)


def _checked(op: str, module: Any, tensor_name: Any) -> None:
    if not isinstance(module, Module):
        raise ArgumentTypeError(op, f"{module!r:.60} is no module")
    if not isinstance(tensor_name, str):
        raise ArgumentTypeError(op, f"tensor_name is a string, not {tensor_name!r:.60}")


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False
) -> Any:
    """Compute `module.<tensor_name>` by the module `parametrization` from now on, and return
    `module`.

    The parameter, or buffer, moves to `module.parametrizations.<tensor_name>.original`, through the
    `right_inverse` of the parametrization if that has one; one that gives several tensors makes
    them `original0`, `original1`, ..., new parameters that an optimizer must be told of. A second
    parametrization is applied after the first. Raises `ShapeError` or `DTypeError` where the shape
    or dtype would change, unless `unsafe`; then nothing has changed. Source: PyTorch's
    `torch.nn.utils.parametrize`.

    >>> import gpudl as gd
    >>> class Symmetric(gd.nn.Module):
    ...     def forward(self, x):
    ...         return gd.triu(x) + gd.triu(x, k=1).T
    >>> fc = gd.nn.Linear(3, 3)
    >>> fc = gd.nn.utils.parametrize.register_parametrization(fc, "weight", Symmetric())
    >>> bool((fc.weight == fc.weight.T).all())
    True
    """
    _checked(OP, module, tensor_name)
    if not isinstance(parametrization, Module):
        raise ArgumentTypeError(OP, f"the parametrization is no module but {parametrization!r:.60}")
    if is_parametrized(module, tensor_name):
        made = module.parametrizations[tensor_name]
        if not unsafe:
            with no_grad():
                before = getattr(module, tensor_name)
                after = parametrization(before)
                _same(after, before, "the result", "unsafe=True to change that")
                back = _inverted([parametrization], after, required=False)
                _same(back, before, "the result of right_inverse", "unsafe=True to change that")
        made.append(parametrization)
        made.unsafe = made.unsafe or bool(unsafe)
    elif (
        module._kinds.get(tensor_name) in (PARAMETER, BUFFER)
        and module.__dict__[tensor_name] is not None
    ):
        made = ParametrizationList([parametrization], module.__dict__[tensor_name], unsafe)
        if not is_parametrized(module):
            module.parametrizations = ModuleDict()
        delattr(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ArgumentError(
            OP, f"{type(module).__name__} has no parameter or buffer {tensor_name!r}"
        )
    parametrization.train(module.training)
    return module


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether `tensor_name`, or (None) any tensor, of `module` is parametrized.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> parametrize = gd.nn.utils.parametrize
    >>> parametrize.is_parametrized(fc), parametrize.is_parametrized(fc, "bias")
    (True, False)
    """
    _checked("is_parametrized", module, "" if tensor_name is None else tensor_name)
    made = module.__dict__.get("parametrizations")
    if not isinstance(made, ModuleDict):
        return False
    return len(made) > 0 if tensor_name is None else tensor_name in made


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make `module.<tensor_name>` a parameter (or buffer) again, and return `module`.

    It keeps its present value, or, without `leave_parametrized`, that of `original`. Raises
    `ArgumentError` if it is not parametrized, or depends on several tensors and should not keep its
    value.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> fc = gd.nn.utils.parametrize.remove_parametrizations(fc, "weight")
    >>> [name for name, _ in fc.named_parameters()]
    ['bias', 'weight']
    """
    op = "remove_parametrizations"
    _checked(op, module, tensor_name)
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(op, f"{tensor_name!r} of {type(module).__name__} is not parametrized")
    made = module.parametrizations[tensor_name]
    original = made.originals()
    if made.is_tensor:
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            _set(original, value)
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        trained = any(x.requires_grad for x in original)
        original = value.detach().clone()
        if trained:
            original = Parameter(original)
    else:
        raise ArgumentError(
            op,
            f"{tensor_name!r} depends on {made.ntensors} tensors",
            remedy="leave_parametrized=True",
        )
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class of `module`, which a parametrization does not change.

    >>> import gpudl as gd
    >>> fc = gd.nn.utils.parametrizations.weight_norm(gd.nn.Linear(3, 2))
    >>> gd.nn.utils.parametrize.type_before_parametrizations(fc).__name__
    'Linear'
    """
    _checked("type_before_parametrizations", module, "")
    return type(module)
