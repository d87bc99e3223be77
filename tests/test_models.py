"""The networks that come ready: shapes, sizes, caches, wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

import gpudl as gd
from gpudl import models
from gpudl.errors import ArgumentError, ShapeError, StateDictError


def tokens(*shape, below=11, seed=0):
    return gd.tensor(np.random.default_rng(seed).integers(0, below, shape))


def language_models():
    gd.manual_seed(0)
    return {
        "gpt": models.GPT(11, context=12, layers=2, heads=2, width=16),
        "gpt2": models.GPT2(11, context=12, layers=2, heads=2, width=16),
        "lstm": models.RecurrentLM(11, width=16, layers=2),
        "gru": models.RecurrentLM(11, cell="gru", width=16),
        "rnn": models.RecurrentLM(11, cell="rnn", width=16),
    }


@pytest.mark.parametrize("name", language_models())
def test_a_text_read_in_pieces_is_the_text_read_at_once(name):
    model = language_models()[name].eval()
    for p in model.parameters():  # a head of zeros says nothing
        if not p.data.any():
            with gd.no_grad():
                p[...] = gd.random.normal(p.shape) * 0.3
    x = tokens(3, 12)
    with gd.no_grad():
        whole, _ = model(x)
        parts, state = [], None
        for at, stop in ((0, 5), (5, 6), (6, 9), (9, 12)):
            logits, state = model(x[:, at:stop], state)
            parts.append(logits)
    np.testing.assert_allclose(gd.concat(parts, axis=1).numpy(), whole.numpy(), atol=2e-5)


@pytest.mark.parametrize("name", language_models())
def test_no_place_sees_what_comes_later(name):
    model = language_models()[name].eval()
    a, b = tokens(1, 10), tokens(1, 10)
    b[0, 6:] = (b[0, 6:] + 1) % 11
    with gd.no_grad():
        np.testing.assert_array_equal(model(a)[0][:, :6].numpy(), model(b)[0][:, :6].numpy())


def test_a_gpt_goes_on_beyond_its_context():
    model = language_models()["gpt"]
    written = models.generate(model, tokens(2, 3), 40, top_k=3)
    assert written.shape == (2, 40)
    assert model.training


def test_sampling_follows_the_generator():
    model = language_models()["gpt2"]
    draws = [
        models.generate(model, tokens(2, 3), 8, generator=gd.Generator(seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
    greedy = models.generate(model, tokens(2, 3), 5, temperature=0)
    logits, _ = model.eval()(tokens(2, 3))
    assert greedy[:, 0].tolist() == logits[:, -1].argmax(axis=1).tolist()
    assert models.generate(model, tokens(2, 3), 0).shape == (2, 0)


def test_probabilities():
    logits = np.log([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(models.probabilities(logits), np.exp(logits), rtol=1e-12)
    np.testing.assert_allclose(
        models.probabilities(logits, top_k=2), [[4 / 7, 3 / 7, 0, 0], [0, 0, 3 / 7, 4 / 7]]
    )
    np.testing.assert_allclose(
        models.probabilities(logits, top_p=0.71),
        [[4 / 9, 3 / 9, 2 / 9, 0], [0, 2 / 9, 3 / 9, 4 / 9]],
    )
    np.testing.assert_allclose(models.probabilities(logits, 0.5), np.exp(2 * logits) / 0.3)
    assert models.probabilities(logits, 0).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert models.probabilities(np.array([0.0, 1000.0]))[1] == 1


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"temperature": float("nan")}, {"top_k": 0}, {"top_p": 0}]
)
def test_probabilities_that_make_no_sense(options):
    with pytest.raises(ArgumentError):
        models.probabilities(np.zeros(3), **options)


def test_gpt2_takes_a_file_with_or_without_its_prefix(tmp_path):
    model = language_models()["gpt2"]
    state = model.state_dict()
    extra = {"lm_head.weight": state["wte.weight"], "h.0.attn.bias": gd.ones(1, 1, 12, 12)}
    gd.save({f"transformer.{k}" if k[:2] != "lm" else k: v for k, v in (state | extra).items()},
            tmp_path / "model.safetensors")  # fmt: skip
    for weights in (state, gd.load(tmp_path / "model.safetensors")):
        again = models.GPT2.from_weights(weights, heads=2)
        x = tokens(1, 5)
        np.testing.assert_array_equal(again(x)[0].tolist(), model(x)[0].tolist())
    with pytest.raises(StateDictError, match="wte"):
        models.GPT2.from_weights({"x": gd.ones(2)})
    del state["h.1.ln_1.weight"]
    with pytest.raises(StateDictError):
        models.GPT2.from_weights(state, heads=2)


@pytest.mark.parametrize(
    ("make", "shape", "out"),
    [
        (lambda: models.LeNet(), (2, 1, 28, 28), (2, 10)),
        (lambda: models.resnet18(7, width=4), (1, 3, 64, 64), (1, 7)),
        (lambda: models.resnet50(5, width=4, stem="small", channels=1), (1, 1, 16, 16), (1, 5)),
        (lambda: models.PreActResNet(29, channels=1, width=4), (2, 1, 9, 7), (2, 10)),
        (lambda: models.PreActResNet(11, width=4, skip=False), (2, 3, 8, 8), (2, 10)),
        (lambda: models.MobileNetV2(4, 0.25), (2, 3, 32, 32), (2, 4)),
        (lambda: models.ViT((1, 28, 28), patch=7, layers=2, width=16), (2, 1, 28, 28), (2, 10)),
        (lambda: models.Critic(width=4, spectral=True), (3, 1, 28, 28), (3,)),
        (lambda: models.ConvAutoencoder(width=4), (2, 1, 28, 28), (2, 1, 28, 28)),
        (lambda: models.Autoencoder(20, latent=3, hidden=8, sparse=True), (2, 20), (2, 20)),
        (lambda: models.SequenceClassifier(6, 3, cell="gru", width=8), (2, 5, 6), (2, 3)),
    ],
)
def test_shapes_and_that_every_parameter_learns(make, shape, out):
    gd.manual_seed(0)
    model = make()
    y = model(gd.random.normal(shape))
    assert y.shape == out
    (y * gd.random.normal(y.shape)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_conditional_gan():
    generator, critic = models.Generator(8, width=4, classes=10), models.Critic(width=4, classes=10)
    labels = gd.tensor([3, 7])
    made = generator(gd.random.normal((2, 8)), labels)
    assert critic(made, labels).shape == (2,)
    with pytest.raises(ArgumentError, match="labels"):
        generator(gd.random.normal((2, 8)))
    with pytest.raises(ArgumentError, match="labels"):
        critic(made)


def test_the_bound_of_a_vae_is_what_its_parts_say():
    gd.manual_seed(0)
    model = models.VAE(12, latent=3, hidden=8)
    x = (gd.random.uniform((5, 12)) < 0.5).float()
    mean, log_variance = (t.detach().numpy().astype(np.float64) for t in model.encode(x))
    bound = model(x)
    want = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(0) / 5
    np.testing.assert_allclose(bound.divergence.detach().numpy(), want, rtol=1e-5)
    np.testing.assert_allclose(
        bound.loss.item(), bound.reconstruction.item() + want.sum(), rtol=1e-5
    )


def test_depth_leaves_the_gradient_as_it_is():
    gd.manual_seed(0)
    x, y = gd.data.load_digits("train")
    model = models.PreActResNet(92, channels=1, width=8)
    gd.nn.functional.cross_entropy(model(x[:32]), y[:32]).backward()
    norms = [np.linalg.norm(p.grad.numpy()) for p in model.parameters() if p.ndim == 4]
    assert max(norms) / min(norms) < 1e3


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.PreActResNet(1000),
        lambda: models.resnet18(stem="large"),
        lambda: models.GPT(0),
        lambda: models.GPT(10, heads=5, width=12),
        lambda: models.GPT2(10, heads=5, width=12),
        lambda: models.ViT((1, 28, 28), patch=5),
        lambda: models.RecurrentLM(10, cell="tanh"),
        lambda: models.SequenceClassifier(4, 2, cell="tanh"),
        lambda: models.Generator(0),
        lambda: models.VAE(latent=0),
        lambda: models.Autoencoder(hidden=-1),
        lambda: models.sparsity(gd.ones(2, 2), 1.5),
        lambda: models.generate(language_models()["gpt"], gd.tensor([1, 2]), 3),
    ],
)
def test_networks_that_make_no_sense(make):
    with pytest.raises(ArgumentError):
        make()


@pytest.mark.parametrize("name", ["gpt", "gpt2", "lstm"])
def test_tokens_of_another_rank(name):
    with pytest.raises(ShapeError, match="B, T"):
        language_models()[name](gd.tensor([1, 2]))


def test_more_tokens_than_the_context():
    for name in ("gpt", "gpt2"):
        with pytest.raises(ShapeError):
            language_models()[name](tokens(1, 13))
