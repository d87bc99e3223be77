"""Every example in a docstring of gpudl runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import gpudl

# A module whose import starts something, or needs an extra, has no examples.
NAMES = sorted(
    info.name
    for info in pkgutil.walk_packages(gpudl.__path__, "gpudl.")
    if not info.name.startswith(("gpudl.kernels", "gpudl._C")) and "__main__" not in info.name
)


@pytest.mark.parametrize("name", ["gpudl", *NAMES])
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_public_functions_have_examples():
    missing = [
        name
        for name in dir(gpudl)
        if not name.startswith("_")
        and callable(value := getattr(gpudl, name))
        and getattr(value, "__module__", "").startswith("gpudl")
        and ">>>" not in (value.__doc__ or "")
    ]
    assert missing == []
