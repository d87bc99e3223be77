"""Hostile input: no call crashes, hangs, raises an untyped error, or changes what it was given."""

from __future__ import annotations

from collections import Counter

import pytest
from hostile.entries import entries
from hostile.runner import BAD, GOOD, cases, run

ENTRIES = entries()
GROUPS = 12
AT_LEAST = 20


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entries_are_valid_calls(entry):
    """What hostile calls are made from works as it stands."""
    args, kwargs = entry.arguments()
    entry.function(*args, **kwargs)


def check(chosen, count):
    outcomes = run([case for entry in chosen for case in entry])
    totals = Counter(kind for _, kind, _ in outcomes)
    for kind in (*GOOD, *BAD):
        count(f"hostile calls, {kind}", totals[kind])
    count("hostile calls, functions", len(chosen))
    bad = [f"{kind}: {case} {text}" for case, kind, text in outcomes if kind in BAD]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("group", range(GROUPS))
def test_hostile_calls(group, count):
    """Twenty calls a function, chosen by its name."""
    chosen = [cases(entry, AT_LEAST) for entry in ENTRIES[group::GROUPS]]
    assert all(len(calls) >= AT_LEAST for calls in chosen)
    check(chosen, count)


@pytest.mark.full
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("group", range(GROUPS))
def test_every_hostile_call(group, count):
    """Every value in the place of every argument."""
    check([cases(entry) for entry in ENTRIES[group::GROUPS]], count)
