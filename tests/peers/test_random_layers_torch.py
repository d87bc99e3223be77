"""Every layer of `gd.nn` against PyTorch, arguments and inputs from a seeded generator: outputs,
gradients of inputs and parameters, buffers, names of the state, in float32 and float64; what
PyTorch refuses is refused.

LAYER_CASES=100 tries that many configurations of each layer instead of a few.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter

import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch's CPU wheel")

from draw_images import IMAGES  # noqa: E402 - these need PyTorch
from draw_losses import LOSSES  # noqa: E402
from draw_sequences import SEQUENCES  # noqa: E402
from random_layers import Draw, check  # noqa: E402

import gpudl as gd  # noqa: E402
from gpudl import tolerances  # noqa: E402

pytestmark = [
    pytest.mark.peers,
    # PyTorch's remarks on slow paths, masks of two kinds and reductions.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:`NLLLoss2d` has been deprecated:FutureWarning"),
]

FEW, MANY = int(os.environ.get("LAYER_CASES", "4")), 60
TABLE = {**IMAGES, **LOSSES, **SEQUENCES}
NOT_HERE = {
    "Sequential ModuleList ModuleDict ParameterList ParameterDict": "hold layers, compute nothing",
    "Module Parameter UninitializedParameter UninitializedBuffer": "what layers are made of",
    "CrossMapLRN2d": "PyTorch's does not follow its formula; ours does, which its own test checks",
    "RNNBase RNNCellBase": "the bases of the recurrent layers, which are here",
}
# PyTorch's gradient of hardsigmoid multiplies by a float32 one sixth, in float64 too.
LOOSER = {("Hardsigmoid", "float64"): 1e-7}


def test_every_layer_has_a_generator():
    shared = {
        name
        for name, value in vars(gd.nn).items()
        if isinstance(value, type) and not name.startswith("_") and hasattr(torch.nn, name)
    }
    left_out = {name for names in NOT_HERE for name in names.split()}
    assert shared == set(TABLE) | left_out
    assert not left_out & set(TABLE)


def tried(name: str, seeds: range) -> Counter[str]:
    """Compare a layer for each seed; how often which outcome came."""
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        key = zlib.crc32(name.encode()) + seed
        case = TABLE[name](Draw(key))
        try:
            outcomes.update(
                check(name, case, key, lambda t: LOOSER.get((name, t), tolerances.tolerance(t)))
            )
        except Exception as error:
            error.add_note(f"in {name}, seed {seed}: {case}")
            raise
    return outcomes


def say(count, outcomes: Counter[str], number: int) -> None:
    count("random configurations of layers against PyTorch", number, number)
    for kind, times in outcomes.items():
        count(f"random configurations of layers: {kind}", times)


@pytest.mark.parametrize("name", TABLE)
def test_layer(name, count):
    say(count, tried(name, range(FEW)), FEW)


@pytest.mark.full
@pytest.mark.parametrize("name", TABLE)
def test_layer_in_many_configurations(name, count):
    outcomes = tried(name, range(1000, 1000 + MANY))
    assert outcomes["equal"] > 0
    say(count, outcomes, MANY)
