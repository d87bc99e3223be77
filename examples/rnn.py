"""A character language model with an LSTM, by truncated backpropagation through time.

python examples/rnn.py [steps]
"""

import _common

import gpudl as gd
from gpudl import nn

gd.manual_seed(0)
text = _common.text()
steps = _common.steps(500)
WIDTH, ROWS, LENGTH = 128, 16, 64

vocabulary = gd.data.Vocabulary(text)
parts = gd.data.split_text(text)


class Model(nn.Module):
    """Characters in, scores of the next character out; the state goes from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(vocabulary), WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, len(vocabulary))

    def forward(self, x, state=None):
        hidden, state = self.lstm(self.embedding(x), state)
        return self.head(hidden), state


model = Model()
optimizer = gd.optim.AdamW(model.parameters(), lr=4e-3)
# Rows of a batch go on where those of the batch before them ended.
pieces = gd.data.CharDataset(parts.train, vocabulary, LENGTH, stride=LENGTH)
loader = gd.data.DataLoader(pieces, batch_sampler=gd.data.ContiguousBatchSampler(len(pieces), ROWS))

step = 0
while step < steps:
    state = None
    for x, y in loader:
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state)  # the gradient ends here, the memory does not
        loss = nn.functional.cross_entropy(logits.reshape(-1, len(vocabulary)), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # recurrent gradients can explode
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:5}  {loss.item():.3f} nats a character")
        step += 1
        if step == steps:
            break

start = gd.tensor([vocabulary.encode("\n")])
written = gd.models.generate(model, start, 300, temperature=0.8)
print(vocabulary.decode(written[0].tolist()))
