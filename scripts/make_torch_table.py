"""Write docs/torch-coverage.md: what of torch.nn and torch.optim is here. A test compares the two.

PyTorch's names lie in torch_names.json beside this file, so that the page needs no PyTorch;
`make_torch_table.py --names` reads them anew from an installed one.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

NAMES = Path(__file__).parent / "torch_names.json"
PAGE = Path(__file__).parent.parent / "docs" / "torch-coverage.md"

# Names that are not there yet, and where they are being built.
LATER: dict[str, dict[str, str]] = {
    "nn": {
        "several GPUs": "DataParallel SyncBatchNorm",
    },
    "nn.functional": {},
    "optim": {},
    "optim.lr_scheduler": {},
}
# Names that are left out on purpose, and why.
NOT_BUILT = {
    "nn": {
        "register_buffer makes buffers": "Buffer",
        "deprecated in PyTorch itself": "Container",
        "how PyTorch splits one computation into chunks": "LinearCrossEntropyOptions",
    },
    "nn.functional": {
        "return_indices=True of the function without the ending": (
            "adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices "
            "adaptive_max_pool3d_with_indices fractional_max_pool2d_with_indices "
            "fractional_max_pool3d_with_indices max_pool1d_with_indices max_pool2d_with_indices "
            "max_pool3d_with_indices"
        ),
        "channel_shuffle is the same": "native_channel_shuffle",
        "products of 8-bit floats and of groups, for GPUs only": (
            "grouped_mm scaled_grouped_mm scaled_mm"
        ),
    },
    "optim": {"gradients are dense": "SparseAdam"},
    "optim.lr_scheduler": {},
}
HEAD = """# What of PyTorch is here

Made by `scripts/make_torch_table.py` from the names of PyTorch {version}. A name that is built
takes PyTorch's arguments, in its order and with its defaults; layers have its parameter names, so
that its weights load. `tests/peers/` compares the numbers.

| | names | built | later | not built |
|---|---|---|---|---|
"""


def read_names() -> dict[str, Any]:
    """The public classes and functions of the PyTorch that is installed."""
    import inspect

    torch = importlib.import_module("torch")
    F, tools = torch.nn.functional, ("has_torch_", "handle_torch_", "assert_", "boolean_dispatch")

    def classes(module: Any) -> list[str]:
        # Their own: not what the module imports to work with.
        return sorted(
            name
            for name, value in vars(module).items()
            if inspect.isclass(value)
            and not name.startswith("_")
            and value.__module__.startswith(module.__name__)
        )

    functions = sorted(
        name
        for name, value in vars(F).items()
        if callable(value)
        and not inspect.isclass(value)
        and not name.startswith(("_", *tools))
        and getattr(value, "__module__", "") != "typing"
    )
    return {
        "version": torch.__version__.partition("+")[0],
        "nn": classes(torch.nn),
        "nn.functional": functions,
        "optim": classes(torch.optim),
        "optim.lr_scheduler": classes(torch.optim.lr_scheduler),
    }


def _reasons(groups: dict[str, str]) -> dict[str, str]:
    return {name: reason for reason, names in groups.items() for name in names.split()}


def sort_names(module: str, names: list[str]) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """The names that are built, those that come later with where, and the rest with the reason.

    Raises `KeyError` for a name that is missing without a word.
    """
    ours = importlib.import_module(f"gpudl.{module}")
    built = [name for name in names if hasattr(ours, name)]
    missing = [name for name in names if name not in built]
    later, never = _reasons(LATER[module]), _reasons(NOT_BUILT[module])
    unknown = [name for name in missing if name not in later and name not in never]
    if unknown:
        raise KeyError(f"gpudl.{module} has no {', '.join(unknown)}: say when, or why not")
    return (
        built,
        {name: later[name] for name in missing if name in later},
        {name: never[name] for name in missing if name in never},
    )


def _listed(groups: dict[str, str], how: str) -> str:
    """A line of the table for each place or reason."""
    lines: dict[str, list[str]] = {}
    for name, text in groups.items():
        lines.setdefault(text, []).append(f"`{name}`")
    return "".join(f"| {', '.join(names)} | {how} {text} |\n" for text, names in lines.items())


def page() -> str:
    """The text of docs/torch-coverage.md."""
    data = json.loads(NAMES.read_text())
    counts, sections, total = "", "", [0, 0, 0, 0]
    for module in LATER:
        built, later, never = sort_names(module, data[module])
        row = [len(data[module]), len(built), len(later), len(never)]
        total = [a + b for a, b in zip(total, row, strict=True)]
        counts += f"| `torch.{module}` | {' | '.join(map(str, row))} |\n"
        sections += f"\n## torch.{module}\n\n"
        sections += f"Built: {', '.join(f'`{name}`' for name in built)}.\n"
        if later or never:
            sections += "\n| name | |\n|---|---|\n"
            sections += _listed(later, "later, with:") + _listed(never, "not built:")
    share = 100 * total[1] / total[0]
    counts += f"| all | {' | '.join(map(str, total))} |\n\nBuilt: {share:.1f} %.\n"
    return HEAD.format(version=data["version"]) + counts + sections


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", action="store_true", help="read the names from PyTorch first")
    if parser.parse_args().names:
        NAMES.write_text(json.dumps(read_names(), indent=1) + "\n")
    PAGE.write_text(page())
