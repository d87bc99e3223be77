"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import devices
from ..autograd import grad, make
from ..checks import function, items, real
from ..dtypes import complex128, float64
from ..errors import ArgumentTypeError, DTypeError, GradError, ShapeError
from ..tensor import Tensor

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def gradcheck(
    f: Function,
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Check every derivative of `f` at `inputs` against central differences.

    `f` maps the inputs (tensors) to a tensor or a tuple of them. Inputs that require a gradient
    are float64 or complex128. Complex derivatives follow the conjugate convention. Returns True;
    raises `GradError` naming the worst where |analytic - numeric| > atol + rtol * |numeric|,
    `DTypeError` for an input of low precision.

    >>> import gpudl as gd
    >>> x = gd.tensor([0.5, 2.0], dtype=gd.float64, requires_grad=True)
    >>> gd.testing.gradcheck(lambda x: x * x, x)
    True
    """
    xs = _checked("gradcheck", inputs)
    eps, atol, rtol = (real("gradcheck", "eps, atol or rtol", v) for v in (eps, atol, rtol))
    for i, x in enumerate(xs):
        if not x.requires_grad:
            continue
        numeric = _numeric(f, xs, i, eps)
        analytic = _analytic(f, xs, i)
        for k, (have, want) in enumerate(zip(analytic, numeric, strict=True)):
            gap = np.abs(have - want)
            bad = ~(gap <= atol + rtol * np.abs(want))
            if bad.any():
                worst = np.unravel_index(int(np.argmax(np.where(bad, gap, -1.0))), gap.shape)
                operands: dict[str, Any] = {f"x{j}": y for j, y in enumerate(xs)}
                raise GradError(
                    "gradcheck",
                    f"{int(bad.sum())} of {bad.size} derivatives of output {k} with respect to "
                    f"input {i} are wrong; d output[{worst[0]}] / d input[{worst[1]}] is "
                    f"{have[worst]:.6g}, by differences {want[worst]:.6g}",
                    **operands,
                )
    return True


def gradgradcheck(
    f: Function,
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Check the second derivatives of `f`: `gradcheck` of its gradient.

    Arguments and errors are those of `gradcheck`; `grad_outputs`, one for each output, are drawn
    with a fixed seed if not given.

    >>> import gpudl as gd
    >>> x = gd.tensor([0.5, 2.0], dtype=gd.float64, requires_grad=True)
    >>> gd.testing.gradgradcheck(lambda x: x * x * x, x)
    True
    """
    xs = _checked("gradgradcheck", inputs)
    if grad_outputs is None:
        gs = [_random_like(y, seed) for seed, y in enumerate(_outputs(f, xs))]
    else:
        if isinstance(grad_outputs, Tensor):
            gs = [grad_outputs]
        else:
            gs = items("gradgradcheck", "grad_outputs", grad_outputs)
        outs = _outputs(f, xs)
        if [(y.shape, y.dtype) for y in outs] != [
            (g.shape, g.dtype) for g in gs if isinstance(g, Tensor)
        ]:
            raise ShapeError(
                "gradgradcheck", "the gradients do not fit the results", remedy="one for each"
            )
    varied = [i for i, x in enumerate(xs) if x.requires_grad]

    def gradient(*args: Tensor) -> tuple[Tensor, ...]:
        points, upstream = args[: len(xs)], args[len(xs) :]
        outs = _outputs(f, points)
        pairs = [(y, g) for y, g in zip(outs, upstream, strict=True) if y.requires_grad]
        targets = [points[i] for i in varied]
        found = grad(
            [y for y, _ in pairs],
            targets,
            [g for _, g in pairs],
            create_graph=True,
            allow_unused=True,
        )
        return tuple(x * 0 if g is None else g for x, g in zip(targets, found, strict=True))

    return gradcheck(gradient, [*xs, *gs], eps=eps, atol=atol, rtol=rtol)


def _checked(op: str, inputs: Any) -> list[Tensor]:
    xs = [inputs] if isinstance(inputs, Tensor) else items(op, "inputs", inputs)
    for x in xs:
        if not isinstance(x, Tensor):
            raise ArgumentTypeError(op, f"inputs are tensors, not {x!r}")
        if x.requires_grad and x.dtype not in (float64, complex128):
            raise DTypeError(
                op,
                "differences need double precision",
                remedy="gd.tensor(..., dtype=gd.float64, requires_grad=True)",
                x=x,
            )
    if not any(x.requires_grad for x in xs):
        raise GradError(op, "no input requires a gradient", remedy="x.requires_grad = True")
    return xs


def _outputs(f: Function, xs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    out = function("gradcheck", "f", f)(*xs)
    outs = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    for y in outs:
        if not isinstance(y, Tensor):
            raise ArgumentTypeError("gradcheck", f"the function returned {y!r}, not a tensor")
    return outs


def _on_host(x: Tensor) -> Array:
    return devices.of(x.data).to_host(x.data)


def _like(x: Tensor, array: Array) -> Tensor:
    """A leaf with the data of `array` and the dtype, device and memory layout of `x`."""
    data = x.data.copy(order="K") if x.device.kind == "cpu" else x.data.copy()
    data[...] = devices.of(x.data).from_host(array, copy=True)
    made: Tensor = make(data)
    made.requires_grad = x.requires_grad
    return made


def _random_like(x: Tensor, seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(x.shape)
    if x.dtype == complex128:
        values = values + 1j * rng.standard_normal(x.shape)
    made: Tensor = make(devices.of(x.data).from_host(np.asarray(values, x.dtype), copy=True))
    made.requires_grad = True
    return made


def _parts(y: Array) -> Array:
    """A flat real vector: the elements, or their real and imaginary parts in turn."""
    flat = np.ascontiguousarray(y).reshape(-1)
    return flat.view(np.float64) if flat.dtype.kind == "c" else flat.astype(np.float64)


def _numeric(f: Function, xs: list[Tensor], index: int, eps: float) -> list[Array]:
    """For each output the matrix of its parts by the parts of input `index`."""
    base = _parts(_on_host(xs[index]))
    columns: list[list[Array]] = []
    for j in range(base.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = base.copy()
            moved[j] += sign * eps
            array = moved.view(xs[index].dtype).reshape(xs[index].shape)
            point = [_like(x, array) if i == index else x for i, x in enumerate(xs)]
            ends.append([_parts(_on_host(y)) for y in _outputs(f, point)])
        columns.append([(p - m) / (2 * eps) for p, m in zip(*ends, strict=True)])
    if not columns:
        return [np.zeros((_parts(_on_host(y)).size, 0)) for y in _outputs(f, xs)]
    return [np.stack(parts, axis=1) for parts in zip(*columns, strict=True)]


def _analytic(f: Function, xs: list[Tensor], index: int) -> list[Array]:
    """The same matrices by backward passes, one for each part of each output."""
    outs = _outputs(f, xs)
    x = xs[index]
    matrices = []
    for y in outs:
        size = _parts(_on_host(y)).size
        matrix = np.zeros((size, _parts(_on_host(x)).size))
        for k in range(size if y.requires_grad else 0):
            unit = np.zeros(size)
            unit[k] = 1.0
            # For complex y the parts of a cotangent v pair with those of y: Re(conj(v) y).
            v = make(_cast(unit, y))
            (g,) = grad(y, x, v, retain_graph=True, allow_unused=True)
            if g is not None:
                matrix[k] = _parts(_on_host(g))
        matrices.append(matrix)
    return matrices


def _cast(unit: Array, y: Tensor) -> Any:
    array = unit.view(y.dtype) if y.dtype.kind == "c" else unit.astype(y.dtype)
    return devices.of(y.data).from_host(array.reshape(y.shape), copy=True)
