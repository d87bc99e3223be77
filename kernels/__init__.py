"""The kernels, a folder a family: CUDA source, CPU and Numba twins under the same names.

`find(name, kind)` gives the implementation of kernel `name` for a kind of device, or None. A
kernel takes raw arrays and keyword parameters, and may return `NotImplemented` for a dtype or
layout that it does not take; the caller then runs the row's reference. `numba_twin(name, kind)`
gives the twin in Python that `gpudl.config(kernels="numba")` asks for. `specs()` lists the CUDA
kernels.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from gpudl.settings import settings

if TYPE_CHECKING:
    from gpudl.runtime import KernelSpec

Kernel = Callable[..., Any]

# kernel name -> family folder. The function in `<family>/<kind>.py` has the kernel's name; for the
# kinds cuda and emu the file is `gpu.py`.
FAMILIES: dict[str, tuple[str, ...]] = {
    "attention": ("attention", "attention_bwd", "rotary"),
    "conv": ("conv", "conv_dgrad", "conv_wgrad"),
    "matmul": ("matmul", "linear"),
    "pooling": ("max_pool", "max_pool_bwd", "max_pool_gather", "avg_pool", "avg_pool_bwd"),
    "index": (
        "getitem_advanced",
        "take_along_axis",
        "index_add",
        "index_put",
        "scatter_along_axis",
    ),
    "reduce": ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin"),
    "norm": (
        "batch_norm",
        "batch_norm_bwd",
        "layer_norm",
        "layer_norm_bwd",
        "rms_norm",
        "rms_norm_bwd",
        "running_stats",
    ),
    "recurrent": (
        "lstm_sequence",
        "lstm_sequence_bwd",
        "gru_sequence",
        "gru_sequence_bwd",
        "rnn_sequence",
        "rnn_sequence_bwd",
    ),
    "softmax": (
        "softmax",
        "softmax_bwd",
        "log_softmax",
        "log_softmax_bwd",
        "cross_entropy",
        "cross_entropy_bwd",
    ),
    "elementwise": (
        "abs",
        "acos",
        "acosh",
        "add",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bias_add",
        "bitwise_and",
        "bitwise_invert",
        "bitwise_left_shift",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
        "cast",
        "ceil",
        "copysign",
        "cos",
        "cosh",
        "divide",
        "equal",
        "erf",
        "erfinv",
        "exp",
        "expm1",
        "floor",
        "floor_divide",
        "gelu",
        "gelu_bwd",
        "greater",
        "greater_equal",
        "hypot",
        "int_pow",
        "isfinite",
        "isinf",
        "isnan",
        "less",
        "less_equal",
        "log",
        "log10",
        "log1p",
        "log2",
        "logaddexp",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "maximum",
        "minimum",
        "multiply",
        "negative",
        "nextafter",
        "not_equal",
        "pow",
        "reciprocal",
        "relu",
        "relu_bwd",
        "remainder",
        "round",
        "sigmoid",
        "sign",
        "signbit",
        "silu",
        "silu_bwd",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "subtract",
        "tan",
        "tanh",
        "tanh_bwd",
        "trunc",
        "where",
    ),
    "copy": (
        "arange",
        "assign",
        "concat",
        "contiguous",
        "copy",
        "full",
        "pad",
        "reshape",
        "tril",
        "triu",
    ),
    "optim": ("sgd", "adam", "rmsprop", "sumsq", "gather_flat"),
    "random": (
        "philox_bits",
        "philox_bits64",
        "philox_uniform",
        "philox_normal",
        "philox_randint",
        "dropout",
    ),
}
# Kernels that no operation calls: they show that the emulator and a card agree on an instruction.
CONFORMANCE = "conformance"
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def _family(family: str, kind: str) -> Any:
    name = f"{__name__}.{family}.{kind}"
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # No such twin, or no extension to make it of. Anything else is a fault of the module.
        if error.name in (name, "gpudl", "gpudl._C"):
            return None
        raise


# What drives CUDA kernels is written once, for the card and for its emulation.
_TWIN = {"cuda": "gpu", "emu": "gpu"}


def find(name: str, kind: str) -> Kernel | None:
    """The implementation of kernel `name` on devices of `kind`, or None if there is none."""
    family = FAMILY_OF.get(name)
    if family is None:
        return None
    return getattr(_family(family, _TWIN.get(kind, kind)), name, None)


def chosen(name: str, kind: str) -> Kernel | None:
    """`find` for work that is no row, as the settings of this thread have it: with
    kernels="library" a GPU's library does it. The CPU's own kernels have no such rival."""
    if settings.kernels == "library" and kind != "cpu":
        return None
    return find(name, kind)


@cache
def specs() -> tuple[KernelSpec, ...]:
    """The specs of all CUDA kernels, a family after the other."""
    found = [_family(family, "specs") for family in (*FAMILIES, CONFORMANCE)]
    return tuple(spec for module in found if module is not None for spec in module.SPECS)


def numba_twin(name: str, kind: str) -> Kernel | None:
    """The Numba twin of kernel `name` on devices of `kind`, or None if there is none.

    Raises `MissingDependencyError` if there is one and Numba is not installed.
    """
    family = FAMILY_OF.get(name)
    if family is None:
        return None
    twin = getattr(_family(family, "numba" if kind == "cpu" else "numba_cuda"), name, None)
    if twin is not None:
        # Not at the top: compilers and launchers are for those who ask for them.
        from gpudl.runtime.numba_cpu import require_numba

        require_numba(name)
    return twin
