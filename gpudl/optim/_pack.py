"""`Pack`: parameters of one group, dtype and device, laid end to end in one flat buffer.

Packing makes each parameter's `.data` a slice of the buffer, with the values, shape and order of
axes in memory that it had; the parameter stays the same tensor. A step is then one pass over the
buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import devices, kernels
from ..autograd import make
from ..autograd.writes import assign, rebind
from ..devices.layout import axis_order
from ..dtypes import accumulator
from ..errors import DeviceError, GradError, ShapeError, StateDictError
from ..kernels.optim import reference
from ..notices import notice
from ..ops.create import full
from ..tensor import Tensor
from ._inspect import inspected

ALIGN = 64  # bytes: a cache line, and a whole SIMD register of any kind
Segment = tuple[int, int]
State = dict[str, Any]


class Pack:
    """The flat buffers: `p` parameters, `g` gradients, and what the optimizer keeps, by name.

    Half precision is updated in float32: `work` is then a copy of `p`, written back by `store`.
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)
        self.device = devices.of(params[0].data)
        dtype = params[0].dtype
        step = ALIGN // dtype.itemsize
        self.segments: list[Segment] = []
        size = 0
        for p in params:
            self.segments.append((size, size + p.size))
            size += -(-p.size // step) * step
        self.size = size
        self.layouts = [(p.shape, axis_order(p.data)) for p in params]
        self.p = self._zeros(dtype)
        wide = accumulator(dtype)
        self.work = self.p if wide == dtype else self._zeros(wide)
        self.g = self._zeros(wide)
        self.g_views = self._views(self.g)
        self.views = self._views(self.p)
        self.work_views = self.views if self.work is self.p else self._views(self.work)
        self.buffers: dict[str, tuple[Any, list[Any]]] = {}
        for p, view in zip(params, self.views, strict=True):
            assign(view, p.data)
            rebind(p, view)

    def _zeros(self, dtype: Any) -> Any:
        return full(shape=(self.size,), value=0, dtype=dtype, device=self.device).data

    def _views(self, flat: Any) -> list[Any]:
        """One view of `flat` per parameter, in the parameter's layout."""
        views = []
        for (start, stop), (shape, order) in zip(self.segments, self.layouts, strict=True):
            if order is None:
                views.append(flat[start:stop].reshape(shape))
            else:
                dense = flat[start:stop].reshape([shape[i] for i in order])
                views.append(dense.transpose(np.argsort(order)))
        return views

    def holds(self) -> bool:
        """Whether every parameter still lies where it was packed."""
        return all(p.data is view for p, view in zip(self.params, self.views, strict=True))

    def gather(self) -> list[int]:
        """Copy the gradients into `g`; the numbers of the parameters that have one."""
        active = []
        alike = []  # that lie in memory as their parameters do: a GPU copies them all at once
        at_once = kernels.chosen("gather_flat", self.device.kind)
        for i, p in enumerate(self.params):
            grad = p.grad
            if grad is None:
                continue
            data = grad.data
            if data.shape != p.data.shape:
                raise ShapeError("step", "a gradient has another shape", param=p, grad=grad)
            if devices.of(data) != self.device:
                raise DeviceError("step", "a gradient is on another device", param=p, grad=grad)
            active.append(i)
            if at_once is not None and self._lies_as(data, i):
                alike.append(i)
            else:
                assign(self.g_views[i], data)
        if at_once is not None and alike:
            sources = [self.params[i].grad.data for i in alike]  # type: ignore[union-attr]
            at_once(self.g, *sources, segments=[self.segments[i] for i in alike])
        return active

    def _lies_as(self, data: Any, i: int) -> bool:
        """Whether `data` is dense, in the order of parameter `i`, and of the dtype of `g`."""
        order = self.layouts[i][1]
        dense = data.flags.c_contiguous if order is None else axis_order(data) == order
        return dense and data.dtype == self.g.dtype

    def check_finite(self, active: Sequence[int], name: Any) -> None:
        """Raise `GradError` for a gradient that is NaN or infinite; `name(p)` says which it is.

        It costs one read of `g`, for which a GPU is waited for: an update that is under way could
        not be taken back.
        """
        sumsq = kernels.chosen("sumsq", self.device.kind)
        if sumsq is None or np.isfinite(sumsq(self.g, segments=self.cover(active))):
            return
        for i in active:
            view = self.g_views[i]
            bad = view.size - int(np.isfinite(self.device.to_host(view)).sum())
            if bad:
                raise GradError(
                    "step",
                    f"{bad} of {view.size} elements of the gradient of {name(self.params[i])} "
                    "are NaN or infinite",
                    remedy="nothing was changed; a lower learning rate, clip_grad_norm_, or "
                    "gd.detect_anomaly() to find where it begins",
                    param=self.params[i],
                )

    def cover(self, active: Sequence[int]) -> list[Segment] | None:
        """The ranges of the parameters `active`; None if these are all."""
        if len(active) == len(self.params):
            return None
        return [self.segments[i] for i in active]

    def parts(
        self, active: Sequence[int], keys: Sequence[Hashable]
    ) -> list[tuple[Any, list[Segment] | None]]:
        """The parameters `active` by their `keys`: for each key its ranges. Nearly always there is
        one key, and it has them all."""
        if keys.count(keys[0]) == len(keys):
            return [(keys[0], self.cover(active))]
        ranges: dict[Any, list[Segment]] = {}
        for i, key in zip(active, keys, strict=True):
            ranges.setdefault(key, []).append(self.segments[i])
        return list(ranges.items())

    def buffer(
        self, name: str, active: Sequence[int], states: Sequence[State], start: float = 0
    ) -> Any:
        """The flat buffer of the state called `name`; the `states` of the parameters `active` get
        views of it.

        State that came from elsewhere (loaded, assigned, or of an earlier packing) is copied in;
        what is missing begins with `start`.
        """
        if name not in self.buffers:
            flat = self._zeros(self.g.dtype)
            self.buffers[name] = flat, self._views(flat)
        flat, views = self.buffers[name]
        for i, state in zip(active, states, strict=True):
            held, view = state.get(name), views[i]
            if held is not None and held.data is view:
                continue
            if held is None:
                assign(view, full(shape=(), value=start, dtype=view.dtype, device=self.device).data)
            elif held.shape != view.shape:
                raise StateDictError(
                    "step", f"{name} has another shape", param=self.params[i], state=held
                )
            else:
                source = devices.of(held.data)
                here = source == self.device
                # The state of a parameter that was moved follows it.
                assign(view, held.data if here else self.device.receive(held.data, source))
            state[name] = make(view)
        return flat

    def load(self) -> None:
        """Bring `work` up to date with the parameters."""
        if self.work is not self.p:
            assign(self.work, self.p)

    def store(self) -> None:
        """Bring the parameters up to date with `work`, rounding once."""
        if self.work is not self.p:
            assign(self.p, self.work)

    def run(
        self,
        formula: Callable[..., None],
        segments: Sequence[Segment] | None,
        *buffers: Any,
        **options: Any,
    ) -> None:
        """`formula(p, g, *buffers, **options)`, written for NumPy arrays and in place, over the
        `segments` of the flat buffers (None: all), by the library of the device."""
        for start, stop in [(0, self.size)] if segments is None else segments:
            self.library(
                formula, *(x[start:stop] for x in (self.work, self.g, *buffers)), **options
            )

    def library(self, formula: Callable[..., None], *arrays: Any, **options: Any) -> None:
        """`formula(*arrays, **options)`, written for NumPy arrays and in place, by the library of
        the device."""
        name = formula.__name__.lstrip("_")
        notice("library", name, lambda: f"computed by the library of {self.device}")
        # As kernels do: what is not finite stays silent, in the padding above all.
        with np.errstate(all="ignore"):
            self.device.library(name, formula, *arrays, **options)

    def kernel(self, name: str) -> Any:
        """The kernel `name` of this device, or its reference on the device's library."""
        found = kernels.chosen(name, self.device.kind)
        if found is None:
            notice("fallback", name, lambda: f"computed by the library of {self.device}")
            found = partial(self.device.library, name, getattr(reference, name))
        return inspected(name, found, self.device)
