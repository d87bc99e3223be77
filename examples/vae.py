"""A variational autoencoder: digits as Gaussian codes of twenty numbers, and back.

python examples/vae.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
images, _ = _common.images("train")
pixels = images.reshape(len(images), -1)
steps = _common.steps(2000)
LATENT, HIDDEN = 20, 400

encoder = nn.Sequential(
    nn.Linear(pixels.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT)
)
decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, pixels.shape[1]))


def bound(x: gd.Tensor) -> tuple[gd.Tensor, gd.Tensor]:
    """The two parts of the negative evidence lower bound, in nats an image."""
    both = encoder(x)
    mean, log_variance = both[:, :LATENT], both[:, LATENT:]
    # The reparametrization: noise from outside, so that mean and variance get gradients.
    z = mean + gd.exp(0.5 * log_variance) * gd.random.normal(mean.shape)
    fit = nn.functional.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
    divergence = 0.5 * (mean * mean + gd.exp(log_variance) - log_variance - 1).sum()
    return fit / len(x), divergence / len(x)


optimizer = gd.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
for step, (grey,) in enumerate(_common.batches(gd.data.TensorDataset(pixels), 128, steps)):
    x = (gd.random.uniform(grey.shape) < grey).float()  # each pixel is black or white
    fit, divergence = bound(x)
    optimizer.zero_grad()
    (fit + divergence).backward()
    optimizer.step()
    if step % 200 == 0:
        print(f"step {step:5}  pixels {fit.item():7.2f}  code {divergence.item():6.2f} nats")

# A new digit, from noise alone.
with gd.no_grad():
    drawn = gd.sigmoid(decoder(gd.random.normal((1, LATENT))))
side = images.shape[-1]
for row in drawn.reshape(side, side).tolist():
    print("".join(" .:-=+*#%@"[min(9, int(10 * p))] for p in row))
