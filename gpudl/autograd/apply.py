"""The one point of dispatch: `apply(primitive, *variables, **params)`.

What `.data` of the operands is decides who computes. The fast path tests one flag; everything
rare (profiling, debugging, validation, anomaly traces) hangs behind it as hooks.
"""

from __future__ import annotations

import contextlib
import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from .. import devices
from ..errors import DeviceError, GpudlError, KernelError
from .inspection import setting_hooks
from .primitive import POOL_ELEMENTS, Primitive, Spec
from .state import Hook, rare, state
from .tape import Node, pick, record, save_outputs
from .variable import Variable, make, share

# Results such as log(0) are IEEE values here, as on every device, not warnings of the library
# that computed them.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"gpudl\.")


def apply(prim: Primitive, *inputs: Any, **params: Any) -> Any:
    """Run `prim` on variables: compute, wrap, and record if an operand requires a gradient."""
    if rare.active:
        return run_hooked(prim, inputs, params)
    return run(prim, inputs, params)


def run(prim: Primitive, inputs: tuple[Variable, ...], params: dict[str, Any]) -> Any:
    """`apply` without hooks."""
    try:
        if len(inputs) == 2:
            x, y = inputs
            a, b = x.data, y.data
            if type(a) is not ndarray or type(b) is not ndarray:
                out = compute(prim, (a, b), params)
            elif prim.pooled and a.size + b.size > POOL_ELEMENTS:
                out = prim.large_result((a, b), params)
            elif params:
                out = prim.cpu(a, b, **params)
            else:
                out = prim.cpu(a, b)
                # Most operations of a backward pass end here.
                if type(out) is ndarray and x._node is None and y._node is None:
                    return make(out)
        elif len(inputs) == 1:
            a = inputs[0].data
            if type(a) is not ndarray:
                out = compute(prim, (a,), params)
            elif prim.pooled and a.size > POOL_ELEMENTS:
                out = prim.large_result((a,), params)
            else:
                out = prim.cpu(a, **params) if params else prim.cpu(a)
        else:
            out = compute(prim, tuple([x.data for x in inputs]), params)
    except GpudlError:
        raise
    except Exception as error:
        out = _recover(prim, inputs, params, error)
    return finish(prim, inputs, params, out)


def finish(prim: Primitive, inputs: tuple[Variable, ...], params: dict[str, Any], out: Any) -> Any:
    """Wrap what was computed, and record it if an input requires a gradient."""
    outs = out if prim.n_out != 1 else None
    first = out if outs is None else outs[0]
    if type(first) is not ndarray:
        first = normalize(first)
    node = None
    if prim.n_diff:
        for x in inputs:
            if x._node is not None:
                if state.recording:
                    node = record(prim, inputs, params, first)
                break
    if outs is not None:
        return _wrap_several(prim, outs, node)
    result = make(first, node)
    if node is not None and prim.saves_out:
        node.saved_out = [first, None]
    if prim.view:
        _note_view(inputs[0], result)
    return result


def _wrap_several(prim: Primitive, outs: Any, node: Node | None) -> tuple[Any, ...]:
    results = tuple([make(normalize(out)) for out in outs])
    if node is None:
        return results
    if prim.n_diff == 1:
        results[0]._node = node
    else:
        for index in range(prim.n_diff):
            results[index]._node = pick(node, index, results[index].data)
    if prim.saves_out:
        save_outputs(node, results)
    return results


def normalize(out: Any) -> Any:
    """NumPy's scalars as 0-d arrays; other arrays as they are."""
    return np.asarray(out) if isinstance(out, np.generic) else out


def compute(prim: Primitive, arrays: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Compute on raw arrays, on the device that holds them."""
    if not arrays:  # creation: the device is a parameter
        params = dict(params)
        return prim.implementation(params.pop("device"))(**params)
    return prim.implementation(device_of(prim.name, arrays))(*arrays, **params)


def device_of(op: str, arrays: tuple[Any, ...]) -> devices.Device:
    """The one device of `arrays`. Raises `DeviceError` if there are two."""
    found = devices.of(arrays[0])
    for array in arrays[1:]:
        other = devices.of(array)
        if other is not found and other != found:
            raise DeviceError(
                op, f"operands on {found} and {other}", remedy=f'move one: x.to("{found}")'
            )
    return found


def _note_view(base: Variable, view: Variable) -> None:
    memory = view.data.base
    if memory is base.data or (memory is not None and memory is base.data.base):
        share(base, view)
    elif view.data is base.data:
        share(base, view)


def specs(inputs: tuple[Any, ...]) -> list[Spec]:
    """Shapes and dtypes of variables."""
    return [Spec(x.data.shape, x.data.dtype) for x in inputs]


def _recover(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], error: Exception
) -> Any:
    """Turn the failure of a computation into the typed error of the wrong call that caused it."""
    if isinstance(error, RuntimeWarning):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return compute(prim, tuple(x.data for x in inputs), params)
    named = {f"x{i}": x for i, x in enumerate(inputs)}
    device = devices.of(inputs[0].data) if inputs else params["device"]
    device.check_alive(error)
    result = prim.rule(*specs(inputs), **params)
    if isinstance(error, MemoryError):
        spec = result if isinstance(result, Spec) else result[0]
        if device.kind != "cpu":  # once more, without cached blocks
            device.empty_cache()
            with contextlib.suppress(MemoryError):
                return compute(prim, tuple(x.data for x in inputs), params)
        raise device.out_of_memory(prim.name, spec.shape, spec.dtype, error) from None
    raise KernelError(prim.name, f"{type(error).__name__}: {error}", **named) from error


def run_hooked(prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Run the hooks of this thread around the operation, the first one outermost."""
    if state.inside_hook:
        return _run_on_device(prim, inputs, params)
    return _run_from(0, state.hooks + setting_hooks(), prim, inputs, params)


def _run_from(
    depth: int,
    hooks: tuple[Hook, ...],
    prim: Primitive,
    inputs: tuple[Any, ...],
    params: dict[str, Any],
) -> Any:
    """Run the hooks from `depth` on. No closure refers to itself: a cycle would keep the inputs."""
    innermost = depth == len(hooks)
    before, state.inside_hook = state.inside_hook, not innermost
    try:
        if innermost:
            return _run_on_device(prim, inputs, params)
        proceed = partial(_run_from, depth + 1, hooks, prim, inputs, params)
        return hooks[depth](prim, inputs, params, proceed)
    finally:
        state.inside_hook = before


def _run_on_device(prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Compute with what the settings of this thread choose, then wrap and record."""
    try:
        out = compute(prim, tuple([x.data for x in inputs]), params)
    except GpudlError:
        raise
    except Exception as error:
        out = _recover(prim, inputs, params, error)
    return finish(prim, inputs, params, out)
