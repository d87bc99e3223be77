"""A small transformer that writes, with causal attention from `scaled_dot_product_attention`.

python examples/gpt.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
text = _common.text()
steps = _common.steps(500)
WIDTH, HEADS, LAYERS, CONTEXT = 96, 4, 3, 64

vocabulary = gd.data.Vocabulary(text)
parts = gd.data.split_text(text)


class Block(nn.Module):
    """Attention to what came before, then two layers at each place; both are added to the input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.qkv = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):
        B, T, _ = x.shape
        heads = self.qkv(self.norm1(x)).reshape(B, T, 3, HEADS, WIDTH // HEADS)
        q, k, v = heads.permute((2, 0, 3, 1, 4))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.permute((0, 2, 1, 3)).reshape(B, T, WIDTH))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    """Characters and their places in, scores of the next character at every place out."""

    def __init__(self) -> None:
        super().__init__()
        self.characters, self.places = (
            nn.Embedding(len(vocabulary), WIDTH),
            nn.Embedding(CONTEXT, WIDTH),
        )
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(vocabulary))

    def forward(self, x):
        x = self.characters(x) + self.places(gd.arange(x.shape[1]))
        return self.head(self.norm(self.blocks(x)))


model = Model()
optimizer = gd.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95))
windows = gd.data.CharDataset(parts.train, vocabulary, CONTEXT)
for step, (x, y) in enumerate(_common.batches(windows, 32, steps)):
    loss = nn.functional.cross_entropy(model(x).reshape(-1, len(vocabulary)), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:5}  {loss.item():.3f} nats a character")

model.eval()
ids = vocabulary.encode("\n").tolist()
with gd.no_grad():
    for _ in range(300):
        scores = model(gd.tensor([ids[-CONTEXT:]]))[0, -1]
        p = gd.softmax(scores / 0.8, axis=0).numpy().cumsum()
        ids.append(int((p < gd.random.uniform(()).item() * p[-1]).sum()))
print(vocabulary.decode(ids[1:]))
