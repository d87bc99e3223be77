"""The command `gpudl`: one module per command, each with `add_parser(subparsers)`.

A command module imports at its top only what its parser needs, so that `gpudl --help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import GpudlError
from ..settings import settings

COMMANDS = ("info", "doctor", "kernels", "train", "sample", "report", "bench")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(prog="gpudl", description="The gpudl tensor engine.")
    top.add_argument("--version", action="version", version=f"gpudl {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="command", required=True)
    for name in COMMANDS:
        importlib.import_module(f".{name}", __name__).add_parser(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    An error of gpudl prints its message and gives 2; with GPUDL_DEBUG=1 or more it is raised.
    """
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except GpudlError as error:
        if settings.debug:
            raise
        sys.stderr.write(f"gpudl: {type(error).__name__}: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("gpudl: interrupted\n")
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; keep the interpreter's exit from flushing.
        sys.stderr.close()
        return 141
