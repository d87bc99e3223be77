"""Seeing inside: the settings `debug` and `validate`, and `detect_anomaly`, as hooks."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from .. import devices, tolerances
from ..errors import KernelError
from ..notices import fallbacks_here, say
from ..settings import settings
from .primitive import Primitive, Spec
from .state import Hook, hooked, rare, state
from .tape import LEAF, PICK, POISON, Node
from .variable import Variable


def setting_hooks() -> tuple[Hook, ...]:
    """The hooks that the settings of this thread ask for."""
    if settings.validate:
        return (validate, print_kernel) if settings.debug >= 2 else (validate,)
    return (print_kernel,) if settings.debug >= 2 else ()


if settings.debug >= 2 or settings.validate or settings.kernels != "cuda":
    rare.change(+1)


# ----- what ran, and how much work it was -----
class Ran(NamedTuple):
    """One operation as it ran: its result, what computed it, its work (None: not known)."""

    result: Any
    by: str  # "kernel", or the name of the library
    start_ns: int
    end_ns: int
    flops: int | None
    bytes: int


def place_of(inputs: tuple[Any, ...], params: dict[str, Any]) -> devices.Device:
    """The device that an operation runs on."""
    return devices.of(inputs[0].data) if inputs else devices.resolve(params.get("device"))


def arrays_of(result: Any) -> tuple[Any, ...]:
    """The raw arrays of what an operation returned."""
    return tuple(x.data for x in result) if isinstance(result, tuple) else (result.data,)


def has_kernel(prim: Primitive, device: devices.Device) -> bool:
    """Whether the settings of this thread give `prim` a kernel on `device`."""
    if settings.kernels == "library":
        return False
    if prim.kernel_on(device) is not None:
        return True
    return settings.kernels == "numba" and prim.twin_on(device) is not None


def timed(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
) -> Ran:
    """Run an operation, wait for its device, and say how long it took and how much it did."""
    device = place_of(inputs, params)
    before = fallbacks_here()
    device.synchronize()
    start = time.perf_counter_ns()
    result = proceed()
    device.synchronize()
    end = time.perf_counter_ns()
    kernel = has_kernel(prim, device) and fallbacks_here() == before
    outs = arrays_of(result)
    moved = 0
    if not prim.view:
        moved = sum(x.data.nbytes for x in inputs) + sum(y.nbytes for y in outs)
    flops = work(prim, inputs, params, result)
    return Ran(result, "kernel" if kernel else device.xp.__name__, start, end, flops, moved)


def work(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], result: Any
) -> int | None:
    """The floating-point operations of one operation that gave `result`; None: not known."""
    if prim.flops is not None:
        return int(prim.flops(*[Spec(x.data.shape, x.data.dtype) for x in inputs], **params))
    return int(arrays_of(result)[0].size) if prim.elementwise else None


def rate(amount: int | None, nanoseconds: float) -> str:
    """`amount` per nanosecond, which is GFLOP/s or GB/s, or "-" where it is unknown."""
    return "-" if not amount or nanoseconds <= 0 else f"{amount / nanoseconds:.1f}"


# ----- GPUDL_DEBUG=2 -----
def print_kernel(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
) -> Any:
    """A line per operation: what ran, on which operands, how long, how fast."""
    ran = timed(prim, inputs, params, proceed)
    took = ran.end_ns - ran.start_ns
    shown = [x.data for x in inputs] or arrays_of(ran.result)
    operands = " ".join(f"{x.dtype.name}{x.shape}" for x in shown)
    say(
        2,
        f"{prim.name:<16} {ran.by:<8} {took / 1e6:9.3f} ms {rate(ran.flops, took):>8} GFLOP/s "
        f"{rate(ran.bytes, took):>7} GB/s  {operands}",
    )
    return ran.result


# ----- GPUDL_VALIDATE -----
def validate(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
) -> Any:
    """Compare the result of a kernel with its reference on the CPU, in float64 where the operands
    are floats.

    Raises `KernelError` with the largest error if they disagree.
    """
    device = place_of(inputs, params)
    if not has_kernel(prim, device):
        return proceed()
    before = fallbacks_here()
    result = proceed()
    if fallbacks_here() != before:
        return result
    given = {name: value for name, value in params.items() if inputs or name != "device"}
    reference = prim.reference(devices.CPU)
    raw = tuple(device.to_host(x.data) for x in inputs)
    expected = reference(*[tolerances.wide(x) for x in raw], **given)
    outs = tuple(device.to_host(out) for out in arrays_of(result))
    narrow: tuple[Any, ...] | None = None
    for i, (out, want) in enumerate(zip(outs, _several(expected), strict=True)):
        gap = _gap(out, want, raw)
        if gap > tolerances.tolerance(out.dtype):
            # Overflow depends on the precision: the reference in the dtype of the operands decides.
            if narrow is None:
                narrow = _several(reference(*raw, **given))
            allowed = tolerances.tolerance(out.dtype)
            if np.isfinite(gap) or _gap(out, narrow[i], raw) > allowed:
                named = {f"x{k}": x for k, x in enumerate(inputs)}
                raise KernelError(
                    prim.name,
                    f"kernel {prim.kernel!r} on {device} disagrees with its reference in result "
                    f"{i}: error {gap:.3g}, allowed {allowed:.3g}, params {params}",
                    remedy='gd.config(kernels="library") runs the reference; please report this',
                    **named,
                )
    return result


def _several(outs: Any) -> tuple[Any, ...]:
    return outs if isinstance(outs, tuple) else (outs,)


def _gap(out: Any, want: Any, operands: tuple[Any, ...]) -> float:
    want = np.asarray(want)
    if out.shape != want.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        return tolerances.error(out, want.astype(out.dtype), tolerances.largest(*operands))


# ----- detect_anomaly -----
@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Find the operation whose gradient is NaN: recorded operations note where they were called.

    A backward pass through operations recorded inside the block raises `AnomalyError` at the
    first gradient with a NaN, and the message shows the forward call. Slow: for debugging.

    >>> import gpudl as gd
    >>> x = gd.tensor([0.0, 1.0], requires_grad=True)
    >>> try:
    ...     with gd.detect_anomaly():
    ...         (gd.sqrt(x) * 0).sum().backward()
    ... except gd.errors.AnomalyError as error:
    ...     print(error.message)
    the gradient of 'sqrt' with respect to its input 0 has NaN values
    """
    with hooked(_keep_trace):
        yield


def _keep_trace(
    prim: Primitive, inputs: tuple[Any, ...], params: dict[str, Any], proceed: Callable[[], Any]
) -> Any:
    result = proceed()
    node = _node_of(result)
    if node is not None and node.prim is prim:
        node.ensure_extra().trace = user_trace()
    return result


def _node_of(result: Any) -> Node | None:
    first: Variable = result[0] if isinstance(result, tuple) else result
    node = first._node
    if node is None or node.prim in (LEAF, POISON):
        return None
    if node.prim is PICK:
        assert node.parents is not None
        return node.parents[0]
    return node


def user_trace() -> str:
    """The calls that led here, without the frames inside gpudl; the innermost last."""
    frame: FrameType | None = sys._getframe(1)
    places: list[tuple[FrameType, int]] = []
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith("gpudl."):
            places.append((frame, frame.f_lineno))
        frame = frame.f_back
    lines = traceback.StackSummary.extract(reversed(places)).format()
    outer = state.backward_of
    return "".join(lines) + (f"  in the gradient of {outer.name!r}\n" if outer else "")
