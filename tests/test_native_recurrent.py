"""Native recurrent kernels against the rows' references in float64: every instruction set, ragged
batches, any number of threads; arguments that do not fit raise."""

from __future__ import annotations

import numpy as np
import pytest

from gpudl import tolerances
from gpudl.autograd import rows

_C = pytest.importorskip("gpudl._C", reason="the C++ extension is not built")

from gpudl.kernels.recurrent import cpu as recurrent  # noqa: E402
from gpudl.kernels.recurrent.steps import previous, runs, steps  # noqa: E402

DTYPES = ["float32", "float64"]
# hidden units around the widths of vectors and panels, batches around the heights of tiles
SHAPES = [
    (1, (1,)),
    (3, (7, 7, 5, 1)),
    (16, (6,) * 3),
    (37, (13, 13, 2)),
    (64, (12, 9)),
    (70, (5, 0)),
    (5, (0, 0)),
]


@pytest.fixture(params=[2, 1, 0], ids=["avx512", "avx2", "base"])
def simd(request):
    """Each instruction set that this CPU has."""
    before = _C.simd_level()
    if _C.limit_simd(request.param) != request.param:
        _C.limit_simd(before)
        pytest.skip("this CPU lacks the instruction set")
    yield request.param
    _C.limit_simd(before)


def operands(name, hidden, sizes, dtype):
    """Operands of a row, backward ones with saved values that need not belong together."""
    rng = np.random.default_rng(hidden)
    L, N, H, P = sum(sizes), sizes[0], hidden, max(1, hidden // 2)

    def f(*shape):
        return rng.standard_normal(shape).astype(dtype)

    def w(*shape):
        return f(*shape) / np.asarray(shape[1] ** 0.5, dtype)

    def gates(n):
        return rng.uniform(0.1, 0.9, (L, n * H)).astype(dtype)

    return {
        "lstm_sequence": lambda: (f(L, 4 * H), f(N, H), f(N, H), w(4 * H, H)),
        "lstm_sequence, projected": lambda: (
            *(f(L, 4 * H), f(N, P), f(N, H)),
            *(w(4 * H, P), w(P, H)),
        ),
        "gru_sequence": lambda: (f(L, 3 * H), f(N, H), w(3 * H, H), f(3 * H)),
        "gru_sequence, no bias": lambda: (f(L, 3 * H), f(N, H), w(3 * H, H)),
        "rnn_sequence": lambda: (f(L, H), f(N, H), w(H, H)),
        "lstm_sequence_bwd": lambda: (
            *(f(L, H), f(N, H), f(N, H), gates(4), f(L, H), f(L, H)),
            *(f(N, H), f(N, H), w(4 * H, H)),
        ),
        "lstm_sequence_bwd, projected": lambda: (
            *(f(L, P), f(N, P), f(N, H), gates(4), f(L, H), f(L, P)),
            *(f(N, P), f(N, H), w(4 * H, P), w(P, H)),
        ),
        "gru_sequence_bwd": lambda: (
            *(f(L, H), f(N, H), gates(3), f(L, H), f(L, H)),
            *(f(N, H), w(3 * H, H)),
        ),
        "rnn_sequence_bwd": lambda: (f(L, H), f(N, H), f(L, H), f(N, H), w(H, H)),
    }[name]()


NAMES = [
    *("lstm_sequence", "lstm_sequence, projected", "gru_sequence", "gru_sequence, no bias"),
    *("rnn_sequence", "lstm_sequence_bwd", "lstm_sequence_bwd, projected"),
    *("gru_sequence_bwd", "rnn_sequence_bwd"),
]


def options(name, sizes, reverse, relu=False):
    return {"batch_sizes": sizes, "reverse": reverse, **({"relu": relu} if "rnn" in name else {})}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_against_the_reference_in_float64(name, dtype, simd, count):
    row = name.split(",")[0]
    kernel, reference = getattr(recurrent, row), rows()[row].ref
    done = 0
    for hidden, sizes in SHAPES:
        for reverse in (False, True):
            for relu in (False, True)[: 1 + ("rnn" in row)]:
                given = operands(name, hidden, sizes, dtype)
                opts = options(row, sizes, reverse, relu)
                got = kernel(*given, **opts)
                want = reference(np, *[x.astype(np.float64) for x in given], **opts)
                scale = tolerances.largest(*given)
                for a, b in zip(got, want, strict=True):
                    assert (a.shape, a.dtype) == (b.shape, np.dtype(dtype))
                    assert tolerances.error(a, b, scale) <= tolerances.tolerance(a.dtype)
                done += 1
    count("native recurrent kernels: calls against float64", done, done)


@pytest.mark.parametrize("name", NAMES)
def test_the_bits_do_not_depend_on_the_threads(name):
    row = name.split(",")[0]
    before, found = _C.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            for sizes in ((29,) * 4, (29, 17, 17, 3)):
                given = operands(name, 37, sizes, "float32")
                out = getattr(recurrent, row)(*given, **options(row, sizes, False))
                found.append([x.tobytes() for x in out])
    finally:
        _C.set_num_threads(before)
    assert found[:2] == found[2:4] == found[4:]


def test_other_dtypes_and_single_rows_are_left_to_the_reference():
    given = [x.astype(np.float16) for x in operands("rnn_sequence", 3, (2, 2), "float32")]
    assert recurrent.rnn_sequence(*given, **options("rnn", (2, 2), False)) is NotImplemented
    one = operands("rnn_sequence", 65, (1,), "float32")
    assert recurrent.rnn_sequence(*one, **options("rnn", (1,), False)) is NotImplemented
    mixed = [given[0].astype(np.float32), *given[1:]]
    assert recurrent.rnn_sequence(*mixed, **options("rnn", (2, 2), False)) is NotImplemented


@pytest.mark.parametrize(
    "sizes", [(), (3, 2), (2, 3), (4, 1), (3,), (3, 3), (3, 2, -1, 1), (5, 0), (2**62, 2**62)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_sizes_that_do_not_fit_raise(sizes, reverse):
    good = (3, 2)
    x, h, w = operands("rnn_sequence", 3, good, "float32")
    call = options("rnn", sizes, reverse)
    if sizes == good:
        assert recurrent.rnn_sequence(x, h, w, **call)[0].shape == (5, 3)
        return
    with pytest.raises(ValueError, match="batch_sizes"):
        recurrent.rnn_sequence(x, h, w, **call)


@pytest.mark.parametrize("at", range(3))
def test_shapes_that_do_not_fit_raise(at):
    for name in ("lstm_sequence", "gru_sequence", "rnn_sequence"):
        given = list(operands(name, 3, (3, 2), "float32"))
        given[at] = given[at][:-1]
        with pytest.raises(ValueError, match=r"expected shape|batch_sizes"):
            getattr(recurrent, name)(*given, **options(name, (3, 2), False))


@pytest.mark.parametrize("sizes", [(4,), (3, 3, 3), (5, 4, 4, 1), (2, 0, 0), (0, 0), (1,) * 6])
@pytest.mark.parametrize("reverse", [False, True])
def test_earlier_states_by_hand(sizes, reverse):
    y, h0 = np.arange(float(sum(sizes)))[:, None], -1 - np.arange(float(sizes[0]))[:, None]
    state, want = h0.copy(), np.empty_like(y)
    for at, n in steps(sizes, reverse):
        want[at : at + n] = state[:n]
        state[:n] = y[at : at + n]
    assert np.array_equal(previous(np, y, h0, sizes, reverse), want)
    found = runs(sizes, reverse)
    assert sum(run.stop - run.start for run in found) == sum(sizes)
    if len(set(sizes)) == 1:  # two pieces at most: no copy is needed
        assert len(found) <= 2
