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
from random_layers import Case, Draw, Side, built, check, compare  # noqa: E402

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


# ----- noise: PyTorch's masks, put into ours -----
DROPOUTS = {
    "Dropout": (0.4,), "Dropout1d": (0.4,), "Dropout2d": (0.4,), "Dropout3d": (0.4,),
    "LSTM": (5, 4), "GRU": (5, 4), "RNN": (5, 4),
    "MultiheadAttention": (6, 2), "TransformerEncoderLayer": (6, 2, 8),
    "TransformerDecoderLayer": (6, 2, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_with_the_masks_of_pytorch(name, monkeypatch, count):
    """PyTorch draws its masks in the order of its calls, so its generator gives ours the same."""
    for seed in range(4):
        d = Draw(seed)
        shape = (3, 2, 5) if name in ("LSTM", "GRU", "RNN") else (3, 2, 6)
        if name.startswith("Dropout"):
            shape = (3, 4, *d.shape(int(name[-2]) if name[-1] == "d" else d.pick(0, 1, 2)))
        number = {"MultiheadAttention": 3, "TransformerDecoderLayer": 2}.get(name, 1)
        case = Case(DROPOUTS[name], {}, tuple(d.normal(*shape) for _ in range(number)))
        if not name.startswith("Dropout"):
            layers = {"num_layers": 3} if name in ("LSTM", "GRU", "RNN") else {}
            case.options = {"dropout": 0.3, **layers}
        theirs, ours = Side(torch, "float64"), Side(gd, "float64")
        layer, values = built(theirs, name, case, seed)
        mine = ours.build(name, case.args, case.options)
        mine.load_state_dict({k: ours.tensor(v) for k, v in values.items()})
        torch.manual_seed(seed)
        want = theirs.run(layer, case, seed)
        drawn = []

        def masked(op, x, p, training, shape, drawn=drawn):
            if not training or not p:
                return x
            mask = torch.nn.functional.dropout(torch.ones(shape, dtype=torch.float64), p)
            drawn.append(mask)
            return x * gd.asarray(mask.numpy())

        monkeypatch.setattr("gpudl.nn.functional._dropout._dropped", masked)
        torch.manual_seed(seed)
        compare(ours.run(mine, case, seed), want, want, case, 1e-10)
        assert any((m == 0).any() for m in drawn)
    count("layers with PyTorch's masks", 4, 4)
