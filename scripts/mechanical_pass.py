"""Plants a fault at every barrier, bound and index of the kernels, and prints which ones no case
finds: killed, survived, equivalent. Takes a few seconds a fault.

Usage: python scripts/mechanical_pass.py [SOURCE ...]     such as softmax/softmax.cu; all by default

`tests/kernels/mechanical_survivors.json` says of each survivor why; `make test-full` fails for one
that it does not list. What was found is written there; whoever adds a survivor adds the reason.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "kernels"))

from mechanical import RECORD, go_through, record, sources


def main(chosen: list[str]) -> int:
    """Go through the sources; 1 if a survivor has no reason."""
    unexplained = 0
    for source in chosen or list(sources()):
        known = record().get(source, {}).get("survivors", {})
        survivors, planted = {}, 0
        for name, alive in go_through(source):
            planted += 1
            if alive:
                survivors[name] = known.get(name, "")
                print(f"  {source}: {name}: {known.get(name) or 'NO REASON GIVEN'}", flush=True)
        equivalent = sum(why.startswith("equivalent") for why in survivors.values())
        killed, survived = planted - len(survivors), len(survivors) - equivalent
        print(
            f"{source}: {killed} killed, {survived} survived, {equivalent} equivalent", flush=True
        )
        unexplained += sum(not why for why in survivors.values())
        now = record() | {source: {"planted": planted, "survivors": survivors}}
        RECORD.write_text(json.dumps(dict(sorted(now.items())), indent=1) + "\n")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
