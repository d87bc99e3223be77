"""A denoising autoencoder: it sees digits under noise, and learns to give them back clean.

python examples/autoencoder.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
images, _ = _common.images("train")
steps = _common.steps(1000)
SIGMA = 0.5  # deviation of the noise; a pixel is from 0 to 1

# Down to half the size with more channels, and back up again.
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid(),
)  # fmt: skip
optimizer = gd.optim.AdamW(model.parameters(), lr=4e-3)

for step, (x,) in enumerate(_common.batches(gd.data.TensorDataset(images), 64, steps)):
    noisy = x + SIGMA * gd.random.normal(x.shape)
    loss = nn.functional.mse_loss(model(noisy), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:5}  squared error {loss.item():.5f}")

model.eval()
x = _common.images("test")[0][:500]
noisy = x + SIGMA * gd.random.normal(x.shape)
with gd.no_grad():
    restored = model(noisy)
print(f"{gd.metrics.psnr(noisy, x):.1f} dB before, {gd.metrics.psnr(restored, x):.1f} dB after")
