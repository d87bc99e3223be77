"""Language models of characters: what a recurrent network and a transformer share."""

from __future__ import annotations

import argparse
import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...autograd import no_grad
from ...data import CharDataset, DataLoader, Vocabulary, split_text
from ...models import generate
from ...nn import Module
from ...nn.functional import cross_entropy
from ...random import Generator
from ...tensor import Tensor
from ...train import History, Task, sections
from ...train.sections import Section
from .._data import text_of
from .._options import at_least_one
from ._family import Defaults, Family, Options, Results, Samples

Array = np.ndarray[Any, Any]


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy, in nats a character."""
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))  # type: ignore[no-any-return]


class LanguageTask(Task):
    """Next characters: a model that gives (logits, state) for (B, T) characters."""

    def training_step(self, batch: Any) -> dict[str, Any]:
        x, y = batch
        return {"loss": loss_of(self.models["model"](x)[0], y)}

    def validation_step(self, batch: Any) -> dict[str, Any]:
        """The loss of the second half of each window, where there is something to go by."""
        x, y = batch
        half = x.shape[1] // 2
        loss = loss_of(self.models["model"](x)[0][:, half:], y[:, half:])
        return {"loss": loss, "perplexity": math.exp(min(loss.item(), 50.0))}


def nats(model: Module, ids: Array, context: int, batch: int = 32) -> tuple[float, int]:
    """The mean loss of every character of `ids` but the first, and their number.

    Windows of `context` characters overlap by half, and each counts its second half, so that a
    character is judged by at least context / 2 others before it, at the start by what there is.
    """
    device = next(model.parameters()).device
    half = max(1, context // 2)
    starts = list(range(0, max(1, len(ids) - context), half))
    if len(starts) > 1 or len(ids) > context + 1:
        starts.append(len(ids) - 1 - context)
    counted, total, number = 1, 0.0, 0
    windows = []
    for at in starts:
        stop = min(at + context, len(ids) - 1)
        if stop + 1 > counted:
            windows.append((at, stop, counted))
            counted = stop + 1
    training = model.training
    model.eval()
    try:
        with no_grad():
            for first in range(0, len(windows), batch):
                group = windows[first : first + batch]
                size = group[0][1] - group[0][0]
                x = np.stack([ids[at : at + size] for at, _, _ in group])
                logits = model(Tensor(x).to(device=device))[0].cpu()
                for row, (at, stop, begun) in enumerate(group):
                    own = logits[row, begun - 1 - at : stop - at]
                    want = Tensor(ids[begun : stop + 1])
                    total += cross_entropy(own, want, reduction="sum").item()
                    number += stop + 1 - begun
    finally:
        model.train(training)
    return total / number, number


class LanguageModel(Family):
    """What families of language models share: the text, its parts, how it is judged, samples."""

    datasets: ClassVar[dict[str, Defaults]]
    unit = "pieces"
    context: int
    model: Module

    @classmethod
    def add_options(cls, parser: Options) -> None:
        parser.add_argument("--context", type=at_least_one, default=256, help="characters a piece")

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        data, text = text_of(options.data)
        self.use(data)
        self.vocabulary, self.parts = Vocabulary(text), split_text(text)
        self.context = options.context
        self.title = {"tinyshakespeare": "Tiny Shakespeare", "sonnets": "Sonnets"}[options.data]
        windows = CharDataset(
            self.parts.validation, self.vocabulary, self.context, stride=max(1, self.context // 2)
        )
        self.validation = DataLoader(windows, batch_size=32)
        if options.steps:
            self.training["validate_every"] = max(1, options.steps // 10)

    @cached_property
    def _samples(self) -> Samples:
        return self._draw(3, "\n", 400, 0.8, None, 0.95, Generator(0))

    def _draw(
        self, number: int, prompt: str, length: int, temperature: float,
        top_k: int | None, top_p: float | None, generator: Generator | None,
    ) -> Samples:  # fmt: skip
        ids = self.vocabulary.encode(prompt)
        device = next(self.model.parameters()).device
        start = Tensor(np.tile(ids, (number, 1))).to(device=device)
        found = generate(
            self.model, start, length, temperature=temperature, top_k=top_k, top_p=top_p,
            generator=generator,
        )  # fmt: skip
        texts = [(prompt + self.vocabulary.decode(row)).lstrip("\n") for row in found.cpu().numpy()]
        return Samples(texts=texts)

    def results(self, history: History) -> Results:
        loss, number = nats(self.model, self.vocabulary.encode(self.parts.test), self.context)
        seen = len(history.steps) * self.options.batch_size * self.context
        figures = {
            "test_nats": loss,
            "test_bits": loss / math.log(2),
            "test_characters": number,
            "context": f"{self.context // 2} to {self.context - 1}",
            "characters_seen": seen,
        }
        lines = [
            f"test      {loss:.4f} nats, {loss / math.log(2):.3f} bits a character of {number:,}",
            f"seen      {seen / 1e6:.1f} million characters",
        ]
        return Results(figures, lines, {"nats a character": f"{loss:.3f}"})

    def sections(self) -> list[Section]:
        note = "Drawn at temperature 0.8 from the most probable 95 %."
        return [sections.texts("What it writes", self._samples.texts, note=note)]

    @classmethod
    def add_sample_options(cls, parser: Options) -> None:
        add = parser.add_argument
        add("--prompt", default="\n", help="what the text begins with")
        add("--length", type=at_least_one, default=500, help="characters to write")
        add("--temperature", type=float, default=0.8, help="0 takes the most probable character")
        add("--top-k", type=at_least_one, help="draw from the most probable K alone")
        add("--top-p", type=float, help="draw from the most probable that have P together")

    def sample(self, number: int, options: argparse.Namespace) -> Samples:
        return self._draw(
            number, options.prompt, options.length, options.temperature, options.top_k,
            options.top_p, None,
        )  # fmt: skip

    def facts(self) -> dict[str, str]:
        parts = self.parts
        return {
            "data": f"{len(parts.train):,} characters to train, {len(parts.validation):,} to "
            f"choose the best weights, {len(parts.test):,} held out",
            "context": f"{self.context} characters; each is judged by {self.context // 2} or more",
        }
