"""Signatures of kernels in Python, as short words: `"A2 R1 W2 i"`.

`i` is an integer, `f` a number of the kernel's dtype, and arrays are a letter and the number of
axes: `R` read, C order; `W` written, C order; `A` read, any strides; `I` integers, read, C order.
They are explicit, so that nothing else is ever compiled, whatever the layout of an operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

DType = np.dtype[Any]


def types_of(signature: str, dtype: DType) -> tuple[Any, ...]:
    """Numba's types for the words of a signature and the dtype of the kernel."""
    import numba

    integer: Any = numba.int64
    number: Any = numba.from_dtype(dtype)
    array: Any = numba.types.Array

    def type_of(word: str) -> Any:
        if word == "i":
            return integer
        if word == "f":
            return number
        letter, axes = word[0], int(word[1:])
        element = integer if letter == "I" else number
        layout = "A" if letter == "A" else "C"
        return array(element, axes, layout, readonly=letter != "W")

    return tuple(type_of(word) for word in signature.split())
