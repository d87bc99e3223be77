"""A residual network of a thousand layers learns; without its skip connections it does not.

python examples/resnet1001.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

steps = _common.steps(120)
images, labels = gd.data.load_digits("train")
test_images, test_labels = gd.data.load_digits("test")


def train(skip: bool) -> None:
    """Train one of the two networks, and print how it does."""
    gd.manual_seed(0)
    model = gd.models.PreActResNet(1001, channels=1, skip=skip)
    optimizer = gd.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = gd.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    dataset = gd.data.TensorDataset(images, labels)
    for step, (x, y) in enumerate(_common.batches(dataset, 64, steps)):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        # Without skips, gradients grow from layer to layer until they overflow; drop those.
        for p in model.parameters():
            if not gd.all(gd.isfinite(p.grad)):
                p.grad = None
        optimizer.step()
        schedule.step()
        if step % 10 == 0:
            grads = [p.grad for p in model.parameters() if p.ndim == 4]
            norms = [gd.linalg.vector_norm(g.double()).item() for g in grads if g is not None]
            print(
                f"step {step:4}  loss {loss.item():.4f}  gradient of a layer: {min(norms):.1e} to "
                f"{max(norms):.1e}, {len(grads) - len(norms)} overflowed"
            )
    model.eval()
    with gd.no_grad():
        accuracy = (model(test_images).argmax(axis=1) == test_labels).float().mean().item()
    print(f"{'with' if skip else 'without'} skip connections: {accuracy:.1%} of the test images\n")


train(skip=True)
train(skip=False)
