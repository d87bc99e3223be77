"""Specs say what is wrong with them; geometries and architectures follow CUDA's rules."""

from __future__ import annotations

import dataclasses

import pytest

import gpudl as gd
from gpudl.runtime import ALL, Case, Geometry, KernelSpec, Operand, architectures
from gpudl.runtime.spec import specs_by_name

GOOD = KernelSpec(
    name="scale",
    source="scale/scale.cu",
    template="scale<{T}>",
    signature="PfqE",
    geometry=lambda n: Geometry((n, 1, 1), (32, 1, 1)),
    variants=({"T": "float"}, {"T": "double"}),
    cases=(),
    registers=32,
)
KNOWN = (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121)  # NVRTC 13.0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "a b"}, "no identifier"),
        ({"source": "/etc/scale.cu"}, "below kernels"),
        ({"source": "scale/scale.cpp"}, "below kernels"),
        ({"signature": "Px"}, "letters"),
        ({"variants": ()}, "no variants"),
        ({"variants": ({"T": "float"}, {"T": "float"})}, "twice"),
        ({"variants": ({"U": "float"},)}, "does not fill"),
        ({"variants": ({"T": "float", "N": "1"},)}, "does not fill"),
        ({"archs": ("sm_70",)}, "architectures"),
        ({"archs": ()}, "architectures"),
        ({"archs": ("sm_80",)}, "without a fallback"),
        ({"fallback": "scale"}, "own fallback"),
        ({"registers": 0}, "registers"),
        ({"registers": 256}, "registers"),
        ({"shared": -1}, "shared"),
    ],
)
def test_a_wrong_spec_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(GOOD, **change)


def test_a_variant_is_a_key_and_an_expression():
    assert [GOOD.key(v) for v in GOOD.variants] == ["T=float", "T=double"]
    assert GOOD.expression({"T": "double"}) == "scale<double>"
    assert GOOD.family == "scale"


def test_names_are_unique_and_fallbacks_are_there():
    with pytest.raises(ValueError, match="two specs"):
        specs_by_name([GOOD, GOOD])
    with pytest.raises(ValueError, match="no spec 'plain'"):
        specs_by_name([dataclasses.replace(GOOD, fallback="plain", archs=("sm_90a",))])


def test_operands_and_cases_are_checked():
    with pytest.raises(ValueError, match="layout"):
        Operand((3,), layout="diagonal")
    with pytest.raises(ValueError, match="channels_last"):
        Operand((3, 4), layout="channels_last")
    with pytest.raises(ValueError, match="no operand 1"):
        Case("scale", (Operand((3,)), None), inplace=(1,))
    shown = str(Case("scale", (Operand((3, 4), layout="reversed"), None), {"by": 2}))
    assert shown == "scale(float32[3x4].reversed, none, by=2)"


@pytest.mark.parametrize(
    ("geometry", "text"),
    [
        (Geometry((0, 1, 1), (32, 1, 1)), "grid"),
        (Geometry((1, 65536, 1), (32, 1, 1)), "grid"),
        (Geometry((2**31, 1, 1), (32, 1, 1)), "grid"),
        (Geometry((1, 1, 1), (32, 64, 1)), "1024 threads"),
        (Geometry((1, 1, 1), (1, 1, 65)), "block"),
        (Geometry((4, 1, 1), (32, 1, 1), cluster=(3, 1, 1)), "multiple"),
        (Geometry((8, 8, 1), (32, 1, 1), cluster=(4, 4, 1)), "more than 8 blocks"),
        (Geometry((1, 1, 1), (32, 1, 1), shared=-4), "shared"),
    ],
)
def test_a_geometry_that_no_card_takes(geometry, text):
    assert text in geometry.problem()


def test_a_geometry_that_cards_take():
    assert Geometry((2**31 - 1, 65535, 65535), (1024, 1, 1), cluster=(1, 5, 1)).problem() is None


# ----- which code a card gets -----
@pytest.mark.parametrize(
    ("card", "arch"),
    [
        ((7, 5), "sm_75"),
        ((8, 0), "sm_80"),
        ((8, 6), "sm_86"),
        ((8, 7), "sm_86"),
        ((8, 9), "sm_89"),
        ((9, 0), "sm_90a"),
        ((10, 0), "sm_100a"),
        ((10, 3), "sm_100"),
        ((12, 0), "sm_120"),
        ((12, 1), "sm_120"),
    ],
)
def test_the_code_of_a_card(card, arch):
    assert architectures.target(GOOD, card, KNOWN) == arch


@pytest.mark.parametrize("card", [(7, 0), (6, 1), (11, 0), (13, 0)])
def test_a_card_without_code(card):
    with pytest.raises(gd.errors.DeviceError) as error:
        architectures.target(GOOD, card, KNOWN)
    assert f"{card[0]}.{card[1]}" in str(error.value)
    assert ("7.5 (Turing)" if card < (7, 5) else "gpudl[cuda13]") in str(error.value)


def test_a_card_newer_than_the_compiler():
    with pytest.raises(gd.errors.DeviceError) as error:
        architectures.target(GOOD, (12, 0), KNOWN[:7])
    assert "NVRTC does not know sm_120" in str(error.value)
    assert 'pip install --upgrade "gpudl[cuda13]"' in str(error.value)


def test_special_code_runs_on_its_own_card_only():
    special = dataclasses.replace(GOOD, archs=("sm_90a",), fallback="plain")
    assert architectures.target(special, (9, 0), KNOWN) == "sm_90a"
    for card in [(8, 9), (10, 0), (12, 0)]:
        with pytest.raises(gd.errors.DeviceError):
            architectures.target(special, card, KNOWN)
    assert architectures.choose(("sm_100a",), (10, 3), portable=False) is None


def test_all_architectures_have_a_capability():
    assert [architectures.capability_of(arch) for arch in ALL] == [
        (7, 5),
        (8, 0),
        (8, 6),
        (8, 9),
        (9, 0),
        (10, 0),
        (12, 0),
    ]
