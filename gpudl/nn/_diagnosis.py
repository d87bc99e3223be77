"""Which layer is to blame: rules over what a monitor has recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

JUMP = 3.0  # decades that a layer may differ from the median of the layers
DRIFT = 4.0  # decades that gradients may grow or shrink on their way through the network
ENOUGH = 5  # layers that make a median worth comparing with; with fewer it is a factor of 1


class Reading(NamedTuple):
    """What one layer did in one step; None where nothing was measured.

    `inputs` and `activation`: the root mean squares of what went in and came out; `grad_input` and
    `gradient`: the norms of the loss's gradients with respect to both; `weights`: the norm of the
    gradients of the layer's own parameters.
    """

    inputs: float | None = None
    activation: float | None = None
    grad_input: float | None = None
    gradient: float | None = None
    weights: float | None = None


class Finding(NamedTuple):
    """One thing that is wrong: its `kind` ("nan", "exploding", "vanishing"), whether it is in the
    `"activation"` or the `"gradient"`, the name of the layer, the first step looked
    at that has it, and a sentence."""

    kind: str
    where: str
    layer: str
    step: int
    message: str

    def __str__(self) -> str:
        return self.message


Step = Mapping[str, Reading]


def _bad(value: float | None) -> bool:
    return value is not None and not math.isfinite(value)


def not_finite(steps: Sequence[Step], layers: Sequence[str]) -> Finding | None:
    """The first NaN or infinity: of the first step that has one, the first activation in forward
    order, else the first gradient in backward order."""
    for number, step in enumerate(steps):
        known = [name for name in layers if name in step]
        for name in known:
            reading = step[name]
            if _bad(reading.activation) or _bad(reading.inputs):
                place = "before" if _bad(reading.inputs) else "in"
                return Finding(
                    "nan", "activation", name, number,
                    f"step {number}: an activation is NaN or infinite, first {place} {name!r}",
                )  # fmt: skip
        for name in reversed(known):
            reading = step[name]
            if any(_bad(value) for value in (reading.gradient, reading.weights)):
                place = "behind" if _bad(reading.gradient) else "in"
                return Finding(
                    "nan", "gradient", name, number,
                    f"step {number}: a gradient is NaN or infinite, first {place} {name!r}",
                )  # fmt: skip
            if _bad(reading.grad_input):
                return Finding(
                    "nan", "gradient", name, number,
                    f"step {number}: a gradient is NaN or infinite, first in {name!r}",
                )  # fmt: skip
    return None


def _decades(after: float | None, before: float | None) -> float | None:
    """log10 of a ratio: infinite for something to nothing, None where nothing can be said."""
    if after is None or before is None or not before or not math.isfinite(after + before):
        return None
    return math.log10(after / before) if after else -math.inf


def _typical(
    steps: Sequence[Step], layers: Sequence[str], measure: Callable[[Reading], float | None]
) -> dict[str, tuple[float, int]]:
    """For each layer the median over the steps of a measure, and the first step that has it."""
    found = {}
    for name in layers:
        values = [(measure(step[name]), n) for n, step in enumerate(steps) if name in step]
        known = [(value, n) for value, n in values if value is not None]
        if known:
            found[name] = median(value for value, _ in known), known[0][1]
    return found


def _rise(steps: Sequence[Step], layers: Sequence[str]) -> dict[str, tuple[float, int]]:
    """For each layer, in decades, how far its activation is above all before it, input included."""
    highest: list[dict[str, Reading]] = []
    for step in steps:
        top = 0.0
        risen = {}
        for name in layers:
            if name not in step:
                continue
            reading = step[name]
            top = max(top, reading.inputs or 0.0)
            risen[name] = Reading(inputs=top, activation=reading.activation)
            top = max(top, reading.activation or 0.0)
        highest.append(risen)
    return _typical(highest, layers, lambda r: _decades(r.activation, r.inputs))


def jumps(steps: Sequence[Step], layers: Sequence[str]) -> list[Finding]:
    """Layers whose activation, or factor of the gradient, is out of order by `JUMP` decades; in
    forward order, since a layer that is out of order upsets those after it."""
    found = []
    gain = _typical(steps, layers, lambda r: _decades(r.grad_input, r.gradient))
    rise = _rise(steps, layers)
    finite = [value for value, _ in gain.values() if math.isfinite(value)]
    usual = median(finite) if len(finite) >= ENOUGH else 0.0
    for name in layers:
        if name in gain and abs(gain[name][0] - usual) >= JUMP:
            decades, step = gain[name]
            text = (
                f"{name!r}: the gradient is multiplied by {10.0**decades:.1e} here, in the median "
                f"layer by {10.0**usual:.1e}"
            )
            kind = "exploding" if decades > usual else "vanishing"
            found.append(Finding(kind, "gradient", name, step, text))
        elif name in rise and rise[name][0] >= JUMP:
            decades, step = rise[name]
            text = f"{name!r}: the activation is {10.0**decades:.1e} times the largest before it"
            found.append(Finding("exploding", "activation", name, step, text))
    return found


def drift(steps: Sequence[Step], layers: Sequence[str]) -> Finding | None:
    """The first layer in backward order whose gradient is `DRIFT` decades from that of the last
    layer: no single layer is to blame, the depth is."""
    levels = _typical(steps, layers, lambda r: math.log10(r.gradient) if r.gradient else None)
    known = [name for name in layers if name in levels]
    for name in reversed(known):
        decades = levels[name][0] - levels[known[-1]][0]
        if abs(decades) >= DRIFT:
            kind = "exploding" if decades > 0 else "vanishing"
            return Finding(
                kind, "gradient", name, levels[name][1],
                f"{name!r}: little by little the gradient has become {10.0**decades:.1e} times "
                f"that of {known[-1]!r}",
            )  # fmt: skip
    return None


def diagnose(steps: Sequence[Step], layers: Sequence[str], last: int) -> list[Finding]:
    """What is wrong, the likely cause first; values that are finite count in the `last` steps."""
    bad = not_finite(steps, layers)
    if bad is not None:
        return [bad]
    start = max(0, len(steps) - last)
    found = jumps(steps[start:], layers)
    slow = None if found else drift(steps[start:], layers)
    if slow is not None:
        found = [slow]
    return [finding._replace(step=finding.step + start) for finding in found]
