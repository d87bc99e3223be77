"""The mechanical pass: a fault at every barrier, bound and index of every kernel is found by the
cases of its spec, or is known to survive for a reason."""

from __future__ import annotations

import pytest
from mechanical import faults, functions, go_through, record, sources

KNOWN = record()
_NEW = pytest.mark.skip(reason="not gone through yet: python scripts/mechanical_pass.py SOURCE")


@pytest.mark.full
@pytest.mark.parametrize(
    "source",
    [pytest.param(s, marks=[] if s in KNOWN else [_NEW], id=s) for s in sources()],
)
def test_mechanical_faults_are_found(source, emulator, count):
    alive = dict(go_through(source))
    survivors = {name for name, survives in alive.items() if survives}
    reasons = KNOWN[source]["survivors"]
    count("mechanical faults killed", len(alive) - len(survivors), len(alive))
    assert not survivors - set(reasons), "survives without a reason"
    assert not set(reasons) - set(alive), "a reason for a fault that is no more"


@pytest.mark.parametrize("source", KNOWN)
def test_every_survivor_has_a_reason(source):
    assert source in sources()
    for name, why in KNOWN[source]["survivors"].items():
        assert why.startswith(("equivalent: ", "survives: ")), f"{name}: {why!r}"


CODE = """
template <class T>
__global__ void __launch_bounds__(256) first(const T* x, T* y, int n) {
    __shared__ T s[256];
    s[threadIdx.x] = x[threadIdx.x];  // x[0] < 1
    __syncthreads();
    if (threadIdx.x < n) y[n - 1] = s[0];
}
__global__ void second(int* y) { y[0] = 1; }
"""


def test_the_rules_plant_what_they_say():
    assert [name for name, _, _ in functions(CODE)] == ["first", "second"]
    planted = [(kind, CODE[begin:end], new) for kind, begin, end, new in faults(CODE)]
    assert planted == [
        ("barrier", "__syncthreads();", ";"),
        ("bound", " < ", " <= "),
        ("index", "[threadIdx.x]", "[(threadIdx.x) + 1]"),
        ("index", "[threadIdx.x]", "[(threadIdx.x) + 1]"),
        ("index", "[n - 1]", "[(n - 1) + 1]"),
        ("index", "[0]", "[(0) + 1]"),
        ("index", "[0]", "[(0) + 1]"),
    ]
