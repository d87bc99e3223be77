"""The demo's network trains on the emulated GPU as it does on the CPU.

Twenty steps, each from the CPU's state: the loss, every gradient, and (by `validate`) the result of
every kernel. No row may be served by a library, and no call of one is made.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import gpudl as gd
from gpudl import tolerances
from gpudl.autograd import rows

EMU = gd.device("emu")
STEPS, BATCH = 20, 16
# Rows that kernels of the first set compute, whatever the layout, in the dtypes of this network.
ROWS = """
add subtract multiply divide negative square sqrt exp log maximum minimum abs where cast copy full
equal not_equal less less_equal greater greater_equal contiguous arange relu relu_bwd bias_add
matmul linear conv conv_dgrad conv_wgrad max_pool max_pool_bwd avg_pool avg_pool_bwd batch_norm
batch_norm_bwd running_stats softmax softmax_bwd log_softmax log_softmax_bwd cross_entropy
cross_entropy_bwd sum max min argmax getitem_advanced index_add take_along_axis scatter_along_axis
random_bits random_uniform random_normal
"""
FIRST_KERNELS = set(ROWS.split())


class Run:
    """A model, its optimizer, and the batches, on one device."""

    def __init__(self, device, steps=STEPS):
        gd.manual_seed(0)
        self.device = device
        self.model = gd.models.CNN((1, 8, 8), width=8).to(device)
        self.opt = gd.optim.AdamW(self.model.parameters(), lr=1e-2)
        images, labels = gd.data.load_digits("train")
        self.images, self.labels = images[: steps * BATCH], labels[: steps * BATCH]

    def start_from(self, other):
        state = {name: x.to(self.device) for name, x in other.model.state_dict().items()}
        self.model.load_state_dict(state)
        self.opt.load_state_dict(other.opt.state_dict())

    def gradients(self, step):
        at = slice(step * BATCH, (step + 1) * BATCH)
        x, y = self.images[at].to(self.device), self.labels[at].to(self.device)
        gd.manual_seed(step)  # the same dropout
        self.opt.zero_grad()
        loss = gd.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        return loss.item(), {
            name: p.grad.detach().cpu().numpy() for name, p in self.model.named_parameters()
        }


@pytest.fixture(scope="module")
def steps():
    """Losses and gradients of both, the parameters after each step, and who computed what."""
    cpu, emu = Run("cpu"), Run("emu")
    found, served, calls = [], Counter(), Counter()
    for step in range(STEPS):
        emu.start_from(cpu)
        before = Counter(EMU.library_calls())
        with gd.config(validate=True, emulator="fast"), gd.profiler.profile() as prof:
            ours = emu.gradients(step)
            emu.opt.step()
        calls += Counter(EMU.library_calls()) - before
        for line in prof.summary():
            row = rows().get(line.name)
            if line.by != "kernel" and row is not None and not row.view:
                served[line.name] += line.count
        theirs = cpu.gradients(step)
        cpu.opt.step()
        after = [
            {name: p.detach().cpu().numpy().copy() for name, p in run.model.named_parameters()}
            for run in (emu, cpu)
        ]
        found.append((ours, theirs, after))
    return found, served, calls


def test_losses_and_gradients_step_by_step(steps, count):
    wrong = []
    for i, ((loss, grads), (want, exact), _) in enumerate(steps[0]):
        assert abs(loss - want) <= 1e-5 * abs(want), f"step {i}: loss {loss} instead of {want}"
        size = tolerances.largest(*exact.values())
        for name, g in exact.items():
            error = tolerances.error(grads[name], g, size)
            if error > 1e-3:
                wrong.append(f"step {i}, {name}: error {error:.2e}")
    total = STEPS * len(steps[0][0][0][1])
    count("training on emu: gradients within 1e-3 of the CPU's", total - len(wrong), total)
    assert not wrong, "\n".join(wrong[:10])


def test_parameters_after_each_step(steps):
    # Adam divides by the root of a square: where a gradient is nearly 0, its sign decides.
    for i, (_, _, (ours, theirs)) in enumerate(steps[0]):
        for name, want in theirs.items():
            off = np.abs(ours[name] - want) > 1e-4
            assert off.mean() < 0.02, f"step {i}, {name}: {off.mean():.1%} of the elements"


def test_kernels_compute_what_has_one(steps, count):
    _, served, calls = steps
    assert set(rows()) >= FIRST_KERNELS
    assert all(rows()[name].kernel_on(EMU) is not None for name in FIRST_KERNELS)
    del served["to_device"]  # a move is asked for, and is no work
    for name, n in sorted(served.items()):
        count(f"training on emu, row by the library: {name}", n)
    for name, n in sorted(calls.items()):
        count(f"training on emu, library call: {name}", n)
    assert not served, "every row of this network has a kernel"
    assert not calls, "and so has what is no row"


def test_free_running_losses_agree():
    cpu, emu = Run("cpu"), Run("emu")
    losses = []
    for run in (cpu, emu):
        curve = []
        for step in range(STEPS):
            curve.append(run.gradients(step)[0])
            run.opt.step()
        losses.append(np.mean(curve[-3:]))
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
