"""Write docs/onnx-nodes.md: which of ONNX's node tests pass. Needs the package onnx of `peers`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))

from onnx_nodes import table

if __name__ == "__main__":
    table.PAGE.write_text(table.page())
