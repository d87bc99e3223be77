"""Loading a state dict, and calling a module with other parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import devices
from .._namespace.convert import cast, host_array
from ..autograd import Variable, make, no_grad
from ..autograd.writes import overwrite, replace
from ..dtypes import kind
from ..errors import ArgumentTypeError, GpudlError, StateDictError
from ._module import LoadResult, Module
from ._tree import CHILD
from ._uninitialized import is_uninitialized, materialize


def load(module: Module, given: Mapping[str, Any], strict: bool, assign: bool) -> LoadResult:
    """See `Module.load_state_dict`."""
    op = "load_state_dict"
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(op, f"a state dict is a mapping, not {type(given).__name__}")
    own = module.state_dict(keep_vars=True)
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    problems = []
    if strict and missing:
        problems.append(f"missing: {', '.join(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {', '.join(map(str, unexpected))}")
    values: dict[str, Any] = {}
    for name, target in own.items():
        if name in given:
            try:
                values[name] = _value(op, given[name], target)
            except GpudlError as error:
                problems.append(f"{name}: {error.message}")
    if problems:
        raise StateDictError(
            op,
            f"{type(module).__name__} and the state dict do not fit:\n    "
            + "\n    ".join(problems),
            remedy="strict=False passes over names; shapes must agree always",
        )
    for name, value in values.items():
        _put(own[name], value, assign)
    return LoadResult(missing, unexpected)


def _value(op: str, value: Any, target: Any) -> Any:
    """A value of the state dict as a tensor of the target's shape on its device."""
    if isinstance(value, Variable):
        array = make(value.data)
    else:
        host = host_array(op, np.asarray(value.detach()) if hasattr(value, "detach") else value)
        array = make(devices.of(target.data).from_host(host, copy=False))
    if array.shape != target.shape and not is_uninitialized(target):
        raise StateDictError(op, f"shape {array.shape} for a tensor of shape {target.shape}")
    if kind(array.dtype) > kind(target.dtype):
        raise StateDictError(op, f"{array.dtype.name} for a tensor of {target.dtype.name}")
    return array


def _put(target: Any, value: Any, assign: bool) -> None:
    with no_grad():
        if is_uninitialized(target):
            materialize(target, value.shape)
        if not assign:
            overwrite("load_state_dict", target, cast(value, target.dtype))
            return
        replace(target, value.data)


def functional_call(module: Module, params: Any, *args: Any, **kwargs: Any) -> Any:
    """Call `module` with `params` (dotted name -> tensor, or a tuple of such dicts) in place of its
    own tensors.

    Arguments follow as in `module(*args, **kwargs)`, or as PyTorch gives them: one tuple, and a
    dict. A parameter shared under several names is replaced under all of them. Raises
    `StateDictError` for a name that the module does not have.

    >>> import gpudl as gd
    >>> fc = gd.nn.Linear(2, 1)
    >>> zeros = {name: p * 0 for name, p in fc.named_parameters()}
    >>> gd.nn.functional_call(fc, zeros, gd.ones(1, 2)).tolist()
    [[0.0]]
    """
    if not isinstance(module, Module):
        raise ArgumentTypeError("functional_call", f"{module!r} is no module")
    if args and isinstance(args[0], tuple) and (len(args) == 1 or isinstance(args[1], dict)):
        kwargs = {**kwargs, **(args[1] if len(args) == 2 else {})}
        args = args[0]
    places = _places(module, _merged(params))
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in places]
    try:
        for owner, name, value in places:
            owner.__dict__[name] = value
        return module(*args, **kwargs)
    finally:
        for owner, name, value in before:
            owner.__dict__[name] = value


def _merged(params: Any) -> dict[str, Any]:
    parts = params if isinstance(params, (tuple, list)) else (params,)
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, Mapping):
            raise ArgumentTypeError(
                "functional_call", f"params is a dict of tensors by name, not {part!r:.60}"
            )
        merged.update(part)
    return merged


def _places(module: Module, params: dict[str, Any]) -> list[tuple[Module, str, Any]]:
    """Where each replacement goes: (owner, attribute, value), shared tensors under every name."""
    owned: dict[str, tuple[Module, str, Any]] = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for name, what in owner._kinds.items():
            if what != CHILD:
                owned[f"{path}.{name}" if path else name] = (owner, name, owner.__dict__[name])
    unknown = [name for name in params if name not in owned]
    if unknown:
        raise StateDictError(
            "functional_call",
            f"{type(module).__name__} has no {', '.join(map(repr, unknown))}",
            remedy="names as named_parameters() and named_buffers() give them",
        )
    by_identity = {
        id(owned[name][2]): value for name, value in params.items() if owned[name][2] is not None
    }
    places = []
    for key, (owner, name, original) in owned.items():
        if key in params:
            places.append((owner, name, params[key]))
        elif original is not None and id(original) in by_identity:
            places.append((owner, name, by_identity[id(original)]))
    return places
