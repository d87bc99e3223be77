"""The mechanical pass: a fault at every barrier, bound and index of every kernel is found by the
cases of its spec, or is known to survive for a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from mechanical import faults, functions, go_through, mutants, record, sources

KNOWN = record()


@pytest.mark.full
@pytest.mark.parametrize("source", KNOWN)
def test_mechanical_faults_are_found(source, emulator, count):
    alive = dict(go_through(source))
    survivors = {name for name, survives in alive.items() if survives}
    reasons = KNOWN[source]["survivors"]
    count("mechanical faults killed", len(alive) - len(survivors), len(alive))
    assert not survivors - set(reasons), "survives without a reason"


def test_every_source_was_gone_through():
    assert set(KNOWN) == set(sources()), "python scripts/mechanical_pass.py SOURCE"


def test_the_documents_have_the_figures():
    planted = sum(known["planted"] for known in KNOWN.values())
    found = planted - sum(len(known["survivors"]) for known in KNOWN.values())
    root = Path(__file__).parents[2]
    described = " ".join((root / "docs" / "emulator.md").read_text().split())
    assert f"{planted} faults in {len(KNOWN)} sources. {found} are found" in described
    assert f"{found} of {planted} faults are found" in (root / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("source", KNOWN)
def test_every_survivor_has_a_reason(source):
    specs = sources()[source]
    names = {name for _, _, name in mutants(specs[0].path.read_text(), specs)}
    assert len(names) == KNOWN[source]["planted"], "the source has changed since"
    reasons = KNOWN[source]["survivors"]
    assert set(reasons) <= names, "a reason for a fault that is no more"
    for name, why in reasons.items():
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
