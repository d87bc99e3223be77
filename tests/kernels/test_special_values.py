"""Elementwise kernels at the edges: NaN, infinities, zeros of both signs, the least and largest
numbers, divisors of 0, shifts by the width and more. The rows on the CPU say what is right."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl.autograd import make, rows
from gpudl.kernels.elementwise.specs import CAST
from gpudl.kernels.elementwise.table import DTYPES, GROUPS

EMU = gd.device("emu")
# Which of two zeros is the larger one is nobody's rule, and a slope that has vanished has no sign.
UNSIGNED = {"maximum", "minimum", "silu_bwd", "gelu_bwd"}
PARAMS = {"gelu": {"approximate": "tanh"}, "gelu_bwd": {"approximate": "none"}}


def special(dtype: str) -> np.ndarray:
    """Numbers of a dtype at which functions are special, ordinary ones among them."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([False, True])
    if kind == "i":
        least, largest = np.iinfo(dtype).min, np.iinfo(dtype).max
        bits = np.iinfo(dtype).bits
        return np.array([0, 1, -1, 2, -2, 3, 7, -7, 10, bits - 1, bits, 200, least, largest], dtype)
    info = np.finfo(dtype)
    sizes = np.array([0, info.tiny, 1e-6, 0.5, 1, 1.5, 2, 2.5, 3, 7, 50, info.max, np.inf], dtype)
    return np.concatenate([sizes, -sizes, np.array([np.nan], dtype)])


def same(got: np.ndarray, want: np.ndarray, signed: bool) -> np.ndarray:
    """Where two results agree: NaN with NaN, zeros in sign if `signed`, the rest nearly."""
    if got.dtype.kind in "bi":
        return np.asarray(got == want)
    rtol, atol = (1e-4, 1e-7) if got.dtype == np.float32 else (1e-9, 1e-12)
    with np.errstate(all="ignore"):
        near = np.abs(got - want) <= rtol * np.abs(want) + atol
    signs = (got != 0) | (want != 0) | (np.signbit(got) == np.signbit(want)) | (not signed)
    return (np.isnan(got) & np.isnan(want)) | (signs & ((got == want) | near))


TABLE = [
    pytest.param(op, group, t, id=f"{op}-{group.spec}-{DTYPES[t]}")
    for group in GROUPS
    for op in dict.fromkeys(group.functors.values())
    for t in group.types
]


@pytest.mark.parametrize(("op", "group", "t"), TABLE)
def test_special_values(op, group, t, emulator):
    row, x = rows()[op], special(DTYPES[t])
    operands = (x,) if group.kernel == "unary" else np.broadcast_arrays(x[:, None], x)
    if op == "int_pow":  # a negative exponent is refused above
        operands = operands[0], np.abs(operands[1]) % 70
    params = PARAMS.get(op, {})
    with np.errstate(all="ignore"):
        want = np.asarray(row.implementation(gd.device("cpu"))(*operands, **params))
    on = [make(EMU.from_host(np.ascontiguousarray(x), copy=True)) for x in operands]
    got = EMU.to_host(row(*on, **params).data)
    assert got.dtype == want.dtype
    bad = ~same(got, want, op not in UNSIGNED)
    found = [(*(x[bad][i] for x in operands), got[bad][i], want[bad][i]) for i in range(bad.sum())]
    assert not found, f"(operands, kernel, CPU): {found[:12]}"


@pytest.mark.parametrize("variant", [v for v in CAST.variants if v["V"] == "1"], ids=CAST.key)
def test_casts_of_special_values(variant, emulator):
    source, target = np.dtype(DTYPES[variant["T"]]), np.dtype(DTYPES[variant["R"]])
    x = special(source.name)
    if source.kind == "f" and target.kind == "i":  # what does not fit is the machine's to choose
        x = x[np.isfinite(x) & (np.abs(x) < 2**31)]
    with np.errstate(all="ignore"):
        want = x.astype(target)
    on = make(EMU.from_host(x, copy=True))
    got = EMU.to_host(rows()["cast"](on, dtype=target).data)
    assert got.tobytes() == want.tobytes()
