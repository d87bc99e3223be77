"""What tests share: counts that they report beside passed and failed."""

from __future__ import annotations

import signal
from collections import defaultdict

import pytest

_counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])


@pytest.fixture
def count(record_property):
    """`count(what, passed, total)` adds to a line `what: passed / total` at the end."""
    return lambda what, passed, total=0: record_property("count", (what, int(passed), int(total)))


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_runtest_logreport(report):
    """Add up what the tests counted, in the process that prints, whoever ran them."""
    if report.when == "call":
        for name, value in report.user_properties:
            if name == "count":
                what, passed, total = value
                _counts[what][0] += passed
                _counts[what][1] += total


def pytest_terminal_summary(terminalreporter):
    """Print the counts."""
    if _counts:
        terminalreporter.section("counts")
        for what, (passed, total) in sorted(_counts.items()):
            terminalreporter.write_line(
                f"{what}: {passed} / {total}" if total else f"{what}: {passed}"
            )
