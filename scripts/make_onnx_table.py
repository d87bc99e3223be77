"""Write docs/onnx-nodes.md: what of ONNX's node tests passes. Needs the package onnx (extra `peers`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from onnx_nodes import table

if __name__ == "__main__":
    table.PAGE.write_text(table.page())
