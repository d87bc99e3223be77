"""WGAN with gradient penalty: the critic's slope is held near one by a second derivative.

python examples/gan.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
images, _ = _common.images("train")
steps = _common.steps(600)
LATENT, BATCH, CRITIC_STEPS = 32, 64, 3
side = images.shape[-1]

generator = nn.Sequential(
    nn.Linear(LATENT, 32 * (side // 4) ** 2), nn.Unflatten(1, (32, side // 4, side // 4)),
    nn.BatchNorm2d(32), nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1), nn.Sigmoid(),
)  # fmt: skip
critic = nn.Sequential(
    nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
    nn.Flatten(), nn.Linear(64 * (side // 4) ** 2, 1),
)  # fmt: skip
teach = gd.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.0, 0.9))
learn = gd.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.0, 0.9))


def penalty(real: gd.Tensor, made: gd.Tensor) -> gd.Tensor:
    """How far the norm of the critic's gradient is from one, between real and made images."""
    share = gd.random.uniform((len(real), 1, 1, 1))
    between = (real * share + made * (1 - share)).detach()
    between.requires_grad = True
    (slope,) = gd.autograd.grad(critic(between).sum(), [between], create_graph=True)
    norm = gd.sqrt((slope * slope).sum(axis=(1, 2, 3)) + 1e-12)
    return ((norm - 1) ** 2).mean()


data = _common.batches(gd.data.TensorDataset(images), BATCH, steps * CRITIC_STEPS)
for count, (real,) in enumerate(data, start=1):
    with gd.no_grad():
        made = generator(gd.random.normal((BATCH, LATENT)))
    distance = critic(real).mean() - critic(made).mean()
    teach.zero_grad()
    (10 * penalty(real, made) - distance).backward()
    teach.step()
    if count % CRITIC_STEPS == 0:
        learn.zero_grad()
        (-critic(generator(gd.random.normal((BATCH, LATENT)))).mean()).backward()
        learn.step()
    if count % (50 * CRITIC_STEPS) == 0:
        print(f"step {count // CRITIC_STEPS:5}  distance {distance.item():.3f}")

generator.eval()
with gd.no_grad():
    made = generator(gd.random.normal((3, LATENT)))[:, 0]
for row in zip(*made.tolist(), strict=True):
    print("  ".join("".join(" .:-=+*#%@"[min(9, int(10 * p))] for p in line) for line in row))
