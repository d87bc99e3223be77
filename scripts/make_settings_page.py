"""Write docs/settings.md from the table of settings. A test compares the two."""

from __future__ import annotations

from pathlib import Path

from gpudl.settings import TABLE

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made from the table in `gpudl/settings.py` by `scripts/make_settings_page.py`.

A setting is read from the environment when `gpudl` is imported. Those marked "block" can be changed
for a block of code, on the thread that runs it; nothing is changed if a name or value is wrong:

```python
import gpudl as gd

with gd.config(debug=1, validate=True):
    y = gd.relu(gd.ones((2, 3)))
```

| environment | in `gd.config` | takes | default | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The text of docs/settings.md."""
    lines = []
    for name, row in TABLE.items():
        default = {None: "`~/.cache/gpudl`", "": "none"}.get(row.default, f"`{row.default}`")
        if isinstance(row.default, bool):
            default = f"`{int(row.default)}`"
        scope = f"`{name}`, block" if row.scoped else "no: whole process"
        lines.append(f"| `{row.env}` | {scope} | {row.takes} | {default} | {row.doc} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
