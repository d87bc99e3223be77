"""Running the cases of a `KernelSpec`: operands on a device, the wrapper, the reference in float64.

The generated tests, `gpudl kernels --run` and a check of a kernel on a card are made of this.
"""

from __future__ import annotations

import importlib
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import autograd, devices, kernels, tolerances
from ..errors import GpudlError, KernelError
from ..runtime import Case, KernelSpec, Operand, launched_variants

Host = np.ndarray[Any, Any]
# The orders of the emulator that the cases are run in; 7 is a seed.
ORDERS = ("forward", "reverse", "7", "eager")


@dataclass(frozen=True)
class Outcome:
    """How a case went: the largest error of its results, and the variants that were launched."""

    worst: float
    launched: Mapping[tuple[str, str], int]


def run_case(
    spec: KernelSpec, case: Case, device: Any, wrapper: Callable[..., Any] | None = None
) -> Outcome:
    """Run a case of `spec` on `device`, and compare its results with the reference.

    Raises `KernelError` if they disagree, if an input was changed, if the wrapper did not take the
    case or left work to the device's library; and whatever the launch raises.
    """
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    hosts = [None if operand is None else values(operand, rng) for operand in case.operands]
    arrays = [
        None if operand is None or host is None else place(operand, host, device)
        for operand, host in zip(case.operands, hosts, strict=True)
    ]
    expected = reference(spec, case, hosts)
    call = wrapper or find_wrapper(spec, case, device.kind)
    params = dict(case.params) if arrays else {**case.params, "device": device}
    launched, library = Counter(launched_variants()), _library_calls(device)
    out = call(*arrays, **params)
    if out is NotImplemented:
        raise KernelError(spec.name, f"the wrapper does not take {case}")
    device.synchronize()
    left = Counter(_library_calls(device)) - Counter(library)
    if left:
        raise KernelError(spec.name, f"{case}: computed by the library: {dict(left)}")
    results = [*_several(out), *(arrays[i] for i in case.inplace)]
    worst = _compare(spec, case, results, expected, hosts)
    for i, (array, host) in enumerate(zip(arrays, hosts, strict=True)):
        if host is not None and i not in case.inplace and not _same_bits(array, host):
            raise KernelError(spec.name, f"{case}: operand {i} was changed")
    return Outcome(worst, Counter(launched_variants()) - launched)


def recover(device: Any) -> None:
    """Empty the queues of a device on which work failed."""
    while True:
        try:
            device.synchronize()
            return
        except GpudlError:
            continue


def find_wrapper(spec: KernelSpec, case: Case, kind: str) -> Callable[..., Any]:
    """The wrapper that a case calls: a kernel by its name, or a helper of the spec's family.

    Raises `KernelError` if there is none.
    """
    found = kernels.find(case.op, kind)
    if found is None:
        module = importlib.import_module(f"{kernels.__name__}.{spec.family}.gpu")
        found = getattr(module, case.op, None)
    if found is None:
        raise KernelError(spec.name, f"there is no wrapper {case.op!r} for {kind}")
    return found


def reference(spec: KernelSpec, case: Case, hosts: list[Host | None]) -> tuple[Any, ...]:
    """What a case should give, in float64. Raises `KernelError` if it names no reference."""
    wide = [None if host is None else tolerances.wide(host).copy() for host in hosts]
    compute = case.reference
    if compute is None:
        rows = autograd.rows()
        by_kernel = [row for row in rows.values() if row.kernel == case.op]
        row = rows.get(case.op) or (by_kernel[0] if by_kernel else None)
        if row is None:
            raise KernelError(spec.name, f"{case}: no reference, and no row {case.op!r}")
        compute = row.reference(devices.CPU)
    with np.errstate(all="ignore"):
        return _several(compute(*wide, **case.params))


def values(operand: Operand, rng: np.random.Generator) -> Host:
    """The values of an operand."""
    dtype = np.dtype(operand.dtype)
    if operand.sample is not None:
        return np.asarray(operand.sample(rng, operand.shape, dtype)).astype(dtype, copy=False)
    if dtype.kind == "b":
        return np.asarray(rng.random(operand.shape) < 0.5)
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -5
        return np.asarray(rng.integers(low, 6, operand.shape)).astype(dtype)
    found = np.asarray(rng.standard_normal(operand.shape))
    if dtype.kind == "c":
        found = found + 1j * rng.standard_normal(operand.shape)
    if operand.layout == "broadcast" and operand.shape:
        found = np.broadcast_to(found[:1], operand.shape)
    return found.astype(dtype)


def place(operand: Operand, host: Host, device: Any) -> Any:
    """`host` on `device`, in the layout of the operand."""
    if not host.ndim or operand.layout == "dense":
        return device.from_host(np.ascontiguousarray(host).reshape(host.shape), copy=True)
    if operand.layout == "transposed":
        return _upload(host.T, device).transpose()
    if operand.layout == "reversed":
        return _upload(host[::-1], device)[::-1]
    if operand.layout == "strided":
        wide = np.zeros((*host.shape[:-1], 2 * host.shape[-1]), host.dtype)
        wide[..., ::2] = host
        return _upload(wide, device)[..., ::2]
    if operand.layout == "broadcast":
        return device.xp.broadcast_to(_upload(host[:1], device), host.shape)
    last = host.ndim - 1
    axes = (0, last, *range(1, last))
    return _upload(np.moveaxis(host, 1, -1), device).transpose(axes)


def _upload(host: Host, device: Any) -> Any:
    return device.from_host(np.ascontiguousarray(host), copy=True)


def _library_calls(device: Any) -> dict[str, int]:
    """Counted on the emulated device only."""
    count = getattr(device, "library_calls", None)
    return {} if count is None else dict(count())


def _several(out: Any) -> tuple[Any, ...]:
    if out is None:
        return ()
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def _compare(
    spec: KernelSpec,
    case: Case,
    results: list[Any],
    expected: tuple[Any, ...],
    hosts: list[Host | None],
) -> float:
    """The largest error. Raises `KernelError` where a result is not what it should be."""
    if len(results) != len(expected):
        raise KernelError(spec.name, f"{case}: {len(results)} results, {len(expected)} expected")
    scale = tolerances.largest(*(host for host in hosts if host is not None))
    worst = 0.0
    for i, (result, value) in enumerate(zip(results, expected, strict=True)):
        if result is None or value is None:
            if result is not value:
                raise KernelError(spec.name, f"{case}: only one of the two results {i} is None")
            continue
        got, want = _host(result), np.asarray(value)
        if got.shape != want.shape:
            raise KernelError(spec.name, f"{case}: result {i} is {got.shape}, not {want.shape}")
        with np.errstate(all="ignore"):
            error = tolerances.error(got, want.astype(got.dtype), scale)
        allowed = tolerances.tolerance(got.dtype)
        if not error <= allowed:
            raise KernelError(
                spec.name, f"{case}: result {i} is off by {error:.3g}, allowed {allowed:.3g}"
            )
        worst = max(worst, error)
    return worst


def _host(result: Any) -> Host:
    """A result on the host: an array, or the float that some kernels give."""
    if isinstance(result, float):
        return np.asarray(result, np.float32)
    return devices.of(result).to_host(result)


def _same_bits(array: Any, host: Host) -> bool:
    now = devices.of(array).to_host(array)
    return np.ascontiguousarray(now).tobytes() == np.ascontiguousarray(host).tobytes()
