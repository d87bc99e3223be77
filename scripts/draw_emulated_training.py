"""Draw docs/results/emulated-training.svg: the demo's network, trained on the CPU and on the
emulated GPU, each from its own state.

Two orders of summation drift apart in float32; what is to be seen is that they stay together as
long as rounding lets them, and end at the same loss (tests/test_emulated_training.py asserts 5 %).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STEPS = 40


def losses(device: Any) -> list[float]:
    """The loss of each step."""
    from test_emulated_training import Run

    run = Run(device, STEPS)
    found = []
    for step in range(STEPS):
        found.append(run.gradients(step)[0])
        run.opt.step()
    return found


def main() -> None:
    """Train on both devices, and draw."""
    import matplotlib as mpl

    import gpudl as gd

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "gpudl"
    from matplotlib import pyplot as plt

    cpu, emu = losses(gd.device("cpu")), losses(gd.device("emu"))
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7, 4.5), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    above.plot(cpu, label="cpu", linewidth=3, alpha=0.4)
    above.plot(emu, label="emu", linewidth=1)
    above.set_ylabel("cross-entropy, nats")
    above.legend(frameon=False)
    apart = [abs(a - b) / a for a, b in zip(cpu, emu, strict=True)]
    below.semilogy([max(x, 1e-8) for x in apart], color="gray")
    below.set_ylabel("relative\ndifference")
    below.set_xlabel("step")
    target = ROOT / "docs" / "results" / "emulated-training.svg"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, metadata={"Date": None})
    mean = [sum(x[-5:]) / 5 for x in (cpu, emu)]
    sys.stdout.write(f"{target}: last five losses, cpu {mean[0]:.4f}, emu {mean[1]:.4f}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main()
