"""`gpudl sample`: let a trained network make something: text on the terminal, or images."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ._options import at_least_one


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "let the network of a run that gpudl train --out kept make samples"
    parser = subparsers.add_parser("sample", help=text, description=text)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of the run")
    parser.add_argument(
        "options", nargs=argparse.REMAINDER,
        help="options of its family: gpudl sample DIR --help lists them",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print texts; show images on the terminal, and write them into DIR/samples.png."""
    from .. import random
    from . import _run
    from .families import load

    cls = load(_run.read_options(args.folder)["family"])
    parser = argparse.ArgumentParser(prog=f"gpudl sample {args.folder}")
    parser.add_argument(
        "--number", type=at_least_one, default=cls.number, help=f"how many ({cls.number})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--device", default="cpu", help="where to compute")
    parser.add_argument("--image", type=Path, help="where images go (DIR/samples.png)")
    cls.add_sample_options(parser)
    options = parser.parse_args(args.options)
    family, _ = _run.reopen(args.folder, options.device)
    random.manual_seed(options.seed)
    samples = family.sample(options.number, options)
    for text in samples.texts:
        sys.stdout.write(f"{text}\n")
    if samples.images is not None:
        _show(samples.images, options.image or args.folder / "samples.png")
    return 0


def _show(images: Any, path: Path) -> None:
    from ._terminal import drawn, grid, size

    columns, colour = size(sys.stdout)
    sys.stdout.write(drawn(grid(images, columns), colour) + "\n")
    if importlib.util.find_spec("matplotlib") is None:
        sys.stdout.write('no file was written: pip install "gpudl[train]" brings matplotlib\n')
        return
    from ..train import write_image

    sys.stdout.write(f"images    {write_image(grid(images, 10**9), path)}\n")
