"""Write docs/results/README.md from the folders of runs: a row and a picture for each.

    python scripts/collect_results.py RUNS      where RUNS/gan, RUNS/vae, ... came from gpudl train

The figures are those that the runs wrote; nothing is typed in by hand.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
# family -> what is said of it, from its figures
ROWS = {
    "cnn": "CNN on MNIST: {test_accuracy:.2%} of the test images",
    "rows": "LSTM, MNIST by rows: {test_accuracy:.2%} of the test images",
    "rnn": "LSTM, tiny Shakespeare: {test_nats:.3f} nats a character (context {context})",
    "gpt": "transformer, tiny Shakespeare: {test_nats:.3f} nats a character (context {context})",
    "gan": "WGAN-GP on MNIST: Fréchet distance {frechet_ratio:.2%} of the untrained generator's, "
    "classes {least:.1%} to {most:.1%}, median confidence {confidence:.3f}, collapse: {collapsed}",
    "vae": "VAE on MNIST: {test_nats:.2f} nats an image ({test_reconstruction:.2f} pixels, "
    "{test_divergence:.2f} code), {active_units} active units",
    "autoencoder": "denoising autoencoder on MNIST: {gained:.2f} dB gained, to {test_psnr:.2f} dB",
    "resnet1001": "ResNet of {depth:,} layers on digits: {test_accuracy:.2%}, gradients of layers "
    "within a factor of {gradient_ratio:.0f}",
    "plain1001": "the same without skip connections: {test_accuracy:.2%}",
}


def said(name: str, figures: dict[str, Any]) -> str:
    """The sentence about a run."""
    values = dict(figures, collapsed=figures.get("collapse") or "none")
    if shares := figures.get("class_shares"):
        values |= {"least": min(shares), "most": max(shares)}
    return ROWS[name].format(**values)


def pictures(name: str, page: str) -> list[str]:
    """The pictures of a report's sections that have one, kept as files."""
    kept = []
    found = re.findall(
        r'<img class="picture" src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page
    )
    for i, (data, title) in enumerate(found):
        target = RESULTS / f"{name}-{i}.png"
        target.write_bytes(base64.b64decode(data))
        kept.append(f"![{title}]({target.name})")
    return kept


def main() -> None:
    """Collect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    runs = parser.parse_args().runs
    lines = [
        "# Results",
        "",
        "What the commands reach on real data, each with its defaults, on two cores of a CPU.",
        "The table is written from the files of the runs by `scripts/collect_results.py`;",
        "each run can be repeated by its command, and resumed with `--resume`.",
        "",
        "| command | result | parameters | minutes |",
        "|---|---|---|---|",
    ]
    shown = []
    for name in ROWS:
        path = runs / name / "figures.json"
        if not path.exists():
            continue
        figures = json.loads(path.read_text(encoding="utf-8"))
        command = "resnet1001 --plain" if name == "plain1001" else name
        options = " --data mnist" if name == "cnn" else ""
        lines.append(
            f"| `gpudl train {command}{options}` | {said(name, figures)} | "
            f"{figures['parameters']:,} | {figures['seconds'] / 60:.1f} |"
        )
        page = runs / name / "report.html"
        if page.exists() and (drawn := pictures(name, page.read_text(encoding="utf-8"))):
            shown += ["", f"## {name}", "", *drawn]
        if page.exists() and (texts := re.findall(r"<pre>(.*?)</pre>", page.read_text(), re.S)):
            shown += ["", f"## {name}", "", "```text", unescape(texts[0]).strip()[:600], "```"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "README.md").write_text("\n".join([*lines, *shown]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
