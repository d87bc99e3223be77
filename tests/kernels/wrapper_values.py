"""What each wrapper of `device.cuh` gives, computed by NumPy and ml_dtypes: independent of the
emulator, and of a card."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np

from gpudl.kernels.conformance import wrappers
from gpudl.kernels.conformance.wrappers import Wrapper

LANES = 32
FEW = 20  # lanes of the partial mask
TYPES = {"bf16": np.dtype(ml_dtypes.bfloat16), "half": np.dtype(np.float16)}
F32, F64, U32, I32, U64 = np.float32, np.float64, np.uint32, np.int32, np.uint64


def expected(wrapper: Wrapper) -> np.ndarray:
    """The output of the wrapper's kernel."""
    name, *types = re.findall(r"[\w ]+", wrapper.kernel)
    types = [text.strip() for text in types]
    with np.errstate(all="ignore"):
        out = VALUES[name](wrapper.x, wrapper.y, *types)
    return np.asarray(out).ravel().astype(wrapper.dtype)


# ----- warps -----
def by_warp(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, LANES)


def few(x: np.ndarray) -> np.ndarray:
    """Which of the threads are in the partial mask."""
    return np.arange(x.size) % LANES < FEW


def shuffled(x: np.ndarray, source: Callable, width: int) -> np.ndarray:
    """x of the lane `source(thread, lane in its group)`, its own where that is not in the group."""
    t = np.arange(x.size)
    at = source(t, t % width)
    return np.where((at >= 0) & (at < width), x[(t // width * width + at) % x.size], x)


def shuffle(source: Callable) -> Callable:
    """Whole warps, groups of 8, and groups of 4 among few lanes: `source(t, lane, width, m)`, where
    the amount is taken modulo m, if there is one."""

    def values(x: np.ndarray, y: np.ndarray, ctype: str) -> np.ndarray:
        warps = shuffled(x, lambda t, lane: source(t, lane, 32, 0), 32)
        eights = shuffled(x, lambda t, lane: source(t, lane, 8, 0), 8)
        quads = shuffled(x, lambda t, lane: source(t, lane, 4, 4), 4)
        return np.concatenate([warps, eights, np.where(few(x), quads, x)])

    return values


def masks(same: Callable) -> np.ndarray:
    """A mask a thread of two warps: lane i is in it where `same(thread, other)` holds."""
    out = np.zeros(64, U32)
    for t in range(64):
        for lane in range(LANES):
            out[t] |= U32(bool(same(t, t // LANES * LANES + lane))) << U32(lane)
    return out


def ballot(x, y):
    whole = masks(lambda t, o: x[o])
    part = masks(lambda t, o: o % LANES < FEW and x[o] & 2)
    return np.concatenate([whole, np.where(few(x), part, 7)])


def vote(combine: Callable) -> Callable:
    def values(x, y):
        whole = [combine(row != 0) for row in by_warp(x)]
        part = [combine(row[:FEW] & 2 != 0) for row in by_warp(x)]
        spread = np.repeat(np.array([whole, part], U32), LANES, axis=1)
        return np.concatenate([spread[0], np.where(few(x), spread[1], 7)])

    return values


def match_any(x, y, ctype):
    whole = masks(lambda t, o: x[o] == x[t])
    part = masks(lambda t, o: o % LANES < FEW and x[o] == x[t])
    return np.concatenate([whole, np.where(few(x), part, 7)])


def match_all(x, y, ctype):
    equal = np.repeat([(row == row[0]).all() for row in by_warp(x)], LANES)
    all_lanes = np.full(64, 0xFFFFFFFF, U32)
    return np.concatenate([np.where(equal, all_lanes, 0), equal, all_lanes, np.ones(64, U32)])


def syncwarp(x, y):
    t = np.arange(64)
    return np.concatenate([x[t ^ 31], np.where(few(x), ~x[t ^ 1], 0)])


def load_matrix(count: int, transposed: bool) -> Callable:
    def values(x, y):
        matrices = x[: 64 * count].reshape(count, 8, 8)
        if transposed:
            matrices = matrices.transpose(0, 2, 1)
        pairs = matrices.reshape(count, 32, 2).astype(U32)  # row-major: lane l has pair l
        return (pairs[..., 0] | pairs[..., 1] << U32(16)).T

    return values


def reduction(combine: np.ufunc) -> Callable:
    def values(x, y, ctype):
        whole = combine.reduce(by_warp(x), axis=1, dtype=x.dtype)
        part = combine.reduce(by_warp(x)[:, :FEW], axis=1, dtype=x.dtype)
        return np.concatenate(
            [np.repeat(whole, LANES), np.where(few(x), np.repeat(part, LANES), 7)]
        )

    return values


# ----- atomics -----
_ATOMIC = {
    "Add": lambda old, v: old + v,
    "Sub": lambda old, v: old - v,
    "Min": np.minimum,
    "Max": np.maximum,
    "And": lambda old, v: old & v,
    "Or": lambda old, v: old | v,
    "Xor": lambda old, v: old ^ v,
    "Inc": lambda old, v: np.where(old >= v, 0, old + 1),
    "Dec": lambda old, v: np.where((old == 0) | (old > v), v, old - 1),
    "Exch": lambda old, v: v,
    "Cas": lambda old, v: np.where(old & 1, v, old),
}


def atomic(x, y, operation, ctype):
    step = _ATOMIC[operation]
    shared = x[:1].copy()
    if operation not in ("Inc", "Dec", "Exch", "Cas"):  # their result would depend on the order
        for value in y:
            shared = step(shared, np.array([value], y.dtype)).astype(x.dtype)
    return np.concatenate([step(x, y).astype(x.dtype), x, shared])


# ----- 16-bit floats -----
def narrowed(x: np.ndarray, name: str) -> np.ndarray:
    """The bits of x rounded to nearest even; NaN is 0x7fff."""
    bits = x.astype(TYPES[name]).view(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FFF), bits)


def widened(x: np.ndarray, name: str) -> np.ndarray:
    return x.view(TYPES[name]).astype(F32)


def arithmetic(x, y, name):
    a, b = widened(x, name), widened(y, name)
    results = [a + b, a - b, a * b, (a.astype(F64) * b + a).astype(F32)]
    return np.concatenate([*[narrowed(r, name) for r in results], a < b])


def tf32(x: np.ndarray) -> np.ndarray:
    """To 10 bits of mantissa, ties away from zero."""
    exponent = np.maximum(np.frexp(x.astype(F64))[1], -125)  # subnormal numbers keep their spacing
    unit = np.ldexp(1.0, exponent - 11)
    rounded = np.copysign(np.floor(np.abs(x.astype(F64)) / unit + 0.5) * unit, x)
    return np.where(np.isfinite(x), rounded, x).astype(F32)


def vector_types(x, y):
    scalars = [1, 1, 2, 2, 4, 4, 8, 8, 4, 8]
    rows = []
    for n in (1, 2, 3, 4):
        for size in scalars if n < 4 else [1, 1, 2, 2, 4, 4, 4]:
            rows.append((n * size, size if n % 2 else min(n * size, 16), n))
    return np.array(rows)


# ----- intrinsics -----
def each(f: Callable) -> Callable:
    """Of one operand, element by element."""
    return lambda x, y: np.array([f(v) for v in x.tolist()])


def pairs(f: Callable) -> Callable:
    """Of two operands as Python's integers."""
    return lambda x, y: np.array([f(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)])


def triples(f: Callable) -> Callable:
    """Of three; the third is y from the other end."""
    return lambda x, y: np.array([f(*abc) for abc in zip(*map(list, (x, y, y[::-1])), strict=True)])


def to_int(rounding: Callable) -> Callable:
    """Saturating; NaN gives 0."""

    def values(x, y):
        finite = np.where(np.isnan(x), 0, x).astype(F64)
        return np.clip(rounding(finite), -(2.0**31), 2.0**31 - 1).astype(np.int64)

    return values


def fma(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x y + z rounded once, by fractions; what is not finite by the plain operations."""
    z = y[::-1]
    out = x * y + z
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    for i in np.flatnonzero(finite):
        value = Fraction(float(x[i])) * Fraction(float(y[i])) + Fraction(float(z[i]))
        if value:
            out[i] = nearest(value, out.dtype)
    return out


def nearest(value: Fraction, dtype: np.dtype) -> np.floating:
    """The number of `dtype` that is nearest to `value`, the even one of two."""
    limit = Fraction(float(np.finfo(dtype).max))
    ulp = Fraction(2) ** (math.frexp(float(limit))[1] - np.finfo(dtype).nmant - 1)
    if abs(value) >= limit + ulp / 2:
        return dtype.type(math.copysign(math.inf, value))
    guess = dtype.type(min(max(value, -limit), limit))
    around = [guess, np.nextafter(guess, dtype.type(-1e30)), np.nextafter(guess, dtype.type(1e30))]
    integer = np.dtype(f"uint{8 * dtype.itemsize}")
    best = min(around, key=lambda v: (abs(Fraction(float(v)) - value), int(v.view(integer)) & 1))
    return np.copysign(best, dtype.type(1 if value > 0 else -1))


def rooted(f: Callable) -> Callable:
    """Of a float, by a formula in float64 whose result is rounded to float once more: no root or
    quotient of a float lies so near to a tie that this matters."""
    return lambda x, y: f(x.astype(F64)).astype(F32)


def bits_of(value: int, width: int) -> str:
    return format(value & ((1 << width) - 1), f"0{width}b")


def byte_perm(a: int, b: int, selector: int) -> int:
    every = (int(a) | int(b) << 32).to_bytes(8, "little")
    return int.from_bytes(bytes(every[int(selector) >> 4 * i & 7] for i in range(4)), "little")


def funnel(left: bool) -> Callable:
    def value(low, high, shift):
        both, by = int(high) << 32 | int(low), int(shift) & 31
        return (both << by >> 32 if left else both >> by) & 0xFFFFFFFF

    return value


def wide_formula(f: Callable) -> Callable:
    """In float64 on two operands, or on the first."""
    return lambda x, y: f(x.astype(F64), y.astype(F64))


# ----- blocks -----
def voted(combine: Callable) -> Callable:
    """Of what the threads have set: the lowest bit, nothing, everything."""

    def values(x, y):
        sets = (x & 1 == 1, np.zeros(64, bool), np.ones(64, bool))
        return np.repeat([combine(found) for found in sets], 64)

    return values


def named_barriers(x, y):
    return np.concatenate([x[31::-1] + i for i in range(3)])


def across_the_grid(x, y):
    other = np.concatenate([x[64:128], x[:64]])
    return np.concatenate([other, 3 * other])


# ----- asynchronous copies -----
def copied16(x, y):
    kept = np.repeat(np.arange(64) % 3 != 1, 4)
    return np.where(kept, x, 0)[::-1]


def copied4(x, y):
    return np.where(np.arange(64) % 5 != 2, x[:64], 0)[::-1]


# ----- tensor cores -----
def accumulator(product: np.ndarray) -> np.ndarray:
    """The registers (32, 4) of a 16 x 8 result, as the PTX manual draws them."""
    lane = np.arange(32)[:, None]
    e = np.arange(4)
    return product[lane // 4 + 8 * (e // 2), 2 * (lane % 4) + e % 2]


def product(kind: str) -> Callable:
    def values(x, y):
        start = np.arange(1, 129, dtype=F64).reshape(32, 4)
        return np.concatenate(
            [start + accumulator(a.astype(F64) @ b.astype(F64)) for a, b in wrappers.factors(kind)]
        )

    return values


def wgmma(x, y):
    a, b = (m.view(TYPES["bf16"]).astype(F64).reshape(64, 64) for m in (x, y))
    thread, i = np.arange(128)[:, None], np.arange(32)
    lane = thread % 32
    row = 16 * (thread // 32) + lane // 4 + 8 * (i % 4 // 2)
    column = 8 * (i // 4) + 2 * (lane % 4) + i % 2
    whole, part = a @ b.T, a[:, 16:32] @ b[:, 16:32].T
    return np.concatenate([x[:32] + whole[row, column], part[row, column]])


def mbarrier_phases(x, y):
    return np.repeat(x[:4], 64)


def tiles(swizzled: bool) -> Callable:
    """Boxes of 8 x 32 with zeros outside; of each row the chunks of 16 bytes permuted."""

    def values(x, y):
        padded = np.pad(x, 40)
        boxes = [padded[40 + r : 48 + r, 40 + c : 72 + c] for c, r in ((8, 4), (-4, 9), (24, -3))]
        chunks = np.stack(boxes).reshape(3, 8, 8, 4)
        if swizzled:
            row, chunk = np.arange(8)[:, None], np.arange(8)
            chunks = chunks[:, row, chunk ^ row]
        return chunks

    return values


VALUES: dict[str, Callable] = {
    "shfl": shuffle(lambda t, lane, w, m: (t * 7 + 3) % (m or 1 << 30) % w),
    "shfl_up": shuffle(lambda t, lane, w, m: lane - (3 % m if m else 3)),
    "shfl_down": shuffle(lambda t, lane, w, m: lane + (5 % m if m else 5)),
    "shfl_xor": shuffle(lambda t, lane, w, m: lane ^ (6 % m if m else 6)),
    "ballot_": ballot,
    "any_": vote(np.any),
    "all_": vote(np.all),
    "match_any": match_any,
    "match_all": match_all,
    "syncwarp": syncwarp,
    "activemask": lambda x, y: np.ones(64),
    "ldmatrix_x4_": load_matrix(4, False),
    "ldmatrix_x4_trans_": load_matrix(4, True),
    "ldmatrix_x2_": load_matrix(2, False),
    "ldmatrix_x2_trans_": load_matrix(2, True),
    "reduce_add": reduction(np.add),
    "reduce_min": reduction(np.minimum),
    "reduce_max": reduction(np.maximum),
    "reduce_and": reduction(np.bitwise_and),
    "reduce_or": reduction(np.bitwise_or),
    "reduce_xor": reduction(np.bitwise_xor),
    "atomic": atomic,
    "narrow": lambda x, y, name: np.tile(narrowed(x, name), 2),
    "widen": lambda x, y, name: np.tile(widened(x, name), 2),
    "float_to_itself": lambda x, y: np.tile(x, 2),
    "arithmetic": arithmetic,
    "pack_two": lambda x, y, name: x.astype(U32) | y.astype(U32) << U32(16),
    "round_to_tf32": lambda x, y: tf32(x),
    "vector_types": vector_types,
    "of___float_as_int": lambda x, y: x.view(I32),
    "of___float_as_uint": lambda x, y: x.view(U32),
    "of___int_as_float": lambda x, y: x.view(F32),
    "of___uint_as_float": lambda x, y: x.view(F32),
    "of___double_as_longlong": lambda x, y: x.view(np.int64),
    "of___longlong_as_double": lambda x, y: x.view(F64),
    "of_isnan": lambda x, y: np.isnan(x),
    "of_isinf": lambda x, y: np.isinf(x),
    "of_isfinite": lambda x, y: np.isfinite(x),
    "of___fadd_rn": lambda x, y: x + y,
    "of___fsub_rn": lambda x, y: x - y,
    "of___fmul_rn": lambda x, y: x * y,
    "of___fdiv_rn": lambda x, y: x / y,
    "of___fmaf_rn": fma,
    "of___frcp_rn": rooted(lambda x: 1 / x),
    "of___fsqrt_rn": rooted(np.sqrt),
    "of___frsqrt_rn": rooted(lambda x: 1 / np.sqrt(x)),
    "of___dadd_rn": lambda x, y: x + y,
    "of___dmul_rn": lambda x, y: x * y,
    "of___fma_rn": fma,
    "of___float2int_rn": to_int(np.rint),
    "of___float2int_rz": to_int(np.trunc),
    "of___float2int_rd": to_int(np.floor),
    "of___int2float_rn": lambda x, y: x.astype(F32),
    "of___uint2float_rn": lambda x, y: x.astype(F32),
    "of___saturatef": lambda x, y: np.clip(np.where(np.isnan(x), 0, x), 0, 1),
    "of___expf": wide_formula(lambda x, y: np.exp(x)),
    "of___exp10f": wide_formula(lambda x, y: 10**x),
    "of___logf": wide_formula(lambda x, y: np.log(x)),
    "of___log2f": wide_formula(lambda x, y: np.log2(x)),
    "of___sinf": wide_formula(lambda x, y: np.sin(x)),
    "of___cosf": wide_formula(lambda x, y: np.cos(x)),
    "of___powf": wide_formula(lambda x, y: x**y),
    "of___fdividef": wide_formula(lambda x, y: x / y),
    "of_rsqrtf": wide_formula(lambda x, y: 1 / np.sqrt(x)),
    "of_rsqrt": wide_formula(lambda x, y: 1 / np.sqrt(x)),
    "of___popc": each(lambda v: bits_of(v, 32).count("1")),
    "of___popcll": each(lambda v: bits_of(v, 64).count("1")),
    "of___clz": each(lambda v: (bits_of(v, 32) + "1").index("1")),
    "of___clzll": each(lambda v: (bits_of(v, 64) + "1").index("1")),
    "of___ffs": each(lambda v: bits_of(v, 32)[::-1].find("1") + 1),
    "of___brev": each(lambda v: int(bits_of(v, 32)[::-1], 2)),
    "of___umulhi": pairs(lambda a, b: a * b >> 32),
    "of___mulhi": pairs(lambda a, b: a * b >> 32),
    "of___umul64hi": pairs(lambda a, b: a * b >> 64),
    "of___byte_perm": triples(byte_perm),
    "of___funnelshift_l": triples(funnel(True)),
    "of___funnelshift_r": triples(funnel(False)),
    "smaller": lambda x, y, ctype: np.fmin(x, y),
    "larger": lambda x, y, ctype: np.fmax(x, y),
    "hinted": lambda x, y, ctype: np.tile(x, 3),
    "syncthreads": lambda x, y: x[63::-1],
    "__syncthreads_count_": voted(np.sum),
    "__syncthreads_and_": voted(np.all),
    "__syncthreads_or_": voted(np.any),
    "named_barriers": named_barriers,
    "across_the_grid": across_the_grid,
    "acquire_release": lambda x, y, ctype: np.array([1, x[3], x[0] + 1]),
    "fence_of_device": lambda x, y: np.append(x[:4], x[:4].sum()),
    "fence_of_system": lambda x, y: np.append(x[:4], x[:4].sum()),
    "fence_of_block": lambda x, y: x[np.arange(64) ^ 33],
    "nanosleep": lambda x, y: x[:64],
    "report_first": lambda x, y: np.array([7, 41, 37]),
    "shared_addresses": lambda x, y: 8 * np.arange(64),
    "cp_async16_": copied16,
    "cp_async4_": copied4,
    "cp_async_groups": lambda x, y: x,
    "mma_m16n8k16_bf16_": product("bf16"),
    "mma_m16n8k16_f16_": product("f16"),
    "mma_m16n8k8_tf32_": product("tf32"),
    "mbarrier_phases": mbarrier_phases,
    "wgmma": wgmma,
    "setmaxnreg": lambda x, y: x,
    "tma_plain": tiles(False),
    "tma_swizzled": tiles(True),
}
