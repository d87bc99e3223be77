"""Mistakes that a type checker finds: each marked line is an error (tests/test_typing.py)."""

from __future__ import annotations

import gpudl as gd

x = gd.ones((2, 3))
text: str = x + 1  # wrong: a tensor
count: int = gd.sum(x)  # wrong: a tensor
x.backwards()  # wrong: no such method
gd.set_num_threads("two")  # wrong: a number
shape: list[int] = x.shape  # wrong: a tuple
with gd.profiler.profile(memory=True) as p:
    p.tables()  # wrong: no such method
