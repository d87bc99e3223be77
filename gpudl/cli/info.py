"""`gpudl info`: versions, extension, threads, devices and folders."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    text = "show versions, extension, threads, devices and folders"
    parser = subparsers.add_parser("info", help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what gpudl runs on."""
    from ..system import config_facts, show_config

    if args.json:
        sys.stdout.write(json.dumps(config_facts(), indent=2) + "\n")
    else:
        show_config()
    return 0
