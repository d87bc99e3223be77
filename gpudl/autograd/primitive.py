"""`Primitive`: one operation of the engine, as a row of the table of operations.

A row says what an operation computes (`ref`, on any device's array functions), what comes out
(`rule`, shapes and dtypes without data), how it differentiates (`vjp`, in tensor operations, so
that any order works) and which kernel does it (`kernel`). Dispatch, the tape, tracing,
documentation and tests are driven by the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from .. import devices, kernels
from ..dtypes import DType
from ..errors import describe
from ..notices import notice
from ..settings import settings
from ..shapes import Shape


class Spec(NamedTuple):
    """Shape and dtype of an array that is not there: what shape rules take and give."""

    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Ufunc:
    """A reference that is one array function of the device, called `name`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, xp: Any, *arrays: Any) -> Any:
        return getattr(xp, self.name)(*arrays)


# Elements from which an elementwise result comes from the pool (256 KB of float32).
POOL_ELEMENTS = 65536

Rule = Callable[..., Any]
Vjp = Callable[..., Any]


class Primitive:
    """A row of the table of operations.

    `ref(xp, *arrays, **params)` computes; `rule(*specs, **params)` gives the `Spec` (or tuple of
    them) of the result and raises the typed error of a wrong call. `vjp` is a tuple with one
    function per input, each `f(g, y, *xs, **params) -> gradient` (None for an input that has no
    gradient), or one function with `joint=True`, `f(g, ys, needs, *xs, **params) -> tuple`, or
    one function for any number of inputs, `f(i, g, y, *xs, **params)`. What is not listed in
    `saves` (indices of inputs, "2:" for all from the third on, "y" for the result, "y1" for the
    second of several) reaches the rule as a stand-in that only has `shape` and `dtype`, or None for
    one of several results. In a `crossed` row, a product, each of
    the first two inputs is saved only for the gradient of the other. `fused` is a joint rule that
    may use kernels without a gradient of their own; it runs exactly when the tape is not
    recording. `jvp` and `batch` are the places for forward mode and vectorisation; `linear` and
    `elementwise` rows derive them. A `threaded` row is a reduction whose CPU kernel takes large
    operands only, as those of elementwise array functions do. `why` states the reason why a row has
    no gradient. `n_diff` of the `n_out` results carry gradients, the first ones. `flops(*specs,
    **params)` counts floating-point operations, for profiles; elementwise rows count one an
    element.
    """

    __slots__ = (
        "batch",
        "broadcasts",
        "cpu",
        "crossed",
        "elementwise",
        "flops",
        "fused",
        "impls",
        "joint",
        "jvp",
        "kernel",
        "large",
        "linear",
        "n_diff",
        "n_out",
        "name",
        "pooled",
        "ref",
        "rule",
        "saves",
        "saves_out",
        "view",
        "vjp",
        "why",
    )

    def __init__(
        self,
        name: str,
        ref: Callable[..., Any],
        rule: Rule,
        *,
        vjp: Sequence[Vjp | None] | Vjp | None = None,
        joint: bool = False,
        saves: Sequence[int | str] = (),
        fused: Vjp | None = None,
        jvp: Vjp | None = None,
        batch: Callable[..., Any] | None = None,
        kernel: str | None = None,
        n_out: int = 1,
        n_diff: int | None = None,
        elementwise: bool = False,
        broadcasts: bool = False,
        crossed: bool = False,
        linear: bool = False,
        view: bool = False,
        threaded: bool = False,
        why: str | None = None,
        flops: Callable[..., int] | None = None,
    ) -> None:
        if (vjp is None) != (why is not None):
            raise AssertionError(f"{name}: a row has a gradient or a reason for none")
        self.name, self.ref, self.rule = name, ref, rule
        self.vjp, self.joint, self.fused, self.jvp, self.batch = vjp, joint, fused, jvp, batch
        ranges = [int(i[:-1]) for i in saves if isinstance(i, str) and i.endswith(":")]
        self.saves: Sequence[int] = (
            range(ranges[0], 1 << 30) if ranges else tuple(i for i in saves if isinstance(i, int))
        )
        self.saves_out = tuple(i for i in range(n_out) if "y" in saves or f"y{i}" in saves)
        self.kernel, self.n_out = kernel, n_out
        self.n_diff = 0 if vjp is None else 1 if n_diff is None else n_diff
        self.elementwise, self.broadcasts, self.linear, self.view = (
            elementwise,
            broadcasts,
            linear,
            view,
        )
        self.why, self.flops, self.crossed = why, flops, crossed
        self.pooled = threaded or (isinstance(ref, Ufunc) and kernel is None and elementwise)
        self.impls: dict[tuple[str, str], Callable[..., Any]] = {}
        # What computes on the CPU; `large` what has many elements, in a pooled row.
        self.cpu = self._first_cpu_call
        # A bound method is a cycle, which only a row that stays for good may be.
        self.large: Any = self._first_large_call if self.pooled else None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def _first_cpu_call(self, *arrays: Any, **params: Any) -> Any:
        cpu = devices.CPU
        self.cpu = self.reference(cpu) if self.pooled else self.implementation(cpu)
        return self.cpu(*arrays, **params)

    def _first_large_call(self, *arrays: Any, **params: Any) -> Any:
        self.large = self._choose_large()
        return self.large(*arrays, **params)

    def _choose_large(self) -> Callable[..., Any]:
        """The CPU kernel called as the row is, if there is one, beside the array function, which
        is quicker for little work and takes every dtype and layout."""
        reference = self.reference(devices.CPU)
        kernel = kernels.find(self.name, "cpu")
        if kernel is None:
            return reference

        def run(*arrays: Any, **params: Any) -> Any:
            out = kernel(*arrays, **params)
            return reference(*arrays, **params) if out is NotImplemented else out

        return run

    def large_result(self, arrays: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The result of a pooled row for large operands; an elementwise one in the pool."""
        if not self.elementwise:
            return self.large(*arrays, **params)
        spec: Spec = self.rule(*[Spec(a.shape, a.dtype) for a in arrays])
        out = devices.CPU.empty_elementwise(spec.shape, spec.dtype, arrays)
        self.large(*arrays, out=out)
        return out

    def reference(self, device: devices.Device) -> Callable[..., Any]:
        """The reference on `device`."""
        ref = self.ref
        found = getattr(device.xp, ref.name) if isinstance(ref, Ufunc) else partial(ref, device.xp)
        return device.scoped(found)

    def implementation(self, device: devices.Device) -> Callable[..., Any]:
        """What computes this row on `device` on this thread: a kernel, or the reference."""
        key = (device.name, settings.kernels)
        found = self.impls.get(key)
        if found is None:
            found = self.impls[key] = self._choose(device)
        return found

    def kernel_name(self, device: devices.Device) -> str | None:
        """What a kernel of this row on `device` is called. On a GPU it need not be named: a kernel
        called as the row is the row's."""
        return self.kernel or (None if device.kind == "cpu" else self.name)

    def kernel_on(self, device: devices.Device) -> Callable[..., Any] | None:
        """The kernel of this row on `device`, or None."""
        name = self.kernel_name(device)
        return None if name is None else kernels.find(name, device.kind)

    def twin_on(self, device: devices.Device) -> Callable[..., Any] | None:
        """The Numba twin of that kernel, or None."""
        name = self.kernel_name(device)
        return None if name is None else kernels.numba_twin(name, device.kind)

    def _choose(self, device: devices.Device) -> Callable[..., Any]:
        reference = self.reference(device)
        library = device.xp.__name__
        kernel = self.kernel_on(device)
        if settings.kernels == "numba":
            kernel = self._twin_or(kernel, device)
        if settings.kernels == "library" or (kernel is None and self.kernel is None):
            notice("library", self.name, lambda: f"computed by {library} on {device}")
            if not self.pooled or device.kind != "cpu" or settings.kernels == "library":
                return reference

            def sized(*arrays: Any, **params: Any) -> Any:
                large = sum(a.size for a in arrays) > POOL_ELEMENTS
                return self.large_result(arrays, params) if large else reference(*arrays, **params)

            return sized

        def run(*arrays: Any, **params: Any) -> Any:
            out: Any = NotImplemented
            if kernel is not None:
                # A kernel without operands cannot tell from them on which GPU it is to create.
                where = {} if arrays or device.kind == "cpu" else {"device": device}
                out = kernel(*arrays, **params, **where)
            if out is not NotImplemented:
                return out

            def text() -> str:
                cause = f"no kernel on {device}" if kernel is None else "not taken by the kernel"
                return f"{cause}, computed by {library}: {', '.join(map(describe, arrays))}"

            notice("fallback", self.name, text)
            return reference(*arrays, **params)

        return run

    def _twin_or(self, kernel: kernels.Kernel | None, device: devices.Device) -> Any:
        """The Numba twin where there is one, `kernel` for what it does not take."""
        twin = self.twin_on(device)
        if twin is None:
            if kernel is None:
                return None
            notice("twin", self.name, lambda: f"no Numba twin on {device}, computed as without")
            return kernel

        def run(*arrays: Any, **params: Any) -> Any:
            out = twin(*arrays, **params)
            if out is NotImplemented and kernel is not None:
                notice(
                    "twin",
                    self.name,
                    lambda: f"not taken by the Numba twin: {', '.join(map(describe, arrays))}",
                )
                out = kernel(*arrays, **params)
            return out

        return run
