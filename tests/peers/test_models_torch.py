"""Whole networks: a state_dict of PyTorch's loads unchanged and gives the same logits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gpudl as gd
from gpudl import models, tolerances

torch = pytest.importorskip(
    "torch", reason="compares with PyTorch's CPU wheel", exc_type=ImportError
)
tnn = torch.nn


def agree(ours, theirs, dtype):
    want = theirs.detach().numpy()
    limit = 1e-4 if dtype == "float32" else 1e-9
    assert ours.shape == want.shape
    assert tolerances.error(ours.detach().numpy(), want) <= limit


def taken_over(model, peer, dtype):
    """`model` with the weights of `peer`, both in `dtype` and in evaluation mode."""
    peer.to(getattr(torch, dtype)).eval()
    model.to(getattr(gd, dtype)).eval()
    weights = {k: v.numpy() for k, v in peer.state_dict().items()}
    model.load_state_dict({k: gd.tensor(v) for k, v in weights.items()})
    return model


class TorchBlock(tnn.Module):
    def __init__(self, cin, width, stride):
        super().__init__()
        self.conv1 = tnn.Conv2d(cin, width, 3, stride, 1, bias=False)
        self.bn1 = tnn.BatchNorm2d(width)
        self.conv2 = tnn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = tnn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1 or cin != width:
            self.downsample = tnn.Sequential(
                tnn.Conv2d(cin, width, 1, stride, bias=False), tnn.BatchNorm2d(width)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchResNet18(tnn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = tnn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = tnn.BatchNorm2d(64)
        self.layer1 = tnn.Sequential(TorchBlock(64, 64, 1), TorchBlock(64, 64, 1))
        self.layer2 = tnn.Sequential(TorchBlock(64, 128, 2), TorchBlock(128, 128, 1))
        self.layer3 = tnn.Sequential(TorchBlock(128, 256, 2), TorchBlock(256, 256, 1))
        self.layer4 = tnn.Sequential(TorchBlock(256, 512, 2), TorchBlock(512, 512, 1))
        self.fc = tnn.Linear(512, classes)

    def forward(self, x):
        x = tnn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resnet18(dtype):
    torch.manual_seed(0)
    peer = TorchResNet18(10)
    peer(torch.randn(4, 3, 64, 64))  # statistics of its own
    model = taken_over(models.resnet18(10), peer, dtype)
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(dtype)
    agree(model(gd.tensor(x)), peer(torch.tensor(x)), dtype)


class TorchLM(tnn.Module):
    def __init__(self, vocabulary, width, layers, cell):
        super().__init__()
        self.embedding = tnn.Embedding(vocabulary, width)
        self.rnn = getattr(tnn, cell)(width, width, layers, batch_first=True)
        self.head = tnn.Linear(width, vocabulary)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_recurrent_language_model(cell, dtype):
    torch.manual_seed(0)
    peer = TorchLM(65, 48, 2, cell)
    ours = models.RecurrentLM(65, cell=cell.lower(), width=48, layers=2)
    model = taken_over(ours, peer, dtype)
    x = np.random.default_rng(0).integers(0, 65, (3, 37))
    agree(model(gd.tensor(x))[0], peer(torch.tensor(x)), dtype)


def torch_gpt2(weights, x, heads):
    """The logits of GPT-2, from the formulas of the paper and its published weights' layout."""
    F = tnn.functional
    w = {k: torch.tensor(v) for k, v in weights.items()}
    width = w["wte.weight"].shape[1]
    h = w["wte.weight"][x] + w["wpe.weight"][: x.shape[1]]

    def norm(h, name):
        return F.layer_norm(h, (width,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    for i in range(1 + max(int(k.split(".")[1]) for k in w if k.startswith("h."))):
        p = f"h.{i}"
        qkv = norm(h, f"{p}.ln_1") @ w[f"{p}.attn.c_attn.weight"] + w[f"{p}.attn.c_attn.bias"]
        q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in qkv.split(width, 2))
        scores = q @ k.mT / math.sqrt(width // heads)
        past = torch.ones(x.shape[1], x.shape[1]).tril().bool()
        y = scores.masked_fill(~past, -math.inf).softmax(-1) @ v
        y = y.transpose(1, 2).flatten(2)
        h = h + y @ w[f"{p}.attn.c_proj.weight"] + w[f"{p}.attn.c_proj.bias"]
        m = norm(h, f"{p}.ln_2") @ w[f"{p}.mlp.c_fc.weight"] + w[f"{p}.mlp.c_fc.bias"]
        m = F.gelu(m, approximate="tanh") @ w[f"{p}.mlp.c_proj.weight"]
        h = h + m + w[f"{p}.mlp.c_proj.bias"]
    return norm(h, "ln_f") @ w["wte.weight"].T


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gpt2(dtype):
    rng = np.random.default_rng(0)
    shapes = models.GPT2(97, context=64, layers=3, heads=4, width=64).state_dict()
    weights = {
        k: (
            rng.standard_normal(v.shape) * 0.1 + (k.endswith(("ln_1.weight", "ln_2.weight")))
        ).astype(dtype)
        for k, v in shapes.items()
    }
    model = models.GPT2.from_weights({k: gd.tensor(v) for k, v in weights.items()}, heads=4)
    x = rng.integers(0, 97, (2, 50))
    agree(model.eval()(gd.tensor(x))[0], torch_gpt2(weights, torch.tensor(x), 4), dtype)
