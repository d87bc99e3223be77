"""PyTorch's names that are not here: each error names what is, and that exists."""

from __future__ import annotations

import re

import pytest

import gpudl as gd
from gpudl._namespace.torch_names import FUNCTIONS, METHODS
from gpudl.errors import MissingAttributeError


def check(hint: str) -> None:
    for path in re.findall(r"\bgd((?:\.\w+)+)", hint):
        owner = gd
        for part in path.split(".")[1:]:
            owner = getattr(owner, part)
    for name in re.findall(r"\bx\.(\w+)", hint):
        assert hasattr(gd.Tensor, name), name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    assert name not in dir(gd)
    with pytest.raises(MissingAttributeError) as raised:
        getattr(gd, name)
    assert FUNCTIONS[name] in str(raised.value)
    check(FUNCTIONS[name])


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    assert name not in dir(gd.Tensor)
    with pytest.raises(MissingAttributeError) as raised:
        getattr(gd.ones(2), name)
    assert METHODS[name] in str(raised.value)
    check(METHODS[name])


def test_other_names_raise_as_python_does():
    x = gd.ones(2)
    for owner in (gd, x):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            owner.nothing  # noqa: B018
        assert not hasattr(owner, "nothing")
