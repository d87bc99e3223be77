"""A convolutional network that reads handwritten digits.

python examples/cnn.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
images, labels = _common.images("train")
steps = _common.steps(1000)

# Two blocks of convolution, batch norm and ReLU, each followed by a pooling that halves the image.
side = images.shape[-1] // 4
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * side * side, 10),
)  # fmt: skip
optimizer = gd.optim.AdamW(model.parameters(), lr=4e-3)
# One cycle: the rate rises over the first steps, then falls to nothing.
schedule = gd.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)

dataset = gd.data.TensorDataset(images, labels)
for step, (x, y) in enumerate(_common.batches(dataset, 64, steps)):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 100 == 0:
        print(f"step {step:5}  loss {loss.item():.4f}")

model.eval()
x, y = _common.images("test")
with gd.no_grad():
    right = sum(
        int((model(x[i : i + 500]).argmax(axis=1) == y[i : i + 500]).sum())
        for i in range(0, len(x), 500)
    )
print(f"{right / len(x):.2%} of {len(x):,} test images")
