"""Every row of the table of operations, forward and differentiated.

Forward against float64, first and second derivatives against finite differences: each case of
`table_cases` in every dtype that the row takes and in every memory layout. A dtype that it does not
take raises a typed error. A row without a case fails. The emulated GPU computes the same rows: in
float32 against the same formulas, its derivatives against the CPU's in float64.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from table_cases import CASES, CPU, CREATED, DTYPES, Case, kind

import gpudl as gd
from gpudl import devices, tolerances
from gpudl.autograd import Spec, make, rows
from gpudl.errors import DTypeError

ROWS = rows()
CALLED = [name for name in ROWS if name in CASES]
DIFFERENTIABLE = [name for name in CALLED if ROWS[name].vjp is not None]
EMU = gd.device("emu")
FLOAT32 = np.dtype("float32")


def dense(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).reshape(x.shape)


def broadcast(x: np.ndarray) -> np.ndarray:
    """Stride 0 along the last axis longer than 1: other values, so that it stays one."""
    axis = max((i for i, n in enumerate(x.shape) if n > 1), default=None)
    if axis is None or x.dtype.kind in "bi":
        return dense(x)
    return np.broadcast_to(x.take([0], axis=axis), x.shape)


LAYOUTS: dict[str, Any] = {
    "dense": dense,
    "transposed": lambda x: dense(x.T).T,
    "reversed": lambda x: np.flip(dense(np.flip(x))),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "broadcast": broadcast,
}


# On the emulated GPU a layout is made of a dense array by its own views.
PLACED: dict[str, Any] = {
    "dense": lambda x, up: up(x),
    "transposed": lambda x, up: up(x.T).T,
    "reversed": lambda x, up: up(np.flip(x))[(slice(None, None, -1),) * x.ndim],
    "strided": lambda x, up: up(np.repeat(x, 2, axis=-1))[..., ::2] if x.ndim else up(x),
    "broadcast": lambda x, up: EMU.xp.broadcast_to(
        up(x[tuple(slice(1 if s == 0 else None) for s in x.strides)]), x.shape
    ),
}


def placed(x: np.ndarray, device: Any, layout: str) -> Any:
    """`x`, which lies in memory as `layout` says, on `device`, in the same layout."""
    if device is CPU:
        return x
    array = PLACED[layout](x, lambda y: device.from_host(dense(y), copy=True))
    if x.size:
        strides = zip(x.shape, x.strides, array.strides, strict=True)
        assert layout == "dense" or all(n == 1 or s == t for n, s, t in strides)
    return array


def host(x: Any) -> np.ndarray:
    return devices.of(x.data).to_host(x.data)


def given_to(case: Case, device: Any) -> dict[str, Any]:
    return {name: device if value is CPU else value for name, value in case.params.items()}


def operands(case: Case, dtype: np.dtype, layout: str, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, len(case.operands)])
    arrays = [np.asarray(op.sample(rng, op.shape, op.dtype or dtype)) for op in case.operands]
    return [np.asarray(LAYOUTS[layout](x)) for x in arrays]


def tensors(
    arrays: list[np.ndarray], grad: bool = False, device: Any = CPU, layout: str = "dense"
) -> list[Any]:
    made = [make(placed(x, device, layout)) for x in arrays]
    for x in made:
        if grad and kind(x.dtype) in "fc":
            x.requires_grad = True
    return made


def as_tuple(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) and not isinstance(out, Spec) else (out,)


def seen(case: Case, outs: Any) -> tuple[Any, ...]:
    return tuple(outs) if case.seen is None else as_tuple(case.seen(*outs))


def wide(x: np.ndarray) -> np.ndarray:
    if kind(x.dtype) == "i" and x.dtype.kind != "u":
        return x.astype(np.int64)
    return x.astype(np.int64) if x.dtype.kind == "u" else tolerances.wide(x)


def check_forward(
    name: str, case: Case, arrays: list[np.ndarray], device: Any, layout: str
) -> None:
    row, params = ROWS[name], given_to(case, device)
    with np.errstate(all="ignore"):
        expected = as_tuple(case.formula(*[np.asarray(wide(x)) for x in arrays], **case.params))
    if case.seen is not None:
        expected = tuple(x.data for x in seen(case, tensors(expected)))
    specs = as_tuple(
        row.rule(*[a if a.dtype == bool else Spec(a.shape, a.dtype) for a in arrays], **case.params)
    )
    scale = tolerances.largest(*arrays)
    before = [x.copy() for x in arrays]
    for grad in (False, True):
        xs = tensors(arrays, grad, device, layout)
        outs = as_tuple(row(*xs, **params))
        assert len(outs) == len(specs) == row.n_out
        for i, (out, spec) in enumerate(zip(outs, specs, strict=True)):
            assert (out.shape, out.dtype) == (spec.shape, spec.dtype), "the shape rule disagrees"
            assert devices.of(out.data) is device
            has_gradient = (
                grad and row.vjp is not None and i < row.n_diff and kind(out.dtype) in "fc"
            )
            reached = has_gradient and any(x.requires_grad for x in tensors(arrays, True))
            assert out.requires_grad == reached
        for x, y in zip(xs, before, strict=True):
            same = np.array_equal(host(x), y, equal_nan=kind(x.dtype) in "fc")
            assert same, "an operand was written to"
        outs = [make(host(out)) for out in seen(case, outs)]
        for i, (out, want) in enumerate(zip(outs, expected, strict=True)):
            assert out.shape == np.shape(want)
            if kind(out.dtype) in "bi":
                assert np.array_equal(out.data, np.asarray(want).astype(out.dtype)), (
                    out.data,
                    want,
                )
            else:
                size = (
                    max(scale, tolerances.largest(np.asarray(want))) if len(expected) > 1 else scale
                )
                error = tolerances.error(out.data, np.asarray(want), size)
                assert error <= tolerances.tolerance(out.dtype), f"result {i}: error {error:.2e}"


def takes(case: Case, dtype: np.dtype) -> bool:
    return kind(dtype) in case.kinds


def test_every_row_has_a_case():
    assert set(ROWS) == set(CASES) | set(CREATED)
    assert all(CASES.values())


EVERYTHING = list(itertools.product(DTYPES, LAYOUTS))
FORWARD = {
    "cpu": (CPU, EVERYTHING),
    "emu": (
        EMU,
        [(FLOAT32, layout) for layout in ("dense", "transposed", "broadcast")]
        + [(np.dtype(t), "dense") for t in ("bool", "int64", "float64")],
    ),
    "emu, everything": (EMU, EVERYTHING),
}
ON_EACH = pytest.mark.parametrize(
    "where", ["cpu", "emu", pytest.param("emu, everything", marks=pytest.mark.full)]
)


@ON_EACH
@pytest.mark.parametrize("name", CALLED)
def test_forward(name, where, count):
    device, combinations = FORWARD[where]
    failures = []
    total = 0
    for dtype, layout in combinations:
        cases = [
            case
            for case in CASES[name]
            if takes(case, dtype) and (case.repeats or layout != "broadcast")
        ]
        if not cases:
            continue
        total += 1
        for case in cases:
            arrays = operands(case, dtype, layout)
            try:
                check_forward(name, case, arrays, device, layout)
            except Exception as error:
                shapes = [x.shape for x in arrays]
                failures.append(
                    (dtype.name, layout, f"{shapes} {case.params}: {type(error).__name__} {error}")
                )
    passed = total - len({failure[:2] for failure in failures})
    count(f"table, forward on {where}: rows x dtypes x layouts", passed, total)
    assert not failures, "\n".join(map(str, failures[:8]))


@pytest.mark.parametrize("name", CALLED)
def test_other_dtypes_are_refused(name):
    """A dtype that no case of the row takes raises a typed error."""
    for dtype in DTYPES:
        if any(takes(case, dtype) for case in CASES[name]) or all(
            op.dtype for op in CASES[name][0].operands
        ):
            continue
        case = CASES[name][1]
        arrays = operands(case, dtype, "dense")
        with pytest.raises(DTypeError):
            ROWS[name].rule(*[Spec(a.shape, a.dtype) for a in arrays], **case.params)


# ----- derivatives -----
H = 1e-3
STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


def inner(a: list[Any], b: list[Any]) -> float:
    """The change of a real function with gradients `a` along `b`, by the conjugate convention."""
    return float(sum(np.sum((np.conj(x) * y).real) for x, y in zip(a, b, strict=True)))


def along(arrays: list[np.ndarray], direction: list[Any], step: float) -> list[np.ndarray]:
    return [
        x if d is None else np.asarray(x + step * d) for x, d in zip(arrays, direction, strict=True)
    ]


def given(parts: list[Any]) -> list[np.ndarray]:
    return [x for x in parts if x is not None]


class Derivatives:
    """A row with its parameters, as a function of its operands and of gradients of its results."""

    def __init__(self, name: str, case: Case, device: Any = CPU, layout: str = "dense") -> None:
        self.row, self.case, self.params = ROWS[name], case, given_to(case, device)
        self.device, self.layout = device, layout

    def results(self, xs: list[Any]) -> list[Any]:
        outs = as_tuple(self.row(*xs, **self.params))[: self.row.n_diff]
        return list(seen(self.case, outs))

    def values(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [y.data for y in self.results(tensors(arrays))]

    def gradients(
        self, arrays: list[np.ndarray], ws: list[np.ndarray], create_graph: bool
    ) -> tuple[list, list, list]:
        xs = tensors(arrays, True, self.device, self.layout)
        leaves = [x for x in xs if x.requires_grad]
        gs = tensors(ws, create_graph, self.device)
        outs = self.results(xs)
        found = gd.autograd.grad(outs, leaves, gs, create_graph=create_graph, allow_unused=True)
        return list(found), leaves, gs

    def first(self, arrays: list[np.ndarray], ws: list[np.ndarray]) -> list[np.ndarray]:
        """Checked to be the same by the fused backward and by the differentiable rule."""
        plain, leaves, _ = self.gradients(arrays, ws, False)
        recorded, _, _ = self.gradients(arrays, ws, True)
        result = []
        for x, g, h in zip(leaves, plain, recorded, strict=True):
            assert (g is None) == (h is None)
            if g is None:
                result.append(np.zeros(x.shape, x.dtype))
                continue
            assert (g.shape, g.dtype) == (h.shape, h.dtype) == (x.shape, x.dtype)
            assert not g.requires_grad
            assert tolerances.error(g.data, h.data, tolerances.largest(g.data, *ws)) < 1e-10, (
                "fused and plain differ"
            )
            result.append(h.data)
        return result

    def second(self, arrays: list, ws: list, vs: list) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Gradients of <gradient, vs> by the operands and by the gradients of the results."""
        found, leaves, gs = self.gradients(arrays, ws, True)
        tied = [
            (g, tensors([v], device=self.device)[0])
            for g, v in zip(found, vs, strict=True)
            if g is not None and g.requires_grad
        ]
        zeros = [np.zeros(x.shape, x.dtype) for x in (*leaves, *gs)]
        if tied:
            seconds = gd.autograd.grad(
                [g for g, _ in tied], [*leaves, *gs], [v for _, v in tied], allow_unused=True
            )
            zeros = [z if s is None else host(s) for z, s in zip(zeros, seconds, strict=True)]
        return zeros[: len(leaves)], zeros[len(leaves) :]


def directions(rng: np.random.Generator, arrays: list[np.ndarray]) -> list[list[Any]]:
    """A random direction, and the whole basis where it is small."""

    def draw(x: np.ndarray) -> Any:
        if kind(x.dtype) not in "fc":
            return None
        d = rng.standard_normal(x.shape)
        return d + 1j * rng.standard_normal(x.shape) if kind(x.dtype) == "c" else d

    found = [[draw(x) for x in arrays]]
    if sum(x.size for x in arrays if kind(x.dtype) in "fc") <= 6:
        for k, x in enumerate(arrays):
            for at in np.ndindex(*x.shape) if kind(x.dtype) in "fc" else ():
                for value in (1.0, 1j)[: 1 + (kind(x.dtype) == "c")]:
                    basis = [None if y is None else np.zeros_like(y) for y in found[0]]
                    basis[k][at] = value
                    found.append(basis)
    return found


def close(got: float, want: float, size: float, what: str) -> None:
    assert abs(got - want) <= 2e-7 * max(abs(got), abs(want), size, 1e-3), (
        f"{what}: {got} instead of {want}"
    )


def check_derivatives(name: str, case: Case, dtype: np.dtype, layout: str) -> None:
    f = Derivatives(name, case)
    arrays = operands(case, dtype, layout)
    rng = np.random.default_rng(1)
    ys = f.values(arrays)
    if not all(kind(y.dtype) in "fc" for y in ys):
        return
    ws = [given(directions(rng, [y])[0])[0] for y in ys]
    ws = [np.asarray(w, y.dtype) for w, y in zip(ws, ys, strict=True)]
    first = f.first(arrays, ws)
    vs = given(directions(rng, arrays)[0])
    vs = [np.asarray(v) for v in vs]
    second_x, second_w = f.second(arrays, ws, vs)
    size = max(tolerances.largest(*first), tolerances.largest(*second_x))
    qs = [np.asarray(given(directions(rng, [w])[0])[0], w.dtype) for w in ws]
    for u in directions(rng, arrays):
        by_steps = sum(c * inner(ws, f.values(along(arrays, u, k * H))) for k, c in STENCIL) / H
        close(inner(first, given(u)), by_steps, size, "first derivative")

        def slope(step: float, u: list[Any] = u) -> float:
            moved, _, _ = f.gradients(along(arrays, u, step), along(ws, qs, step), True)
            return inner(
                [v * 0 if g is None else g.data for g, v in zip(moved, vs, strict=True)], vs
            )

        by_steps = sum(c * slope(k * H) for k, c in STENCIL) / H
        close(inner(second_x, given(u)) + inner(second_w, qs), by_steps, size, "second derivative")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name, count):
    failures = []
    total = 0
    for dtype, layout in itertools.product((np.dtype("float64"), np.dtype("complex128")), LAYOUTS):
        cases = [case for case in CASES[name] if takes(case, dtype) and case.smooth]
        cases = [case for case in cases if (case.ties and case.repeats) or layout != "broadcast"]
        cases = [
            case for case in cases if max(max(op.shape, default=1) for op in case.operands) < 1000
        ]
        if not cases:
            continue
        total += 1
        for case in cases:
            try:
                check_derivatives(name, case, dtype, layout)
            except Exception as error:
                shapes = [op.shape for op in case.operands]
                failures.append(
                    (dtype.name, layout, f"{shapes} {case.params}: {type(error).__name__} {error}")
                )
    passed = total - len({failure[:2] for failure in failures})
    count("table, first and second derivatives: rows x dtypes x layouts", passed, total)
    assert total, "a row with a gradient has a case where it exists"
    assert not failures, "\n".join(map(str, failures[:8]))


# ----- derivatives on the emulated GPU -----
def derivatives(f: Derivatives, arrays: list, ws: list, vs: list) -> list[list[np.ndarray]]:
    """The gradients by the fused and by the differentiable rule, and the second derivatives."""
    fused, leaves, _ = f.gradients(arrays, ws, False)
    recorded, _, _ = f.gradients(arrays, ws, True)
    zeros = [np.zeros(x.shape, x.dtype) for x in leaves]
    fused, recorded = (
        [z if g is None else host(g) for z, g in zip(zeros, gs, strict=True)]
        for gs in (fused, recorded)
    )
    return [fused, recorded, *f.second(arrays, ws, vs)]


def check_against_cpu(name: str, case: Case, layout: str) -> None:
    """Derivatives in float32 on the emulated GPU against float64 on the CPU. Where float32 itself
    is further off, as behind a small difference, eight times the error of the CPU's float32: sums
    are taken in another order."""
    arrays = operands(case, FLOAT32, layout)
    exact = [wide(x) if kind(x.dtype) in "fc" else x for x in arrays]
    emu, cpu = Derivatives(name, case, EMU, layout), Derivatives(name, case)
    rng = np.random.default_rng(1)
    ys = cpu.values(arrays)
    if not all(kind(y.dtype) in "fc" for y in ys):
        return
    ws = [np.asarray(rng.standard_normal(y.shape), y.dtype) for y in ys]
    vs = [x for x in arrays if kind(x.dtype) in "fc"]
    vs = [np.asarray(rng.standard_normal(x.shape), x.dtype) for x in vs]
    got, same = derivatives(emu, arrays, ws, vs), derivatives(cpu, arrays, ws, vs)
    ws_64 = [w.astype(y.dtype) for w, y in zip(ws, cpu.values(exact), strict=True)]
    want = derivatives(cpu, exact, ws_64, [wide(v) for v in vs])
    size = tolerances.largest(*want[1])
    names = ("fused", "first", "second", "second, upstream")
    for what, *parts in zip(names, got, same, want, strict=True):
        scale = max(size, tolerances.largest(*parts[2]))
        for i, (a, b, c) in enumerate(zip(*parts, strict=True)):
            error, inherent = tolerances.error(a, c, scale), tolerances.error(b, c, scale)
            allowed = max(tolerances.tolerance(FLOAT32), 8 * inherent)
            assert error <= allowed, f"{what} {i}: error {error:.2e}, allowed {allowed:.2e}"


@pytest.mark.parametrize("layout", ["dense", pytest.param("strided", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_on_emu(name, layout, count):
    cases = [case for case in CASES[name] if takes(case, FLOAT32) and case.smooth]
    failures = []
    for case in cases:
        try:
            check_against_cpu(name, case, layout)
        except Exception as error:
            shapes = [op.shape for op in case.operands]
            failures.append(f"{shapes} {case.params}: {type(error).__name__} {error}")
    count("table, derivatives on emu: cases", len(cases) - len(failures), len(cases))
    assert not failures, "\n".join(failures[:8])


# ----- creation -----
@pytest.mark.parametrize("device", [CPU, EMU], ids=repr)
@pytest.mark.parametrize("name", list(CREATED))
def test_creation(name, device, count):
    for params, formula in CREATED[name]:
        out = ROWS[name](**params, device=device)
        spec = ROWS[name].rule(**params, device=device)
        want, got = formula(), host(out)
        assert (out.shape, out.dtype) == (spec.shape, spec.dtype) == (want.shape, want.dtype)
        if name == "random_normal":
            assert tolerances.error(got, want) <= tolerances.tolerance(out.dtype)
        else:
            assert np.array_equal(got, want)
        with gd.config(kernels="library"):
            assert host(ROWS[name](**params, device=device)).tobytes() == got.tobytes()
    count("table, creation: calls", len(CREATED[name]), len(CREATED[name]))
